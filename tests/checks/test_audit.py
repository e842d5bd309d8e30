"""The audit: a correct folder passes, and every fault is named."""

import dataclasses
import json
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest

from evenhand.checks import audit, audit_record, audit_round
from evenhand.comparison import whole_audit
from evenhand.core import axes
from evenhand.core.identity import Round, losses_path
from evenhand.core.schemas import ROOT, schema
from evenhand.environments.locks import canonical
from evenhand.model import protocol
from evenhand.rounds import opening
from support import digits, records
from toolbox.machine import fingerprint
from toolbox.record import Environment, Epoch, Measured, Record, Requested, sealed, sha256, write
from toolbox.settings import Settings

pytestmark = pytest.mark.fast

COMPETITORS = ["numpy-cpu", "other-cpu"]
ON_CUDA = sorted(path.stem for path in ROOT.glob("envs/*-cuda.yaml"))
NOTHING_WRONG = "0 errors, 0 notes, 0 tables differ"
LAYERS = (784, 16, 10)


@pytest.fixture(scope="session")
def audited(tmp_path_factory) -> Path:
    """A project with results of two rounds between NumPy's trainer and itself by another name."""
    root = tmp_path_factory.mktemp("audited")
    results, trainers = root / "results", root / "workflow/trainers"
    for part in ("frameworks", "devices", "trainers"):
        ignore = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / "workflow" / part, root / "workflow" / part, ignore=ignore)
    shutil.copy(root / "workflow/frameworks/numpy.yaml", root / "workflow/frameworks/other.yaml")
    shutil.copy(trainers / "controlled/numpy_mlp.py", trainers / "controlled/other_mlp.py")
    digits.packed(results / "data/mnist", 300, 100)
    (results / "secret.key").write_text("secret")
    (root / "envs").mkdir()
    installed = {canonical(package.name): package.version for package in metadata.distributions()}
    for name in COMPETITORS:
        lock = root / f"envs/{name}.lock"
        lock.write_text(
            "".join(f"{name}=={installed[name]} \\\n    --hash=00\n" for name in installed)
        )
        receipt = {"framework": name[:-4], "device": "cpu", "image": None}
        receipt["deployment"] = "virtual environment"
        (results / "environments").mkdir(exist_ok=True)
        write(results / f"environments/{name}.json", receipt | {"lock_sha256": sha256(lock)})
    for number in (0, 1):
        shared = results / f"protocol/baseline/{number}.npz"
        shared.parent.mkdir(parents=True, exist_ok=True)
        np.savez(shared, **protocol.sample(number, 0, LAYERS, epochs=2, images=300))
        round_file = Round("controlled", "baseline", number).path(results)
        round_file.parent.mkdir(parents=True, exist_ok=True)
        products = {"threads": 1, "batch_size": 128, "layers": LAYERS}
        opened = ("controlled", "baseline", number, "here", 7 + number, COMPETITORS, products)
        opened += ("secret",)
        write(round_file, opening.open_round(*opened))
        for name in COMPETITORS:
            run(root, number, f"runs/controlled/baseline/{number}/{name}.json")
    for name in COMPETITORS:
        run(root, 0, f"rehearsals/controlled/baseline/0/{name}.json", dtype="float64")
    return root


def run(root: Path, number: int, path: str, **more) -> None:
    """One run through the launcher, as the rules `train` and `rehearse` do it."""
    results, trainers = root / "results", root / "workflow/trainers"
    record, name = results / path, Path(path).stem
    record.parent.mkdir(parents=True, exist_ok=True)
    shared = results / f"protocol/baseline/{number}.npz"
    settings = Settings(results / "data/mnist", shared, seed=7 + number, layers=LAYERS, epochs=2)
    subprocess.run(
        [
            *(sys.executable, "-E", "-s", trainers / "start.py", trainers / "toolbox/launch.py"),
            *("--trainer", trainers / f"controlled/{name[:-4]}_mlp.py"),
            *("--environment", results / f"environments/{name}.json"),
            *("--secret", results / "secret.key"),
            *("--round", results / f"rounds/controlled/baseline/{number}.json"),
            *("--record", record, "--losses", losses_path(record), "--threads", "1", "--"),
            *dataclasses.replace(settings, **more).flags(),
        ],
        check=True,
    )


@pytest.fixture
def folder(audited, tmp_path) -> Path:
    """A copy of the correct folder, to be spoiled."""
    shutil.copytree(audited, tmp_path / "copy")
    return tmp_path / "copy"


