# The model: what a round starts from, and the trainings in NumPy that runs are held against.

# What frameworks' own rules change in a training.
FRAMEWORKS = {name: axes.framework(name) for name in config["frameworks"]}


rule protocol:
    """What all frameworks of a round are given: initial weights, and the order of the images in each epoch."""
    input:
        code=code_of("protocol"),
    output:
        "results/protocol/{scenario}/{round}.npz",
    log:
        "logs/protocol/{scenario}/{round}.log",
    priority: 1_000_000_000  # before any turn, so that no round waits for it behind others
    localrule: True  # a second, less than a cluster's job costs
    conda:
        MAIN
    params:
        seed=config["seed"],
        layers=lookup("{scenario}/layers", within=TRAININGS),
        epochs=lookup("{scenario}/epochs", within=TRAININGS),
        train_images=lookup("{scenario}/train_images", within=TRAININGS),
    script:
        "../scripts/protocol.py"


rule reference:
    """A round's training in NumPy float64, which the gate compares with."""
    input:
        JOBS.judged,  # first, so that no run could have read it
        data=JOBS.data,
        protocol="results/protocol/{scenario}/{round}.npz",
        code=code_of("reference"),
    output:
        "results/reference/{scenario}/{round}.npz",
    log:
        "logs/reference/{scenario}/{round}.log",
    conda:
        MAIN
    threads: 1
    params:
        batch_size=lookup("{scenario}/batch_size", within=TRAININGS),
        learning_rate=lookup("{scenario}/learning_rate", within=TRAININGS),
        pixel_mean=lookup("{scenario}/pixel_mean", within=TRAININGS),
        pixel_std=lookup("{scenario}/pixel_std", within=TRAININGS),
    script:
        "../scripts/reference.py"


rule reference_weights:
    """The reference's weights before each step, for restarts: a large file, deleted once they have read it."""
    input:
        JOBS.judged,  # first, as above
        data=JOBS.data,
        protocol="results/protocol/{scenario}/{round}.npz",
        reference="results/reference/{scenario}/{round}.npz",
        code=code_of("reference_weights"),
    output:
        temp("results/reference/{scenario}/{round}.weights.npy"),
    log:
        "logs/reference_weights/{scenario}/{round}.log",
    conda:
        MAIN
    threads: 1
    params:
        batch_size=lookup("{scenario}/batch_size", within=TRAININGS),
        learning_rate=lookup("{scenario}/learning_rate", within=TRAININGS),
        pixel_mean=lookup("{scenario}/pixel_mean", within=TRAININGS),
        pixel_std=lookup("{scenario}/pixel_std", within=TRAININGS),
    script:
        "../scripts/reference_weights.py"


rule distribution:
    """What a training gives over many seeds, in NumPy with a framework's own rules."""
    input:
        data=JOBS.data,
        code=code_of("distribution"),
    output:
        "results/distribution/{scenario}/{framework}.csv",
    log:
        "logs/distribution/{scenario}/{framework}.log",
    cache: True  # with `snakemake --cache`, once for all folders of results
    priority: 1  # the longest first, while environments are built, and none during rounds
    conda:
        MAIN
    threads: 1
    params:
        seeds=config["gate"]["distribution_seeds"],
        layers=lookup("{scenario}/layers", within=TRAININGS),
        epochs=lookup("{scenario}/epochs", within=TRAININGS),
        batch_size=lookup("{scenario}/batch_size", within=TRAININGS),
        learning_rate=lookup("{scenario}/learning_rate", within=TRAININGS),
        pixel_mean=lookup("{scenario}/pixel_mean", within=TRAININGS),
        pixel_std=lookup("{scenario}/pixel_std", within=TRAININGS),
        initializer=lookup("{framework}/initializer", within=FRAMEWORKS),
        last_batch=lookup("{framework}/last_batch", within=FRAMEWORKS),
    script:
        "../scripts/distribution.py"
