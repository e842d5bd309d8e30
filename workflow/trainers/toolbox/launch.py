"""Run one trainer as a process of its own and leave its record.

Standard library alone: it runs in the framework's environment, outside the trainer's process, so
that peak memory and processor time come from the kernel's account of the finished process.

    python -m toolbox.launch --trainer FILE --environment FILE --round FILE --record FILE \
        --losses FILE --threads default -- FLAGS OF THE TRAINER
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import uuid
from datetime import UTC, datetime
from pathlib import Path

from toolbox.machine import load, machine
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


def variables(threads: str) -> dict[str, str]:
    """The trainer's environment variables: this process's, with the threads that were asked for.

    `default` leaves the choice to the library, as for a reader who types the tutorial in: the
    variables are unset. A number sets them all.
    """
    inherited = {key: value for key, value in os.environ.items() if key not in THREAD_VARIABLES}
    asked = {} if threads == "default" else dict.fromkeys(THREAD_VARIABLES, threads)
    return inherited | asked


def run(command: list[str], env: dict[str, str]) -> tuple[int, float, "os.struct_rusage"]:
    """Run the command to its end: exit status, wall time in seconds, the kernel's account."""
    begin = time.monotonic()
    process = subprocess.Popen([*command, "--born", repr(begin)], env=env)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return process.returncode, time.monotonic() - begin, usage


STRANGER = "the run is not counted. To have it again: snakemake --forcerun round"


def is_ours(opened: dict, round_file: str) -> bool:
    """Whether the round is still as it was opened, by the job that this process belongs to.

    A job can live on unseen, when its submitter was killed or its node was cut off. Once another
    job has opened the round anew, nothing of the old one may get into it.
    """
    now = json.loads(Path(round_file).read_text())
    return now["id"] == opened["id"] and machine()["job"] in (None, now["machine"]["job"])


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
    env = variables(args.threads)
    started, load_before = datetime.now(UTC), load()
    # Beside the record, so that what a finished run hands over is moved in one step.
    with tempfile.TemporaryDirectory(prefix=".", dir=Path(args.record).parent) as folder:
        handed, losses = Path(folder) / "handed.json", Path(folder) / "losses.npy"
        command = [sys.executable, args.trainer, *args.flags]
        command += ["--losses", str(losses), "--hand-over", str(handed)]
        if not (args.anywhere or is_ours(opened, args.round)):
            sys.exit(f"{args.round} was opened by another job: {STRANGER}")
        status, seconds, usage = run(command, env)
        if status != 0:
            print(f"{args.trainer} ended with exit status {status}", file=sys.stderr)
            return status if status > 0 else 128 - status
        if not (args.anywhere or is_ours(opened, args.round)):
            sys.exit(f"{args.round} was opened anew by another job: {STRANGER}")
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
            "deployment": receipt["deployment"],
            "lock_sha256": receipt["lock_sha256"],
            "trainer_sha256": sha256(args.trainer),
            "toolbox_sha256": {path.name: sha256(path) for path in toolbox},
            "machine": machine(),
            "variables": {k: v for k, v in sorted(env.items()) if k.startswith(TUNING)},
            "load_before": load_before,
            "load_after": load(),
        }
        | trainer["ran"],
        "measured": {
            "started": started.isoformat(timespec="milliseconds"),
            "seconds": seconds,
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
