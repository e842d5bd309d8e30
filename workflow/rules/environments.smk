# One isolated Python for each framework and device.


rule environment:
    """Make one framework's environment, or find it made, and look inside; the receipt says what is in it."""
    input:
        yaml=f"{ENVS}/{{framework}}-{{device}}.yaml",
        lock=f"{ENVS}/{{framework}}-{{device}}.lock",
        image=JOBS.image_file,
        # whichever code made it, an environment is what its lock says
        code=ancient(code_of("environment")),
    output:
        receipt="results/environments/{framework}-{device}.json",
    log:
        "logs/environment/{framework}-{device}.log",
    localrule: True  # the submit side has a network, a cluster's nodes may not
    conda:
        "../../envs/{framework}-{device}.yaml"
    params:
        # Another Python to run the workflow makes no other environment: as a path and no text, it
        # is nothing that Snakemake compares with the last time's.
        python=Path(sys.executable),
        program=f"{CODE}/scripts/environment.py",
        deployment=DEPLOYMENT.name,
        image_prefix=config["image_prefix"],
        apptainer_args=apptainer_args,
    shell:
        "{params.python:q} {params.program:q}"
        " --environment {input.yaml:q}"
        " --lock {input.lock:q}"
        " --deployment {params.deployment:q}"
        " --image-prefix {params.image_prefix:q}"
        " --apptainer-args={params.apptainer_args:q}"
        " --receipt {output.receipt:q}"
        " > {log:q} 2>&1"
