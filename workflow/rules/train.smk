# Counted apart in every job of a cluster: rounds on different machines need not wait for each other.
resource_scopes:
    stopwatch="local",


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


rule round:
    """Open a round on the machine that will run it: who takes part in which order, and what machine it is."""
    input:
        environments=environments_of,
        admitted=admissions_of,
        toolbox=TOOLBOX,  # a change of what all members run on opens the round again, for all
        data="results/data/mnist.npz",
        protocol=protocol_of,
    output:
        "results/rounds/{track}/{scenario}/{round}.json",
    log:
        "logs/round/{track}/{scenario}/{round}.log",
    priority: turn
    group:
        "round-{track}-{scenario}-{round}"
    threads: whole_machine
    resources:
        stopwatch=1,
    params:
        order=drawn_order,
        nodes=nodes_of,
        seed=seed_of,
        threads=asked_threads,
    script:
        "../scripts/round.py"


rule train:
    """One run: one framework on one device, as a process of its own, when its turn comes."""
    input:
        trainer=f"{CODE}/trainers/{{track}}/{{framework}}_mlp.py",
        environment="results/environments/{framework}-{device}.json",
        round="results/rounds/{track}/{scenario}/{round}.json",
        data="results/data/mnist.npz",
        protocol=protocol_of,
    output:
        record="results/runs/{track}/{scenario}/{round}/{framework}-{device}.json",
        losses="results/runs/{track}/{scenario}/{round}/{framework}-{device}.losses.npy",
    log:
        "logs/train/{track}/{scenario}/{round}/{framework}-{device}.log",
    priority: turn
    group:
        "round-{track}-{scenario}-{round}"
    conda:
        "../../envs/{framework}-{device}.yaml"
    container:
        "results/images/{framework}-{device}.sif"
    threads: whole_machine
    resources:
        stopwatch=1,
        gpu=gpus,
    params:
        toolbox=f"PYTHONPATH={CODE}/trainers",
        python=interpreter,
        flags=trainer_flags,
        seed=seed_of,
        threads=asked_threads,
    shell:
        "{params.toolbox} {params.python} -m toolbox.launch"
        " --trainer {input.trainer:q}"
        " --environment {input.environment:q}"
        " --round {input.round:q}"
        " --record {output.record:q}"
        " --losses {output.losses:q}"
        " --threads {params.threads}"
        " --"
        " {params.flags}"
        " --seed {params.seed}"
        " --data results/data"
        " > {log:q} 2>&1"


rule rehearse:
    """The controlled trainer once in float64, with the first round's protocol and no clock that counts."""
    input:
        trainer=f"{CODE}/trainers/controlled/{{framework}}_mlp.py",
        toolbox=TOOLBOX,
        environment="results/environments/{framework}-{device}.json",
        round="results/rounds/controlled/{scenario}/0.json",
        data="results/data/mnist.npz",
        protocol="results/protocol/{scenario}/0.npz",
    output:
        record="results/rehearsals/{scenario}/{framework}-{device}.json",
        losses="results/rehearsals/{scenario}/{framework}-{device}.losses.npy",
    log:
        "logs/rehearse/{scenario}/{framework}-{device}.log",
    conda:
        "../../envs/{framework}-{device}.yaml"
    container:
        "results/images/{framework}-{device}.sif"
    threads: 1
    resources:
        gpu=gpus,
    params:
        toolbox=f"PYTHONPATH={CODE}/trainers",
        python=interpreter,
        flags=trainer_flags,
        seed=settings.seed(config, 0),
    shell:
        "{params.toolbox} {params.python} -m toolbox.launch"
        " --trainer {input.trainer:q}"
        " --environment {input.environment:q}"
        " --round {input.round:q}"
        " --record {output.record:q}"
        " --losses {output.losses:q}"
        " --threads {threads}"
        " --anywhere"
        " --"
        " {params.flags}"
        " --dtype float64"
        " --seed {params.seed}"
        " --data results/data"
        " > {log:q} 2>&1"
