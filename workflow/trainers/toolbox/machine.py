"""What is known of the machine under a run. Standard library alone: it runs everywhere."""

import hashlib
import hmac
import json
import os
import platform
from collections.abc import Mapping
from pathlib import Path

# Set by a cluster's scheduler around the processes of a job.
JOB = ("SLURM_JOB_ID", "SLURMD_NODENAME", "PBS_JOBID", "LSB_JOBID")
# The control groups of this process, and where they are mounted.
OWN_GROUPS, GROUPS = Path("/proc/self/cgroup"), Path("/sys/fs/cgroup")
# What the fingerprint covers: the hardware, whatever kernel runs on it.
HARDWARE = ("processor", "cores", "memory_gib", "gpu")


def machine(secret: str, gpu: str | None = None) -> dict:
    """Describe this machine without saying which one it is.

    `gpu`: the model of the GPU that is used, if any, with its memory. `fingerprint` is that of the
    hardware: machines with different fingerprints are not ranked against each other. `usable_cores`
    are those that this process may keep busy, `usable_memory_gib` what it may take. `node`, `boot`
    and `job` are aliases: whoever has the same alias was on the same node, in the same boot of it,
    in the same job of a cluster (None outside of one). They are made with the `secret` of a results
    folder, so that nobody else can try names until one fits. They are the same inside and outside a
    container; `libc` may not be.
    """
    facts = {
        "processor": processor(),
        "cores": os.cpu_count(),
        "memory_gib": round(pages("SC_PHYS_PAGES") / 2**30),
        "gpu": gpu,
    }
    names = where()
    return facts | {
        "fingerprint": fingerprint(facts),
        "kernel": platform.release(),
        "usable_cores": usable_cores(),
        "usable_memory_gib": round(usable_memory() / 2**30, 1),
        "libc": " ".join(platform.libc_ver()),
        "governor": governor(),
        "node": alias(secret, "node", names["node"]),
        "boot": alias(secret, "boot", names["node"], names["boot"]),
        "job": names["job"] and alias(secret, "job", names["job"]),
    }


def fingerprint(facts: Mapping) -> str:
    """SHA-256 over the hardware among a machine's facts."""
    hardware = json.dumps({name: facts[name] for name in HARDWARE}, sort_keys=True)
    return hashlib.sha256(hardware.encode()).hexdigest()


def where() -> dict:
    """The true names: of the node, of its boot, and of the cluster's job around this process."""
    return {
        "node": read("/proc/sys/kernel/hostname"),
        "boot": read("/proc/sys/kernel/random/boot_id"),
        "job": job(os.environ),
    }


def alias(secret: str, kind: str, *names: str | None) -> str:
    """A name for something that nobody can tell without the secret, such as `node-3f9a2c51`."""
    message = json.dumps([kind, *names]).encode()
    return f"{kind}-{hmac.new(secret.encode(), message, hashlib.sha256).hexdigest()[:8]}"


def usable_cores() -> float:
    """How many cores this process can keep busy: those of its affinity, or a control group's quota.

    A container with `--cpus 1.5` has 1.5 of them, though it sees all of the machine's.
    """
    return min([whole_cores(), *quotas(OWN_GROUPS, GROUPS)])


def whole_cores() -> int:
    """How many cores this process may run on: those of its affinity, which a cpuset is, too."""
    return len(os.sched_getaffinity(0))


def quotas(groups: Path, root: Path) -> list[float]:
    """The quotas of processor time, in cores, of a process's control groups and all above them.

    `groups` and `root` as for `group_folders`.
    """
    found = []
    for folder in group_folders("cpu", groups, root):
        version_2 = (read(folder / "cpu.max") or "").split()
        version_1 = [read(folder / f"cpu.cfs_{name}_us") for name in ("quota", "period")]
        quota, period = version_2 or version_1
        if quota not in (None, "max", "-1"):
            found.append(int(quota) / int(period))
    return found


def usable_memory() -> int:
    """How many bytes this process may take: those of the machine, or a control group's limit."""
    limits = [limit for limit, _ in memory_limits(OWN_GROUPS, GROUPS)]
    return min([pages("SC_PHYS_PAGES"), *limits])


def free_memory() -> int:
    """How many bytes of these nobody has taken; what holds files that were read is free."""
    left = [limit - taken for limit, taken in memory_limits(OWN_GROUPS, GROUPS)]
    lines = (read("/proc/meminfo") or "").splitlines()
    available = [int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")]
    return max(0, min([*(available or [pages("SC_AVPHYS_PAGES")]), *left]))


def memory_limits(groups: Path, root: Path) -> list[tuple[int, int]]:
    """Of a process's control groups and all above them, the limit of memory, and what is taken.

    Bytes; without files that were read and are no longer in use, which the kernel gives up first.
    `groups` and `root` as for `group_folders`.
    """
    found = []
    for folder in group_folders("memory", groups, root):
        for limit, taken, unused in (
            ("memory.max", "memory.current", "inactive_file"),
            ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
        ):
            # Version 1 has a number for no limit, too: more than any machine has.
            if (most := read(folder / limit)) not in (None, "max"):
                lines = (read(folder / "memory.stat") or "").splitlines()
                kept = dict(line.split(maxsplit=1) for line in lines).get(unused, 0)
                found.append((int(most), int(read(folder / taken) or 0) - int(kept)))
    return found


def group_folders(controller: str, groups: Path, root: Path) -> list[Path]:
    """Where a controller's files may be, of a process's control groups and of all above them.

    `groups`: the kernel's file that names the groups. `root`: where they are mounted. Both
    versions of control groups; in a container, which may see its own group as the root, too.
    """
    folders = []
    for line in (read(groups) or "").splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers and controller not in controllers.split(","):
            continue
        mounts = [controllers, controller, "cpu,cpuacct"] if controllers else ["", "unified"]
        folders += [
            root / mount / str(group).lstrip("/")
            for mount in dict.fromkeys(mounts)
            for group in (Path(path), *Path(path).parents)
        ]
    return folders


def pages(name: str) -> int:
    """The bytes of so many pages as the system's configuration has under this name."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf(name)


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


def kills_for_memory() -> int:
    """How many processes this machine's kernel has killed for want of memory since it started.

    In a control group with a limit of its own, too. 0 where the kernel does not tell.
    """
    lines = (read("/proc/vmstat") or "").splitlines()
    return next((int(line.split()[1]) for line in lines if line.startswith("oom_kill ")), 0)


def processor() -> str:
    """The processor's name as the kernel gives it, or the architecture where it gives none."""
    for line in (read("/proc/cpuinfo") or "").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def governor() -> str | None:
    """What sets the first processor's frequency, or None where the kernel does not show it."""
    return read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")


def read(path: str | os.PathLike) -> str | None:
    """The text of a small file, or None where this kernel has no such file."""
    try:
        return Path(path).read_text().strip()
    except OSError:
        return None
