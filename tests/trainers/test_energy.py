"""Energy by made-up counters. No real one has been read by it yet."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from evenhand.core.schemas import schema
from support import launching
from toolbox import energy
from toolbox.record import Record, sha256

pytestmark = pytest.mark.fast

FULL = 262_143_328_850  # of a counter of Intel's, in µJ
# One with two packages, as its kernel shows it; AMD's has the packages and `core`.
SERVER = {
    "intel-rapl": None,
    "intel-rapl:0": "package-0",
    "intel-rapl:0:0": "core",
    "intel-rapl:0:1": "dram",
    "intel-rapl:1": "package-1",
    "intel-rapl:1:0": "dram",
    "intel-rapl:2": "psys",
    "intel-rapl-mmio": None,
    "intel-rapl-mmio:0": "package-0",
}
COUNTED = ["intel-rapl:0", "intel-rapl:0:1", "intel-rapl:1", "intel-rapl:1:0"]


@pytest.fixture
def tree(tmp_path) -> Path:
    """A powercap tree like that of a server, all of whose counters are at 5 J."""
    for folder, name in SERVER.items():
        (tmp_path / "powercap" / folder).mkdir(parents=True)
        if name:
            (tmp_path / "powercap" / folder / "name").write_text(f"{name}\n")
            show(tmp_path / "powercap", 5_000_000, [folder])
            (tmp_path / "powercap" / folder / "max_energy_range_uj").write_text(f"{FULL}\n")
    return tmp_path / "powercap"


def show(tree: Path, microjoules: int, folders=SERVER) -> None:
    """Have these counters show so much."""
    for folder in folders:
        if SERVER[folder]:
            (tree / folder / "energy_uj").write_text(f"{microjoules}\n")


def test_packages_and_their_memory_are_added_and_nothing_that_is_part_of_another(tree):
    meter = energy.of_processor(tree)
    before = meter.joules()
    show(tree, 8_000_000)
    assert meter.joules() - before == 4 * 3
    for folder in COUNTED:
        show(tree, 9_000_000, [folder])
    assert meter.joules() - before == 4 * 4
    domains = ["package-0", "dram", "package-1", "dram"]
    assert meter.description() == {"source": "powercap", "domains": domains, "reason": None}


def test_a_counter_that_ran_full_starts_anew_and_goes_on(tree):
    show(tree, FULL - 2_000_000)
    meter = energy.of_processor(tree)
    before = meter.joules()
    for shown, counted in ((1_000_000, 3), (FULL - 1, 3 + FULL / 1e6 - 1), (0, 3 + FULL / 1e6 - 1)):
        show(tree, shown)
        assert meter.joules() - before == pytest.approx(4 * counted)


def masked(tree: Path) -> None:
    """What a container leaves of the tree: links that lead to an empty folder."""
    shutil.rmtree(tree)
    tree.mkdir()
    for folder in SERVER:
        (tree / folder).symlink_to(tree / "masked" / folder)


def for_root_alone(file: Path, patch: pytest.MonkeyPatch) -> None:
    """What a user gets, since tests may run as root."""
    read = Path.read_text

    def refused(path: Path, *how, **more) -> str:
        if path == file:
            raise PermissionError(13, "Permission denied")
        return read(path, *how, **more)

    patch.setattr(Path, "read_text", refused)


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda tree, patch: shutil.rmtree(tree), "no tree"),
        (lambda tree, patch: masked(tree), "no package"),
        (lambda tree, patch: (tree / "intel-rapl:0/name").write_text("psys"), None),
        (lambda tree, patch: for_root_alone(tree / "intel-rapl:0/energy_uj", patch), "denied"),
        (lambda tree, patch: for_root_alone(tree / "intel-rapl:1:0/energy_uj", patch), "denied"),
        (lambda tree, patch: (tree / "intel-rapl:1/energy_uj").write_text("?"), "failed"),
        (lambda tree, patch: (tree / "intel-rapl:1/energy_uj").unlink(), "failed"),
        (lambda tree, patch: (tree / "intel-rapl:1/max_energy_range_uj").unlink(), "failed"),
    ],
)
def test_where_one_counter_cannot_be_read_none_is_and_a_reason_is_given(
    tree, monkeypatch, spoil, reason
):
    spoil(tree, monkeypatch)
    meter = energy.of_processor(tree)
    assert meter.reason == reason
    assert (meter.joules() is None) == bool(reason) == (meter.description()["domains"] == [])


def test_a_counter_that_fails_later_ends_it_for_good(tree):
    meter = energy.of_processor(tree)
    assert meter.joules() is not None
    for content in ("", "7000000"):
        (tree / "intel-rapl:1/energy_uj").write_text(content)
        assert meter.joules() is None
    assert meter.description() == {"source": "powercap", "domains": [], "reason": "failed"}


def test_a_counter_that_stands_still_for_an_epoch_is_not_believed_in_others(tree):
    meter = energy.of_processor(tree)
    meter.settle([4.0, 2.0])
    assert meter.reason is None
    meter.settle([4.0, 0.0])
    assert meter.reason == "still"


def test_every_reason_is_in_the_schema_and_has_words():
    _, not_read = schema("record")["$defs"]["energy"]["anyOf"]
    assert not_read["properties"]["reason"]["enum"] == list(energy.REASONS)
    assert all(energy.REASONS.values())


# A launcher's process whose clock and meter tell in which order they were looked at.
WATCH = """
import json, os, sys
from toolbox.energy import Meter
from toolbox.stopwatch import Stopwatch

looks = []

class Counter:
    domain = "a"
    def joules(self):
        looks.append("meter")
        return float(len(looks))

