"""Run one trainer as a process of its own, keep its time, and leave its record.

Standard library alone (and NVML where there is a GPU): it runs in the framework's environment,
outside the trainer's process. So the clock is not the trainer's own, and peak memory and processor
time come from the kernel's account of the finished process.

    python -E -s workflow/trainers/start.py workflow/trainers/toolbox/launch.py --trainer FILE \
        --environment FILE --round FILE --secret FILE --record FILE --losses FILE \
        --threads default -- FLAGS OF THE TRAINER
"""

import argparse
import json
import os
import signal
import sys
import sysconfig
import tempfile
import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from toolbox.energy import of_gpu, of_processor
from toolbox.machine import alias, kills_for_memory, load, machine, other_processes_of_job, where
from toolbox.nvml import Gpu, NoGpu
from toolbox.privacy import anonymous_variable
from toolbox.record import (
    Environment,
    Epoch,
    Measured,
    Phase,
    Record,
    Requested,
    hidden,
    sha256,
)
from toolbox.stopwatch import PARTS, STALL_SECONDS, Part, Stopwatch

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
RECORDED += ("ONEDNN_", "MALLOC_", "GLIBC_TUNABLES")
# Recorded too, but never passed into a container, where the path means another file or none.
PRELOADED = "LD_PRELOAD"


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


def recorded_variables(
    env: Mapping[str, str], recorded: Sequence[str], unrecorded: Sequence[str] = ()
) -> dict[str, str]:
    """The variables among the trainer's whose names begin so, naming no person and no machine.

    `unrecorded`: names of variables that are left out.
    """
    return {
        name: anonymous_variable(value)
        for name, value in sorted(env.items())
        if name.startswith((*recorded, PRELOADED)) and name not in unrecorded
    }


def exit_if_round_was_reopened(opened: dict, round_file: str, job: str | None) -> None:
    """End the whole job unless the round is still as it was opened, by the job that we are in.

    A job can live on unseen, when its submitter was killed or its node was cut off. Once another
    job has opened the round again, nothing of the old one may get into it. The Snakemake around us
    is killed with the rest: after a failure, it would delete outputs, by then not its own. (In a
    container nobody else is seen, and nothing gets out of one that fails.) `job`: the alias of the
    job that we are in.
    """
    try:
        now = json.loads(Path(round_file).read_text())
    except FileNotFoundError:  # about to be opened again
        now = {"id": None}
    if now["id"] == opened["id"] and job in (None, now["machine"]["job"]):
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
    parser.add_argument("--secret", required=True, help="the file from which aliases are made")
    parser.add_argument("--record", required=True, help="where the record goes")
    parser.add_argument("--losses", required=True, help="where the step losses go")
    parser.add_argument("--threads", required=True, help="`default`, or how many")
    parser.add_argument("--thread-variables", nargs="*", default=[], help="that set threads, too")
    parser.add_argument("--set", nargs="*", default=[], metavar="NAME=VALUE", help="variables")
    parser.add_argument("--recorded", nargs="*", default=[], help="how variables to record begin")
    parser.add_argument("--unrecorded", nargs="*", default=[], help="variables to leave out")
    parser.add_argument("--library-folders", help="in site-packages, for LD_LIBRARY_PATH")
    parser.add_argument("--gpu", action="store_true", help="watch the GPU that it runs on")
    parser.add_argument(
        "--stall-seconds",
        type=float,
        default=STALL_SECONDS,
        help="end a run in which nothing has moved for so long (default: %(default)s)",
    )
    parser.add_argument("--no-round-check", action="store_true", help="run outside the round's job")
    parser.add_argument("flags", nargs="+", help="the trainer's own, after --")
    args = parser.parse_args(argv)

    opened = json.loads(Path(args.round).read_text())
    receipt = json.loads(Path(args.environment).read_text())
    secret = Path(args.secret).read_text().strip()
    env = variables(args.threads, args.thread_variables, args.set, args.library_folders)
    in_force = recorded_variables(env, (*RECORDED, *args.recorded), args.unrecorded)
    of_ours = {pair.partition("=")[0] for pair in args.set}
    of_ours |= {*THREAD_VARIABLES, *args.thread_variables}
    try:
        gpu = Gpu() if args.gpu else None
    except NoGpu as error:
        sys.exit(str(error))
    gpu_facts, gpu_uuid = (gpu.facts(), gpu.uuid()) if gpu else (None, None)
    here = machine(secret, gpu and gpu.model())
    started, load_before = datetime.now(UTC), load()
    # Beside the record, so that the files of a finished run are moved in one step.
    with tempfile.TemporaryDirectory(prefix=".", dir=Path(args.record).parent) as folder:
        result_file, losses = Path(folder) / "result.json", Path(folder) / "losses.npy"
        command = trainer_command(args.trainer, args.flags, losses, result_file)
        if not args.no_round_check:
            exit_if_round_was_reopened(opened, args.round, here["job"])
        meters = {"processor": of_processor()} | ({"gpu": of_gpu(gpu)} if gpu else {})
        stopwatch, killed = Stopwatch(args.stall_seconds, **meters), kills_for_memory()
        status = stopwatch.run(command, env, gpu)
        if not args.no_round_check:
            exit_if_round_was_reopened(opened, args.round, here["job"])
        if status != 0:
            why = why_it_ended(status, stopwatch, kills_for_memory() - killed)
            print(f"{args.trainer} {why}", file=sys.stderr)
            return status if status > 0 else 128 - status
        result = json.loads(result_file.read_text())
        os.replace(losses, args.losses)

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
            machine=here,
            gpu=gpu_facts and gpu_facts | {"alias": alias(secret, "gpu", gpu_uuid)},
            variables=in_force,
            user_variables=[name for name in in_force if name not in of_ours],
            load_before=load_before,
            load_after=load(),
            **result["environment"],
        ),
        measured=Measured(
            started=started.isoformat(timespec="milliseconds"),
            seconds=stopwatch.seconds,
            gpu=stopwatch.watched,
            losses_sha256=sha256(args.losses),
            peak_memory_bytes=stopwatch.peak_memory_bytes,
            user_seconds=stopwatch.user_seconds,
            system_seconds=stopwatch.system_seconds,
            phases=phases(stopwatch.parts),
            left_running=stopwatch.left_running,
            energy={"gpu": None} | {name: meter.description() for name, meter in meters.items()},
            **result["measured"] | {"epochs": epochs(stopwatch.parts, result)},
        ),
        **hidden(where() | {"gpu": gpu_uuid}),
    )
    record.write(args.record)
    return 0


