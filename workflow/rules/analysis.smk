rule protocol:
    """What all frameworks of a round are given: initial weights, and the order of the images in each epoch."""
    input:
        data="results/data/mnist.npz",
    output:
        "results/protocol/{scenario}/{round}.npz",
    log:
        "logs/protocol/{scenario}/{round}.log",
    priority: 1_000_000_000  # before any turn, so that no round waits for it behind others
    params:
        training=training_of,
        seed=config["seed"],
        round=round_number,
    script:
        "../scripts/protocol.py"


rule collect:
    """Two tidy tables of all records: one row a run, one row an epoch."""
    input:
        records=files_of_all("results/runs/{track}/{scenario}/{round}/{competitor}.json"),
        rounds=files_of_all("results/rounds/{track}/{scenario}/{round}.json"),
    output:
        runs="results/runs.csv",
        epochs="results/epochs.csv",
    log:
        "logs/collect.log",
    params:
        warmup_epochs=config["comparison"]["warmup_epochs"],
    script:
        "../scripts/collect.py"


rule audit:
    """Every record and round checked, before anything is compared."""
    input:
        records=files_of_all("results/runs/{track}/{scenario}/{round}/{competitor}.json"),
        rounds=files_of_all("results/rounds/{track}/{scenario}/{round}.json"),
        locks=files_of_all(f"{ENVS}/{{competitor}}.lock"),
        schemas=[f"{CODE}/schemas/record.schema.yaml", f"{CODE}/schemas/round.schema.yaml"],
    output:
        "results/audit.csv",
    log:
        "logs/audit.log",
    script:
        "../scripts/audit.py"
