"""The clock of a run, in another process than the trainer's: when which part began, and who worked.

The trainer's process says which part begins now, over a socket, and waits until the launcher has
looked at its clock, at meters of energy, and at the processor seconds of all processes that the
trainer started. The launcher also looks now and then in between. Linux, standard library alone.
"""

import ctypes
import os
import resource
import select
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field, replace

from toolbox.energy import Meter
from toolbox.nvml import Gpu

# The parts of a run, in the order in which they begin; `between` and `epochs` take turns.
BEFORE_EPOCHS = ("import", "load", "set_up", "compile")
PARTS = (*BEFORE_EPOCHS, "between", "epochs", "loader_pass", "evaluation", "rest")
LOOK_SECONDS = 0.25  # between two looks at the processes, and more where a look takes long:
LOOK_SHARE = 1 / 400  # no more than this share of a core goes into looking
END_SECONDS = 5.0  # what processes may need to end after the trainer that started them
TICK = os.sysconf("SC_CLK_TCK")
WORKING = 0.1  # the share of an interval from which on a helper counts as working
# A run in which nothing has moved for so long is taken for one that waits for ever. Long, since
# importing a framework from a cluster's file system may wait for minutes, too.
STALL_SECONDS = 600.0
IDLE = 1e-3  # processor seconds a second that are no progress: who waits looks up now and then
# What ends a process that did not mean to end; SIGTERM is how a loader sends its workers home.
FATAL = {signal.SIGKILL, signal.SIGBUS, signal.SIGSEGV, signal.SIGABRT, signal.SIGILL}
CHILDREN = "/proc/{0}/task/{0}/children"
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
            if self.socket.recv(1) != b".":
                raise ConnectionError("the launcher, which keeps the time, has ended")


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
    """A part of a run: when it began and ended, what was worked and what it took meanwhile."""

    name: str
    begin: float  # seconds since the start of the process, as `end`
    before: Work
    shown: dict[str, float | None]  # by each meter when it began
    end: float = 0.0
    work: Work = field(default_factory=Work)
    joules: dict[str, float | None] = field(default_factory=dict)  # by each meter
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
        if ctypes.CDLL(None).prctl(SUBREAPER, 1, 0, 0, 0):
            raise OSError("detached processes cannot be watched: prctl is refused here")
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # what is ignored takes its account with it
        self.trainer = 0
        self.own: dict[int, float] = {}  # processor seconds by process, at the last look
        self.ended = [0.0, 0.0]  # user and system seconds of orphans that ended
        self.struck: dict[int, signal.Signals] = {}  # helpers, by process, and what ended them
        self.work = Work()
        self.looked = self.cost = 0.0  # when the last look was taken, and how long it took

    def look(self) -> int:
        """Bring `work` up to date; how many helpers worked since the last look."""
        begin, before, self.own = time.monotonic(), self.own, {}
        with suppress(OSError):  # the trainer has ended
            self.look_at_trainer()
        waited_for = 0.0
        for process in descendants(os.getpid()):
            with suppress(OSError):  # ended meanwhile
                fields = stat(process)
                waited_for += (int(fields[13]) + int(fields[14])) / TICK
                if process != self.trainer:
                    self.note_end(process, int(fields[49]))  # 0 while it runs
                    self.own[process] = processor_seconds(process)
        # A process whose parent does not wait for it takes its account with it.
        helpers = sum(self.own.values()) + waited_for + sum(self.ended)
        self.work = replace(self.work, helpers=max(self.work.helpers, helpers))
        due = WORKING * (begin - self.looked)
        self.looked, self.cost = begin, time.monotonic() - begin
        return sum(
            seconds - before.get(process, 0.0) > due for process, seconds in self.own.items()
        )

    def note_end(self, helper: int, status: int) -> None:
        """Keep what ended a helper with this wait status, where it was a signal that strikes."""
        if status & 0x7F in FATAL:
            self.struck[helper] = signal.Signals(status & 0x7F)

    def look_at_trainer(self) -> None:
        """Bring what the trainer's own process worked up to date, which takes no time."""
        self.work = replace(
            self.work,
            process=processor_seconds(self.trainer),
            main_thread=main_thread_seconds(self.trainer),
        )

    def reap(self, wait: float = 0.0) -> tuple[int, resource.struct_rusage] | None:
        """Bury what has ended: the trainer's exit status and the kernel's account of it, if it has.

        `wait`: for it, at most so many seconds.
        """
        deadline = time.monotonic() + wait
        while True:
            try:
                process, status, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                return None
            if process == self.trainer:
                return os.waitstatus_to_exitcode(status), usage
            if process:
                self.note_end(process, status)
                self.ended[0] += usage.ru_utime
                self.ended[1] += usage.ru_stime
            elif time.monotonic() < deadline:
                time.sleep(0.001)
            else:
                return None

    def end(self) -> int:
        """Give what still runs some time to end, then kill it; how many had to be killed."""
        deadline = time.monotonic() + END_SECONDS
        while (left := self.alive()) and time.monotonic() < deadline:
            time.sleep(0.01)
        for process in left:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        while left and self.alive() and time.monotonic() < deadline + END_SECONDS:
            time.sleep(0.01)
        return len(left)

    def alive(self) -> list[int]:
        """Whatever else came from the process and has not ended."""
        self.reap()
        return descendants(os.getpid())


