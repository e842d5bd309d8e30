# Who can train, who takes which turn, and the runs themselves.


# Counted apart in every job of a cluster: rounds on different machines need not wait for each other.
resource_scopes:
    stopwatch="local",


rule examine:
    """Whether a competitor can train where it will run, and if not, why."""
    input:
        program=ancient(f"{CODE}/trainers/examine.py"),  # rounds need not run again for these
        toolbox=ancient(TOOLBOX),
        trainers=JOBS.trainers,
        environment="results/environments/{framework}-{device}.json",
        lock=f"{ENVS}/{{framework}}-{{device}}.lock",
    output:
        examination="results/doctor/{nodes}/{framework}-{device}.examination.json",
    log:
        "logs/examine/{nodes}/{framework}-{device}.log",
    conda:
        "../../envs/{framework}-{device}.yaml"
    container:
        "results/images/{framework}-{device}.sif"
    resources:
        gpu=JOBS.gpus,
    params:
        python=JOBS.python,
        programs=JOBS.programs,
        drivers=JOBS.drivers,
        options=JOBS.launch_options,
    shell:
        "{params.python} {input.program:q}"
        " --environment {input.environment:q}"
        " --lock {input.lock:q}"
        " --examination {output.examination:q}"
        " --trainers {input.trainers:q}"
        " --programs {params.programs}"
        " --drivers {params.drivers}"
        " -- {params.options}"
        " > {log:q} 2>&1"


rule look_around:
    """What is around a competitor where it will run, and may be otherwise in an hour."""
    input:
        program=ancient(f"{CODE}/trainers/look_around.py"),
        toolbox=ancient(TOOLBOX),
        environment="results/environments/{framework}-{device}.json",
    output:
        surroundings="results/doctor/{nodes}/{framework}-{device}.surroundings.json",
    log:
        "logs/look_around/{nodes}/{framework}-{device}.log",
    priority: 1  # before the examinations keep the machine busy
    conda:
        "../../envs/{framework}-{device}.yaml"
    container:
        "results/images/{framework}-{device}.sif"
    resources:
        gpu=JOBS.gpus,
    params:
        python=JOBS.python,
        gpus=JOBS.gpus,
    shell:
        "{params.python} {input.program:q}"
        " --surroundings {output.surroundings:q}"
        " --gpus {params.gpus}"
        " > {log:q} 2>&1"


rule admit:
    """Let a competitor into rounds, or say why not, before any of them is opened."""
    input:
        examination="results/doctor/{nodes}/{framework}-{device}.examination.json",
        code=ancient(code_of("admit")),
    output:
        touch("results/doctor/{nodes}/{framework}-{device}.fit"),
    log:
        "logs/admit/{nodes}/{framework}-{device}.log",
    localrule: True  # once, where Snakemake runs, and not by each round's job
    conda:
        MAIN
    script:
        "../scripts/admit.py"


rule doctor:
    """All examinations and what is around them now, a line each: ok or a remedy."""
    input:
        examinations=files_of_all(f"results/doctor/{NODES}/{{competitor}}.examination.json"),
        surroundings=surroundings_of_now,
        code=code_of("doctor"),
    log:
        "logs/doctor.log",
    localrule: True  # the scheduler is asked from where jobs are submitted
    conda:
        MAIN
    params:
        excluded=EXPERIMENT.excluded,
        kept={
            name: f"results/doctor/{NODES}/{name}.examination.json" for name in EXPERIMENT.excluded
        },
        wants_gpu=any(axes.device(device)["gpu"] for device in config["devices"]),
        threads={scenario: of["threads"] for scenario, of in config["scenarios"].items()},
        loaders={name: tuple(of) for name, of in largest_loaders(EXPERIMENT).items()},
        deployment=JOBS.remarks_on_deployment,
    script:
        "../scripts/doctor.py"


rule secret:
    """What aliases of machines are made with; it stays here when results are shared."""
    output:
        "results/secret/key",  # in a folder of its own, which is all of it that a container sees
    log:
        "logs/secret.log",
    localrule: True
    conda:
        MAIN
    script:
        "../scripts/secret.py"