def audit_of(root: Path) -> audit.Audit:
    """The audit of everything in a project's results."""
    results = root / "results"
    found = audit.Audit(results, root)
    patterns = ("runs/*/*/*/*.json", "rounds/*/*/*.json", "rehearsals/*/*/*/*.json")
    found.everything(*(sorted(results.glob(pattern)) for pattern in patterns))
    return found


def findings(root: Path) -> set[tuple]:
    """(severity, check, round, competitor) of everything that the audit finds."""
    rows = (
        audit_of(root)
        .table()
        .astype({"competitor": object, "round": object})
        .fillna({"competitor": "all", "round": "none"})
    )
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


def test_a_record_copied_to_another_round_and_made_to_fit_is_named(folder):
    """By one who draws an id, tells the other round's seed and protocol, and seals again."""
    source, target = record_of(folder, 0), record_of(folder, 1)
    there = json.loads(target.read_text())
    changes = {"id": "0" * 32, "round_id": there["round_id"], "requested__round": 1}
    changes |= {"requested__seed": there["requested"]["seed"]}
    changes |= {"environment__protocol_sha256": there["environment"]["protocol_sha256"]}
    for suffix in (".json", ".losses.npy"):
        shutil.copy(source.with_suffix(suffix), target.with_suffix(suffix))
    edited(target, **changes)
    assert ("error", "duplicate", 1, "numpy-cpu") in findings(folder)


@pytest.mark.parametrize(
    ("check", "changes"),
    [
        ("machine", {"environment__machine__boot": "boot-00000000"}),
        ("fingerprint", {"environment__machine__fingerprint": "0" * 64}),
        ("fingerprint", {"environment__machine__processor": "A faster one"}),
        ("trainer", {"environment__trainer_sha256": "0" * 64}),
        ("lock", {"environment__lock_sha256": "0" * 64}),
        ("lock", {"environment__packages__numpy": "1.0"}),
        ("lock", {"environment__packages": {}}),
        ("device", {"environment__device": "gpu"}),
        ("threads", {"environment__threads__blas": 2}),
        ("seed", {"requested__seed": 99}),
        ("settings", {"requested__layers": [784, 17, 10]}),
        ("data", {"environment__data_sha256": "0" * 64}),
        ("protocol", {"environment__protocol_sha256": "0" * 64}),
        ("toolbox", {"environment__toolbox_sha256": {"run.py": "0" * 64}}),
        ("deployment", {"environment__deployment": "conda"}),
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
        ("schema", {"measured__started": "2026-02-30T12:00:00+00:00"}),
        ("schema", {"measured__started": "2026-02-20T12:00:00"}),
        ("schema", {"requested__surprise": 1}),
        ("settings", {"requested__dtype": "float64"}),
        ("twins", {"environment__twins": ["an operation that nobody declares"]}),
        ("clock", {"measured__started": "2001-01-01T00:00:00+00:00"}),
    ],
)
def test_a_fault_in_a_record_is_named_even_if_it_was_sealed_again(folder, check, changes):
    edited(record_of(folder), **changes)
    found = findings(folder)
    assert ("error", check) in {(severity, name) for severity, name, *_ in found}
    assert all(number == 1 for *_, number, _ in found), "the other round is as it was"


@pytest.mark.parametrize(
    ("check", "changes"),
    [
        ("trainer", {"environment__trainer_sha256": "0" * 64}),
        ("protocol", {"environment__protocol_sha256": "0" * 64}),
        ("round", {"round_id": "0" * 32}),
    ],
)
def test_a_fault_in_a_rehearsal_is_named(folder, check, changes):
    edited(folder / "results/rehearsals/controlled/baseline/0/numpy-cpu.json", **changes)
    assert findings(folder) == {("error", check, "none", "numpy-cpu")}


def test_a_rehearsal_in_float32_is_named(folder):
    path = folder / "results/rehearsals/controlled/baseline/0/numpy-cpu.json"
    edited(path, requested__dtype="float32")
    about = {("error", check, "none", "numpy-cpu") for check in ("settings", "weights")}
    assert findings(folder) == about


@pytest.mark.parametrize(("seal", "found"), [(False, "seal"), (True, "identity")])
def test_a_round_edited_by_hand_is_named(folder, seal, found):
    edited(folder / "results/rounds/controlled/baseline/1.json", seal, scenario="other")
    assert ("error", found, 1, "all") in findings(folder)


def test_two_rounds_of_one_seed_are_named(folder):
    """They repeat an experiment; they are not two."""
    first = json.loads((folder / "results/rounds/controlled/baseline/0.json").read_text())
    edited(folder / "results/rounds/controlled/baseline/1.json", seed=first["seed"])
    for name in COMPETITORS:
        edited(record_of(folder, 1, name), requested__seed=first["seed"])
    assert findings(folder) == {("error", "seed", 1, "all")}


