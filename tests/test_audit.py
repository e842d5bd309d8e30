"""The audit: a correct folder passes, and every fault is named."""

import json
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from importlib import metadata
from pathlib import Path

import audit
import made_up
import numpy as np
import protocol
import pytest
import round as opening
import settings

from toolbox.record import sealed, sha256, write

COMPETITORS = ["numpy-cpu", "other-cpu"]


@pytest.fixture(scope="session")
def audited(tmp_path_factory) -> Path:
    """A results folder of two rounds between NumPy's trainer and itself under another name."""
    root = tmp_path_factory.mktemp("audited")
    results = root / "results"
    made_up.packed(results / "data", 300, 100)
    (root / "envs").mkdir()
    for name in COMPETITORS:
        lock = root / f"envs/{name}.lock"
        lock.write_text(f"numpy=={metadata.version('numpy')} \\\n    --hash=sha256:00\n")
        receipt = {"framework": name[:-4], "device": "cpu", "image": None}
        receipt["deployment"] = "virtual environment"
        (results / "environments").mkdir(exist_ok=True)
        write(results / f"environments/{name}.json", receipt | {"lock_sha256": sha256(lock)})
    for number in (0, 1):
        shared = results / f"protocol/baseline/{number}.npz"
        shared.parent.mkdir(parents=True, exist_ok=True)
        rng = np.random.default_rng(number)
        order = protocol.batch_order(rng, 2, 300)
        np.savez(shared, **protocol.initial_weights(rng, 16), order=order)
        round_file = results / f"rounds/controlled/baseline/{number}.json"
        round_file.parent.mkdir(parents=True, exist_ok=True)
        asked = ("controlled", "baseline", number, "here", 7 + number, COMPETITORS, 1)
        write(round_file, opening.open_round(*asked))
        for name in COMPETITORS:
            run(root, number, name)
    return root


def run(root: Path, number: int, name: str) -> None:
    """One run through the launcher, as the rule `train` does it."""
    results = root / "results"
    record = results / f"runs/controlled/baseline/{number}/{name}.json"
    record.parent.mkdir(parents=True, exist_ok=True)
    flags = f"--seed {7 + number} --epochs 2 --hidden-units 16 --data {results}/data"
    subprocess.run(
        [
            *(sys.executable, "-m", "toolbox.launch", "--threads", "1"),
            *("--trainer", settings.ROOT / "workflow/trainers/controlled/numpy_mlp.py"),
            *("--environment", results / f"environments/{name}.json"),
            *("--round", results / f"rounds/controlled/baseline/{number}.json"),
            *("--record", record, "--losses", record.with_suffix(".losses.npy"), "--"),
            *flags.split(),
            *("--protocol", results / f"protocol/baseline/{number}.npz"),
        ],
        env={"PYTHONPATH": str(settings.ROOT / "workflow/trainers")},
        check=True,
    )


@pytest.fixture
def folder(audited, tmp_path) -> Path:
    """A copy of the correct folder, to be spoiled."""
    shutil.copytree(audited, tmp_path / "copy")
    return tmp_path / "copy"


def findings(root: Path) -> set[tuple]:
    """(severity, check, round, competitor) of everything that the audit finds."""
    results = root / "results"
    found = audit.Audit(results, root)
    found.everything(
        sorted(results.glob("runs/*/*/*/*.json")), sorted(results.glob("rounds/*/*/*.json"))
    )
    rows = found.table().astype({"competitor": str})
    return {(r.severity, r.check, r.round, r.competitor) for r in rows.itertuples()}


def record_of(root: Path, number: int = 1, name: str = "numpy-cpu") -> Path:
    return root / f"results/runs/controlled/baseline/{number}/{name}.json"


def edited(path: Path, seal: bool = True, **changes) -> None:
    """Change a file's values; `a__b=1` reaches into it. With `seal`, by one who can seal."""
    record = json.loads(path.read_text())
    for where, value in changes.items():
        *sections, key = where.split("__")
        section = record
        for name in sections:
            section = section[int(name) if name.isdigit() else name]
        section[key] = value
    write(path, sealed(record) if seal else record)


def test_a_correct_folder_has_no_findings(audited):
    assert findings(audited) == set()


def test_a_record_edited_by_hand_is_named(folder):
    edited(record_of(folder), seal=False, measured__epochs__1__seconds=1e-3)
    assert ("error", "seal", 1, "numpy-cpu") in findings(folder)


