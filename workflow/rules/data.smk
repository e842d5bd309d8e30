rule download:
    """The four MNIST files, from the first mirror that has them, or from the user's folder."""
    input:
        # the user's own files, if the config names a folder: a change of theirs is seen
        list(Path(config["data"]["folder"]).glob("*-ubyte*")) if config["data"]["folder"] else [],
    output:
        "results/data/raw/train-images-idx3-ubyte",
        "results/data/raw/train-labels-idx1-ubyte",
        "results/data/raw/t10k-images-idx3-ubyte",
        "results/data/raw/t10k-labels-idx1-ubyte",
    log:
        "logs/download.log",
    localrule: True  # a cluster's nodes may have no network; the submit side has
    params:
        # mirrors and patience do not change the bytes: the script reads them from the config
        folder=config["data"]["folder"],
    script:
        "../scripts/download.py"


rule prepare:
    """The digits, checked: as arrays for the toolbox, as IDX files for torchvision."""
    input:
        "results/data/raw/train-images-idx3-ubyte",
        "results/data/raw/train-labels-idx1-ubyte",
        "results/data/raw/t10k-images-idx3-ubyte",
        "results/data/raw/t10k-labels-idx1-ubyte",
    output:
        arrays="results/data/mnist.npz",
        idx=[
            "results/data/MNIST/raw/train-images-idx3-ubyte",
            "results/data/MNIST/raw/train-labels-idx1-ubyte",
            "results/data/MNIST/raw/t10k-images-idx3-ubyte",
            "results/data/MNIST/raw/t10k-labels-idx1-ubyte",
        ],
    log:
        "logs/prepare.log",
    localrule: True
    params:
        train_images=config["data"]["train_images"],
        test_images=config["data"]["test_images"],
    script:
        "../scripts/prepare.py"