def test_a_round_with_settings_of_its_own_is_named(folder):
    for name in COMPETITORS:
        edited(record_of(folder, 1, name), requested__loader_workers=3)
    assert findings(folder) == {("error", "settings", 1, name) for name in COMPETITORS}


def test_another_protocol_than_the_rounds_is_named_even_if_all_members_had_it(folder):
    for name in COMPETITORS:
        edited(record_of(folder, 1, name), environment__protocol_sha256="0" * 64)
    assert findings(folder) == {("error", "protocol", 1, name) for name in COMPETITORS}


def test_a_package_that_the_lock_does_not_have_is_noted(folder):
    edited(record_of(folder), environment__packages__stowaway="1.0")
    assert findings(folder) == {("note", "lock", 1, "numpy-cpu")}


def test_a_record_that_lacks_an_epoch_is_named(folder):
    whole = json.loads(record_of(folder).read_text())["measured"]["epochs"]
    edited(record_of(folder), measured__epochs=whole[:-1])
    assert {("error", check, 1, "numpy-cpu") for check in ("steps", "losses")} <= findings(folder)


def test_a_loss_that_is_not_finite_is_named(folder):
    file = record_of(folder).with_suffix(".losses.npy")
    losses = np.load(file)
    losses[1, 2] = np.nan
    np.save(file, losses)
    edited(record_of(folder), measured__losses_sha256=sha256(file))
    assert ("error", "losses", 1, "numpy-cpu") in findings(folder)


@pytest.mark.parametrize("value", ["NaN", "Infinity", "1e999"])
def test_a_record_with_a_number_that_is_not_finite_is_no_record(folder, value):
    text = record_of(folder).read_text()
    record_of(folder).write_text(text.replace('"wait_seconds": null', f'"wait_seconds": {value}'))
    assert ("error", "schema", 1, "numpy-cpu") in findings(folder)


def test_step_losses_that_cannot_be_read_are_named(folder):
    file = record_of(folder).with_suffix(".losses.npy")
    file.write_bytes(file.read_bytes()[:100])
    edited(record_of(folder), measured__losses_sha256=sha256(file))
    assert ("error", "losses", 1, "numpy-cpu") in findings(folder)


def test_missing_step_losses_are_named(folder):
    record_of(folder).with_suffix(".losses.npy").unlink()
    assert ("error", "losses", 1, "numpy-cpu") in findings(folder)


def test_a_round_with_a_member_missing_is_shown(folder):
    record_of(folder).unlink()
    assert findings(folder) == {("note", "missing", 1, "numpy-cpu")}


def test_a_round_opened_again_disowns_its_records(folder):
    edited(folder / "results/rounds/controlled/baseline/1.json", id="0" * 32)
    assert {(check, name) for _, check, _, name in findings(folder)} == {
        ("round", "numpy-cpu"),
        ("round", "other-cpu"),
    }


def test_a_pause_inside_a_round_is_noted(folder):
    later = datetime.now(UTC) + timedelta(hours=1)
    edited(record_of(folder, 1, "other-cpu"), measured__started=later.isoformat())
    assert findings(folder) == {("note", "interrupted", 1, "other-cpu")}


def test_turns_taken_in_another_order_than_drawn_are_noted(folder):
    other = json.loads(record_of(folder, 1, "other-cpu").read_text())
    begun = datetime.fromisoformat(other["measured"]["started"])
    later = begun + timedelta(seconds=30)
    edited(record_of(folder), measured__started=later.isoformat())
    assert findings(folder) == {("note", "order", 1, "all")}


@pytest.mark.parametrize(
    ("before", "after"),
    [((1, "numpy-cpu"), (1, "other-cpu")), ((0, "other-cpu"), (1, "numpy-cpu"))],
    ids=["in one round", "from one round to the next"],
)
def test_runs_at_the_same_time_are_named(folder, before, after):
    edited(record_of(folder, *before), measured__seconds=1e4)
    assert findings(folder) == {("error", "clock", *before), ("error", "clock", *after)}


def test_the_exit_status_tells_whether_errors_were_found(folder, capsys):
    results = str(folder / "results")
    assert whole_audit.main([results], folder) == 0
    edited(record_of(folder), seal=False, environment__python="2.7")
    assert whole_audit.main([results], folder) == 3
    assert "seal" in capsys.readouterr().out
    with pytest.raises(SystemExit) as unusable:
        whole_audit.main([str(folder / "nowhere")], folder)
    assert unusable.value.code == 2


