"""Look at what is around one competitor where it will run, and may be otherwise in an hour.

Runs in the framework's environment, as its runs do; standard library and the toolbox. A remark
excludes nobody. What it finds names the node, and is not for sharing.
"""

import argparse
import json
import os
import shutil
import sys
from pathlib import Path

from toolbox.energy import REASONS, Meter, of_gpu, of_processor
from toolbox.machine import (
    free_memory,
    governor,
    load,
    usable_cores,
    usable_memory,
    where,
    whole_cores,
)
from toolbox.nvml import Gpu, NoGpu
from toolbox.record import write

DISK_BYTES, MEMORY_BYTES = 1 << 30, 2 << 30

Finding = tuple[str, bool, str]  # what was looked at, whether all is well, in words


def remarks(folder: Path) -> list[Finding]:
    """What does not depend on the competitor."""
    free, memory = shutil.disk_usage(folder).free, free_memory()
    busy = load()[0] / usable_cores()
    return [
        ("disk", free > DISK_BYTES, f"{free / 1e9:.1f} GB free; records and pictures take 1 GB"),
        (
            "memory",
            memory > MEMORY_BYTES,
            f"{memory / 1e9:.1f} GB free, of {usable_memory() / 1e9:.1f} GB that may be used; "
            "a framework takes up to 2 GB",
        ),
        ("cores", *cores(usable_cores(), whole_cores())),
        (
            "governor",
            governor() in (None, "performance"),
            f"{governor() or 'not shown'}; steady clocks come with `performance`",
        ),
        ("load", busy < 0.5, f"{busy:.1f} runnable processes a core; close what else runs"),
        ("energy", *readable(of_processor())),
    ]


def cores(usable: float, whole: int) -> tuple[bool, str]:
    """Whether as many cores can be kept busy as there are to run on, and in words how many.

    A quota of processor time stops all threads for the rest of a period once they have used it up.
    """
    words = f"{usable:g} of the machine's {os.cpu_count()} can be used"
    if usable < whole:
        words += (
            f": a control group's quota, on {whole}; whole ones make steadier clocks (docker run "
            "--cpuset-cpus instead of --cpus, a node for oneself)"
        )
    return usable >= whole, words


def shared_memory() -> int:
    """Bytes free where the workers of a data loader leave their batches; 0 without such a place."""
    try:
        return shutil.disk_usage("/dev/shm").free
    except OSError:
        return 0


def energy_of_gpu() -> list[Finding]:
    """A remark on the GPU that a trainer would see, if there is one."""
    try:
        return [("energy of the GPU", *readable(of_gpu(Gpu())))]
    except NoGpu:
        return []


def readable(meter: Meter) -> tuple[bool, str]:
    """Whether a meter shows anything, and in words what, or why not and what helps."""
    if meter.reason:
        return False, f"not readable here: {REASONS[meter.reason]}"
    return True, f"readable ({', '.join(meter.description()['domains'])})"


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--surroundings", type=Path, required=True, help="where they go")
    parser.add_argument("--gpus", type=int, default=0, help="that the competitor's runs take")
    args = parser.parse_args(argv)
    around = {
        "node": where()["node"],
        "remarks": remarks(args.surroundings.parent) + (energy_of_gpu() if args.gpus else []),
        "shared_memory_bytes": shared_memory(),
        "usable_cores": usable_cores(),
    }
    print(json.dumps(around, indent=1))
    write(args.surroundings, around)


if __name__ == "__main__":
    main(sys.argv[1:])
