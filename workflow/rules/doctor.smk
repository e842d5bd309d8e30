rule examine:
    """Whether a competitor can train where it will run, and what stands in its way."""
    input:
        program=ancient(f"{CODE}/trainers/examine.py"),  # rounds need not run again for these
        toolbox=ancient(TOOLBOX),
        trainers=trainers_of,
        environment="results/environments/{framework}-{device}.json",
        lock=f"{ENVS}/{{framework}}-{{device}}.lock",
    output:
        verdict="results/doctor/{nodes}/{framework}-{device}.verdict.json",
        surroundings="results/doctor/{nodes}/{framework}-{device}.surroundings.json",
    log:
        "logs/examine/{nodes}/{framework}-{device}.log",
    conda:
        "../../envs/{framework}-{device}.yaml"
    container:
        "results/images/{framework}-{device}.sif"
    resources:
        gpu=gpus,
    params:
        python=interpreter,
    shell:
        "{params.python} {input.program:q}"
        " --environment {input.environment:q}"
        " --lock {input.lock:q}"
        " --verdict {output.verdict:q}"
        " --surroundings {output.surroundings:q}"
        " --trainers {input.trainers:q}"
        " > {log:q} 2>&1"


rule admit:
    """Let a competitor into rounds, or say why not, before any of them is opened."""
    input:
        verdict="results/doctor/{nodes}/{framework}-{device}.verdict.json",
        code=ancient(f"{CODE}/scripts/doctor.py"),
    output:
        touch("results/doctor/{nodes}/{framework}-{device}.fit"),
    log:
        "logs/admit/{nodes}/{framework}-{device}.log",
    localrule: True  # once, where Snakemake runs, and not by each round's job
    script:
        "../scripts/admit.py"


rule doctor:
    """All examinations, a line each: ok or a remedy."""
    input:
        verdicts=files_of_all(f"results/doctor/{NODES}/{{competitor}}.verdict.json"),
        surroundings=files_of_all(f"results/doctor/{NODES}/{{competitor}}.surroundings.json"),
    log:
        "logs/doctor.log",
    localrule: True  # the scheduler is asked from where jobs are submitted
    params:
        left_out=config["left_out"],
    script:
        "../scripts/doctor.py"