def descendants(ancestor: int) -> list[int]:
    """All processes that come from one."""
    children_of = children_told if os.path.exists(CHILDREN.format(ancestor)) else children_found()
    found, newest = [], [ancestor]
    while newest:
        newest = [child for process in newest for child in children_of(process)]
        found += newest
    return found


def children_told(process: int) -> list[int]:
    """A process's children, as the kernel lists them for each of its threads."""
    found = []
    with suppress(OSError):  # it has ended
        for thread in os.listdir(f"/proc/{process}/task"):
            with open(f"/proc/{process}/task/{thread}/children", "rb") as file:
                found += map(int, file.read().split())
    return found


def children_found() -> Callable[[int], list[int]]:
    """The same where the kernel keeps no list: by the parents that all processes name."""
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdecimal():
            with suppress(OSError):
                children.setdefault(int(stat(name)[1]), []).append(int(name))
    return lambda process: children.get(process, [])


def processor_seconds(process: int) -> float:
    """All threads' processor time; the clock's number as clock_getcpuclockid(3) makes it."""
    return time.clock_gettime(~process << 3 | 2)


def main_thread_seconds(process: int) -> float:
    """The same of its first thread alone, in ticks: its clock is not for other processes."""
    fields = stat(f"{process}/task/{process}")
    return (int(fields[11]) + int(fields[12])) / TICK


def stat(process: int | str) -> list[bytes]:
    """What the kernel tells of a process or thread, from its state on; OSError if it is gone."""
    with open(f"/proc/{process}/stat", "rb") as file:
        return file.read().rpartition(b")")[2].split()  # its name, in parentheses, may be anything


