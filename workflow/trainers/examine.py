"""Examine one competitor where it will run, before anything is timed.

Runs in the framework's environment, whichever way that is deployed; NumPy and the standard library.
What fails is written down with a remedy, for the rule `admit` to act on: the program itself
succeeds whenever the examination could be made. The page shows it, so it names no machine and no
folder. The same competitor on the same kind of machine gets the same examination to the letter;
what changes from hour to hour is what `look_around.py` sees.
"""

import argparse
import json
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from functools import partial
from importlib import metadata
from itertools import pairwise
from pathlib import Path

import numpy as np

from toolbox.launch import start
from toolbox.nvml import Gpu, NoGpu
from toolbox.privacy import anonymous
from toolbox.record import sha256, write
from toolbox.settings import Settings

IMAGES, LAYERS = 256, [784, 16, 10]  # of the tiny training: two steps
LAUNCHER = Path(__file__).parent / "toolbox/launch.py"

Finding = tuple[str, bool, str]  # what was looked at, whether it passed, in words


def environment(receipt: dict, lock: Path) -> Finding:
    """Whether the environment is still what its receipt and its lock say."""
    again = "to build it again: snakemake --forcerun environment"
    if sha256(lock) != receipt["lock_sha256"]:
        return "environment", False, f"built from another {lock.name} than today's; {again}"
    for name, version in receipt["packages"].items():
        try:
            found = metadata.version(name)
        except metadata.PackageNotFoundError:
            found = "absent"
        if found != version:
            return "environment", False, f"{name} is {found}, {version} was built in; {again}"
    packages = f"{len(receipt['packages'])} packages as in {lock.name}"
    words = f"{receipt['deployment']}: Python {platform.python_version()}, {packages}"
    return "environment", True, words


def programs(packages: Mapping[str, str], examination: Path) -> list[Finding]:
    """Whether the programs that the framework calls are there.

    `packages`: the Debian package of each. `examination`: the file to be made again once a program
    has been installed.
    """
    return [
        (f"program {name}", True, f"on the PATH: {first_line(name, '--version')}")
        if shutil.which(name)
        else (
            f"program {name}",
            False,
            f"not on the PATH; Debian: apt install {package} (images: build it again); then delete "
            f"{examination}",
        )
        for name, package in packages.items()
    ]


def first_line(*command: str) -> str:
    """The first line that a command prints."""
    done = subprocess.run(command, capture_output=True, text=True)
    return next(iter(done.stdout.splitlines()), f"exit status {done.returncode}")


def gpu(drivers: Mapping[str, str], examination: Path) -> list[Finding]:
    """The GPU that a trainer would see, what it can run, and whether its driver is new enough.

    `drivers`: the oldest for each major version of CUDA. `examination`: the file to be made again
    once there is a newer one.
    """
    try:
        facts = Gpu().facts()
    except NoGpu as error:
        return [("device", False, anonymous(str(error)))]
    what = f"{facts['name']}, compute capability {facts['compute_capability']}"
    return [("device", True, what), ("driver", *driver(facts, drivers, examination))]


def driver(facts: dict, drivers: Mapping[str, str], examination: Path) -> tuple[bool, str]:
    """Whether the driver is new enough for the environment's CUDA; within one major all are."""
    own = next(
        (version for name, version in facts["libraries"].items() if "cuda-runtime" in name), None
    )
    words = f"{facts['driver']}, for CUDA up to {facts['driver_cuda']}"
    if own is None:
        return True, f"{words}; the environment brings no CUDA of its own"
    words += f"; the environment's CUDA is {own}"
    major = own.partition(".")[0]
    if int(major) <= int(facts["driver_cuda"].partition(".")[0]):
        return True, words
    needed = f"driver {drivers[major]} or newer" if major in drivers else "a newer driver"
    return False, (
        f"{words} and needs {needed}; install one, then delete {examination}, or take an "
        "environment with an older CUDA (docs/environments.md)"
    )


