"""Records, round files and whatever else runs leave, without training anything.

The one factory of them, for tests and benchmarks. A whole tree of results:

    PYTHONPATH=tests:workflow/scripts python -m support.records --rounds 1000 results

What follows the runs reads no more than is there: data and its facts, receipts, round files, sealed
records, step losses, rehearsals, references, distributions, and no answers to statements. The
numbers imitate a machine with two cores and come from the config's seed: the same arguments
give the same bytes. They say nothing about any framework.
"""

import argparse
import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import yaml
from numpy.random import Generator

from evenhand.core import axes
from evenhand.core.config import checked
from evenhand.core.experiment import Experiment
from evenhand.core.identity import Competitor, Round, losses_path
from evenhand.core.schemas import ROOT
from evenhand.environments.locks import locked_versions
from evenhand.model.mlp import weight_shapes
from toolbox.machine import alias, fingerprint
from toolbox.record import (
    SCHEMA,
    Environment,
    Epoch,
    Measured,
    Phase,
    Record,
    Requested,
    digest,
    sealed,
    sha256,
)

TOOLBOX = {
    file.name: sha256(file) for file in sorted((ROOT / "workflow/trainers/toolbox").glob("*.py"))
}
# The rules that need nothing else: tables, figures and report.
AFTER_RUNS = (
    "configuration collect audit gate tutorial_check compare compare_nodes "
    "statements figures report"
).split()
BEGIN = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
SECRET = "imagined"
WHERE = {"node": "imagined", "boot": "11111111-2222-3333-4444-555555555555", "job": None}
HARDWARE = {
    "processor": "Imagined Processor 2 @ 2.60GHz",
    "cores": 2,
    "memory_gib": 24,
    "gpu": None,
}
GPU = {
    "name": "Imagined GPU",
    "alias": "gpu-00000001",
    "driver": "570.1",
    "driver_cuda": "12.8",
    "compute_capability": "8.6",
    "memory_bytes": 8 * 2**30,
    "libraries": {},
}
WATCHED = {
    "samples": 10,
    "process_seen": True,
    "process_memory_bytes": 300 * 2**20,
    "energy_joules": 1e6,
    "throttled": [],
    **dict.fromkeys(["sm_clock_mhz", "memory_clock_mhz", "temperature_celsius", "power_watts"]),
}
ENERGY = {
    "processor": {"source": "powercap", "domains": ["package-0", "dram"], "reason": None},
    "gpu": {"source": "nvml", "domains": ["gpu"], "reason": None},
}
WATTS = {"processor": 45.0, "gpu": 70.0}
PEAK = {"threads": 2, "flops": 3.2e11, "size": 2048, "core_flops": 1.6e11, "step_seconds": 4e-4}
PEAK |= {"kernel": "SkylakeX", "library": "openblas 0.3.29"}
# Seconds of an epoch with default threads, and the share of it spent waiting for the loader, by
# what feeds the training. Whoever is not named here takes a second, and waits half of it.
SPEEDS = {
    ("loader", "pytorch"): (5.2, 0.92),
    ("loader", "mxnet"): (3.1, 0.76),
    ("memory", "pytorch"): (0.43, None),
    ("memory", "mxnet"): (0.95, None),
    ("memory", "numpy"): (0.36, None),
}
IMPROVED = 0.5  # of these, where a track improves another
ONE_THREAD = {("loader", "pytorch"): (2.95, 0.83)}  # where it differs
# Average losses of the epochs by framework; whoever is not named there has those of the first.
PUBLISHED = {
    name: log["average_loss"] for name, log in axes.claim("mxnet-twice-as-fast")["logs"].items()
}


def machine(where: Mapping = WHERE, **hardware) -> dict:
    """A machine with these true names, of which only aliases are left."""
    facts = HARDWARE | hardware
    return facts | {
        "fingerprint": fingerprint(facts),
        "kernel": "6.1.0-41-amd64",
        "usable_cores": facts["cores"],
        "libc": "glibc 2.36",
        "governor": "performance",
        "node": alias(SECRET, "node", where["node"]),
        "boot": alias(SECRET, "boot", where["node"], where["boot"]),
        "job": where["job"] and alias(SECRET, "job", where["job"]),
    }


def hidden(where: Mapping) -> dict:
    """A block `where` and its digest; the salt, which is random elsewhere, is always the same."""
    where = {"salt": "0" * 32, **where}
    return {"where": where, "where_sha256": digest(where)}


MACHINE = machine()


