"""Make a results tree with plausible records of any number of rounds, without training anything.

    PYTHONPATH=workflow/scripts:workflow/trainers python benchmarks/records.py --rounds 1000 results

What the analysis reads is there: round files, sealed records, step losses, rehearsals, references,
distributions and receipts. The numbers imitate a machine with two cores and are drawn from the
config's seed: the same arguments give the same bytes. They serve the tests and the benchmark of the
analysis, and say nothing about any framework.
"""

import argparse
import hashlib
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import settings
import yaml
from download import FILES
from environment import locked_versions

from toolbox.record import sealed, sha256

ROOT = Path(__file__).resolve().parents[1]
TRAINERS = ROOT / "workflow/trainers"
TOOLBOX = {file.name: sha256(file) for file in sorted((TRAINERS / "toolbox").glob("*.py"))}
MACHINE = {
    "processor": "Imagined Processor 2 @ 2.60GHz",
    "cores": 2,
    "memory_bytes": 24 * 2**30,
    "kernel": "6.1.0-41-amd64",
    "usable_cores": 2,
    "node": "imagined",
    "boot": "11111111-2222-3333-4444-555555555555",
    "job": None,
    "libc": "glibc 2.36",
    "governor": "performance",
    "fingerprint": hashlib.sha256(b"imagined").hexdigest(),
}
# Seconds of an epoch with default threads, and the share of it spent waiting for the loader.
TIMES = {
    ("tutorial", "pytorch"): (5.2, 0.92),
    ("tutorial", "mxnet"): (3.1, 0.76),
    ("controlled", "pytorch"): (0.43, None),
    ("controlled", "mxnet"): (0.95, None),
    ("controlled", "numpy"): (0.36, None),
}
ONE_THREAD = {("tutorial", "pytorch"): (2.95, 0.83)}  # where it differs
AVERAGE_LOSS = {  # over many seeds, epochs 0 to 4; frameworks not named here are as PyTorch
    "pytorch": [0.3241, 0.1510, 0.1062, 0.0817, 0.0660],
    "mxnet": [0.3111, 0.1490, 0.1062, 0.0823, 0.0668],
}


def make(folder: Path, config: dict) -> None:
    """Write the tree of a completed config under `folder`, which is the workflow's `results`."""
    rng = np.random.default_rng(config["seed"])
    write_digits(folder / "data", config["data"])
    clock = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
    for track, scenario in settings.contests(config):
        asked = config["scenarios"][scenario] | {
            "train_images": config["data"]["train_images"],
            "test_images": config["data"]["test_images"],
        }
        members = settings.competitors(config, track)
        for member in members:
            write(folder / f"environments/{member}.json", receipt(member))
            if track == "tutorial":
                write_distribution(folder, rng, scenario, member, asked)
        for number in range(config["rounds"]):
            opened = {
                "schema": 1,
                "id": rng.bytes(16).hex(),
                "track": track,
                "scenario": scenario,
                "round": number,
                "nodes": "here",
                "seed": settings.seed(config, number),
                "order": settings.draw(members, config["seed"], track, scenario, number),
                "opened": clock.isoformat(timespec="milliseconds"),
                "machine": MACHINE,
                "load": [0.1, 0.1, 0.1],
                "peak": {"threads": 2, "flops": 3.2e11 * rng.normal(1, 0.01), "size": 2048},
            }
            write(folder / f"rounds/{track}/{scenario}/{number}.json", sealed(opened))
            losses = step_losses(rng, "pytorch", asked)
            if track == "controlled":
                write_reference(folder / f"reference/{scenario}/{number}.npz", losses)
            for member in opened["order"]:
                path = folder / f"runs/{track}/{scenario}/{number}/{member}"
                if track == "tutorial":
                    own = step_losses(rng, member.rsplit("-", 1)[0], asked)
                else:
                    own = losses + rng.normal(0, 1e-7, losses.shape)
                clock = write_run(path, rng, opened, asked, member, "float32", own, clock)
                if track == "controlled" and number == 0:
                    path = folder / f"rehearsals/{scenario}/{member}"
                    own = losses + rng.normal(0, 2e-16, losses.shape)
                    write_run(path, rng, opened, asked, member, "float64", own, clock)