def test_the_program_serves_the_command_line(tmp_path):
    program = [sys.executable, ROOT / "workflow/scripts/audit.py"]
    empty = subprocess.run([*program, tmp_path], capture_output=True, text=True, check=False)
    assert (empty.returncode, empty.stdout.splitlines()[-1]) == (0, NOTHING_WRONG)
    nowhere = [*program, tmp_path / "nowhere"]
    assert subprocess.run(nowhere, capture_output=True, check=False).returncode == 2


@pytest.mark.parametrize(
    ("axis", "path"),
    [
        ("track", "runs/misspelt/baseline/1/numpy-cpu.json"),
        ("framework", "runs/controlled/baseline/1/misspelt-cpu.json"),
        ("device", "runs/controlled/baseline/1/numpy-misspelt.json"),
    ],
)
def test_a_record_of_something_unknown_is_named(folder, axis, path):
    """It stops nobody: the others are audited all the same."""
    moved = folder / "results" / path
    moved.parent.mkdir(parents=True, exist_ok=True)
    record_of(folder).rename(moved)
    assert ("error", "identity", 1, moved.stem) in findings(folder)


def test_a_run_without_the_protocol_of_its_track_is_named(folder):
    edited(record_of(folder), environment__protocol_sha256=None)
    assert ("error", "protocol", 1, "numpy-cpu") in findings(folder)


def test_a_finding_about_a_rehearsal_names_its_file_and_no_round(folder):
    path = folder / "results/rehearsals/controlled/baseline/0/numpy-cpu.json"
    edited(path, seal=False, environment__python="2.7")
    found = audit.Audit(folder / "results", folder)
    found.everything([], [folder / "results/rounds/controlled/baseline/0.json"], [path])
    errors = found.table().query("severity == 'error'")
    assert errors[["track", "scenario", "check", "file"]].values.tolist() == [
        ["controlled", "baseline", "seal", str(path)]
    ]
    assert errors["round"].isna().all()


def test_an_excluded_competitor_is_noted_with_the_reason(tmp_path):
    found = audit.Audit(tmp_path)
    found.excluded({"mxnet-cuda": "training fails: no kernel image"})
    (row,) = found.table().dropna(axis="columns").to_dict("records")
    assert row == {
        "framework": "mxnet",
        "device": "cuda",
        "competitor": "mxnet-cuda",
        "severity": "note",
        "check": "excluded",
        "finding": "it failed its examination: training fails: no kernel image",
    }


# ---- edits by one who seals again --------------------------------------


def test_a_record_copied_from_another_round_is_named_though_its_numbers_were_changed(folder):
    """The last bits of all losses, the times, and everything that names the round."""
    source, target = record_of(folder, 0), record_of(folder, 1)
    there, copy = json.loads(target.read_text()), json.loads(source.read_text())
    copy["id"], copy["round_id"] = "0" * 32, there["round_id"]
    copy["requested"] |= {"round": 1, "seed": there["requested"]["seed"]}
    for key in ("protocol_sha256", "machine"):
        copy["environment"][key] = there["environment"][key]
    losses = np.load(losses_path(source)) + 1e-6
    np.save(losses_path(target), losses)
    times = ("started", "seconds", "phases", "user_seconds", "system_seconds")
    copy["measured"] |= {key: there["measured"][key] for key in times}
    copy["measured"]["losses_sha256"] = sha256(losses_path(target))
    for own, other in zip(copy["measured"]["epochs"], there["measured"]["epochs"], strict=True):
        own |= {key: other[key] for key in other if "loss" not in key}
        own["average_loss"] += 1e-6
    write(target, sealed(copy))
    assert findings(folder) == {("error", "duplicate", 1, "numpy-cpu")}


def halved(record: dict) -> None:
    """The seconds of all epochs, by both clocks, and their sum."""
    measured = record["measured"]
    for epoch in measured["epochs"]:
        for key in ("seconds", "trainer_seconds"):
            epoch[key] /= 2
    measured["phases"]["epochs"]["seconds"] /= 2


def test_seconds_and_their_sum_that_were_halved_are_named(folder):
    content = json.loads(record_of(folder).read_text())
    for epoch in content["measured"]["epochs"]:  # as long as those of a real training
        epoch |= {"seconds": 0.4, "trainer_seconds": 0.4, "processor_seconds": 0.4}
    halved(content)
    write(record_of(folder), sealed(content))
    assert ("error", "clock", 1, "numpy-cpu") in findings(folder)


