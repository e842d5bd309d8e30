# The functions of the workflow, and the only ones. What they ask is in workflow/scripts/settings.py.

import json
import os
import shlex
import sys
from functools import cache
from glob import glob
from pathlib import Path

from snakemake.exceptions import WorkflowError

# Code and environments, as seen from the folder where results are made.
CODE = os.path.relpath(os.path.join(workflow.basedir, "workflow"))
ENVS = os.path.relpath(os.path.join(workflow.basedir, "envs"))
sys.path.insert(0, f"{CODE}/scripts")

import container
import environment
import orphans
import settings

try:
    settings.checked(config)
    methods = [method.name.lower() for method in workflow.deployment_settings.deployment_method]
    DEPLOYMENT = settings.deployment(methods, config["runtime"])
    for path in settings.environments(config):
        environment.check_pins(path, path.with_suffix(".lock"))
except (settings.ConfigError, environment.BuildError) as error:
    raise WorkflowError(str(error))

# Kinds of nodes are examined apart; who is unfit on those that are asked for takes no part.
NODES = settings.node_class(getattr(workflow.resource_settings.default_resources, "args", []))
config["left_out"] = settings.unfit(Path("results/doctor", NODES))
# What another start left behind is cleared away, but not while another Snakemake works here.
ALONE = workflow.is_main_process and not workflow.dryrun and not glob(".snakemake/locks/*")
if ALONE:
    # Without the file that opened it, a torn round is run again as a whole; without its verdict, a
    # mended competitor is examined again.
    for path in settings.torn_rounds(config, Path("results")):
        path.unlink()
    for path in settings.mended(Path("results/doctor", NODES)):
        path.unlink()
TOOLBOX = sorted(glob(f"{CODE}/trainers/toolbox/*.py"))
CONTESTS = settings.contests(config)
COMPETITORS = {track: settings.competitors(config, track) for track in config["tracks"]}
if not any(COMPETITORS.values()):
    told = "; ".join(f"{name}: {why}" for name, why in config["left_out"].items())
    raise WorkflowError(f"The doctor found everybody unfit (results/doctor/{NODES}/): {told}")
FIGURES = ["loss", "seconds", "ratio", "waiting", "phases", "limit", "gate"]
PUBLISHED = os.path.relpath(os.path.join(workflow.basedir, "config/published.yaml"))
# The ending of tables that grow with the runs.
FORM = settings.table_form(config)
# What proves that competitors computed the same, as far as the chosen tracks have it.
CHECKS = {
    "gate": f"results/gate.{FORM}" if "controlled" in config["tracks"] else [],
    "gate_steps": "results/gate_steps.csv" if "controlled" in config["tracks"] else [],
    "tutorial_check": f"results/tutorial_check.{FORM}" if "tutorial" in config["tracks"] else [],
}


wildcard_constraints:
    track="|".join(config["tracks"]),
    scenario="|".join(config["scenarios"]),
    round=r"\d+",
    framework="|".join(config["frameworks"]),
    device="|".join(config["devices"]),
    nodes=r"[\w.-]+",


def files_of_all(pattern, tracks=config["tracks"]):
    """The pattern's paths, each once, for every run of these tracks."""
    paths = [
        pattern.format(
            track=track,
            scenario=scenario,
            training=training,
            round=round,
            competitor=competitor,
            framework=competitor.rpartition("-")[0],
        )
        for track, scenario in CONTESTS
        if track in tracks
        for training in [settings.same_training(config, scenario)]
        for round in range(config["rounds"])
        for competitor in COMPETITORS[track]
    ]
    return list(dict.fromkeys(paths))


def answers():
    """The answers of every framework that has any to the tutorial's statements."""
    return [
        path
        for framework in config["frameworks"]
        if os.path.exists(f"{CODE}/statements/{framework}_statements.py")
        for path in files_of_all("results/statements/{competitor}.json")
        if os.path.basename(path).startswith(f"{framework}-")
    ]


def environments_of(wildcards):
    """The receipts of all environments that a round's competitors need."""
    return [f"results/environments/{competitor}.json" for competitor in drawn_order(wildcards)]


def admissions_of(wildcards):
    """What lets a round's competitors in: the doctor's word for the kind of nodes that it runs on."""
    nodes = nodes_of(wildcards)
    return [f"results/doctor/{nodes}/{competitor}.fit" for competitor in drawn_order(wildcards)]


def nodes_of(wildcards):
    """The kind of nodes that a round was opened on, or will be."""
    was = opened(wildcards.track, wildcards.scenario, round_number(wildcards))
    return was.get("nodes", NODES)


def trainers_of(wildcards):
    """A competitor's trainers in the tracks that it takes part in."""
    return [
        ancient(f"{CODE}/trainers/{track}/{wildcards.framework}_mlp.py")
        for track, names in COMPETITORS.items()
        if f"{wildcards.framework}-{wildcards.device}" in names
    ]