def test_a_record_cut_short_is_named(folder):
    text = record_of(folder).read_text()
    record_of(folder).write_text(text[: len(text) // 2])
    assert ("error", "schema", 1, "numpy-cpu") in findings(folder)


def test_a_record_copied_to_another_round_is_named(folder):
    for suffix in (".json", ".losses.npy"):
        copy = record_of(folder, 0).with_suffix(suffix)
        shutil.copy(copy, record_of(folder, 1).with_suffix(suffix))
    found = findings(folder)
    assert {(c, n) for _, c, n, _ in found} >= {("duplicate", 1), ("identity", 1), ("round", 1)}


@pytest.mark.parametrize(
    ("check", "changes"),
    [
        ("machine", {"ran__machine__boot": "another"}),
        ("machine", {"ran__machine__fingerprint": "0" * 64}),
        ("trainer", {"ran__trainer_sha256": "0" * 64}),
        ("lock", {"ran__lock_sha256": "0" * 64}),
        ("lock", {"ran__packages": {"numpy": "1.0"}}),
        ("lock", {"ran__packages": {}}),
        ("device", {"ran__device": "gpu"}),
        ("threads", {"ran__threads__blas": 2}),
        ("seed", {"asked__seed": 99}),
        ("settings", {"asked__hidden_units": 17}),
        ("data", {"ran__data_sha256": "0" * 64}),
        ("protocol", {"ran__protocol_sha256": "0" * 64}),
        ("toolbox", {"ran__toolbox_sha256": {"run.py": "0" * 64}}),
        ("deployment", {"ran__deployment": "conda"}),
        ("steps", {"measured__epochs__1__steps": 2}),
        ("steps", {"measured__epochs__1__images": 299}),
        ("steps", {"measured__epochs__1__epoch": 2}),
        ("clock", {"measured__epochs__1__begin": 0.0}),
        ("clock", {"measured__epochs__1__seconds": 1e9}),
        ("clock", {"measured__epochs__1__seconds": 0.0}),
        ("clock", {"measured__seconds": 1e-3}),
        ("losses", {"measured__losses_sha256": "0" * 64}),
        ("losses", {"measured__epochs__1__average_loss": 1.5}),
        ("schema", {"measured__epochs__1__seconds": -1.0}),
        ("schema", {"measured__peak_memory_bytes": "much"}),
        ("schema", {"asked__surprise": 1}),
    ],
)
def test_a_fault_in_a_record_is_named_even_if_it_was_sealed_again(folder, check, changes):
    edited(record_of(folder), **changes)
    found = findings(folder)
    assert ("error", check) in {(severity, name) for severity, name, *_ in found}
    assert all(number == 1 for *_, number, _ in found), "the other round is as it was"


def test_a_loss_that_is_not_finite_is_named(folder):
    file = record_of(folder).with_suffix(".losses.npy")
    losses = np.load(file)
    losses[1, 2] = np.nan
    np.save(file, losses)
    edited(record_of(folder), measured__losses_sha256=sha256(file))
    assert ("error", "losses", 1, "numpy-cpu") in findings(folder)


def test_a_record_with_nan_is_no_record(folder):
    text = record_of(folder).read_text()
    record_of(folder).write_text(text.replace('"wait_seconds": null', '"wait_seconds": NaN'))
    assert ("error", "schema", 1, "numpy-cpu") in findings(folder)


def test_missing_step_losses_are_named(folder):
    record_of(folder).with_suffix(".losses.npy").unlink()
    assert ("error", "losses", 1, "numpy-cpu") in findings(folder)


def test_a_round_with_a_member_missing_is_shown(folder):
    record_of(folder).unlink()
    assert findings(folder) == {("note", "missing", 1, "numpy-cpu")}


def test_a_round_opened_again_disowns_its_records(folder):
    edited(folder / "results/rounds/controlled/baseline/1.json", seal=False, id="0" * 32)
    assert {(check, name) for _, check, _, name in findings(folder)} == {
        ("round", "numpy-cpu"),
        ("round", "other-cpu"),
    }


def test_a_pause_inside_a_round_is_noted(folder):
    later = datetime.now(UTC) + timedelta(hours=1)
    edited(record_of(folder), measured__started=later.isoformat())
    assert findings(folder) == {("note", "interrupted", 1, "numpy-cpu")}


def test_runs_at_the_same_time_are_named(folder):
    other = json.loads(record_of(folder, 1, "other-cpu").read_text())["measured"]["started"]
    edited(record_of(folder), measured__started=other, measured__seconds=1e4)
    edited(record_of(folder, 1, "other-cpu"), measured__seconds=1e4)
    assert ("error", "clock") in {(severity, name) for severity, name, *_ in findings(folder)}


def test_the_exit_status_tells_whether_errors_were_found(folder, monkeypatch, capsys):
    results = str(folder / "results")
    monkeypatch.setattr(audit.Audit.__init__, "__defaults__", (folder,))
    assert audit.main([results]) == 0
    edited(record_of(folder), seal=False, ran__python="2.7")
    assert audit.main([results]) == 3
    assert "seal" in capsys.readouterr().out
    with pytest.raises(SystemExit) as unusable:
        audit.main([str(folder / "nowhere")])
    assert unusable.value.code == 2