@pytest.mark.parametrize("fingerprint_too", [False, True])
def test_another_processor_in_a_whole_round_is_named(folder, fingerprint_too):
    """Its fingerprint no longer fits, or else the other round in the same boot."""
    files = [Round("controlled", "baseline", 1).path(folder / "results")]
    files += [record_of(folder, 1, name) for name in COMPETITORS]
    for file in files:
        content = json.loads(file.read_text())
        here = content["machine"] if "machine" in content else content["environment"]["machine"]
        here["processor"] = "A faster one"
        if fingerprint_too:
            here["fingerprint"] = fingerprint(here)
        write(file, sealed(content))
    check = "machine" if fingerprint_too else "fingerprint"
    assert {("error", check, 1, name) for name in COMPETITORS} <= findings(folder)


def test_true_names_that_were_exchanged_are_named(folder):
    edited(record_of(folder), where__node="another")
    assert findings(folder) == {("error", "seal", 1, "numpy-cpu")}


def test_a_true_name_in_place_of_an_alias_is_named_without_it(folder):
    edited(record_of(folder), environment__machine__node="n17.cluster")
    found = "; ".join(audit_of(folder).table()["finding"])
    assert "environment.machine.node: the value does not match" in found and "n17" not in found


def test_true_names_can_be_taken_out(folder):
    results = folder / "results"
    for file in [*results.glob("runs/*/*/*/*.json"), *results.glob("rounds/*/*/*.json")]:
        write(file, {k: v for k, v in json.loads(file.read_text()).items() if k != "where"})
    assert findings(folder) == set()


# ---- variables ---------------------------------------------------------


def test_a_variable_that_differs_between_members_of_a_round_is_named(folder):
    for number in (0, 1):
        path = record_of(folder, number)
        environment = json.loads(path.read_text())["environment"]
        edited(
            path,
            environment__variables=environment["variables"] | {"OMP_THREAD_LIMIT": "1"},
            environment__user_variables=["OMP_THREAD_LIMIT"],
        )
    assert findings(folder) == {("error", "variables", number, "all") for number in (0, 1)}


def test_a_variable_that_an_environment_sets_for_itself_may_differ(folder):
    for number in (0, 1):
        path = record_of(folder, number)
        variables = json.loads(path.read_text())["environment"]["variables"]
        edited(path, environment__variables=variables | {"MKL_INTERFACE_LAYER": "LP64"})
    assert findings(folder) == set()


def test_a_variable_that_differs_between_rounds_is_named(folder):
    for name in COMPETITORS:
        path = record_of(folder, 1, name)
        variables = json.loads(path.read_text())["environment"]["variables"]
        edited(path, environment__variables=variables | {"OMP_THREAD_LIMIT": "1"})
    found = audit_of(folder).table()
    assert set(found["check"]) == {"variables"}
    assert set(found["competitor"]) == set(COMPETITORS)
    assert found["finding"].str.contains("OMP_THREAD_LIMIT is 1, None in most rounds").all()


def test_a_round_with_other_usable_cores_is_named(folder):
    """A container that was given less, or a job on a part of a node."""
    for name in COMPETITORS:
        path = record_of(folder, 1, name)
        machine = json.loads(path.read_text())["environment"]["machine"]
        edited(path, environment__machine=machine | {"usable_cores": 1.5})
    found = audit_of(folder).table()
    found = found[found["check"] == "cores"]
    assert set(found["competitor"]) == set(COMPETITORS) and set(found["round"]) == {1}
    assert set(found["finding"]) == {"could use 1.5 cores, most rounds 2"}


# ---- what the files of frameworks, devices and tracks decide -----------


def checks(tmp_path: Path, competitor: str, track: str = "controlled", **changes) -> set[str]:
    """The names of the checks that find something wrong with one record."""
    run = Round(track, "baseline", 0).run(competitor)
    made = records.record(competitor, **changes)
    made = dataclasses.replace(made, requested=dataclasses.replace(made.requested, track=track))
    found = audit_record.check(made, run.path(tmp_path), run, audit_record.Project(tmp_path, ROOT))
    about_files = {"losses", "trainer"}  # they are not there, or another track's
    return {finding.check for finding in found} - about_files


@pytest.mark.parametrize("competitor", [*ON_CUDA, "numpy-cpu"])
def test_a_right_record_has_no_findings_on_any_device(tmp_path, competitor):
    assert checks(tmp_path, competitor) == set()


def test_a_device_has_the_name_that_the_framework_gives_it(tmp_path):
    assert checks(tmp_path, "mxnet-cuda", environment={"device": "cuda"}) == {"device"}
    assert checks(tmp_path, "pytorch-cuda", environment={"device": "gpu"}) == {"device"}


