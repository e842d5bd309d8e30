# Tables of what was measured, and whether it can be believed.
GATED = EXPERIMENT.tracks_with("proof", "gate")
BY_DISTRIBUTION = EXPERIMENT.tracks_with("proof", "distribution")
IN_A_ROUND = "{track}/{scenario}/{rehearsed}/{competitor}.json"
PROOFS = files_of_all(f"results/rehearsals/{IN_A_ROUND}", GATED)
PROOFS += files_of_all(f"results/restarts/{IN_A_ROUND}", GATED, with_twin=True)


rule configuration:
    """What the tables are made with; without its user's paths and passwords, so that it can be shared."""
    input:
        datasets=files_of_all("results/data/{dataset}/facts.json"),
        rounds=[ROUNDS] if config["precision"] else [],
        code=code_of("configuration"),
    output:
        "results/configuration.json",
    log:
        "logs/configuration.log",
    localrule: True
    conda:
        MAIN
    params:
        content={"config": configuration.shareable(config), "excluded": EXPERIMENT.excluded},
    script:
        "../scripts/configuration.py"


rule collect:
    """Two tidy tables of all records: one row a run, one row an epoch."""
    input:
        JOBS.somebody,
        records=JOBS.of_all_rounds("results/runs/{track}/{scenario}/{round}/{competitor}.json"),
        rounds=JOBS.of_all_rounds("results/rounds/{track}/{scenario}/{round}.json"),
        code=code_of("collect"),
    output:
        runs=f"results/runs.{FORM}",
        epochs=f"results/epochs.{FORM}",
    log:
        "logs/collect.log",
    localrule: True  # seconds, less than a cluster's job costs
    conda:
        MAIN
    params:
        settings={of: config["comparison"][of] for of in ("warmup_epochs", "target_accuracy")},
    script:
        "../scripts/collect.py"


rule audit:
    """Every record, proof and round checked, before anything is compared."""
    input:
        records=JOBS.of_all_rounds("results/runs/{track}/{scenario}/{round}/{competitor}.json"),
        rounds=JOBS.of_all_rounds("results/rounds/{track}/{scenario}/{round}.json"),
        proofs=PROOFS,
        locks=files_of_all(f"{ENVS}/{{competitor}}.lock"),
        schemas=[f"{CODE}/schemas/record.schema.yaml", f"{CODE}/schemas/round.schema.yaml"],
        axes=JOBS.axis_files("frameworks", "devices", "tracks"),
        code=code_of("audit"),
    output:
        "results/audit.csv",
    log:
        "logs/audit.log",
    localrule: True
    conda:
        MAIN
    params:
        excluded=EXPERIMENT.excluded,
    script:
        "../scripts/audit.py"


rule gate:
    """Every gated run against the reference: step by step in float64, within stated limits in float32."""
    input:
        proofs=PROOFS,
        records=JOBS.of_all_rounds(
            "results/runs/{track}/{scenario}/{round}/{competitor}.json", GATED
        ),
        references=JOBS.of_all_rounds("results/reference/{training}/{round}.npz", GATED),
        audit="results/audit.csv",
        axes=JOBS.axis_files("tracks"),
        code=code_of("gate"),
    output:
        checks=f"results/gate.{FORM}",
        steps="results/gate_steps.csv",
    log:
        "logs/gate.log",
    localrule: True
    conda:
        MAIN
    params:
        excluded=EXPERIMENT.excluded,
        settings={"trainings": TRAININGS, "gate": config["gate"]},  # a change runs it again
    script:
        "../scripts/gate.py"


rule tutorial_check:
    """Losses and accuracies of tracks that start as they like, and published ones, among many seeds'."""
    input:
        configuration="results/configuration.json",
        epochs=f"results/epochs.{FORM}",
        distributions=files_of_all("results/distribution/{training}/{rules}.csv", BY_DISTRIBUTION),
        claims=CLAIMS,
        axes=JOBS.axis_files("tracks"),
        code=code_of("tutorial_check"),
    output:
        f"results/tutorial_check.{FORM}",
    log:
        "logs/tutorial_check.log",
    localrule: True
    conda:
        MAIN
    script:
        "../scripts/tutorial_check.py"
