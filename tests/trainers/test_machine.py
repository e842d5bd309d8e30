"""What is known of a machine: its hardware, and how much of it a process may use."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from support.launching import TRAINERS
from toolbox import machine

pytestmark = pytest.mark.fast


def test_the_fingerprint_is_that_of_the_hardware_alone():
    here = machine.machine("secret")
    assert here["fingerprint"] == machine.fingerprint(here)
    assert (
        machine.fingerprint(here | {"kernel": "another", "libc": "another"})
        == (here["fingerprint"])
    )
    for fact in machine.HARDWARE:
        assert machine.fingerprint(here | {fact: "another"}) != here["fingerprint"]
    assert machine.machine("secret", gpu="H100")["fingerprint"] != here["fingerprint"]


def test_an_alias_is_the_same_for_one_secret_and_another_for_another():
    one = machine.alias("secret", "node", "name")
    assert one == machine.alias("secret", "node", "name")
    assert one.startswith("node-") and "name" not in one
    others = {
        machine.alias("another", "node", "name"),
        machine.alias("secret", "boot", "name"),
        machine.alias("secret", "node", "eman"),
    }
    assert one not in others and len(others) == 3


@pytest.mark.parametrize(
    ("groups", "files", "quotas"),
    [
        ("0::/", {"cpu.max": "max 100000"}, []),
        ("0::/", {"cpu.max": "150000 100000"}, [1.5]),
        ("0::/a/b", {"a/b/cpu.max": "max 100000", "a/cpu.max": "200000 100000"}, [2]),
        # in a container that does not see where its own group lies
        ("0::/docker/1", {"cpu.max": "100000 100000"}, [1]),
        ("0::/", {"unified/cpu.max": "50000 100000"}, [0.5]),
        (
            "4:cpu,cpuacct:/a\n3:memory:/a\n0::/",
            {
                "cpu,cpuacct/a/cpu.cfs_quota_us": "300000",
                "cpu,cpuacct/a/cpu.cfs_period_us": "100000",
            },
            [3],
        ),
        ("1:cpu:/", {"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, []),
        ("3:memory:/a", {"a/cpu.max": "100000 100000"}, []),
        (None, {}, []),
    ],
)
def test_quotas_of_processor_time_are_found(tmp_path, groups, files, quotas):
    assert machine.quotas(*control_groups(tmp_path, groups, files)) == quotas


def control_groups(folder: Path, groups: str | None, files: dict[str, str]) -> tuple[Path, Path]:
    """The kernel's file of a process's groups, and where they are mounted, with these files."""
    if groups is not None:
        (folder / "cgroup").write_text(groups + "\n")
    for name, content in files.items():
        file = folder / "mounted" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content + "\n")
    return folder / "cgroup", folder / "mounted"


@pytest.mark.parametrize(
    ("groups", "files", "limits"),
    [
        ("0::/", {"memory.max": "max", "memory.current": "7"}, []),
        (
            "0::/a",
            {
                "a/memory.max": "1000",
                "a/memory.current": "700",
                "a/memory.stat": "anon 500\ninactive_file 150\nactive_file 50",
                "memory.max": "2000",
                "memory.current": "900",
            },
            [(1000, 550), (2000, 900)],
        ),
        (
            "4:memory:/a\n1:cpu:/a\n0::/",
            {
                "memory/a/memory.limit_in_bytes": "1000",
                "memory/a/memory.usage_in_bytes": "700",
                "memory/a/memory.stat": "inactive_file 1\ntotal_inactive_file 100",
                "memory/memory.limit_in_bytes": "9223372036854771712",
                "memory/memory.usage_in_bytes": "800",
                "cpu/a/memory.limit_in_bytes": "1",
            },
            [(1000, 600), (9223372036854771712, 800)],
        ),
        (None, {}, []),
    ],
)
def test_limits_of_memory_and_what_is_taken_of_them_are_found(tmp_path, groups, files, limits):
    assert machine.memory_limits(*control_groups(tmp_path, groups, files)) == limits


def test_a_limit_counts_where_it_is_less_than_the_machine_has(tmp_path, monkeypatch):
    files = {"memory.max": str(2**31), "memory.current": str(2**30)}
    groups, root = control_groups(tmp_path, "0::/", files)
    monkeypatch.setattr(machine, "OWN_GROUPS", groups)
    monkeypatch.setattr(machine, "GROUPS", root)
    assert (machine.usable_memory(), machine.free_memory()) == (2**31, 2**30)
    assert machine.machine("secret")["usable_memory_gib"] == 2
    (root / "memory.max").write_text(str(2**62))
    assert machine.usable_memory() == machine.pages("SC_PHYS_PAGES")
    (root / "memory.max").write_text(str(2**29))
    assert machine.free_memory() == 0, "more is taken than a limit that was lowered"


def test_memory_that_holds_files_which_were_read_is_free(monkeypatch):
    """The kernel gives it to whoever asks; on a server that is up for long, it is most of all."""
    seen = {"/proc/meminfo": "MemTotal: 100 kB\nMemFree: 2 kB\nMemAvailable:   90 kB\n"}
    monkeypatch.setattr(machine, "OWN_GROUPS", None)
    monkeypatch.setattr(machine, "read", seen.get)
    assert machine.free_memory() == 90 * 1024
    seen.clear()  # a kernel that does not tell
    monkeypatch.setattr(machine, "pages", {"SC_AVPHYS_PAGES": 2048}.get)
    assert machine.free_memory() == 2048


@pytest.fixture
def limited():
    """Has a process run in control groups of its own, with these files; needs to make them."""
    made = []

    def run(files: dict[str, str], *command: str) -> str:
        folders = {Path("/sys/fs/cgroup") / Path(name).parent for name in files}
        for folder in folders:
            try:
                folder.mkdir()
            except OSError as error:
                pytest.skip(f"no control group can be made here: {error}")
            made.append(folder)
        for name, content in files.items():
            (Path("/sys/fs/cgroup") / name).write_text(content)
        enter = "for folder; do [ $folder = -- ] && break; echo $$ > $folder/cgroup.procs; shift; "
        enter += 'done; shift; exec "$@"'
        start = ["sh", "-c", enter, "sh", *map(str, folders), "--", *command]
        return subprocess.run(start, capture_output=True, text=True, check=True).stdout

    yield run
    for folder in made:
        folder.rmdir()


def test_a_real_control_group_limits_cores_and_memory(limited):
    """Version 1, where it is mounted; the kernel rounds memory to whole pages."""
    group = f"evenhand-test-{os.getpid()}"
    files = {
        f"cpu/{group}/cpu.cfs_quota_us": "150000",
        f"memory/{group}/memory.limit_in_bytes": str(3 * 2**29),
    }
    code = "import json; from toolbox.machine import machine, free_memory; "
    code += "print(json.dumps(machine('secret') | {'free': free_memory()}))"
    start = ["env", f"PYTHONPATH={TRAINERS}", sys.executable, "-c", code]
    found = json.loads(limited(files, *start))
    here = machine.machine("secret")
    assert found["usable_cores"] == min(1.5, here["usable_cores"])
    assert found["usable_memory_gib"] == 1.5
    assert 2**30 < found["free"] <= 3 * 2**29
    assert found["fingerprint"] == here["fingerprint"], "the hardware is the same"