def test_a_run_on_a_gpu_that_nobody_saw_there_is_named(tmp_path):
    assert checks(tmp_path, "pytorch-cuda", measured={"gpu": None}) == {"gpu"}
    unseen = records.WATCHED | {"process_seen": False}
    assert checks(tmp_path, "pytorch-cuda", measured={"gpu": unseen}) == {"gpu"}
    slowed = records.WATCHED | {"throttled": ["power cap"]}
    assert checks(tmp_path, "pytorch-cuda", measured={"gpu": slowed}) == {"throttled"}


@pytest.mark.parametrize(("alias", "found"), [("gpu-00000001", set()), ("gpu-2", {"machine"})])
def test_a_round_on_two_gpus_is_named(alias, found):
    """Each has its fingerprint, and a pair with two would pass for one with and without a GPU."""
    round_ = Round("controlled", "baseline", 0)
    gpus = {"mxnet-cuda": records.GPU, "pytorch-cuda": records.GPU | {"alias": alias}}
    made = {
        round_.run(name): records.record(name, environment={"gpu": gpu})
        for name, gpu in gpus.items()
    }
    excerpts = {run: audit_round.Excerpt.of(record, None) for run, record in made.items()}
    opened = {"order": [run.competitor for run, _ in audit_round.in_turn(excerpts)]}
    named = audit_round.members(round_, opened, made, excerpts)
    assert {finding.check for _, finding in named if finding.severity == "error"} == found


def test_a_protocol_is_asked_of_tracks_that_have_one(tmp_path):
    without = {"environment": {"protocol_sha256": None}}
    assert checks(tmp_path, "numpy-cpu", **without) == {"protocol"}
    assert checks(tmp_path, "pytorch-cpu", track="tutorial", **without) == set()


@pytest.mark.parametrize(
    ("where", "fields"),
    [
        (["requested"], Requested),
        (["environment"], Environment),
        (["measured"], Measured),
        (["measured", "epochs"], Epoch),
    ],
)
def test_the_schema_requires_what_a_record_has_and_nothing_else(where, fields):
    """So whatever follows the schema can be read as a record."""
    section = schema("record")
    for name in where:
        section = section["properties"][name]
    section = section.get("items", section)
    names = {field.name for field in dataclasses.fields(fields)}
    assert set(section["properties"]) == set(section["required"]) == names


def test_a_record_that_the_launcher_wrote_follows_the_schema(audited):
    assert audit.validator("record").is_valid(Record.read(record_of(audited)).to_dict())


# ---- where a process's seconds went -------------------------------------


def with_epochs(right: Measured, epochs: list[Epoch]) -> dict:
    """What these epochs change in a right measurement, whose sums have their processor time."""
    worked = sum(epoch.processor_seconds + epoch.helper_seconds for epoch in epochs)
    of_phase = right.phases["epochs"]
    phases = right.phases | {"epochs": dataclasses.replace(of_phase, processor_seconds=worked)}
    more = worked - of_phase.processor_seconds
    return {"epochs": epochs, "phases": phases, "user_seconds": right.user_seconds + more}


def timed(tmp_path: Path, competitor: str = "numpy-cpu", track: str = "controlled", **changes):
    """The checks that find something when every epoch of a record has these values instead."""
    of_process = {key: changes.pop(key) for key in ("phases", "left_running") if key in changes}
    requested = {key: changes.pop(key) for key in ("threads",) if key in changes}
    told = dict.fromkeys(("framework", "openmp", "blas"), requested.get("threads", 2))
    right = records.record(competitor).measured
    epochs = [dataclasses.replace(epoch, **changes) for epoch in right.epochs]
    measured = with_epochs(right, epochs)
    measured |= of_process
    sections = {"measured": measured, "requested": requested, "environment": {"threads": told}}
    return checks(tmp_path, competitor, track, **sections)


def test_the_docs_have_the_limits_of_the_code():
    text = (ROOT / "docs/trust.md").read_text()
    measures = audit_record.BETWEEN, audit_record.USUAL, audit_record.LONGEST, audit_record.OFF
    said = [f"| {fixed:g} s and {100 * share:g} %" for fixed, share in measures]
    said += [f"| {audit_record.PREPARED_SECONDS:g} s and twice the epochs'"]
    said += [f"| {audit_record.CLOCK_SECONDS:g} s |"]
    assert [limit for limit in said if limit not in text] == []


def test_an_epoch_that_took_more_processor_time_than_the_cores_have_is_named(tmp_path):
    assert timed(tmp_path, processor_seconds=2.5) == {"processor"}
    assert timed(tmp_path, helper_seconds=2.5) == {"processor", "helpers"}