def protocol_of(wildcards):
    """The protocol that a run is given; the tutorial's trainers draw their own weights and order."""
    if wildcards.track == "tutorial":
        return []
    return "results/protocol/{scenario}/{round}.npz"


def interpreter(wildcards, input, output):
    """The command that starts a framework's Python, whichever way environments are deployed."""
    competitor = f"{wildcards.framework}-{wildcards.device}"
    if DEPLOYMENT == "virtual environment":
        return f"results/environments/{competitor}/bin/python"
    if DEPLOYMENT == "docker":
        start = [sys.executable, f"{CODE}/scripts/container.py"]
        start += ["--receipt", f"results/environments/{competitor}.json"]
        # what a rule reads, and the toolbox, which `round` has as an input for all its runs
        read = [*TOOLBOX, *input]
        folders = dict.fromkeys(os.path.dirname(path) for path in read)
        return shlex.join([*start, "--read", *folders, "--write", *output, "--"])
    if DEPLOYMENT == "conda":
        return "python"  # of the environment that Snakemake activates
    return container.python_of(competitor)


def sif_of(wildcards):
    """The image that Apptainer runs, if it is there: another image makes another receipt."""
    path = f"results/images/{wildcards.framework}-{wildcards.device}.sif"
    return [path] if DEPLOYMENT == "apptainer" and os.path.exists(path) else []


def check_images():
    """Stop if an image is missing that a job of this run looks for: one line, before any has begun."""
    names = [
        f"{job.wildcards.framework}-{job.wildcards.device}"
        for job in workflow.dag.needrun_jobs()
        if job.rule.name == "environment"
    ]
    try:
        for name in names:
            sif = Path(f"results/images/{name}.sif")
            lock = Path(f"{ENVS}/{name}.lock")
            environment.check_image(DEPLOYMENT, lock, config["image_prefix"], sif)
    except (container.ContainerError, environment.BuildError) as error:
        raise WorkflowError(str(error))


def training_of(wildcards):
    """A scenario's settings."""
    return config["scenarios"][wildcards.scenario]


def asked_threads(wildcards):
    """`default` or a number."""
    return training_of(wildcards)["threads"]


def round_number(wildcards):
    """A round's number."""
    return int(wildcards.round)


def seed_of(wildcards):
    """The seed of a round."""
    return settings.seed(config, round_number(wildcards))


@cache
def opened(track, scenario, round_):
    """The file that opened a round, or nothing where there is none."""
    path = Path(f"results/rounds/{track}/{scenario}/{round_}.json")
    return json.loads(path.read_text()) if path.exists() else {}


@cache
def order_of(track, scenario, round_):
    """The competitors of a round in the order of their turns.

    A round that was opened with all of today's and more stands: who takes a broken framework out of
    the config keeps the runs of the others, and the audit names what is missing.
    """
    drawn = settings.draw(COMPETITORS[track], config["seed"], track, scenario, round_)
    order = opened(track, scenario, round_).get("order", drawn)
    built = all(os.path.exists(f"results/environments/{name}.json") for name in order)
    return order if built and set(order) >= set(drawn) else drawn


def drawn_order(wildcards):
    """The same, for a rule's wildcards."""
    return order_of(wildcards.track, wildcards.scenario, round_number(wildcards))


def whole_machine(wildcards):
    """More threads than any machine has: Snakemake takes it for all, so nothing runs beside a clock.

    Who submits to a cluster does not know how many a node has, and asks for one, on a node that the
    profile wants for itself; there all are taken.
    """
    submits = workflow.is_main_process and not workflow.local_exec
    return 1 if submits else 1024


def gpus(wildcards):
    """How many GPUs a run asks a cluster for; a round's job asks for the most of its members."""
    return int(wildcards.device == "cuda")


def trainer_flags(wildcards, input):
    """What the configuration asks of a trainer, as command-line flags."""
    asked = training_of(wildcards)
    flags = [f"--device {wildcards.device}"]
    flags += [
        f"--{key.replace('_', '-')} {value}"
        for key, value in asked.items()
        if key not in ("threads", "tracks")
    ]
    if input.protocol:
        flags.append(f"--protocol {input.protocol}")
    return " ".join(flags)


def turn(wildcards):
    """A run's priority: the rounds in order, and in each the drawn order of its competitors.

    `round` opens a round before the first turn, so it has no framework.
    """
    contest = CONTESTS.index((wildcards.track, wildcards.scenario))
    order = drawn_order(wildcards)
    competitor = f"{wildcards.get('framework')}-{wildcards.get('device')}"
    position = order.index(competitor) if competitor in order else -1
    rounds_left = config["rounds"] - round_number(wildcards)
    return (rounds_left * len(CONTESTS) - contest) * 100 - position