def step_losses(rng, framework: str, asked: dict) -> np.ndarray:
    """Losses (epochs, steps) that fall and scatter as the tutorial's do."""
    averages = np.array(AVERAGE_LOSS.get(framework, AVERAGE_LOSS["pytorch"]))
    averages = np.resize(averages, asked["epochs"]) * rng.normal(1, 0.006)
    steps = -(-asked["train_images"] // asked["batch_size"])
    falling = np.ones((asked["epochs"], steps))
    falling[0] += 6 * np.exp(-np.arange(steps) / 20)
    falling *= rng.lognormal(0, 0.25, falling.shape)
    return averages[:, None] * falling / falling.mean(axis=1, keepdims=True)


def accuracy(average_loss):
    """A test accuracy, in steps of one image, that goes with an average loss."""
    return np.round(1 - 0.3 * average_loss, 4)


def write_run(
    path: Path,
    rng,
    opened: dict,
    asked: dict,
    member: str,
    dtype: str,
    losses: np.ndarray,
    clock: datetime,
) -> datetime:
    """One run's losses and record; gives back the time at which the next run may begin."""
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(f"{path}.losses.npy", losses)
    measured = measurements(rng, opened, asked, member, losses)
    measured["started"] = clock.isoformat(timespec="milliseconds")
    measured["losses_sha256"] = sha256(f"{path}.losses.npy")
    framework, device = member.rsplit("-", 1)
    asked = {key: value for key, value in asked.items() if key != "tracks"}
    asked["learning_rate"] = float(np.float32(asked["learning_rate"]))
    record = {
        "schema": 1,
        "id": rng.bytes(16).hex(),
        "round_id": opened["id"],
        "asked": {key: opened[key] for key in ("track", "scenario", "round", "seed")}
        | {"framework": framework, "device": device, "dtype": dtype}
        | asked,
        "ran": what_ran(opened, member, asked["threads"]),
        "measured": measured,
    }
    write(Path(f"{path}.json"), sealed(record))
    return clock + timedelta(seconds=measured["seconds"] + 1)


def measurements(rng, opened: dict, asked: dict, member: str, losses: np.ndarray) -> dict:
    """The record's `measured`: times around the framework's own, under a slow drift for all."""
    one, kind = asked["threads"] == 1, (opened["track"], member.rsplit("-", 1)[0])
    unknown = (1.0, 0.5 if opened["track"] == "tutorial" else None)
    typical, wait_share = (TIMES | ONE_THREAD if one else TIMES).get(kind, unknown)
    drift = 1 + 0.05 * np.sin(opened["round"])
    seconds = typical * drift * rng.lognormal(0, 0.02, asked["epochs"])
    seconds[0] *= 1.15
    before, evaluation = 1.7, 0.8
    loader_pass = wait_share and float(0.9 * typical * wait_share * rng.lognormal(0, 0.02))
    wall = float(before + seconds.sum() + evaluation + (loader_pass or 0))
    begins = before + np.cumsum(seconds) - seconds
    epochs = zip(begins.tolist(), seconds.tolist(), losses, strict=True)
    return {
        "seconds": wall,
        "peak_memory_bytes": int(4e8 * rng.normal(1, 0.01)),
        "user_seconds": 1.6 * wall,
        "system_seconds": 0.1 * wall,
        "phases": {
            "import": 1.2,
            "load": 0.4,
            "set_up": 0.02,
            "first_step": 0.03,
            "epochs": float(seconds.sum()),
            "evaluation": evaluation,
            "loader_pass": loader_pass,
        },
        "epochs": [
            {
                "epoch": number,
                "begin": begin,
                "seconds": duration,
                "wait_seconds": wait_share and duration * wait_share,
                "steps": losses.shape[1],
                "images": asked["train_images"],
                "average_loss": float(of_epoch.mean()),
                "test_loss": float(of_epoch.mean()) + 0.02,
                "test_accuracy": float(accuracy(of_epoch.mean())),
            }
            for number, (begin, duration, of_epoch) in enumerate(epochs)
        ],
    }


def what_ran(opened: dict, member: str, threads: str | int) -> dict:
    """The record's `ran`, true as far as this checkout's files go."""
    environment, track = receipt(member), opened["track"]
    protocol = hashlib.sha256(f"{opened['scenario']} {opened['round']}".encode()).hexdigest()
    threads = MACHINE["cores"] if threads == "default" else threads
    pool = {"user_api": "blas", "internal_api": "openblas", "version": "0.3.29"}
    pool |= {"file": "imagined.libs/libopenblas.so", "own": True}
    return {
        "deployment": environment["deployment"],
        "image": environment["image"],
        "lock_sha256": environment["lock_sha256"],
        "trainer_sha256": sha256(TRAINERS / track / f"{member.rsplit('-', 1)[0]}_mlp.py"),
        "toolbox_sha256": TOOLBOX,
        "machine": MACHINE,
        "variables": {},
        "load_before": [0.2, 0.1, 0.1],
        "load_after": [1.9, 0.8, 0.3],
        "python": environment["python"],
        "packages": environment["packages"],
        "data_sha256": hashlib.sha256(b"digits").hexdigest(),
        "protocol_sha256": protocol if track == "controlled" else None,
        "threads": {"framework": threads, "openmp": threads, "blas": threads},
        "pools": [pool | {"num_threads": threads, "architecture": "SkylakeX"}],
        "device": member.rsplit("-", 1)[1],
    }


def receipt(member: str) -> dict:
    """The receipt of an environment as if it were just built from its lock."""
    framework, device = member.rsplit("-", 1)
    lock = ROOT / f"envs/{member}.lock"
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


def write_reference(path: Path, losses: np.ndarray) -> None:
    """The reference that a round's controlled runs should come close to."""
    path.parent.mkdir(parents=True, exist_ok=True)
    averages = losses.mean(axis=1)
    np.savez(
        path,
        losses=losses,
        test_loss=averages + 0.02,
        test_accuracy=accuracy(averages),
        nearest_zero=np.ones_like(losses),  # no ReLU is in doubt
    )


def write_distribution(folder: Path, rng, scenario: str, member: str, asked: dict) -> None:
    """What twenty seeds of NumPy would have given with this framework's initializer."""
    framework = member.rsplit("-", 1)[0]
    losses = np.array([step_losses(rng, framework, asked).mean(axis=1) for _ in range(20)])
    seed, epoch = np.indices(losses.shape)
    columns = {"seed": seed, "epoch": epoch, "average_loss": losses}
    columns["test_accuracy"] = accuracy(losses)
    path = folder / f"distribution/{scenario}/{framework}.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    pd.DataFrame({name: of.ravel() for name, of in columns.items()}).to_csv(path, index=False)


def write_digits(folder: Path, sizes: dict) -> None:
    """Digits that are all black: what counts them need not tell them apart."""
    (folder / "raw").mkdir(parents=True, exist_ok=True)
    for name in FILES:
        (folder / "raw" / name).touch()
    arrays = {}
    for part in ("train", "test"):
        count = sizes[f"{part}_images"]
        arrays[f"{part}_images"] = np.zeros((count, 28, 28), np.uint8)
        arrays[f"{part}_labels"] = np.zeros(count, np.uint8)
    np.savez_compressed(folder / "mnist.npz", **arrays)


def write(path: Path, content: dict) -> None:
    """Write one JSON file, and its folder where there is none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=1))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path, help="where the tree goes; the workflow's is results")
    parser.add_argument("--config", type=Path, default=ROOT / "config/config.yaml")
    parser.add_argument("--rounds", type=int, help="in place of the config's")
    args = parser.parse_args()
    config = yaml.safe_load(args.config.read_text())
    make(args.folder, settings.checked(config | ({"rounds": args.rounds} if args.rounds else {})))
