# Where the images come from, and in which form they are handed on.

from evenhand.data.files import own_files, own_folder

# Each scenario's training, and the data sets that they ask for with how many images of each.
TRAININGS = {scenario: EXPERIMENT.training(scenario) for scenario in config["scenarios"]}
DATASETS = {
    training["dataset"]: axes.dataset(training["dataset"])
    | {part: training[part] for part in ("train_images", "test_images")}
    for training in TRAININGS.values()
}
# The user's own files, if the config names a folder: a change of theirs is seen.
OWN_FILES = {
    name: {"paths": own_files(own_folder(config["data"]["folder"], name), dataset["files"])}
    for name, dataset in DATASETS.items()
}


wildcard_constraints:
    dataset="|".join(map(re.escape, DATASETS)),


rule download:
    """A data set's four files, from the first mirror that has them, or from the user's folder."""
    input:
        own=lookup("{dataset}/paths", within=OWN_FILES),
        code=ancient(code_of("download")),  # the files' SHA-256 is known: none need come again
    output:
        train_images="results/data/{dataset}/raw/train-images-idx3-ubyte",
        train_labels="results/data/{dataset}/raw/train-labels-idx1-ubyte",
        test_images="results/data/{dataset}/raw/t10k-images-idx3-ubyte",
        test_labels="results/data/{dataset}/raw/t10k-labels-idx1-ubyte",
    log:
        "logs/download/{dataset}.log",
    priority: 2  # before environments, which take longer, so that the many seeds can begin
    localrule: True  # a cluster's nodes may have no network; the submit side has
    conda:
        MAIN
    params:
        # mirrors and timeouts do not change the bytes: the program reads them itself
        folder=config["data"]["folder"],
        files=lookup("{dataset}/files", within=DATASETS),
    script:
        "../scripts/download.py"


rule prepare:
    """The images, checked: as arrays for the toolbox, as IDX files for torchvision, and what they are."""
    input:
        train_images="results/data/{dataset}/raw/train-images-idx3-ubyte",
        train_labels="results/data/{dataset}/raw/train-labels-idx1-ubyte",
        test_images="results/data/{dataset}/raw/t10k-images-idx3-ubyte",
        test_labels="results/data/{dataset}/raw/t10k-labels-idx1-ubyte",
        code=code_of("prepare"),
    output:
        arrays="results/data/{dataset}/images.npz",
        train_images="results/data/{dataset}/MNIST/raw/train-images-idx3-ubyte",
        train_labels="results/data/{dataset}/MNIST/raw/train-labels-idx1-ubyte",
        test_images="results/data/{dataset}/MNIST/raw/t10k-images-idx3-ubyte",
        test_labels="results/data/{dataset}/MNIST/raw/t10k-labels-idx1-ubyte",
        facts="results/data/{dataset}/facts.json",
    log:
        "logs/prepare/{dataset}.log",
    priority: 2  # as above
    localrule: True
    conda:
        MAIN
    params:
        label=lookup("{dataset}/label", within=DATASETS),
        image=lookup("{dataset}/image", within=DATASETS),
        classes=lookup("{dataset}/classes", within=DATASETS),
        files=lookup("{dataset}/files", within=DATASETS),
        train_images=lookup("{dataset}/train_images", within=DATASETS),
        test_images=lookup("{dataset}/test_images", within=DATASETS),
        downloaded=config["data"]["folder"] is None,
    script:
        "../scripts/prepare.py"