def digits(folder: Path) -> None:
    """Noise in the place of a data set, and a protocol for it."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (IMAGES, 28, 28), dtype=np.uint8)
    labels = rng.integers(0, 10, IMAGES, dtype=np.uint8)
    parts = {"train_images": images, "train_labels": labels}
    np.savez(folder / "images.npz", **parts, test_images=images, test_labels=labels)
    raw = folder / "MNIST/raw"  # the same for torchvision, as IDX files
    raw.mkdir(parents=True)
    for part in ("train", "t10k"):
        for kind, array in (("images-idx3", images), ("labels-idx1", labels)):
            header = np.array([0x800 + array.ndim, *array.shape], ">i4").tobytes()
            (raw / f"{part}-{kind}-ubyte").write_bytes(header + array.tobytes())
    weights = {}
    for layer, (inputs, outputs) in enumerate(pairwise(LAYERS), 1):
        weights[f"w{layer}"] = rng.uniform(-0.03, 0.03, (outputs, inputs))
        weights[f"b{layer}"] = rng.uniform(-0.03, 0.03, outputs)
    order = rng.permutation(IMAGES)[np.newaxis].astype(np.int32)
    np.savez(folder / "protocol.npz", order=order, **weights)


def training(
    trainer: Path, receipt_file: Path, device: str, options: list[str], on: str
) -> Finding:
    """Two steps on noise, launched as the rule `train` does it; a crash is an answer, too.

    `options`: of the launcher. `on` names the device where it may be the reason.
    """
    track = trainer.parent.name
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        digits(folder)
        opened = {"id": "0" * 32, "track": track, "scenario": "examination", "round": 0}
        write(folder / "round.json", opened)
        (folder / "secret.key").write_text("examination")
        settings = Settings(
            data=folder,
            protocol=folder / "protocol.npz",
            device=device,
            epochs=1,
            layers=LAYERS,
            loader_workers=1,
        )
        done = subprocess.run(
            start(
                *(LAUNCHER, "--trainer", trainer),
                *("--environment", receipt_file, "--round", folder / "round.json"),
                *("--secret", folder / "secret.key"),
                *("--record", folder / "record.json", "--losses", folder / "losses.npy"),
                *("--threads", "1", "--no-round-check", *options, "--", *settings.flags()),
            ),
            capture_output=True,
            text=True,
        )
        seen = done.returncode == 0 and seen_on_gpu(folder / "record.json")
    what = f"{track} training"
    if seen:
        return what, True, "two steps"
    if done.returncode == 0:
        print(done.stderr)  # a framework may say there what it lacks
        return (
            what,
            False,
            f"trains, but not{on}: the driver saw nothing of it; the log may say why",
        )
    said = (done.stderr or done.stdout).strip()
    print(said)  # with all names, for the log
    # The launcher's own last line has the exit status, the one before it the error.
    why = " / ".join(said.splitlines()[-2:]) or f"exit status {done.returncode}"
    return what, False, f"fails{on}: {anonymous(why)[-400:]}"


def seen_on_gpu(record: Path) -> bool:
    """Whether the driver saw a run on the GPU, if it was to be there at all."""
    watched = json.loads(record.read_text())["measured"]["gpu"]
    return watched is None or watched["process_seen"]


def examine(
    receipt: dict,
    receipt_file: Path,
    lock: Path,
    needed: list[Finding],
    of_gpu: Callable[[], list[Finding]],
    trainers: list[Path],
    options: list[str],
) -> list[Finding]:
    """Findings in order, with those about what is `needed` before anything is tried.

    Nothing is tried any more where one before has failed. `of_gpu` finds what is to be said of the
    GPU, first of all which it is.
    """
    findings, on = [environment(receipt, lock), *needed], ""
    if passed(findings) and "--gpu" in options:
        (_, _, which), *_ = found = of_gpu()
        findings += found
        on = f" on {which}"
    for trainer in trainers:
        if passed(findings):
            findings.append(training(trainer, receipt_file, receipt["device"], options, on))
    return findings


def passed(findings: list[Finding]) -> bool:
    return all(ok for _, ok, _ in findings)


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--environment", type=Path, required=True, help="the receipt")
    parser.add_argument("--lock", type=Path, required=True, help="what it was built from")
    parser.add_argument("--examination", type=Path, required=True, help="where it goes")
    parser.add_argument("--trainers", type=Path, nargs="+", required=True, help="to be tried")
    parser.add_argument("--programs", nargs="*", default=[], metavar="NAME=PACKAGE", help="needed")
    parser.add_argument("--drivers", nargs="*", default=[], metavar="CUDA=DRIVER", help="oldest")
    parser.add_argument("options", nargs="*", help="the launcher's, after --")
    args = parser.parse_args(argv)
    receipt = json.loads(args.environment.read_text())
    packages, drivers = (
        dict(pair.split("=", 1) for pair in pairs) for pairs in (args.programs, args.drivers)
    )
    needed = programs(packages, args.examination)
    of_gpu = partial(gpu, drivers, args.examination)
    findings = examine(
        receipt, args.environment, args.lock, needed, of_gpu, args.trainers, args.options
    )
    examination = {
        "competitor": f"{receipt['framework']}-{receipt['device']}",
        "fit": passed(findings),
        "findings": findings,
    }
    print(json.dumps(examination, indent=1))
    write(args.examination, examination)


if __name__ == "__main__":
    main(sys.argv[1:])