def test_processor_seconds_of_epochs_are_those_of_their_phase(tmp_path):
    epochs = [dataclasses.replace(e, helper_seconds=0.04) for e in records.record().measured.epochs]
    assert checks(tmp_path, "numpy-cpu", measured={"epochs": epochs}) == {"processor"}


def test_a_quota_of_a_control_group_may_be_used_once_more_than_its_periods(tmp_path):
    here, right = records.MACHINE | {"usable_cores": 1.5}, records.record().measured
    busy = [
        dataclasses.replace(epoch, processor_seconds=1.5 * epoch.seconds + 0.14)
        for epoch in right.epochs
    ]
    measured = with_epochs(right, busy)
    assert checks(tmp_path, "numpy-cpu", measured=measured, environment={"machine": here}) == set()
    whole = records.MACHINE | {"cores": 1, "usable_cores": 1.5}
    whole["fingerprint"] = fingerprint(whole)
    found = checks(tmp_path, "numpy-cpu", measured=measured, environment={"machine": whole})
    assert found == {"processor"}


def test_a_clock_of_the_trainer_that_disagrees_is_named(tmp_path):
    assert timed(tmp_path, trainer_seconds=0.1) == {"clock"}


def test_more_threads_at_work_than_were_asked_for_are_named(tmp_path):
    honest = {"threads": 1, "main_thread_seconds": 0.3}
    assert timed(tmp_path, processor_seconds=0.35, **honest) == set()
    assert timed(tmp_path, processor_seconds=0.6, **honest) == {"threads"}
    # Its main thread hands work over to another, which alone computes.
    assert timed(tmp_path, "mxnet-cpu", processor_seconds=1.0, **honest) == set()
    assert timed(tmp_path, "mxnet-cpu", processor_seconds=1.5, **honest) == {"threads"}


def test_helpers_are_the_workers_of_a_loader_and_no_others(tmp_path):
    assert timed(tmp_path, helper_seconds=0.1) == {"helpers"}
    workers = {"track": "tutorial", "helper_seconds": 0.1}
    assert timed(tmp_path, "pytorch-cpu", helpers=4, **workers) == set()
    assert timed(tmp_path, "pytorch-cpu", helpers=5, **workers) == {"helpers"}
    assert timed(tmp_path, left_running=1) == {"helpers"}


@pytest.fixture
def described(monkeypatch):
    """Have the files of frameworks say this besides what they say."""
    right = axes.framework

    def say(**facts) -> None:
        monkeypatch.setattr(axes, "framework", lambda *name: right(*name) | facts)

    return say


@pytest.mark.parametrize(
    ("facts", "workers", "track", "most"),
    [
        ({"loader_workers": "threads"}, 2, "tutorial", 1 + 2),
        ({"loader_workers": "threads"}, 2, "controlled", 1),
        ({"loader_workers": "processes"}, 2, "tutorial", 1),
        ({"loader_thread": True}, 0, "tutorial", 1 + 1),
        ({"loader_thread": True}, 0, "controlled", 1),
        ({"loader_thread": True}, 2, "tutorial", 1),
    ],
)
def test_threads_of_a_loader_come_on_top_where_it_has_a_part(
    tmp_path, described, facts, workers, track, most
):
    described(**facts)
    asked = {"threads": 1, "loader_workers": workers}
    told = dict.fromkeys(("framework", "openmp", "blas"), 1)
    environment = {"threads": told, "machine": records.machine(cores=8)}
    right = records.record("pytorch-cpu").measured

    def found(at_work: int) -> set[str]:
        epochs = [
            dataclasses.replace(e, processor_seconds=at_work * e.seconds) for e in right.epochs
        ]
        measured = with_epochs(right, epochs)
        sections = {"measured": measured, "requested": asked, "environment": environment}
        return checks(tmp_path, "pytorch-cpu", track, **sections)

    assert found(most) == set()
    assert found(most + 1) == {"threads"}


@pytest.mark.parametrize(
    ("compiler", "epoch", "found"),
    [
        ("processes", 0, set()),
        ("processes", 1, {"helpers"}),
        ("threads", 0, {"helpers"}),
        ("none", 0, {"helpers"}),
    ],
)
def test_compilers_may_work_in_the_first_epoch_of_a_framework_that_has_some(
    tmp_path, described, compiler, epoch, found
):
    described(compiler=compiler)
    right = records.record("numpy-cpu").measured
    epochs = [dataclasses.replace(e, processor_seconds=e.seconds) for e in right.epochs]
    epochs[epoch] = dataclasses.replace(epochs[epoch], helper_seconds=0.2)
    assert checks(tmp_path, "numpy-cpu", measured=with_epochs(right, epochs)) == found


