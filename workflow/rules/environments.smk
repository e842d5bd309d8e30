rule environment:
    """Build one framework's environment from its lock; the receipt tells what is in it."""
    input:
        yaml=f"{ENVS}/{{framework}}-{{device}}.yaml",
        lock=f"{ENVS}/{{framework}}-{{device}}.lock",
    output:
        receipt="results/environments/{framework}-{device}.json",
    log:
        "logs/environment/{framework}-{device}.log",
    localrule: True  # the submit side has a network, a cluster's nodes may not
    params:
        folder="results/environments/{framework}-{device}",
    script:
        "../scripts/environment.py"
