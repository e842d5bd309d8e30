"""Run one trainer as a process of its own and leave its record.

Standard library alone (and NVML where there is a GPU): it runs in the framework's environment,
outside the trainer's process, so that peak memory and processor time come from the kernel's account
of the finished process.

    python -E -s workflow/trainers/start.py workflow/trainers/toolbox/launch.py --trainer FILE \
        --environment FILE --round FILE --record FILE --losses FILE --threads default \
        -- FLAGS OF THE TRAINER
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
from collections.abc import Sequence
from contextlib import nullcontext, suppress
from datetime import UTC, datetime
from pathlib import Path

from toolbox.machine import load, machine, other_processes_of_job
from toolbox.nvml import Gpu, NoGpu
from toolbox.record import Environment, Epoch, Measured, Record, Requested, sha256

# Snakemake sets these from a job's `threads:`; a library reads them once, when it is loaded.
THREAD_VARIABLES = [
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "GOTO_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
]
# Beginnings of variables that change how libraries compute, whichever framework uses them. Those
# that are set go into the record, with the framework's and the device's own.
RECORDED = ("OMP_", "GOMP_", "KMP_", "MKL_", "OPENBLAS_", "GOTO_", "VECLIB_", "NUMEXPR_", "DNNL_")


def variables(
    threads: str,
    thread_variables: Sequence[str] = (),
    more: Sequence[str] = (),
    library_folders: str | None = None,
) -> dict[str, str]:
    """The trainer's environment variables: this process's, with what was requested.

    `threads`: `default` leaves the choice to the library, as for a reader who types the tutorial
    in: the variables are unset. A number sets them all, `thread_variables` too. `more`: further
    variables as NAME=VALUE. `library_folders`: a glob pattern inside the environment's
    site-packages, whose folders go on LD_LIBRARY_PATH.
    """
    names = [*THREAD_VARIABLES, *thread_variables]
    env = {key: value for key, value in os.environ.items() if key not in names}
    if threads != "default":
        env |= dict.fromkeys(names, threads)
    if library_folders:
        folders = sorted(Path(sysconfig.get_path("purelib")).glob(library_folders))
        found = [*map(str, folders), env.get("LD_LIBRARY_PATH", "")]
        env["LD_LIBRARY_PATH"] = ":".join(filter(None, found))
    return env | dict(pair.split("=", 1) for pair in more)


def start(program: str | os.PathLike, *arguments: str | os.PathLike) -> list[str]:
    """The command that runs a program of a framework in this environment, see start.py."""
    starter = Path(__file__).parents[1] / "start.py"
    return [sys.executable, "-E", "-s", *map(str, [starter, program, *arguments])]


def trainer_command(
    trainer: str | os.PathLike, flags: Sequence[str], losses: Path, result: Path
) -> list[str]:
    """The command that runs a trainer: `flags` are those of toolbox.settings.Settings."""
    return start(trainer, *flags, "--losses", losses, "--result", result)


def run(command: list[str], env: dict[str, str], gpu: Gpu | None = None) -> tuple:
    """Run the command to its end: exit status, wall seconds, the kernel's account, the GPU's."""
    begin = time.monotonic()
    process = subprocess.Popen([*command, "--start-time", repr(begin)], env=env)
    with gpu.watch(process.pid) if gpu else nullcontext() as watch:
        _, status, usage = os.wait4(process.pid, 0)
    seconds = time.monotonic() - begin
    process.returncode = os.waitstatus_to_exitcode(status)
    return process.returncode, seconds, usage, watch and watch.summary()


def exit_if_round_was_reopened(opened: dict, round_file: str) -> None:
    """End the whole job unless the round is still as it was opened, by the job that we are in.

    A job can live on unseen, when its submitter was killed or its node was cut off. Once another
    job has opened the round again, nothing of the old one may get into it. The Snakemake around us
    is killed with the rest: after a failure, it would delete outputs, by then not its own.
    """
    try:
        now = json.loads(Path(round_file).read_text())
    except FileNotFoundError:  # about to be opened again
        now = {"id": None}
    if now["id"] == opened["id"] and machine()["job"] in (None, now["machine"]["job"]):
        return
    for process in other_processes_of_job():
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
    sys.exit(
        f"{round_file} was opened by another job: this run does not count. "
        "To run the round again: snakemake --forcerun round"
    )


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--trainer", required=True, help="the program to run")
    parser.add_argument("--environment", required=True, help="the environment's receipt")
    parser.add_argument("--round", required=True, help="the file that opened the round")
    parser.add_argument("--record", required=True, help="where the record goes")
    parser.add_argument("--losses", required=True, help="where the step losses go")
    parser.add_argument("--threads", required=True, help="`default`, or how many")
    parser.add_argument("--thread-variables", nargs="*", default=[], help="that set threads, too")
    parser.add_argument("--set", nargs="*", default=[], metavar="NAME=VALUE", help="variables")
    parser.add_argument("--recorded", nargs="*", default=[], help="how variables to record begin")
    parser.add_argument("--library-folders", help="in site-packages, for LD_LIBRARY_PATH")
    parser.add_argument("--gpu", action="store_true", help="watch the GPU that it runs on")
    parser.add_argument("--no-round-check", action="store_true", help="run outside the round's job")
    parser.add_argument("flags", nargs="+", help="the trainer's own, after --")
    args = parser.parse_args(argv)

    opened = json.loads(Path(args.round).read_text())
    receipt = json.loads(Path(args.environment).read_text())
    env = variables(args.threads, args.thread_variables, args.set, args.library_folders)
    try:
        gpu = Gpu() if args.gpu else None
    except NoGpu as error:
        sys.exit(str(error))
    started, load_before = datetime.now(UTC), load()
    # Beside the record, so that the files of a finished run are moved in one step.
    with tempfile.TemporaryDirectory(prefix=".", dir=Path(args.record).parent) as folder:
        result_file, losses = Path(folder) / "result.json", Path(folder) / "losses.npy"
        command = trainer_command(args.trainer, args.flags, losses, result_file)
        if not args.no_round_check:
            exit_if_round_was_reopened(opened, args.round)
        status, seconds, usage, watched = run(command, env, gpu)
        if not args.no_round_check:
            exit_if_round_was_reopened(opened, args.round)
        if status != 0:
            print(f"{args.trainer} ended with exit status {status}", file=sys.stderr)
            return status if status > 0 else 128 - status
        result = json.loads(result_file.read_text())
        os.replace(losses, args.losses)

    recorded = (*RECORDED, *args.recorded)
    toolbox = sorted(Path(__file__).parent.glob("*.py"))
    record = Record(
        id=uuid.uuid4().hex,
        round_id=opened["id"],
        requested=Requested(
            **{key: opened[key] for key in ("track", "scenario", "round")},
            **{key: receipt[key] for key in ("framework", "device")},
            threads=args.threads if args.threads == "default" else int(args.threads),
            **result["requested"],
        ),
        environment=Environment(
            **{key: receipt[key] for key in ("deployment", "image", "lock_sha256")},
            trainer_sha256=sha256(args.trainer),
            toolbox_sha256={path.name: sha256(path) for path in toolbox},
            machine=machine(),
            gpu=gpu and gpu.facts(),
            variables={k: v for k, v in sorted(env.items()) if k.startswith(recorded)},
            load_before=load_before,
            load_after=load(),
            **result["environment"],
        ),
        measured=Measured(
            started=started.isoformat(timespec="milliseconds"),
            seconds=seconds,
            gpu=watched,
            losses_sha256=sha256(args.losses),
            peak_memory_bytes=usage.ru_maxrss * 1024,
            user_seconds=usage.ru_utime,
            system_seconds=usage.ru_stime,
            phases=result["measured"]["phases"],
            epochs=[Epoch(**epoch) for epoch in result["measured"]["epochs"]],
        ),
    )
    record.write(args.record)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
