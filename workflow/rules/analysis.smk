rule collect:
    """Two tidy tables of all records: one row a run, one row an epoch."""
    input:
        records=files_of_all("results/runs/{track}/{scenario}/{round}/{competitor}.json"),
        rounds=files_of_all("results/rounds/{track}/{scenario}/{round}.json"),
    output:
        runs=f"results/runs.{FORM}",
        epochs=f"results/epochs.{FORM}",
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
    params:
        left_out=config["left_out"],
    script:
        "../scripts/audit.py"


rule reference:
    """A round's training in NumPy float64: the yardstick of the gate."""
    input:
        data="results/data/mnist.npz",
        protocol="results/protocol/{scenario}/{round}.npz",
    output:
        "results/reference/{scenario}/{round}.npz",
    log:
        "logs/reference/{scenario}/{round}.log",
    priority: 1  # see distribution
    threads: 1
    params:
        training=training_of,
    script:
        "../scripts/reference.py"


rule gate:
    """Every controlled run against the reference: step by step in float64, within stated limits in float32."""
    input:
        rehearsals=files_of_all("results/rehearsals/{scenario}/{competitor}.json", ["controlled"]),
        records=files_of_all(
            "results/runs/{track}/{scenario}/{round}/{competitor}.json", ["controlled"]
        ),
        references=files_of_all("results/reference/{training}/{round}.npz", ["controlled"]),
        rounds=files_of_all("results/rounds/{track}/{scenario}/{round}.json", ["controlled"]),
        locks=files_of_all(f"{ENVS}/{{competitor}}.lock", ["controlled"]),
        data="results/data/mnist.npz",
        code=f"{CODE}/scripts/audit.py",
    output:
        checks=f"results/gate.{FORM}",
        steps="results/gate_steps.csv",
    log:
        "logs/gate.log",
    params:
        scenarios=config["scenarios"],
        gate=config["gate"],
    script:
        "../scripts/gate.py"


rule distribution:
    """What the tutorial's training gives over many seeds, in NumPy with a framework's own rules."""
    input:
        data="results/data/mnist.npz",
        rules=f"{CODE}/trainers/tutorial/{{framework}}.yaml",
    output:
        "results/distribution/{scenario}/{framework}.csv",
    log:
        "logs/distribution/{scenario}/{framework}.log",
    priority: 2  # the longest first, while environments are built, and none during rounds
    threads: 1
    params:
        training=training_of,
        seeds=config["gate"]["distribution_seeds"],
    script:
        "../scripts/distribution.py"


rule tutorial_check:
    """The tutorial track's losses and accuracies, and the published ones, in that distribution."""
    input:
        epochs=f"results/epochs.{FORM}",
        distributions=files_of_all("results/distribution/{training}/{framework}.csv", ["tutorial"]),
        published=PUBLISHED,
    output:
        f"results/tutorial_check.{FORM}",
    log:
        "logs/tutorial_check.log",
    params:
        gate=config["gate"],
    script:
        "../scripts/tutorial_check.py"


rule compare:
    """Ratios by round with their intervals, and what they allow to say."""
    input:
        runs=f"results/runs.{FORM}",
        audit="results/audit.csv",
        gate=CHECKS["gate"],
        tutorial_check=CHECKS["tutorial_check"],
        published=PUBLISHED,
        template=f"{CODE}/report/comparison.md.j2",
        code=[f"{CODE}/scripts/inference.py", f"{CODE}/scripts/competitors.py"],
    output:
        table="results/comparison.csv",
        thread_effect="results/thread_effect.csv",
        markdown="results/comparison.md",
    log:
        "logs/compare.log",
    params:
        settings=config["comparison"],
        competitors=expand(
            "{framework}-{device}", framework=config["frameworks"], device=config["devices"]
        ),
    script:
        "../scripts/compare.py"


rule compare_nodes:
    """The ratios apart for each kind of machine that took part."""
    input:
        runs=f"results/runs.{FORM}",
        audit="results/audit.csv",
        comparison="results/comparison.csv",
        code=[f"{CODE}/scripts/inference.py", f"{CODE}/scripts/compare.py"],
    output:
        "results/nodes.csv",
    log:
        "logs/compare_nodes.log",
    params:
        confidence=config["comparison"]["confidence"],
    script:
        "../scripts/compare_nodes.py"