class Logged(Stopwatch):
    def now(self):
        looks.append("clock")
        return super().now()
    def turn_to(self, name):
        looks.append(name)
        super().turn_to(name)

Logged(processor=Meter("powercap", [Counter()])).run(sys.argv[1:], dict(os.environ))
print(json.dumps(looks))
"""


def test_the_meter_is_read_just_before_the_clock_starts_and_just_after_it_stops():
    trainer = "import sys; from toolbox.stopwatch import Line; line = Line(int(sys.argv[-1]))\n"
    trainer += "for part in ['between', 'epochs', 'between', 'rest']: line.begins(part)"
    looks = json.loads(
        subprocess.check_output(
            [sys.executable, "-c", WATCH, sys.executable, "-c", trainer],
            env={"PYTHONPATH": str(launching.TRAINERS)},
        )
    )
    begins = looks.index("epochs")
    ends = looks.index("between", begins)
    assert looks[begins + 1 : begins + 5] == ["clock", "meter", "meter", "clock"]
    assert looks[ends + 1 : ends + 3] == ["clock", "meter"]


# Stands for the processor, whose counters go on before, in and after an epoch.
HEATER = """
from pathlib import Path
def heat(microjoules):
    for name in {counted}:
        file = Path("powercap") / name / "energy_uj"
        file.write_text(str(int(file.read_text()) + microjoules))
"""
LOOP = "        for batch in epoch.batches(order):\n"


@pytest.fixture
def launch(tmp_path, tree):
    """Launch a trainer by a toolbox that looks for the tree in the folder of the run.

    Nothing else makes the launcher read another tree: no flag, no variable.
    """
    code = tmp_path / "code"
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(launching.TRAINERS, code, ignore=ignored)
    file, root = code / "toolbox/energy.py", f'POWERCAP = Path("{energy.POWERCAP}")'
    assert root in file.read_text()
    file.write_text(file.read_text().replace(root, 'POWERCAP = Path("powercap")'))
    launching.prepare(tmp_path, framework="numpy")

    def run(trainer: str) -> subprocess.CompletedProcess:
        (tmp_path / "stand_in_mlp.py").write_text(HEATER.format(counted=COUNTED) + trainer)
        return launching.launch(tmp_path, "stand_in_mlp.py", code=code)

    return run


def numpys(**inserted: str) -> str:
    """NumPy's trainer with lines of its own before, in and after the clock."""
    trainer = (launching.TRAINERS / "controlled/numpy_mlp.py").read_text()
    clock = "    with epoch.clock() as order:\n"
    lines = {clock: "    {outside}\n" + clock, LOOP: "        {inside}\n" + LOOP}
    for line, with_ours in lines.items():
        assert trainer.count(line) == 1
        trainer = trainer.replace(line, with_ours.format(**inserted))
    return trainer


def test_a_record_has_the_energy_of_each_epoch_and_no_other(launch, tmp_path):
    done = launch(numpys(outside="heat(50_000_000)", inside="heat(2_000_000 + epoch.index)"))
    assert done.returncode == 0, done.stderr
    record = Record.read(tmp_path / "record.json")
    joules = [epoch.processor_joules for epoch in record.measured.epochs]
    assert joules == pytest.approx([4 * 2.0, 4 * 2.000001], abs=1e-9)
    assert [epoch.gpu_joules for epoch in record.measured.epochs] == [None, None]
    domains = ["package-0", "dram", "package-1", "dram"]
    told = {"source": "powercap", "domains": domains, "reason": None}
    assert record.measured.energy == {"processor": told, "gpu": None}
    Draft202012Validator(schema("record")).validate(record.to_dict())
    # Who has another tree read has another toolbox, which the audit names.
    real = sha256(launching.TRAINERS / "toolbox/energy.py")
    assert record.environment.toolbox_sha256["energy.py"] != real


@pytest.mark.parametrize(
    ("inside", "reason"),
    [
        ("heat(9) if epoch.index else None", "still"),
        ("heat(9); epoch.index and Path('powercap/intel-rapl:0/energy_uj').unlink()", "failed"),
    ],
)
def test_where_one_epoch_is_not_told_none_is(launch, tmp_path, inside, reason):
    done = launch(numpys(outside="pass", inside=inside))
    assert done.returncode == 0, done.stderr
    record = Record.read(tmp_path / "record.json")
    assert [epoch.processor_joules for epoch in record.measured.epochs] == [None, None]
    assert record.measured.energy["processor"]["reason"] == reason
    Draft202012Validator(schema("record")).validate(record.to_dict())


def test_a_record_from_here_says_what_was_read_here(tmp_path):
    launching.prepare(tmp_path, framework="numpy")
    done = launching.launch(tmp_path, launching.TRAINERS / "controlled/numpy_mlp.py")
    assert done.returncode == 0, done.stderr
    measured = Record.read(tmp_path / "record.json").measured
    assert measured.energy["processor"] == energy.of_processor().description()
    readable = measured.energy["processor"]["reason"] is None
    assert [epoch.processor_joules is not None for epoch in measured.epochs] == [readable] * 2


TAMPER = """
import json, sys
path = sys.argv[sys.argv.index("--result") + 1]
result = json.load(open(path))
{change}
json.dump(result, open(path, "w"))
"""


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ("result['measured']['epochs'][0]['processor_joules'] = 1e-3", "processor_joules"),
        ("result['measured']['energy'] = {}", "energy"),
    ],
)
def test_a_trainer_cannot_tell_its_own_energy(launch, tmp_path, change, key):
    honest = numpys(outside="pass", inside="heat(9)")
    done = launch(honest + TAMPER.format(change=change))
    assert done.returncode == 1
    assert f"multiple values for keyword argument '{key}'" in done.stderr
    assert not (tmp_path / "record.json").exists()
