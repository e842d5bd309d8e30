# What the rules of all phases share: paths, the experiment, and which files all of its runs have.

import dataclasses
import functools
import json
import os
import re
import sys
from glob import glob
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.logging import logger

# Paths come from the file that is being read, also where another workflow uses this one as a module.
HERE = workflow.current_basedir.get_path_or_uri(secret_free=True)
if not os.path.isdir(HERE):
    raise WorkflowError("Evenhand runs from a clone: name its workflow/Snakefile by path")
CODE, ENVS = os.path.relpath(f"{HERE}/.."), os.path.relpath(f"{HERE}/../../envs")
CLAIMS = sorted(map(os.path.relpath, glob(f"{HERE}/../../config/claims/*.yaml")))
ROUNDS = "results/rounds.json"  # their numbers, where a precision is asked
MAIN = "../envs/main.yaml"  # what programs in workflow/scripts run in, with --sdm conda
TOOLBOX = sorted([f"{CODE}/trainers/start.py", *glob(f"{CODE}/trainers/toolbox/*.py")])
sys.path.insert(0, f"{CODE}/scripts")

from evenhand.core import axes, config as configuration
from evenhand.core.experiment import Experiment
from evenhand.core.imports import modules_of
from evenhand.core.schemas import Refused
from evenhand.core.user import ensure_name
from evenhand.environments import deployments, locks
from evenhand.report import terminal
from evenhand.rounds import leftovers, nodes, stale_jobs
from evenhand.rounds.examination import largest_loaders
from evenhand.rounds.jobs import Jobs
from evenhand.rounds.schedule import Schedule

ensure_name()

try:
    requested = Experiment(configuration.checked(config))
    methods = [method.name.lower() for method in workflow.deployment_settings.deployment_method]
    DEPLOYMENT = deployments.choose(methods, config["runtime"])
    for name in requested.all_competitors:
        locks.check_pins(Path(ENVS, f"{name}.yaml"), Path(ENVS, f"{name}.lock"))
except (Refused, locks.BuildError) as error:
    raise WorkflowError(str(error))


wildcard_constraints:
    track="|".join(config["tracks"]),
    scenario="|".join(config["scenarios"]),
    round=r"\d+",
    framework="|".join(map(re.escape, config["frameworks"])),
    device="|".join(config["devices"]),
    nodes=r"[\w.-]+",


def make_again(path, why=None):
    """Have Snakemake make a file again: for this reason, or if an earlier start left it so."""
    why = why or AGAIN.get(path)
    if why and path not in workflow.dag.forcefiles:
        logger.warning(f"{path}: {why}, so it is made again")
        workflow.dag.forcefiles.add(path)


def surroundings_of_now(wildcards):
    """What is around all competitors, looked at anew by each start that asks the doctor."""
    paths = files_of_all(f"results/doctor/{NODES}/{{competitor}}.surroundings.json")
    workflow.dag.forcefiles.update(paths)
    return paths


def whole_machine(wildcards):
    """More threads than any machine has: Snakemake takes it for all, so nothing runs beside a clock.

    Who submits to a cluster does not know how many a node has, and asks for one, on a node that the
    profile wants for itself; there all are taken.
    """
    submits = workflow.is_main_process and not workflow.local_exec
    return 1 if submits else 1024


def apptainer_args(wildcards, input):
    """The user's own arguments for each start of Apptainer.

    They make no other environment. As a function of a job's input they are nothing that Snakemake
    compares with those of an earlier start.
    """
    return workflow.deployment_settings.apptainer_args


def code_of(program):
    """The modules that a program imports: a change in one of them runs its rule again."""
    return [os.path.relpath(path) for path in modules_of(Path(HERE, f"../scripts/{program}.py"))]


def all_rounds():
    """The experiment with all rounds; where a precision is asked, once these have been fixed."""
    if not config["precision"]:
        return EXPERIMENT
    make_again(ROUNDS)
    return with_rounds(Path(checkpoints.fix_rounds.get().output[0]).read_text())


@functools.cache
def with_rounds(text):
    """The experiment with the rounds that the text of a file fixes; one for all jobs that ask."""
    return dataclasses.replace(EXPERIMENT, fixed_rounds=json.loads(text)["contests"])


# Kinds of nodes are examined apart; who cannot train on those that are requested takes no part.
NODES = nodes.node_class(getattr(workflow.resource_settings.default_resources, "args", []))
EXPERIMENT = Experiment(config, leftovers.excluded(Path("results/doctor", NODES)))
AGAIN = leftovers.to_make_again(EXPERIMENT, Path("results"), NODES)
SCHEDULE = Schedule(EXPERIMENT, Path("results"), NODES, AGAIN)
JOBS = Jobs(EXPERIMENT, all_rounds, SCHEDULE, DEPLOYMENT, CODE, TOOLBOX, make_again)
files_of_all = EXPERIMENT.files_of_all
FORM = EXPERIMENT.table_form  # the ending of tables that grow with the runs
