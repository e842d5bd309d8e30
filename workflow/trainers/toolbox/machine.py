"""What is known of the machine under a run. Standard library alone: it runs everywhere."""

import hashlib
import os
import platform
from collections.abc import Mapping
from pathlib import Path

# Set by a cluster's scheduler around the processes of a job.
JOB = ("SLURM_JOB_ID", "SLURMD_NODENAME", "PBS_JOBID", "LSB_JOBID")


def machine() -> dict:
    """Describe this machine.

    `fingerprint` is the SHA-256 of what decides speed and does not change between rounds
    (processor, cores, memory, kernel): machines with different fingerprints are not ranked
    against each other. `usable_cores` are those that this process may run on, `job` is the job of
    a cluster around it, None elsewhere. `node` and `boot` name the very machine and its boot, the
    same inside and outside a container; `libc` may differ between them, so it is no part of the
    fingerprint.
    """
    facts = {
        "processor": processor(),
        "cores": os.cpu_count(),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "kernel": platform.release(),
    }
    fingerprint = hashlib.sha256(repr(sorted(facts.items())).encode()).hexdigest()
    return facts | {
        "usable_cores": len(os.sched_getaffinity(0)),
        "job": job(os.environ),
        "node": read("/proc/sys/kernel/hostname"),
        "boot": read("/proc/sys/kernel/random/boot_id"),
        "libc": " ".join(platform.libc_ver()),
        "governor": read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        "fingerprint": fingerprint,
    }


def job(environ: Mapping[str, str]) -> str | None:
    """The job of a cluster that a process with these variables belongs to, or None."""
    return " ".join(environ[name] for name in JOB if name in environ) or None


def other_processes_of_job() -> list[int]:
    """The other processes on this node that belong to this process's job of a cluster, if any."""
    mine, found = job(os.environ), []
    for folder in Path("/proc").glob("[0-9]*") if mine else ():
        try:
            variables = (folder / "environ").read_bytes().decode(errors="replace").split("\0")
        except OSError:  # another user's, or just ended
            continue
        environ = dict(variable.split("=", 1) for variable in variables if "=" in variable)
        if job(environ) == mine and int(folder.name) != os.getpid():
            found.append(int(folder.name))
    return found


def load() -> list[float]:
    """Average number of runnable processes over the last 1, 5 and 15 minutes."""
    return [round(average, 2) for average in os.getloadavg()]


def processor() -> str:
    """The processor's name as the kernel gives it, or the architecture where it gives none."""
    for line in (read("/proc/cpuinfo") or "").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def read(path: str) -> str | None:
    """The text of a small file, or None where this kernel has no such file."""
    try:
        return Path(path).read_text().strip()
    except OSError:
        return None
