"""The clock of a run, in another process than the trainer's: when which part began, and who worked.

The trainer's process says which part begins now, over a socket, and waits until the launcher has
looked at its clock and at the processor seconds of all processes that the trainer started. The
launcher also looks now and then in between. Linux, standard library alone.
"""

import ctypes
import os
import resource
import select
import signal
import socket
import subprocess
import time
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field, replace

from toolbox.nvml import Gpu

# The parts of a run, in the order in which they begin; `between` and `epochs` take turns.
PARTS = ("import", "load", "set_up", "between", "epochs", "loader_pass", "evaluation", "rest")
LOOK_SECONDS = 0.25  # between two looks at the processes, and more where a look takes long:
LOOK_SHARE = 1 / 400  # no more than this share of a core goes into looking
END_SECONDS = 5.0  # what processes may need to end after the trainer that started them
TICK = os.sysconf("SC_CLK_TCK")
SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER


class Line:
    """The trainer's end: tells the launcher which part begins; without a launcher it does nothing.

    `fileno`: of the socket that the launcher hands down, or None.
    """

    def __init__(self, fileno: int | None):
        self.socket = fileno and socket.socket(fileno=fileno)
        if self.socket:
            # The launcher takes the end of the last copy for the end of the trainer.
            self.socket.set_inheritable(False)
            os.register_at_fork(after_in_child=self.socket.close)

    def begins(self, part: str) -> None:
        """Close the part that runs and open this one; the clock has been read on return."""
        if self.socket:
            self.socket.send(part.encode())
            self.socket.recv(1)


@dataclass(frozen=True)
class Work:
    """Processor seconds since the start: of the trainer's process, its main thread, its helpers."""

    process: float = 0.0
    main_thread: float = 0.0
    helpers: float = 0.0

    def __sub__(self, other: "Work") -> "Work":
        return Work(
            self.process - other.process,
            self.main_thread - other.main_thread,
            self.helpers - other.helpers,
        )


@dataclass
class Part:
    """A part of a run: when it began and ended, and what was worked meanwhile."""

    name: str
    begin: float  # seconds since the start of the process, as `end`
    before: Work
    end: float = 0.0
    work: Work = field(default_factory=Work)
    helpers: int = 0  # the most that were seen at work

    @property
    def seconds(self) -> float:
        return self.end - self.begin


class Processes:
    """The processor seconds of a process and of all that come from it.

    The caller becomes the parent of those whose own parent ends, so that a detached process stays
    in sight.
    """

    def __init__(self):
        ctypes.CDLL(None).prctl(SUBREAPER, 1, 0, 0, 0)
        self.trainer = 0
        self.own: dict[int, float] = {}  # processor seconds by process, at the last look
        self.ended = 0.0  # processor seconds of orphans that ended
        self.work = Work()
        self.looked = self.cost = 0.0  # when the last look was taken, and how long it took

    def look(self) -> int:
        """Bring `work` up to date; how many helpers worked since the last look."""
        begin = time.monotonic()
        waited_for, before, self.own = 0.0, self.own, {}
        for process, children in descendants(os.getpid()).items():
            waited_for += children
            with suppress(OSError):  # ended meanwhile
                self.own[process] = processor_seconds(process)
        helpers = sum(self.own.values()) - self.own.get(self.trainer, 0.0)
        with suppress(OSError, KeyError):  # the trainer has ended
            main_thread = main_thread_seconds(self.trainer)
            # A process whose parent does not wait for it takes its account with it.
            helpers = max(self.work.helpers, helpers + waited_for + self.ended)
            self.work = Work(self.own[self.trainer], main_thread, helpers)
        due = 0.01 * (begin - self.looked)
        self.looked, self.cost = begin, time.monotonic() - begin
        return sum(
            seconds - before.get(process, 0.0) > due
            for process, seconds in self.own.items()
            if process != self.trainer
        )

    def reap(self, wait: bool = False) -> tuple[int, resource.struct_rusage] | None:
        """Bury what has ended: the trainer's exit status and the kernel's account of it, if it has.

        `wait`: until it has.
        """
        while True:
            try:
                process, status, usage = os.wait4(-1, 0 if wait else os.WNOHANG)
            except ChildProcessError:
                return None
            if process == self.trainer:
                return os.waitstatus_to_exitcode(status), usage
            if process == 0:
                return None
            self.ended += usage.ru_utime + usage.ru_stime

    def end(self) -> int:
        """Give what still runs some time to end, then kill it; how many had to be killed."""
        deadline = time.monotonic() + END_SECONDS
        while (left := self.alive()) and time.monotonic() < deadline:
            time.sleep(0.01)
        for process in left:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        return len(left)

    def alive(self) -> list[int]:
        """Whatever else came from the process and has not ended."""
        self.reap()
        return list(descendants(os.getpid()))


