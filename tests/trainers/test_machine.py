"""What is known of a machine: its hardware, and how much of it a process may use."""

import pytest

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
    if groups is not None:
        (tmp_path / "cgroup").write_text(groups + "\n")
    for name, content in files.items():
        file = tmp_path / "mounted" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content + "\n")
    assert machine.quotas(tmp_path / "cgroup", tmp_path / "mounted") == quotas
