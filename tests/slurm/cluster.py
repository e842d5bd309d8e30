"""A real Slurm of several nodes on this one machine, from Debian's packages slurm-wlm and munge.

Everything lies in one folder: keys, sockets, spools, logs. The nodes share the machine's processor
and differ in name and port. Each has a GPU for the scheduler's books alone: the device file is
/dev/null, and a job that asks for it gets CUDA_VISIBLE_DEVICES.
"""

import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

PROGRAMS = ["munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "scontrol", "scancel"]
NODES = ["node1", "node2", "node3"]

SLURM_CONF = """\
ClusterName=evenhand
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
StateSaveLocation={folder}/state
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/%n.pid
SlurmdSpoolDir={folder}/%n.spool
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
SwitchType=switch/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerParameters=batch_sched_delay=0,sched_interval=1,bf_interval=1
GresTypes=gpu
MinJobAge=3600
ReturnToService=2
SlurmdTimeout=5
KillWait=1
UnkillableStepTimeout=20
MessageTimeout=10
NodeName=DEFAULT CPUs=2 RealMemory=4000 Gres=gpu:1
NodeName=node[1-3] NodeHostname={host} NodeAddr=127.0.0.1 Port=[{first}-{last}]
PartitionName=main Nodes=node[1-3] Default=YES MaxTime=INFINITE State=UP
"""


class Cluster:
    """The running cluster; `env` is what its commands need."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.env = os.environ | {
            "SLURM_CONF": str(folder / "slurm.conf"),
            "PATH": f"{folder / 'bin'}:{os.environ['PATH']}",
        }
        self.daemons: dict[str, subprocess.Popen] = {}

    def start(self) -> None:
        """Start the daemons, and return when every node is idle."""
        for name in ("bin", "state", *(f"{node}.spool" for node in NODES)):
            (self.folder / name).mkdir(parents=True)
        # The executor plugin takes SLURM_CONF away from srun, which then looks in /etc/slurm.
        srun, conf = self.folder / "bin/srun", self.env["SLURM_CONF"]
        srun.write_text(f'#!/bin/sh\nSLURM_CONF={conf} exec {shutil.which("srun")} "$@"\n')
        srun.chmod(0o755)
        first = 17001 + os.getpid() % 10_000
        text = SLURM_CONF.format(
            folder=self.folder,
            host=socket.gethostname().partition(".")[0],
            port=first + len(NODES),
            first=first,
            last=first + len(NODES) - 1,
        )
        (self.folder / "slurm.conf").write_text(text)
        (self.folder / "gres.conf").write_text("NodeName=node[1-3] Name=gpu File=/dev/null\n")
        key = self.folder / "munge.key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o400)
        paths = {"key-file": key}
        paths |= {f"{n}-file": self.folder / f"munge.{n}" for n in ("log", "pid", "seed")}
        flags = [f"--{flag}={path}" for flag, path in paths.items()]
        socket_flag = f"--socket={self.folder / 'munge.socket'}"
        self.run_daemon("munged", "munged", "--foreground", "--force", socket_flag, *flags)
        self.until((self.folder / "munge.socket").exists, "munged listens")
        self.run_daemon("slurmctld", "slurmctld", "-D")
        for node in NODES:
            self.start_node(node)
        self.until(lambda: all(self.state(node) == "idle" for node in NODES), "all nodes are idle")

    def start_node(self, node: str) -> None:
        self.run_daemon(node, "slurmd", "-D", "-N", node)

    def run_daemon(self, name: str, *command: str) -> None:
        with open(self.folder / f"{name}.out", "ab") as out:
            self.daemons[name] = subprocess.Popen(command, env=self.env, stdout=out, stderr=out)

    def kill_node(self, node: str) -> None:
        """Kill a node's daemon, as a crash would; what its jobs had started runs on."""
        daemon = self.daemons[node]
        daemon.send_signal(signal.SIGKILL)
        daemon.wait()

    def stop(self) -> None:
        self("scancel", "--user", "root")
        for daemon in reversed(self.daemons.values()):
            daemon.terminate()
        for daemon in self.daemons.values():
            try:
                daemon.wait(timeout=20)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()

    def __call__(self, *command: str) -> str:
        """Run one of Slurm's commands; its output."""
        done = subprocess.run(command, env=self.env, capture_output=True, text=True)
        return done.stdout.strip()

    def state(self, node: str) -> str:
        """A node's state as sinfo shows it: idle, alloc, drain, down*, ..."""
        return self("sinfo", "--noheader", "--nodes", node, "--format", "%t")

    def jobs(self, *states: str) -> dict[str, str]:
        """Number and node of every job in these states (all, if none is given)."""
        chosen = ",".join(states) or "all"
        lines = self("squeue", "--noheader", "--states", chosen, "--format", "%i %N").splitlines()
        return {number: node for number, _, node in (line.partition(" ") for line in lines)}

    def until(self, condition, what: str, seconds: float = 90):
        """Wait for a condition to hold, and return it; a bound keeps a broken test from hanging."""
        deadline = time.monotonic() + seconds
        while not (found := condition()):
            if time.monotonic() > deadline:
                logs = "\n".join(
                    self.folder.joinpath(f"{n}.out").read_text()[-1000:] for n in self.daemons
                )
                raise TimeoutError(f"{what}: not within {seconds} s\n{logs}")
            time.sleep(0.2)
        return found


def absent() -> str | None:
    """What is missing here for a cluster, or None."""
    if os.geteuid() != 0:
        return "Slurm's daemons are started as root, which this user is not"
    missing = [program for program in PROGRAMS if shutil.which(program) is None]
    return f"not installed: {', '.join(missing)} (slurm-wlm, munge)" if missing else None
