rule environment:
    """Make one framework's environment, or find it made, and look inside; the receipt tells what is in it."""
    input:
        yaml=f"{ENVS}/{{framework}}-{{device}}.yaml",
        lock=f"{ENVS}/{{framework}}-{{device}}.lock",
    output:
        receipt="results/environments/{framework}-{device}.json",
    log:
        "logs/environment/{framework}-{device}.log",
    localrule: True  # the submit side has a network, a cluster's nodes may not
    conda:
        "../../envs/{framework}-{device}.yaml"
    params:
        program=[sys.executable, f"{CODE}/scripts/environment.py"],
        deployment=DEPLOYMENT,
        image_prefix=config["image_prefix"],
    shell:
        "{params.program:q}"
        " --environment {input.yaml:q}"
        " --lock {input.lock:q}"
        " --deployment {params.deployment:q}"
        " --image-prefix {params.image_prefix:q}"
        " --sif results/images/{wildcards.framework}-{wildcards.device}.sif"
        " --receipt {output.receipt:q}"
        " > {log:q} 2>&1"


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