@pytest.mark.parametrize(
    ("compiler", "epoch", "found"),
    [
        ("threads", 0, set()),
        ("threads", 1, {"threads"}),
        ("processes", 0, {"threads"}),
        ("none", 0, {"threads"}),
    ],
)
def test_threads_of_a_compiler_may_work_in_the_first_epoch(
    tmp_path, described, compiler, epoch, found
):
    described(compiler=compiler)
    told = dict.fromkeys(("framework", "openmp", "blas"), 1)
    environment = {"threads": told, "machine": records.machine(cores=8)}
    right = records.record("numpy-cpu").measured
    epochs = [dataclasses.replace(e, processor_seconds=e.seconds) for e in right.epochs]
    epochs[epoch] = dataclasses.replace(epochs[epoch], processor_seconds=3 * epochs[epoch].seconds)
    sections = {"requested": {"threads": 1}, "environment": environment}
    assert checks(tmp_path, "numpy-cpu", measured=with_epochs(right, epochs), **sections) == found


def test_much_work_before_the_first_clock_is_named(tmp_path):
    right = records.record().measured
    long = {name: phase for name, phase in right.phases.items()}
    long["set_up"] = dataclasses.replace(long["set_up"], processor_seconds=40.0)
    found = timed(tmp_path, phases=long)
    assert "gap" in found


@pytest.mark.parametrize(("shapes", "found"), [("wrong", {"weights"}), ("few", {"weights"})])
def test_weights_of_another_network_are_named(tmp_path, shapes, found):
    weights = records.record().measured.weights
    if shapes == "wrong":
        weights = weights | {"w1": {"shape": [784, 256], "dtype": "float32"}}
    else:
        weights = {name: weights[name] for name in ("w1", "b1", "w2")}
    assert checks(tmp_path, "numpy-cpu", measured={"weights": weights}) == found


def test_an_epoch_faster_than_the_machine_multiplies_is_named():
    made = records.record("numpy-cpu")
    flops = records.PEAK["flops"]
    assert not [*audit_round.peak(made, flops)]
    (found,) = audit_round.peak(made, flops / 10)
    assert found.check == "peak"
    on_gpu = records.record("pytorch-cuda")
    assert not [*audit_round.peak(on_gpu, flops / 10)], "the peak is the processor's"


# ---- energy -------------------------------------------------------------

UNREAD = {"source": "powercap", "domains": [], "reason": "no tree"}


def metered(competitor: str = "numpy-cpu", told=(), **joules) -> Measured:
    """What was measured, with these joules in every epoch instead.

    `told`: what is said of the counters of some parts instead.
    """
    right = records.record(competitor).measured
    epochs = [dataclasses.replace(epoch, **joules) for epoch in right.epochs]
    return dataclasses.replace(right, epochs=epochs, energy=right.energy | dict(told))


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({}, set()),
        ({"told": {"processor": UNREAD}, "processor_joules": None}, set()),
        ({"told": {"processor": UNREAD}}, {"energy"}),
        ({"processor_joules": None}, {"energy"}),
        ({"processor_joules": 0.0}, {"energy"}),
        ({"processor_joules": 1e6}, {"energy"}),
        ({"gpu_joules": 5.0}, {"energy"}),
    ],
)
def test_energy_that_nothing_told_or_no_machine_takes_is_named(tmp_path, changes, found):
    assert checks(tmp_path, "numpy-cpu", measured=vars(metered(**changes))) == found


def test_epochs_on_a_gpu_take_no_more_than_the_whole_process():
    measured = records.record("pytorch-cuda").measured
    assert not [*audit_record.energy(measured)]
    watched = measured.gpu | {"energy_joules": sum(e.gpu_joules for e in measured.epochs) / 2}
    (found,) = audit_record.energy(dataclasses.replace(measured, gpu=watched))
    assert found.check == "energy" and "in the whole process" in found.finding


@pytest.mark.parametrize(
    ("changes", "valid"),
    [
        ({"told": {"processor": UNREAD}, "processor_joules": None}, True),
        ({"processor_joules": -1.0}, False),
        ({"told": {"processor": UNREAD | {"reason": "tired"}}}, False),
        ({"told": {"processor": UNREAD | {"reason": None}}}, False),
        ({"told": {"processor": UNREAD | {"domains": ["core"]}}}, False),
    ],
)
def test_counters_were_either_read_or_there_is_a_reason(changes, valid):
    content = dataclasses.replace(records.record(), measured=metered(**changes)).to_dict()
    assert audit.validator("record").is_valid(content) == valid
