"""Energy by the machine's own counters, or why they cannot be read. Nothing is ever estimated.

A processor's counters are RAPL's, in Linux's powercap tree (the kernel's documentation:
power/powercap/powercap); a GPU's is NVML's. They count all that runs there, idle power included.
Standard library alone.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from itertools import chain
from pathlib import Path
from typing import Protocol

POWERCAP = Path("/sys/class/powercap")
# Why a meter shows nothing, by the word that a record has for it, and what helps.
REASONS = {
    "no tree": "no powercap tree: a virtual machine or container without it; a bare-metal Linux "
    "has it",
    "no package": "no processor package in the powercap tree: a container masks it, or its driver "
    "is not loaded; outside of containers: sudo modprobe intel_rapl_msr",
    "denied": "only root may read the counters; until the next boot: "
    f"sudo chmod a+r {POWERCAP}/intel-rapl:*/energy_uj (docs/trust.md: for good)",
    "no counter": "this GPU has no counter of energy; Volta and newer ones have, but not the parts "
    "that MIG makes of them",
    "failed": "a counter could not be read; the kernel's log may say why",
    "still": "a counter stood still during a whole epoch; longer epochs may be long enough for it",
}
# What reading raises where a file is absent, masked, for others, or holds no sensible number.
UNREADABLE = (OSError, ValueError, ZeroDivisionError)


class Counter(Protocol):
    """What counts the energy of one domain."""

    domain: str

    def joules(self) -> float:
        """Since some moment in the past; an exception among UNREADABLE if it does not tell."""


class Domain:
    """A domain of RAPL, in joules since its first reading.

    The kernel's counter starts anew at `max_energy_range_uj` (of some 262 kJ, a quarter of an hour
    at 300 W), so it has to be read at least once while it runs full.
    """

    def __init__(self, folder: Path):
        self.domain = (folder / "name").read_text().strip()
        self.file = folder / "energy_uj"
        self.range = int((folder / "max_energy_range_uj").read_text())
        self.last, self.counted = int(self.file.read_text()), 0

    def joules(self) -> float:
        now = int(self.file.read_text())
        self.counted += (now - self.last) % self.range
        self.last = now
        return self.counted / 1e6


@dataclass
class Meter:
    """All counters of a part of the machine together, or none of them and the reason."""

    source: str  # what tells: powercap or nvml
    counters: Sequence[Counter] = ()
    reason: str | None = None  # one of REASONS

    def joules(self) -> float | None:
        """Of all counters, since some moment in the past; None from the first failure on."""
        if self.reason is None:
            try:
                return sum(counter.joules() for counter in self.counters)
            except UNREADABLE:
                self.reason = "failed"
        return None

    def settle(self, epochs: Iterable[float | None]) -> None:
        """Tell from the joules of all epochs whether the counters are good enough for them."""
        if self.reason is None and not all(epochs):
            self.reason = "still"

    def description(self) -> dict:
        """What was read, or why nothing, as the record has it."""
        domains = [] if self.reason else [counter.domain for counter in self.counters]
        return {"source": self.source, "domains": domains, "reason": self.reason}


def of_processor(tree: Path = POWERCAP) -> Meter:
    """The meter of all packages of the processor, and of memory where it is counted apart.

    Other subdomains (core, uncore) are parts of a package, and `psys`, the whole platform, contains
    the packages: neither is added to them.
    """
    try:
        if not tree.exists():
            return Meter("powercap", reason="no tree")
        domains = [Domain(folder) for folder in counted(tree)]
    except PermissionError:
        return Meter("powercap", reason="denied")
    except UNREADABLE:
        return Meter("powercap", reason="failed")
    return Meter("powercap", domains, reason=None if domains else "no package")


def counted(tree: Path) -> list[Path]:
    """The folders of the domains that count, each package before its memory."""
    packages = named(tree, "intel-rapl:*", "package-*")
    memory = [named(tree, f"{package.name}:*", "dram") for package in packages]
    return sorted([*packages, *chain(*memory)])


def named(tree: Path, folders: str, names: str) -> list[Path]:
    """The folders of this pattern whose domain has a name of that one."""
    files = tree.glob(f"{folders}/name")
    return [file.parent for file in files if fnmatch(file.read_text().strip(), names)]


def of_gpu(gpu: Counter) -> Meter:
    """The meter of one GPU."""
    meter = Meter("nvml", [gpu])
    if meter.joules() is None:
        meter.reason = "no counter"
    return meter