def descendants(ancestor: int) -> dict[int, float]:
    """All processes that come from one; the processor seconds of those that each waited for."""
    parents, waited_for = {}, {}
    for name in os.listdir("/proc"):
        if name.isdecimal():
            with suppress(OSError):
                fields = stat(name)
                parents[int(name)] = int(fields[1])
                waited_for[int(name)] = (int(fields[13]) + int(fields[14])) / TICK
    found, newest = set(), {ancestor}
    while newest:
        newest = {process for process, parent in parents.items() if parent in newest}
        found |= newest
    return {process: waited_for[process] for process in sorted(found)}


def processor_seconds(process: int) -> float:
    """All threads' processor time; the clock's number as clock_getcpuclockid(3) makes it."""
    return time.clock_gettime(~process << 3 | 2)


def main_thread_seconds(process: int) -> float:
    """The same of its first thread alone, in the kernel's ticks, which others may not see finer."""
    fields = stat(f"{process}/task/{process}")
    return (int(fields[11]) + int(fields[12])) / TICK


def stat(process: int | str) -> list[bytes]:
    """What the kernel tells of a process or thread, from its state on; OSError if it is gone."""
    with open(f"/proc/{process}/stat", "rb") as file:
        return file.read().rpartition(b")")[2].split()  # its name, in parentheses, may be anything


class Stopwatch:
    """Runs one command to its end, keeps its time, and watches its processes; see the module.

    After `run`: `seconds` of the process, its `usage` by the kernel's account, its `parts`, which
    follow one another without a gap, and `left_running`, how many processes it left behind.
    """

    def __init__(self):
        self.parts: list[Part] = []
        self.processes = Processes()

    def run(self, command: list[str], env: dict[str, str], gpu: Gpu | None = None) -> int:
        """Run the command with a Line's number as its last argument: its exit status.

        `gpu`: one that is watched meanwhile; `watched` is what was seen of it.
        """
        self.line, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        command = [*command, "--line", str(theirs.fileno())]
        self.start = self.processes.looked = time.monotonic()
        self.parts.append(Part(PARTS[0], 0.0, Work()))
        process = subprocess.Popen(command, env=env, pass_fds=[theirs.fileno()])
        theirs.close()
        self.processes.trainer = process.pid
        with self.line, gpu.watch(process.pid) if gpu else nullcontext() as watch:
            process.returncode, self.usage = self.until_it_ends()
            self.seconds = self.now()
        self.watched = watch and watch.summary()
        # The kernel's account does not tell the process from the helpers that it waited for.
        everything = self.usage.ru_utime + self.usage.ru_stime + self.processes.ended
        before = self.parts[-1].before
        self.close(self.seconds, replace(before, process=everything - before.helpers))
        self.left_running = self.processes.end()
        return process.returncode

    def until_it_ends(self) -> tuple[int, resource.struct_rusage]:
        """Serve the line, and look at the processes when it has been silent for a while."""
        poll = select.poll()
        poll.register(self.line, select.POLLIN)
        while not (ended := self.processes.reap()):
            pause = max(LOOK_SECONDS, self.processes.cost / LOOK_SHARE)
            if not poll.poll(1000 * pause):
                self.parts[-1].helpers = max(self.parts[-1].helpers, self.processes.look())
            elif part := self.line.recv(64).decode():
                self.turn_to(part)
            else:  # the trainer has closed its end, and is about to
                ended = self.processes.reap(wait=True)
                break
        return ended

    def turn_to(self, name: str) -> None:
        """Close the part that runs and open another. What this takes is no part of an epoch."""
        now = self.now()
        helpers = self.processes.look()
        self.parts[-1].helpers = max(self.parts[-1].helpers, helpers)
        if name == "epochs":
            now = self.now()
        self.close(now, self.processes.work)
        self.parts.append(Part(name, now, self.processes.work))
        self.line.send(b".")

    def close(self, now: float, work: Work) -> None:
        part = self.parts[-1]
        part.end, part.work = now, work - part.before

    def now(self) -> float:
        return time.monotonic() - self.start