class Stopwatch:
    """Runs one command to its end, keeps its time, and watches its processes; see the module.

    `meters`: of energy, by name. `stall_seconds`: how long a run may stand still until it is ended.
    It stands still while no part begins, its processes use less than IDLE of a core, and the GPU,
    where it has one that tells, does nothing. Seconds in which the launcher itself was stopped do
    not count. After `run`: `seconds` of the process; its `parts`, which follow one another without
    a gap; by the kernel's account its `peak_memory_bytes`, and the `user_seconds` and
    `system_seconds` of all that came from it; `left_running`, how many processes it left;
    `watched`, what was seen of a GPU; `stalled`, the part in which it was ended because it stood
    still, or None; `struck`, the signals that ended helpers of it.
    """

    def __init__(self, stall_seconds: float = STALL_SECONDS, **meters: Meter):
        self.meters = meters
        self.parts: list[Part] = []
        self.processes = Processes()
        self.stall_seconds = stall_seconds
        self.stalled: str | None = None
        self.stand_from_here()

    def run(self, command: list[str], env: dict[str, str], gpu: Gpu | None = None) -> int:
        """Run the command with a Line's number as its last argument: its exit status.

        `gpu`: one that is watched meanwhile.
        """
        self.line, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        command = [*command, "--line", str(theirs.fileno())]
        self.start = self.processes.looked = time.monotonic()
        self.parts.append(Part(PARTS[0], 0.0, Work(), self.joules()))
        process = subprocess.Popen(command, env=env, pass_fds=[theirs.fileno()])
        theirs.close()
        self.processes.trainer = process.pid
        with self.line, gpu.watch(process.pid) if gpu else nullcontext() as watch:
            process.returncode, usage = self.until_it_ends(gpu)
            self.seconds = self.now()
        self.struck = list(self.processes.struck.values())
        self.left_running = self.processes.end()
        self.watched = watch and watch.summary()
        self.peak_memory_bytes = usage.ru_maxrss * 1024
        user, system = self.processes.ended
        self.user_seconds, self.system_seconds = usage.ru_utime + user, usage.ru_stime + system
        # The kernel's account does not tell the process from the helpers that it waited for.
        before, everything = self.parts[-1].before, self.user_seconds + self.system_seconds
        worked = max(before.process, everything - before.helpers)
        self.close(self.seconds, replace(before, process=worked), self.joules())
        self.settle_meters()
        return process.returncode

    def until_it_ends(self, gpu: Gpu | None) -> tuple[int, resource.struct_rusage]:
        """Serve the line, and look at the processes when it has been silent for a while."""
        poll = select.poll()
        poll.register(self.line, select.POLLIN)
        wait = 0.0  # for the trainer's end, once it has closed its end of the line
        while not (ended := self.processes.reap(wait)):
            pause = max(LOOK_SECONDS, self.processes.cost / LOOK_SHARE)
            if wait or not poll.poll(1000 * pause):
                self.parts[-1].helpers = max(self.parts[-1].helpers, self.processes.look())
                self.joules()  # before a counter can run full twice
                self.end_if_stalled(pause, gpu)
            elif not self.serve():
                wait = pause
        return ended

    def end_if_stalled(self, pause: float, gpu: Gpu | None) -> None:
        """Kill the trainer if it has stood still for too long; `pause`: since the last look."""
        worked = self.worked - self.worked_then
        self.stood += pause
        if worked > IDLE * self.stall_seconds:
            self.stand_from_here()
        elif self.stood >= self.stall_seconds:
            if gpu and gpu.works():
                self.stand_from_here()
                return
            self.stalled = self.parts[-1].name
            with suppress(ProcessLookupError):
                os.kill(self.processes.trainer, signal.SIGKILL)

    def stand_from_here(self) -> None:
        """Count anew for how long the run stands still, and what little is worked meanwhile."""
        self.stood, self.worked_then = 0.0, self.worked

    @property
    def worked(self) -> float:
        """Processor seconds of all processes of the run, at the last look."""
        return self.processes.work.process + self.processes.work.helpers

    def serve(self) -> bool:
        """Hear which part begins, and answer; False if the trainer has closed its end."""
        try:
            if name := self.line.recv(64).decode():
                self.turn_to(name)
                self.line.send(b".")
            return bool(name)
        except ConnectionError:  # it was killed meanwhile
            return False

    def turn_to(self, name: str) -> None:
        """Close the part that runs and open another. What this takes is no part of an epoch."""
        now, shown = self.now(), self.joules()
        helpers = self.processes.look()
        self.parts[-1].helpers = max(self.parts[-1].helpers, helpers)
        if name == "epochs":
            shown = self.joules()
            self.processes.look_at_trainer()
            now = self.now()
        self.close(now, self.processes.work, shown)
        self.parts.append(Part(name, now, self.processes.work, shown))
        self.stand_from_here()

    def close(self, now: float, work: Work, shown: dict[str, float | None]) -> None:
        part = self.parts[-1]
        part.end, part.work = now, work - part.before
        part.joules = {  # a meter that shows nothing has failed for good
            name: None if joules is None else joules - part.shown[name]
            for name, joules in shown.items()
        }

    def settle_meters(self) -> None:
        """Keep nothing of a meter that failed, or that counts too coarsely for these epochs."""
        for name, meter in self.meters.items():
            meter.settle(part.joules[name] for part in self.parts if part.name == "epochs")
            if meter.reason:
                for part in self.parts:
                    part.joules[name] = None

    def joules(self) -> dict[str, float | None]:
        """What each meter shows."""
        return {name: meter.joules() for name, meter in self.meters.items()}

    def now(self) -> float:
        return time.monotonic() - self.start
