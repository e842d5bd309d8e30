"""The workflow as somebody runs it who may do little, on a disk that is too small at first."""

import os
import subprocess

import pandas as pd
import pytest

from support.checkouts import checkout, command, snakemake
from support.deployments import need

SMALL = {"tracks": ["controlled"], "frameworks": ["numpy"], "rounds": 1}
# In mounts of its own: the project read-only, a small disk as the working folder, and there a user
# without a name, whose home cannot be written and whose files nobody else may read.
SCRIPT = """
mount --bind "$CHECKOUT" "$CHECKOUT" && mount -o remount,bind,ro "$CHECKOUT"
mount -t tmpfs -o size=1500k tmpfs . && cd "$PWD" && mkdir results
ln -s "$CHECKOUT/results/environments" results/environments
umask 077
run() { unshare --user --map-user=12345 --map-group=12345 "$@" 2>&1; }
run "$@" > "$OUT/full"
find results -name '*.part' > "$OUT/parts"
mount -o remount,size=100m .
run "$@" > "$OUT/again"
cp results/report.html results/audit.csv "$OUT"
"""


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    """What was printed, and what came of it."""
    need(os.geteuid() == 0, "mounts are made as root")
    tmp_path = tmp_path_factory.mktemp("without_privileges")
    folder = checkout(tmp_path / "evenhand", **SMALL)
    snakemake(folder, "results/environments/numpy-cpu.json")
    for name in ("here", "home", "cache", "out"):
        (tmp_path / name).mkdir()
    (tmp_path / "home").chmod(0o555)
    variables = {"HOME": tmp_path / "home", "XDG_CACHE_HOME": tmp_path / "cache"}
    variables |= {"CHECKOUT": folder, "OUT": tmp_path / "out"}
    users = {"LOGNAME", "USER", "LNAME", "USERNAME"}
    environment = {name: value for name, value in os.environ.items() if name not in users}
    start = command(
        "--snakefile", folder / "Snakefile", "--configfile", folder / "config/config.yaml"
    )
    subprocess.run(
        ["unshare", "--mount", "sh", "-c", SCRIPT, "sh", *start],
        cwd=tmp_path / "here",
        env=environment | variables,
    )
    return tmp_path / "out"


def test_a_full_disk_is_named_and_leaves_no_part_of_a_file(out):
    assert "No space left on device" in (out / "full").read_text()
    assert (out / "parts").read_text() == ""


def test_once_there_is_room_the_same_command_goes_on_to_the_report(out):
    assert (out / "report.html").stat().st_size > 100_000, (out / "again").read_text()[-5000:]
    audit = pd.read_csv(out / "audit.csv")
    assert audit[audit["severity"] == "error"].empty


def test_nothing_is_written_into_a_home_or_for_others(out):
    assert list((out.parent / "home").iterdir()) == []
    assert (out / "report.html").stat().st_mode & 0o077 == 0
