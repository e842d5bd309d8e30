rule examine:
    """Whether a competitor can train where it will run, and what stands in its way."""
    input:
        lock=f"{ENVS}/{{framework}}-{{device}}.lock",
        environment="results/environments/{framework}-{device}.json",
        trainer=f"{CODE}/trainers/controlled/{{framework}}_mlp.py",
        toolbox=TOOLBOX,
    output:
        "results/doctor/{framework}-{device}.json",
    log:
        "logs/examine/{framework}-{device}.log",
    resources:
        gpu=gpus,
    params:
        python=interpreter,
    script:
        "../scripts/examine.py"


rule doctor:
    """All examinations, a line each; what is unfit is told here, before any round."""
    input:
        verdicts=files_of_all("results/doctor/{competitor}.json"),
    output:
        "results/doctor.txt",
    log:
        "logs/doctor.log",
    localrule: True
    script:
        "../scripts/doctor.py"