def record(competitor: str = "numpy-cpu", **changes) -> Record:
    """The record of a run in `opened_round()`, with these fields instead.

    A section's changes are a mapping: `record(requested={"dtype": "float64"}, id="0" * 32)`.
    """
    rng = np.random.default_rng(0)
    training = Experiment(checked({})).training("baseline")
    opened = opened_round(order=[competitor])
    losses = step_losses(rng, Competitor.parse(competitor).framework, training)
    made = run_record(rng, opened, training, competitor, "float32", losses, "0" * 64, BEGIN)
    return dataclasses.replace(
        made,
        **{
            name: dataclasses.replace(getattr(made, name), **change)
            if isinstance(change, Mapping)
            else change
            for name, change in changes.items()
        },
    )


def opened_round(
    track: str = "controlled",
    scenario: str = "baseline",
    number: int = 0,
    order: Sequence[str] = ("numpy-cpu",),
    **changes,
) -> dict:
    """The content of the file that opened a round, sealed, with these fields instead."""
    opened = {
        "schema": SCHEMA,
        "id": f"{number:032x}",
        "track": track,
        "scenario": scenario,
        "round": number,
        "nodes": "here",
        "seed": number,
        "order": list(order),
        "opened": BEGIN.isoformat(timespec="milliseconds"),
        "machine": MACHINE,
        "load": [0.1, 0.1, 0.1],
        "peak": PEAK,
        **hidden(WHERE),
    }
    return sealed(opened | changes)


def receipt(competitor: str) -> dict:
    """The receipt of an environment as if it were just built from its lock."""
    framework, device = Competitor.parse(competitor)
    lock = ROOT / f"envs/{competitor}.lock"
    return {
        "framework": framework,
        "device": device,
        "deployment": "virtual environment",
        "image": None,
        "python": "3.11.7",
        "packages": locked_versions(lock),
        "lock_sha256": sha256(lock),
        "bytes": 320_000_000,
        "seconds": 12.5,
    }


def make(results: Path, config: dict) -> None:
    """Write all that the runs of a completed configuration leave in `results`."""
    experiment, rng, clock = Experiment(config), np.random.default_rng(config["seed"]), BEGIN
    for name in experiment.all_competitors:
        write(results / f"environments/{name}.json", receipt(name))
        write(results / f"statements/{name}.json", [])
    trainings = map(experiment.training, config["scenarios"])
    for dataset, training in {training["dataset"]: training for training in trainings}.items():
        write_data(results / "data" / dataset, training)
    truth: dict[tuple, np.ndarray] = {}  # the reference's losses, by training and round
    for track, scenario in experiment.contests:
        traits, training = axes.track(track), experiment.training(scenario)
        if traits["proof"] == "distribution":
            for name in experiment.competitors(track):
                framework = Competitor.parse(name).framework
                path = results / f"distribution/{scenario}/{framework}.csv"
                write_distribution(path, rng, framework, training)
        for number in range(experiment.most_rounds):
            opened = opened_round(
                track,
                scenario,
                number,
                experiment.order(track, scenario, number),
                id=rng.bytes(16).hex(),
                seed=experiment.seed(number),
                opened=clock.isoformat(timespec="milliseconds"),
                peak=PEAK | {"flops": PEAK["flops"] * rng.normal(1, 0.01)},
            )
            round_ = Round(track, scenario, number)
            write(round_.path(results), opened)
            of = experiment.same_training(scenario), number
            losses = truth.setdefault(of, step_losses(rng, next(iter(PUBLISHED)), training))
            if traits["proof"] == "gate":
                write_reference(results / f"reference/{scenario}/{number}.npz", losses)
            for name in opened["order"]:
                if traits["start"] == "own":
                    own = step_losses(rng, Competitor.parse(name).framework, training)
                else:
                    own = losses + rng.normal(0, 1e-7, losses.shape)
                path = round_.run(name).path(results)
                clock = write_run(path, rng, opened, training, name, "float32", own, clock)
                if traits["proof"] == "gate" and number == experiment.rehearsed(track, scenario):
                    path = round_.rehearsal(name).path(results)
                    own = losses + rng.normal(0, 2e-16, losses.shape)
                    write_run(path, rng, opened, training, name, "float64", own, clock)
                    if experiment.has_twin(track, name):
                        path = round_.restart(name).path(results)
                        own = losses + rng.normal(0, 1e-7, losses.shape)
                        write_run(path, rng, opened, training, name, "float32", own, clock)


