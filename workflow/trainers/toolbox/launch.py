"""Run one trainer as a process of its own and leave its record.

Standard library alone (and NVML where there is a GPU): it runs in the framework's environment,
outside the trainer's process, so that peak memory and processor time come from the kernel's account
of the finished process.

    python -m toolbox.launch --trainer FILE --environment FILE --round FILE --record FILE \
        --losses FILE --threads default -- FLAGS OF THE TRAINER
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import sysconfig
import tempfile
import time
import uuid
from contextlib import nullcontext, suppress
from datetime import UTC, datetime
from pathlib import Path

from toolbox.machine import companions, load, machine
from toolbox.nvml import Gpu, NoGpu
from toolbox.record import sealed, sha256, write

# Snakemake sets these from a job's `threads:`; a library reads them once, when it is loaded.
THREAD_VARIABLES = [
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "GOTO_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
]
# Variables that change how the libraries compute; whichever are set go into the record.
TUNING = ("OMP_", "GOMP_", "KMP_", "MKL_", "OPENBLAS_", "GOTO_", "VECLIB_", "NUMEXPR_")
TUNING += ("MXNET_", "TORCH", "PYTORCH_", "CUDA_", "CUBLAS_", "NVIDIA_", "ATEN_", "DNNL_")


def variables(threads: str, device: str = "cpu", track: str = "tutorial") -> dict[str, str]:
    """The trainer's environment variables: this process's, with the threads that were asked for.

    `default` leaves the choice to the library, as for a reader who types the tutorial in: the
    variables are unset. A number sets them all. For cuda, the libraries that came as wheels are
    found, GPUs are numbered as NVML does, and the controlled track computes without TF32, whose
    products keep 10 bits of a float32's 23.
    """
    inherited = {key: value for key, value in os.environ.items() if key not in THREAD_VARIABLES}
    asked = {} if threads == "default" else dict.fromkeys(THREAD_VARIABLES, threads)
    if device == "cuda":
        wheels = sorted(Path(sysconfig.get_path("purelib")).glob("nvidia/*/lib"))
        found = [*map(str, wheels), os.environ.get("LD_LIBRARY_PATH", "")]
        asked |= {
            "LD_LIBRARY_PATH": ":".join(filter(None, found)),
            "CUDA_DEVICE_ORDER": "PCI_BUS_ID",
        }
        asked |= {"NVIDIA_TF32_OVERRIDE": "0"} if track == "controlled" else {}
    return inherited | asked


def run(command: list[str], env: dict[str, str], gpu: Gpu | None = None) -> tuple:
    """Run the command to its end: exit status, wall seconds, the kernel's account, the GPU's."""
    begin = time.monotonic()
    process = subprocess.Popen([*command, "--born", repr(begin)], env=env)
    with gpu.watch(process.pid) if gpu else nullcontext() as watch:
        _, status, usage = os.wait4(process.pid, 0)
    seconds = time.monotonic() - begin
    process.returncode = os.waitstatus_to_exitcode(status)
    return process.returncode, seconds, usage, watch and watch.summary()


def stop_if_stranger(opened: dict, round_file: str) -> None:
    """End the whole job unless the round is still as it was opened, by the job that we are in.

    A job can live on unseen, when its submitter was killed or its node was cut off. Once another
    job has opened the round anew, nothing of the old one may get into it. The Snakemake around us
    is killed with the rest: told of a failure, it would delete outputs, by then not its own.
    """
    try:
        now = json.loads(Path(round_file).read_text())
    except FileNotFoundError:  # about to be opened anew
        now = {"id": None}
    if now["id"] == opened["id"] and machine()["job"] in (None, now["machine"]["job"]):
        return
    for process in companions():
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
    sys.exit(
        f"{round_file} was opened by another job: the run is not counted. "
        "To have it again: snakemake --forcerun round"
    )


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--trainer", required=True, help="the program to run")
    parser.add_argument("--environment", required=True, help="the environment's receipt")
    parser.add_argument("--round", required=True, help="the file that opened the round")
    parser.add_argument("--record", required=True, help="where the record goes")
    parser.add_argument("--losses", required=True, help="where the step losses go")
    parser.add_argument("--threads", required=True, help="`default`, or how many")
    parser.add_argument("--anywhere", action="store_true", help="outside the round's job, too")
    parser.add_argument("flags", nargs="+", help="the trainer's own, after --")
    args = parser.parse_args(argv)

    opened = json.loads(Path(args.round).read_text())
    receipt = json.loads(Path(args.environment).read_text())
    env = variables(args.threads, receipt["device"], opened["track"])
    try:
        gpu = Gpu() if receipt["device"] == "cuda" else None
    except NoGpu as error:
        sys.exit(str(error))
    started, load_before = datetime.now(UTC), load()
    # Beside the record, so that what a finished run hands over is moved in one step.
    with tempfile.TemporaryDirectory(prefix=".", dir=Path(args.record).parent) as folder:
        handed, losses = Path(folder) / "handed.json", Path(folder) / "losses.npy"
        command = [sys.executable, args.trainer, *args.flags]
        command += ["--losses", str(losses), "--hand-over", str(handed)]
        if not args.anywhere:
            stop_if_stranger(opened, args.round)
        status, seconds, usage, watched = run(command, env, gpu)
        if not args.anywhere:
            stop_if_stranger(opened, args.round)
        if status != 0:
            print(f"{args.trainer} ended with exit status {status}", file=sys.stderr)
            return status if status > 0 else 128 - status
        trainer = json.loads(handed.read_text())
        os.replace(losses, args.losses)

    toolbox = sorted(Path(__file__).parent.glob("*.py"))
    record = {
        "schema": 1,
        "id": uuid.uuid4().hex,
        "round_id": opened["id"],
        "asked": {key: opened[key] for key in ("track", "scenario", "round")}
        | {key: receipt[key] for key in ("framework", "device")}
        | {"threads": args.threads if args.threads == "default" else int(args.threads)}
        | trainer["asked"],
        "ran": {
            **{key: receipt[key] for key in ("deployment", "image", "lock_sha256")},
            "trainer_sha256": sha256(args.trainer),
            "toolbox_sha256": {path.name: sha256(path) for path in toolbox},
            "machine": machine(),
            "gpu": gpu and gpu.facts(),
            "variables": {k: v for k, v in sorted(env.items()) if k.startswith(TUNING)},
            "load_before": load_before,
            "load_after": load(),
        }
        | trainer["ran"],
        "measured": {
            "started": started.isoformat(timespec="milliseconds"),
            "seconds": seconds,
            "gpu": watched,
            "losses_sha256": sha256(args.losses),
            "peak_memory_bytes": usage.ru_maxrss * 1024,
            "user_seconds": usage.ru_utime,
            "system_seconds": usage.ru_stime,
        }
        | trainer["measured"],
    }
    write(args.record, sealed(record))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
