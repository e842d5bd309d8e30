"""Examine one competitor where it will run, before anything is clocked.

What is found unfit is told with a remedy, in results/doctor/, and the verdict is for `doctor` to
act on: an examination itself always ends well.
"""

import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from environment import BuildError, check
from protocol import batch_order, initial_weights

sys.path.append(str(Path(__file__).parents[1] / "trainers"))

from toolbox.machine import load, machine
from toolbox.record import write

IMAGES, HIDDEN = 256, 16  # of the tiny training: two steps
DISK_BYTES, MEMORY_BYTES = 1 << 30, 2 << 30

ASK_GPU = """
from toolbox.nvml import Gpu, NoGpu
try:
    facts = Gpu().facts()
    print(f"{facts['name']}, compute capability {facts['compute_capability']}")
except NoGpu as error:
    raise SystemExit(str(error))
"""


def tiny_training(interpreter: list, trainer: Path, receipt: Path, device: str) -> None:
    """Two steps on noise, launched as the rule `train` does it; raises CalledProcessError."""
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        images = rng.integers(0, 256, (IMAGES, 28, 28), dtype=np.uint8)
        labels = rng.integers(0, 10, IMAGES, dtype=np.uint8)
        parts = {"train_images": images, "train_labels": labels}
        parts |= {"test_images": images, "test_labels": labels}
        np.savez(folder / "mnist.npz", **parts)
        order = batch_order(rng, 1, IMAGES)
        np.savez(folder / "protocol.npz", **initial_weights(rng, HIDDEN), order=order)
        opened = {"id": "0" * 32, "track": "controlled", "scenario": "examination", "round": 0}
        write(folder / "round.json", opened)
        launch(
            interpreter,
            *("-m", "toolbox.launch", "--trainer", trainer, "--environment", receipt),
            *("--round", folder / "round.json", "--record", folder / "record.json"),
            *("--losses", folder / "losses.npy", "--threads", "1", "--anywhere", "--"),
            *("--device", device, "--epochs", "1", "--hidden-units", str(HIDDEN)),
            *("--data", folder, "--protocol", folder / "protocol.npz"),
        )


def launch(interpreter: list, *arguments) -> str:
    """Run a Python with the toolbox; its output. Raises CalledProcessError."""
    trainers = Path(__file__).parents[1] / "trainers"
    done = subprocess.run(
        [*interpreter, *arguments],
        env=os.environ | {"PYTHONPATH": str(trainers)},
        capture_output=True,
        text=True,
    )
    done.check_returncode()
    return done.stdout.strip()


def examine(interpreter: list, lock: Path, trainer: Path, receipt: Path, device: str) -> list:
    """Findings in order: (what, ok, words). The first that is not ok ends the examination."""
    findings = []
    try:
        version, _ = check(interpreter, lock)
        findings.append(("environment", True, f"Python {version}, packages as in {lock.name}"))
        if device == "cuda":
            findings.append(("device", True, launch(interpreter, "-c", ASK_GPU)))
        tiny_training(interpreter, trainer, receipt, device)
        findings.append(("training", True, "two steps"))
    except (OSError, BuildError) as error:
        words = f"{error} To build it anew: snakemake --forcerun environment"
        findings.append(("environment", False, words))
    except subprocess.CalledProcessError as error:
        what = "device" if ASK_GPU in map(str, error.cmd) else "training"
        last = (error.stderr or error.stdout or "no word").strip().splitlines()[-1]
        on = next((f" on {words}" for name, _, words in findings if name == "device"), "")
        findings.append((what, False, f"fails{on}: {last[:300]}"))
    return findings


def surroundings(folder: Path, wants_gpu: bool) -> list:
    """What is no competitor's fault: (what, ok, words). A remark stops nobody."""
    here = machine()
    free = shutil.disk_usage(folder).free
    memory = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    busy = load()[0] / here["usable_cores"]
    remarks = [
        ("disk", free > DISK_BYTES, f"{free / 1e9:.1f} GB free; records and pictures take 1 GB"),
        ("memory", memory > MEMORY_BYTES, f"{memory / 1e9:.1f} GB free; PyTorch takes 2 GB"),
        (
            "governor",
            here["governor"] in (None, "performance"),
            f"{here['governor'] or 'not shown'}; steady clocks come with `performance`",
        ),
        ("load", busy < 0.5, f"{busy:.1f} runnable processes a core; close what else runs"),
    ]
    if shutil.which("sinfo"):
        told = subprocess.run(["sinfo", "-h", "-o", "%G"], capture_output=True, text=True)
        words = "answers" if told.returncode == 0 else told.stderr.strip().splitlines()[-1]
        remarks.append(("scheduler", told.returncode == 0, f"Slurm: {words}"))
        if wants_gpu and told.returncode == 0:
            words = f"generic resources: {' '.join(told.stdout.split())}"
            remarks.append(("gres", "gpu" in told.stdout, f"{words}; `gpu` must be among them"))
    return remarks


if __name__ == "__main__":
    sys.stderr = sys.stdout = open(snakemake.log[0], "w", buffering=1)
    given, device = snakemake.input, snakemake.wildcards.device
    findings = examine(
        shlex.split(snakemake.params.python),
        Path(given.lock),
        Path(given.trainer),
        Path(given.environment),
        device,
    )
    verdict = {
        "competitor": f"{snakemake.wildcards.framework}-{device}",
        "fit": all(ok for _, ok, _ in findings),
        "node": machine()["node"],
        "findings": findings,
        "remarks": surroundings(Path("results"), device == "cuda"),
    }
    print(json.dumps(verdict, indent=1))
    write(snakemake.output[0], verdict)
