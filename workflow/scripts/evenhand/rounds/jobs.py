"""What Snakemake's jobs are given, as functions of their wildcards.

Input functions and parameters of the rules: each takes the wildcards of a job, whose attributes are
strings, and perhaps its input and output, as Snakemake names them.
"""

import os
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.io import ancient

from evenhand.core import axes
from evenhand.core.config import AXES
from evenhand.core.experiment import Experiment
from evenhand.core.files import read_json
from evenhand.core.identity import Competitor, Round
from evenhand.environments.containers import ContainerError
from evenhand.environments.deployments import Deployment
from evenhand.environments.locks import BuildError
from evenhand.rounds.launching import assignments, launch_options
from evenhand.rounds.leftovers import RECEIPT
from evenhand.rounds.schedule import Schedule
from toolbox.launch import RECORDED
from toolbox.settings import Settings


@dataclass(frozen=True)
class Jobs:
    """The jobs of an experiment.

    `all_rounds`: gives the experiment with all of its rounds, or has Snakemake ask again later.
    `code`: the folder workflow/, as seen from the working directory. `toolbox`: the files that all
    trainers run on. `make_again`: has Snakemake make a file again, if it must be, or for a reason.
    """

    experiment: Experiment
    all_rounds: Callable[[], Experiment]
    schedule: Schedule
    deployment: Deployment
    code: str
    toolbox: Sequence[str]
    make_again: Callable[..., None]

    # ---- Of all ----------------------------------------------------------

    def remarks_on_deployment(self, wildcards) -> dict[str, list]:
        """What the doctor says of the program that deploys the environments, by its name."""
        return {self.deployment.name: self.deployment.remarks()}

    # ---- Of a scenario ---------------------------------------------------

    def training(self, wildcards) -> dict:
        """Everything that a scenario's training is asked."""
        return self.experiment.training(wildcards.scenario)

    def data(self, wildcards) -> str:
        """The prepared images of a scenario's data set."""
        return f"results/data/{self.training(wildcards)['dataset']}/images.npz"

    def threads(self, wildcards) -> int | str:
        """`default` or a number."""
        return self.training(wildcards)["threads"]

    def products(self, wildcards) -> dict:
        """What the matrix products of a scenario's training are, and what they are done with."""
        training = self.training(wildcards)
        return {key: training[key] for key in ("threads", "batch_size", "layers")}

    # ---- Of a round ------------------------------------------------------

    def order(self, wildcards) -> list[str]:
        """The competitors of a round in the order of their turns."""
        round_ = _round(wildcards)
        self.make_again(str(round_.path(self.schedule.results)))
        return self.schedule.order(round_)

    def environments(self, wildcards) -> list[str]:
        """The receipts of all environments that a round's competitors need."""
        return [f"results/environments/{name}.json" for name in self.order(wildcards)]

    def nodes(self, wildcards) -> str:
        """The kind of nodes that a round was opened on, or will be."""
        return self.schedule.nodes_of(_round(wildcards))

    def admissions(self, wildcards) -> list[str]:
        """What lets a round's competitors in: they can train on the kind of nodes of the round."""
        nodes = self.nodes(wildcards)
        return [f"results/doctor/{nodes}/{name}.fit" for name in self.order(wildcards)]

    def seed(self, wildcards) -> int:
        """The seed of a round."""
        return self.experiment.seed(_round(wildcards).number)

    def protocol(self, wildcards) -> str | list:
        """The protocol of a round, unless its track leaves weights and order to the framework."""
        if axes.track(wildcards.track)["start"] == "own":
            return []
        return f"results/protocol/{wildcards.scenario}/{_round(wildcards).number}.npz"

    def turn(self, wildcards) -> int:
        """The priority of a run, or of the job that opens its round."""
        name = _competitor(wildcards) if "framework" in wildcards.keys() else None
        return self.schedule.priority(_round(wildcards), name)

    def judged(self, wildcards) -> list[str]:
        """The records of all gated runs and rehearsals of a training and round.

        Whatever scenario they are of. They only order: no run can read what is made after it.
        """
        experiment, number = self.all_rounds(), int(wildcards.round)
        gated, subjects = experiment.tracks_with("proof", "gate"), []
        for track, scenario in experiment.contests:
            if experiment.fixed_rounds and number >= experiment.rounds(track, scenario):
                continue  # one that has fewer rounds than others of this training
            if track in gated and experiment.same_training(scenario) == wildcards.scenario:
                round_, names = Round(track, scenario, number), experiment.competitors(track)
                subjects += map(round_.run, names)
                if number == experiment.rehearsed(track, scenario):
                    subjects += map(round_.rehearsal, names)
        return [ancient(str(subject.path(self.schedule.results))) for subject in subjects]

    # ---- Of a competitor -------------------------------------------------

    def python(self, wildcards, input, output) -> str:
        """The command that starts its Python, whichever way its environment is deployed."""
        name = _competitor(wildcards)
        framework, device = axes.framework(wildcards.framework), axes.device(wildcards.device)
        command = self.deployment.python(
            name,
            receipt=f"results/environments/{name}.json",
            # what a rule reads, and the toolbox, which `round` has as an input for all its runs
            read=[*self.toolbox, *input],
            write=list(output),
            recorded=[*RECORDED, *framework["recorded"], *device["recorded"]],
            container_program=f"{self.code}/scripts/container.py",
        )
        return shlex.join(map(str, command))

    def image_file(self, wildcards) -> list[str]:
        """The image file that its environment is, if it is there: another makes another receipt.

        By what is in it, and not by its date.
        """
        name = _competitor(wildcards)
        receipt = Path(f"results/environments/{name}.json")
        self.make_again(str(receipt))
        if content := read_json(receipt, RECEIPT):
            lock = self.experiment.root / f"envs/{name}.lock"
            prefix, made = self.experiment.config["image_prefix"], receipt.stat().st_mtime
            if self.deployment.has_replaced(lock, prefix, content, made):
                self.make_again(str(receipt), "its image is another one now")
        path = self.deployment.image_file(name)
        return [ancient(path)] if path else []

    def programs(self, wildcards) -> str:
        """The programs that its framework calls, each as NAME=PACKAGE."""
        return shlex.join(assignments(axes.framework(wildcards.framework)["programs"]))

    def drivers(self, wildcards) -> str:
        """The oldest driver of its device for each major version of CUDA, each as CUDA=DRIVER."""
        return shlex.join(assignments(axes.device(wildcards.device)["drivers"]))

    def variables(self, wildcards) -> str:
        """The environment variables that its framework's processes get, each as NAME=VALUE."""
        return shlex.join(assignments(axes.framework(wildcards.framework)["variables"]))

    def gpus(self, wildcards) -> int:
        """How many GPUs a run asks a cluster for; a round's job asks for the most of its runs."""
        return int(axes.device(wildcards.device)["gpu"])

    def trainers(self, wildcards) -> list[str]:
        """Its trainers in the tracks that it takes part in; an edit examines nobody again."""
        name = _competitor(wildcards)
        self.make_again(f"results/doctor/{wildcards.nodes}/{name}.examination.json")
        return [
            ancient(self._trainer(track, wildcards.framework))
            for track in self.experiment.config["tracks"]
            if name in self.experiment.competitors(track, everybody=True)
        ]

    def trainer(self, wildcards) -> str:
        """The program that trains it in a track."""
        return self._trainer(wildcards.track, wildcards.framework)

    def _trainer(self, track: str, framework: str) -> str:
        return os.path.relpath(axes.trainer(track, framework, self.experiment.root))

    # ---- Of a run or rehearsal -------------------------------------------

    def opened_round(self, wildcards) -> str:
        """The file that opened its round; who takes no part in it is refused with the reason."""
        name, round_ = _competitor(wildcards), _round(wildcards)
        contest = (round_.track, round_.scenario)
        if contest not in self.experiment.contests or name not in self.schedule.order(round_):
            why = self.experiment.excluded.get(name, "the configuration does not ask for it")
            raise WorkflowError(f"{name} takes no part in {' '.join(contest)}: {why}")
        return str(round_.path(self.schedule.results))

    def launch_options(self, wildcards) -> str:
        """What the files of framework, device and track ask of it, as the launcher's flags."""
        framework, device = axes.framework(wildcards.framework), axes.device(wildcards.device)
        of_track = {}
        if "track" in wildcards.keys():
            of_track = axes.track(wildcards.track)["variables"].get(wildcards.device, {})
        return shlex.join(launch_options(framework, device, of_track))

    def rehearsal_options(self, wildcards) -> str:
        """The same for a rehearsal, which need not run in its round's job."""
        return f"{self.launch_options(wildcards)} --no-round-check"

    def trainer_flags(self, wildcards, input, dtype="float32") -> str:
        """What the configuration asks of the trainer."""
        settings = Settings.of(
            self.training(wildcards),
            data=Path(input.data).parent,
            protocol=input.protocol or None,
            device=wildcards.device,
            dtype=dtype,
            seed=self.seed(wildcards),
        )
        return shlex.join(settings.flags())

    def reference_weights(self, wildcards) -> str:
        """Where a restart finds the weights of its round's reference."""
        training = self.experiment.same_training(wildcards.scenario)
        return f"results/reference/{training}/{wildcards.round}.weights.npy"

    def restart_flags(self, wildcards, input) -> str:
        """What the configuration asks of a restarted trainer, and where the weights are."""
        return f"{self.trainer_flags(wildcards, input)} --restarts {shlex.quote(input.weights)}"

    def rehearsal_flags(self, wildcards, input) -> str:
        """The same for a rehearsal, which computes in float64."""
        return self.trainer_flags(wildcards, input, dtype="float64")

    # ---- Of the whole ----------------------------------------------------

    def somebody(self, wildcards) -> list:
        """No file; an error, before any job, where nobody is left who can train."""
        experiment = self.experiment
        if not any(experiment.competitors(track) for track, _ in experiment.contests):
            why = "; ".join(f"{name}: {reason}" for name, reason in experiment.excluded.items())
            folder = f"results/doctor/{self.schedule.nodes}/"
            raise WorkflowError(f"no competitor can train here ({folder}): {why}")
        return []

    def of_all_rounds(self, pattern: str, tracks: Sequence[str] | None = None) -> Callable:
        """An input function: the experiment's `files_of_all`, once all rounds are known."""
        return lambda wildcards: self.all_rounds().files_of_all(pattern, tracks)

    def axis_files(self, *keys: str) -> list[str]:
        """The files of the members of axes that the configuration lists under these keys."""
        return [
            os.path.relpath(axes.member_file(AXES[key], name, self.experiment.root))
            for key in keys
            for name in self.experiment.config[key]
        ]

    def all_trainers(self, wildcards) -> list[str]:
        """Every program that trains somebody, once."""
        paths = [
            self._trainer(track, _framework(name))
            for track, _ in self.experiment.contests
            for name in self.experiment.competitors(track)
        ]
        return list(dict.fromkeys(paths))

    def answers(self, wildcards) -> list[str]:
        """The answers of every framework that has any to the tutorial's statements."""
        names = dict.fromkeys(
            name
            for track, _ in self.experiment.contests
            for name in self.experiment.competitors(track)
        )
        return [
            f"results/statements/{name}.json"
            for name in names
            if os.path.exists(f"{self.code}/statements/{_framework(name)}_statements.py")
        ]

    def check_images(self, due: Sequence) -> None:
        """Refuse in one line to start if images are missing that the due jobs look for."""
        jobs = [job for job in due if job.rule.name == "environment"]
        names = sorted(_competitor(job.wildcards) for job in jobs)
        locks = [self.experiment.root / f"envs/{name}.lock" for name in names]
        if locks:
            try:
                self.deployment.check_ready(locks, self.experiment.config["image_prefix"])
            except (BuildError, ContainerError) as error:
                raise WorkflowError(str(error)) from None


def _round(wildcards) -> Round:
    return Round(wildcards.track, wildcards.scenario, int(wildcards.round))


def _competitor(wildcards) -> str:
    return str(Competitor(wildcards.framework, wildcards.device))


def _framework(competitor: str) -> str:
    return Competitor.parse(competitor).framework