def why_it_ended(status: int, stopwatch: Stopwatch, killed: int) -> str:
    """What is known, outside of the process, of why a trainer ended without a result.

    `status`: its exit status. `killed`: how many processes the kernel meanwhile killed for memory.
    """
    if stopwatch.stalled:
        limit = f"{stopwatch.stall_seconds:g} s in the part `{stopwatch.stalled}`"
        why = f"was ended: it stood still for {limit}, and used no processor and no GPU"
        why += " (`snakemake doctor` tells whether memory for its loader's workers is short)"
    else:
        why = f"ended with exit status {status}"
        why += f" ({signal.Signals(-status).name})" if status < 0 else ""
    if struck := stopwatch.struck:
        names = sorted({one.name for one in struck})
        why += f"; of its helpers, {len(struck)} had been ended by {', '.join(names)}"
    if killed:
        why += f"; meanwhile this machine's kernel killed {killed} for want of memory"
    return why


def phases(parts: Sequence[Part]) -> dict[str, Phase | None]:
    """What each phase took, all parts of its name together; None where there was none."""
    of_name = {name: [part for part in parts if part.name == name] for name in PARTS}
    return {
        name: Phase(
            seconds=sum(part.seconds for part in those),
            processor_seconds=sum(part.work.process + part.work.helpers for part in those),
        )
        if those
        else None
        for name, those in of_name.items()
    }


def epochs(parts: Sequence[Part], result: Mapping) -> list[Epoch]:
    """The epochs: what the stopwatch has of them, and what the trainer's process counted.

    ValueError where these are not the same epochs.
    """
    clocked = [part for part in parts if part.name == "epochs"]
    return [
        Epoch(
            begin=part.begin,
            seconds=part.seconds,
            processor_seconds=part.work.process,
            main_thread_seconds=part.work.main_thread,
            helper_seconds=part.work.helpers,
            helpers=part.helpers,
            processor_joules=part.joules["processor"],
            gpu_joules=part.joules.get("gpu"),
            **counted,
        )
        for part, counted in zip(clocked, result["measured"]["epochs"], strict=True)
    ]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