rule round:
    """Open a round on the machine that will run it: who takes part in which order, on what machine."""
    input:
        environments=JOBS.environments,
        admitted=JOBS.admissions,
        secret=ancient("results/secret/key"),
        toolbox=TOOLBOX,  # a change of what all members run on opens the round again, for all
        code=code_of("round"),
        data=JOBS.data,
        protocol=JOBS.protocol,
    output:
        "results/rounds/{track}/{scenario}/{round}.json",
    log:
        "logs/round/{track}/{scenario}/{round}.log",
    priority: JOBS.turn
    group:
        "round-{track}-{scenario}-{round}"
    conda:
        MAIN
    threads: whole_machine
    resources:
        stopwatch=1,
    params:
        order=JOBS.order,
        nodes=JOBS.nodes,
        seed=JOBS.seed,
        products=JOBS.products,
    script:
        "../scripts/round.py"


rule train:
    """One run: one framework on one device, as a process of its own, when its turn comes."""
    input:
        launcher=f"{CODE}/trainers/toolbox/launch.py",
        trainer=JOBS.trainer,
        environment="results/environments/{framework}-{device}.json",
        round=JOBS.opened_round,
        secret=ancient("results/secret/key"),
        data=JOBS.data,
        protocol=JOBS.protocol,
    output:
        record="results/runs/{track}/{scenario}/{round}/{framework}-{device}.json",
        losses="results/runs/{track}/{scenario}/{round}/{framework}-{device}.losses.npy",
    log:
        "logs/train/{track}/{scenario}/{round}/{framework}-{device}.log",
    priority: JOBS.turn
    group:
        "round-{track}-{scenario}-{round}"
    conda:
        "../../envs/{framework}-{device}.yaml"
    container:
        "results/images/{framework}-{device}.sif"
    threads: whole_machine
    resources:
        stopwatch=1,
        gpu=JOBS.gpus,
    params:
        python=JOBS.python,
        start=f"{CODE}/trainers/start.py",
        threads=JOBS.threads,
        options=JOBS.launch_options,
        flags=JOBS.trainer_flags,
    shell:
        "{params.python} {params.start:q} {input.launcher:q}"
        " --trainer {input.trainer:q}"
        " --environment {input.environment:q}"
        " --round {input.round:q}"
        " --secret {input.secret:q}"
        " --record {output.record:q}"
        " --losses {output.losses:q}"
        " --threads {params.threads}"
        " {params.options}"
        " -- {params.flags}"
        " > {log:q} 2>&1"


use rule train as rehearse with:
    # The same in float64, with one round's protocol and as many threads; its seconds do not count.
    output:
        record="results/rehearsals/{track}/{scenario}/{round}/{framework}-{device}.json",
        losses="results/rehearsals/{track}/{scenario}/{round}/{framework}-{device}.losses.npy",
    log:
        "logs/rehearse/{track}/{scenario}/{round}/{framework}-{device}.log",
    priority: 0
    group:
        "rehearse-{track}-{scenario}-{round}-{framework}-{device}"
    params:
        options=JOBS.rehearsal_options,
        flags=JOBS.rehearsal_flags,


use rule train as restart with:
    # A timed run's steps once more, each from the reference's weights, where float64 has a twin.
    input:  # those of `train`, whose names would be lost, and the weights
        launcher=f"{CODE}/trainers/toolbox/launch.py",
        trainer=JOBS.trainer,
        environment="results/environments/{framework}-{device}.json",
        round=JOBS.opened_round,
        secret=ancient("results/secret/key"),
        data=JOBS.data,
        protocol=JOBS.protocol,
        weights=JOBS.reference_weights,
    output:
        record="results/restarts/{track}/{scenario}/{round}/{framework}-{device}.json",
        losses="results/restarts/{track}/{scenario}/{round}/{framework}-{device}.losses.npy",
    log:
        "logs/restart/{track}/{scenario}/{round}/{framework}-{device}.log",
    priority: 0
    group:
        "restart-{track}-{scenario}-{round}-{framework}-{device}"
    params:
        options=JOBS.rehearsal_options,
        flags=JOBS.restart_flags,


rule plan:
    """The plan alone, which every start with timed runs prints before its first job."""
    localrule: True