def step_losses(rng: Generator, framework: str, training: dict) -> np.ndarray:
    """Losses (epochs, steps) that fall and scatter as the published ones do."""
    averages = np.array(PUBLISHED.get(framework, next(iter(PUBLISHED.values()))))
    averages = np.resize(averages, training["epochs"]) * rng.normal(1, 0.006)
    steps = -(-training["train_images"] // training["batch_size"])
    falling = np.ones((training["epochs"], steps))
    falling[0] += 6 * np.exp(-np.arange(steps) / 20)
    falling *= rng.lognormal(0, 0.25, falling.shape)
    return averages[:, None] * falling / falling.mean(axis=1, keepdims=True)


def accuracy(average_loss):
    """A test accuracy, in steps of one image, that goes with an average loss."""
    return np.round(1 - 0.3 * average_loss, 4)


def write_run(
    path: Path,
    rng: Generator,
    opened: dict,
    training: dict,
    competitor: str,
    dtype: str,
    losses: np.ndarray,
    clock: datetime,
) -> datetime:
    """Write a run's record, and its losses beside it; the time when the next run may begin."""
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(losses_path(path), losses)
    digest = sha256(losses_path(path))
    made = run_record(rng, opened, training, competitor, dtype, losses, digest, clock)
    made.write(path)
    return clock + timedelta(seconds=made.measured.seconds + 1)


def run_record(
    rng: Generator,
    opened: dict,
    training: dict,
    competitor: str,
    dtype: str,
    losses: np.ndarray,
    losses_sha256: str,
    clock: datetime,
) -> Record:
    """The record of a run in a round, which began at `clock` and had these step losses."""
    framework, device = Competitor.parse(competitor)
    measured = measurements(rng, opened, training, competitor, dtype, losses, losses_sha256, clock)
    fields = {field.name for field in dataclasses.fields(Requested)}
    requested = {key: value for key, value in (training | opened).items() if key in fields}
    requested |= {"framework": framework, "device": device, "dtype": dtype}
    requested["learning_rate"] = float(np.float32(requested["learning_rate"]))
    return Record(
        id=rng.bytes(16).hex(),
        round_id=opened["id"],
        requested=Requested(**requested),
        environment=environment(opened, competitor, requested["threads"]),
        measured=measured,
        **hidden(WHERE | {"gpu": "GPU-1" if axes.device(device)["gpu"] else None}),
    )


def measurements(
    rng: Generator,
    opened: dict,
    training: dict,
    competitor: str,
    dtype: str,
    losses: np.ndarray,
    losses_sha256: str,
    clock: datetime,
) -> Measured:
    """A record's `measured`: times around the framework's own, under a slow drift for all."""
    framework, device = Competitor.parse(competitor)
    track = axes.track(opened["track"])
    data = track["data"]
    speeds = SPEEDS | ONE_THREAD if training["threads"] == 1 else SPEEDS
    unknown = (1.0, 0.5 if data == "loader" else None)
    typical, wait_share = speeds.get((data, framework), unknown)
    typical *= IMPROVED if track["improves"] else 1
    drift = 1 + 0.05 * np.sin(opened["round"])
    seconds = typical * drift * rng.lognormal(0, 0.02, training["epochs"])
    seconds[0] *= 1.15
    loader_pass = wait_share and float(0.9 * typical * wait_share * rng.lognormal(0, 0.02))
    gap = 0.001  # seconds between two clocks
    begins = 1.65 + gap + np.cumsum(seconds + gap) - seconds - gap
    phases = {"import": 1.2, "load": 0.4, "set_up": 0.05, "compile": None}
    phases |= {"between": gap * (len(seconds) + 1)}
    phases |= {"epochs": float(seconds.sum()), "loader_pass": loader_pass}
    phases |= {"evaluation": 0.8, "rest": 0.2}
    wall = sum(filter(None, phases.values()))
    # How many cores the trainer and its helpers keep busy.
    cores, of_helpers = (0.9, 0.8) if wait_share else (1 if training["threads"] == 1 else 1.8, 0)
    work = {name: taken and taken * 0.9 for name, taken in phases.items()}
    work["epochs"] = phases["epochs"] * (cores + of_helpers)
    epochs = zip(begins.tolist(), seconds.tolist(), losses, strict=True)
    return Measured(
        started=clock.isoformat(timespec="milliseconds"),
        seconds=wall,
        gpu=WATCHED if axes.device(device)["gpu"] else None,
        losses_sha256=losses_sha256,
        peak_memory_bytes=int(4e8 * rng.normal(1, 0.01)),
        user_seconds=0.9 * sum(filter(None, work.values())),
        system_seconds=0.1 * sum(filter(None, work.values())),
        phases={name: taken and Phase(taken, work[name]) for name, taken in phases.items()},
        first_step_seconds=0.03,
        left_running=0,
        energy=ENERGY | ({} if axes.device(device)["gpu"] else {"gpu": None}),
        epochs=[
            Epoch(
                epoch=number,
                begin=begin,
                seconds=duration,
                trainer_seconds=duration - 0.0002,
                processor_seconds=duration * cores,
                main_thread_seconds=duration * 0.9,
                helper_seconds=duration * of_helpers,
                helpers=training["loader_workers"] if wait_share else 0,
                processor_joules=duration * WATTS["processor"],
                gpu_joules=duration * WATTS["gpu"] if axes.device(device)["gpu"] else None,
                wait_seconds=wait_share and duration * wait_share,
                steps=losses.shape[1],
                images=training["train_images"],
                average_loss=float(of_epoch.mean()),
                test_loss=float(of_epoch.mean()) + 0.02,
                test_accuracy=float(accuracy(of_epoch.mean())),
            )
            for number, (begin, duration, of_epoch) in enumerate(epochs)
        ],
        weights={
            name: {"shape": list(shape), "dtype": dtype}
            for name, shape in weight_shapes(training["layers"]).items()
        },
    )


def environment(opened: dict, competitor: str, threads: str | int) -> Environment:
    """A record's `environment`, true as far as this checkout's files go."""
    framework, device = Competitor.parse(competitor)
    built, track = receipt(competitor), opened["track"]
    protocol = hashlib.sha256(f"{opened['scenario']} {opened['round']}".encode()).hexdigest()
    gpu = GPU if axes.device(device)["gpu"] else None
    threads = MACHINE["cores"] if threads == "default" else threads
    pool = {"user_api": "blas", "internal_api": "openblas", "version": "0.3.29"}
    pool |= {"file": "imagined.libs/libopenblas.so", "own": True}
    return Environment(
        **{key: built[key] for key in ("deployment", "image", "lock_sha256", "python", "packages")},
        trainer_sha256=sha256(axes.trainer(track, framework)),
        toolbox_sha256=TOOLBOX,
        machine=machine(gpu=gpu and gpu["name"]),
        gpu=gpu,
        variables={},
        user_variables=[],
        load_before=[0.2, 0.1, 0.1],
        load_after=[1.9, 0.8, 0.3],
        data_sha256=hashlib.sha256(b"digits").hexdigest(),
        protocol_sha256=protocol if axes.track(track)["start"] == "protocol" else None,
        threads={"framework": threads, "openmp": threads, "blas": threads},
        pools=[pool | {"num_threads": threads, "architecture": "SkylakeX"}],
        device=axes.framework(framework)["device_names"].get(device, device),
        twins=["an operation"] if axes.has_twin(track, framework) else [],
    )


def write_reference(path: Path, losses: np.ndarray) -> None:
    """The reference that the runs of a round should come close to."""
    path.parent.mkdir(parents=True, exist_ok=True)
    averages = losses.mean(axis=1)
    np.savez(
        path,
        losses=losses,
        test_loss=averages + 0.02,
        test_accuracy=accuracy(averages),
        nearest_zero=np.ones_like(losses),  # no ReLU is in doubt
        shows_rounding=np.ones(losses.shape, dtype=bool),
        losses_after_update=losses.ravel()[:10] * 0.9,
    )


def write_distribution(path: Path, rng: Generator, framework: str, training: dict) -> None:
    """What twenty seeds of NumPy would have given with this framework's initializer."""
    losses = np.array([step_losses(rng, framework, training).mean(axis=1) for _ in range(20)])
    seed, epoch = np.indices(losses.shape)
    columns = {"seed": seed, "epoch": epoch, "average_loss": losses}
    columns["test_accuracy"] = accuracy(losses)
    path.parent.mkdir(parents=True, exist_ok=True)
    pd.DataFrame({name: of.ravel() for name, of in columns.items()}).to_csv(path, index=False)


def write_data(folder: Path, training: dict) -> None:
    """A data set whose images are all black: what counts them need not tell them apart."""
    dataset = axes.dataset(training["dataset"])
    (folder / "raw").mkdir(parents=True, exist_ok=True)
    for file in dataset["files"].values():
        (folder / "raw" / file["name"]).touch()
    sizes = {part: training[f"{part}_images"] for part in ("train", "test")}
    arrays = {}
    for part, count in sizes.items():
        arrays[f"{part}_images"] = np.zeros((count, *dataset["image"]), np.uint8)
        arrays[f"{part}_labels"] = np.zeros(count, np.uint8)
    np.savez_compressed(folder / "images.npz", **arrays)
    facts = {"dataset": training["dataset"], "original": False}
    facts |= {key: dataset[key] for key in ("label", "image", "classes")}
    facts |= {f"{part}_images": count for part, count in sizes.items()}
    write(folder / "facts.json", facts)


def write(path: Path, content) -> None:
    """Write one JSON file, and its folder where there is none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=1))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path, help="where they go; the workflow's is results")
    parser.add_argument("--config", type=Path, default=ROOT / "config/config.yaml")
    parser.add_argument("--rounds", type=int, help="in place of the config's")
    args = parser.parse_args()
    requested = yaml.safe_load(args.config.read_text())
    make(args.folder, checked(requested | ({"rounds": args.rounds} if args.rounds else {})))
