"""The audit from the command line: records first, then the tables that follow from them."""

import json
import shutil
from pathlib import Path

import pytest

from evenhand.comparison import whole_audit
from evenhand.core import experiment
from evenhand.core.config import checked
from evenhand.core.experiment import Experiment
from evenhand.core.identity import Round, losses_path
from evenhand.core.tables import read_table, write_table
from support import records
from support.tables import write_tables
from toolbox.record import sealed

CONFIG = {"rounds": 3, "data": {"train_images": 6000, "test_images": 1000}}
RUN = Round("controlled", "baseline", 1).run("numpy-cpu")
WHERE = "track controlled, scenario baseline, round 1, competitor numpy-cpu"
NOTHING_WRONG = (0, ["0 errors, 0 notes, 0 tables differ"])
BEYOND = "results/: {records} records of {rounds} rounds lie there that no table contains: "


@pytest.fixture(scope="module")
def honest(tmp_path_factory) -> Path:
    """The results of three rounds, with all tables."""
    results = tmp_path_factory.mktemp("honest") / "results"
    records.make(results, checked(CONFIG))
    write_tables(results, Experiment(checked(CONFIG)))
    return results


@pytest.fixture
def results(honest, tmp_path) -> Path:
    """A copy to be edited, by another name."""
    return shutil.copytree(honest, tmp_path / "theirs")


@pytest.fixture
def audit(results, capsys):
    """Audit the copy from the command line: its exit status, and the lines that it prints."""

    def run() -> tuple[int, list[str]]:
        status = whole_audit.main([str(results)])
        return status, capsys.readouterr().out.splitlines()

    return run


def test_honest_results_pass_wherever_they_lie_and_whatever_they_are_called(audit):
    assert audit() == NOTHING_WRONG


@pytest.mark.fast
def test_one_process_judges_each_folder_by_its_own_references(tmp_path):
    """Both are called `results` while their tables are made."""
    for images in (3000, 1500):
        config = checked({"rounds": 1, "data": {"train_images": images, "test_images": 1000}})
        results = tmp_path / str(images)
        records.make(results, config)
        made, _ = write_tables(results, Experiment(config))
        assert made["gate"]["passed"].all()


def test_differences_are_shown_and_counted(results, audit):
    path = results / "epochs.csv"
    table = read_table(path)
    write_table(table.assign(seconds=table["seconds"] / 2), path)
    (results / "nodes.csv").unlink()
    status, lines = audit()
    assert status == 3
    assert all(line.startswith("results/epochs.csv: track tutorial, ") for line in lines[:5])
    assert lines[5:7] == [
        f"results/epochs.csv: and {len(table) - 5} more",
        "results/nodes.csv: it is missing",
    ]
    assert lines[-1] == "0 errors, 0 notes, 2 tables differ"


def test_tables_of_more_runs_are_parquet_and_pass(results, audit, monkeypatch):
    monkeypatch.setattr(experiment, "MOST_RUNS_IN_CSV", 20)
    write_tables(results, Experiment(checked(CONFIG)))
    assert (results / "runs.parquet").exists() and not (results / "runs.csv").exists()
    assert audit() == NOTHING_WRONG


def test_an_edited_record_is_named_and_so_are_tables_that_say_otherwise(results, audit):
    path = RUN.path(results)
    content = json.loads(path.read_text())
    content["measured"]["epochs"][0]["test_loss"] /= 2
    records.write(path, content)
    assert any(" seal " in line for line in audit()[1])
    records.write(path, sealed(content))
    status, lines = audit()
    assert status == 3
    assert not any(" seal " in line for line in lines)
    assert any(
        line.startswith(f"results/epochs.csv: {WHERE}, epoch 0, test_loss: ") for line in lines
    )


def test_a_record_that_is_gone_is_named_and_so_are_its_rows(results, audit):
    RUN.path(results).unlink()
    status, lines = audit()
    assert status == 3
    assert any("error missing" in " ".join(line.split()) for line in lines)
    assert f"results/runs.csv: {WHERE}: there is no such row" in lines


def change(path: Path, to: Path | None = None, seal: bool = True, **sections) -> None:
    """Change keys of a record and of its sections; `to`: put it there, with its losses."""
    content = json.loads(path.read_text())
    for name, value in sections.items():
        content[name] = content[name] | value if isinstance(value, dict) else value
    records.write(to or path, sealed(content) if seal else content)
    if to:
        shutil.copy(losses_path(path), losses_path(to))


def test_records_beyond_the_configuration_are_named_and_not_judged(results, audit):
    """Nobody runs them again: they may be at odds with today's rounds, settings and code."""
    write_tables(results, Experiment(checked(CONFIG | {"scenarios": {"baseline": {}}})))
    paths = [
        f"results/runs/tutorial/one-thread/{number}/{name}-cpu.json"
        for number in range(3)
        for name in ("mxnet", "pytorch")
    ]
    beyond = BEYOND.format(records=6, rounds=3) + ", ".join([*paths[:5], "1 more"])
    assert audit() == (0, [beyond, *NOTHING_WRONG[1]])
    path = Round("tutorial", "one-thread", 2).run("mxnet-cpu").path(results)
    change(path, environment={"toolbox_sha256": {}}, measured={"seconds": 1.0}, seal=False)
    assert audit() == (0, [beyond, *NOTHING_WRONG[1]])


def test_rounds_beyond_the_configuration_are_not_what_most_rounds_are(results, audit):
    write_tables(results, Experiment(checked(CONFIG | {"tracks": ["tutorial"], "rounds": 1})))
    for number in (1, 2):
        path = Round("tutorial", "baseline", number).run("mxnet-cpu").path(results)
        change(path, requested={"learning_rate": 0.5})
    status, lines = audit()
    assert (status, lines[-1]) == (0, NOTHING_WRONG[1][0])


EARLIER = {"round_id": "f" * 32, "measured": {"started": "2026-01-01T08:00:00.000+00:00"}}


def test_a_rehearsal_of_an_earlier_opening_that_no_table_contains_is_no_error(results, audit):
    """A larger `rounds` moved the rehearsed round, and all rounds were opened again."""
    first, rehearsed = (
        Round("controlled", "baseline", number).rehearsal("numpy-cpu").path(results)
        for number in (0, 2)
    )
    first.parent.mkdir()
    change(rehearsed, first, id="e" * 32, requested={"round": 0}, **EARLIER)
    beyond = BEYOND.format(records=1, rounds=1)
    path = "results/rehearsals/controlled/baseline/0/numpy-cpu.json"
    assert audit() == (0, [beyond + path, *NOTHING_WRONG[1]])


def test_a_rehearsal_of_an_earlier_opening_on_which_the_gate_rests_is_an_error(results, audit):
    change(Round("controlled", "baseline", 2).rehearsal("numpy-cpu").path(results), **EARLIER)
    write_tables(results, Experiment(checked(CONFIG)))
    status, lines = audit()
    assert (status, lines[-1]) == (3, "2 errors, 0 notes, 0 tables differ")
    assert any("began before its round was opened" in line for line in lines)
    assert any("belongs to another opening of the round" in line for line in lines)


FEW = CONFIG | {"tracks": ["tutorial"], "rounds": 2}
DUE, NOT_DUE = (Round("tutorial", "baseline", number).run("mxnet-cpu") for number in (1, 2))


@pytest.mark.parametrize(
    ("name", "finding"), [({}, "the same run as"), ({"id": "e" * 32}, "the step losses of")]
)
def test_a_copy_of_a_run_that_no_table_contains_is_an_error(results, audit, name, finding):
    copy, original = DUE.path(results), NOT_DUE.path(results)
    there = json.loads(copy.read_text())
    fitted = {key: there["requested"][key] for key in ("round", "seed")}
    started = {"started": there["measured"]["started"]}
    change(original, copy, round_id=there["round_id"], requested=fitted, measured=started, **name)
    write_tables(results, Experiment(checked(FEW)))
    status, lines = audit()
    assert status == 3
    assert any(
        f"{finding} results/runs/tutorial/baseline/2/mxnet-cpu.json" in line
        and line.endswith("results/runs/tutorial/baseline/1/mxnet-cpu.json")
        for line in lines
    )


def test_a_run_that_was_timed_beside_one_that_no_table_contains_is_an_error(results, audit):
    started = json.loads(NOT_DUE.path(results).read_text())["measured"]["started"]
    change(DUE.path(results), measured={"started": started})
    write_tables(results, Experiment(checked(FEW)))
    status, lines = audit()
    assert status == 3
    assert "ran at the same time as results/runs/tutorial/baseline/2/mxnet-cpu.json" in lines[1]
    assert lines[-1].startswith("1 errors, ")


@pytest.mark.parametrize(
    ("smaller", "records", "rounds"),
    [
        ({"scenarios": {"baseline": {}}}, 6, 3),  # one thread: the tutorial's two competitors
        ({"frameworks": ["pytorch", "mxnet"]}, 8, 3),  # NumPy, JAX: three runs and a rehearsal each
        ({"rounds": 2}, 12, 3),  # two, two and four competitors; another round is rehearsed
    ],
)
def test_records_that_a_smaller_configuration_hides_are_counted(
    results, audit, smaller, records, rounds
):
    write_tables(results, Experiment(checked(CONFIG | smaller)))
    beyond = BEYOND.format(records=records, rounds=rounds)
    assert any(line.startswith(beyond) for line in audit()[1])


def test_a_changed_configuration_makes_other_tables(results, audit):
    path = results / "configuration.json"
    content = json.loads(path.read_text())
    content["config"]["comparison"]["margin"] = 0.9
    records.write(path, content)
    status, lines = audit()
    assert status == 3
    assert any(line.startswith("results/comparison.csv: ") for line in lines)


def test_settings_that_decide_are_shown_where_they_are_not_the_usual_ones(results, audit):
    """Since one who edits tables can edit the configuration to go with them."""
    write_tables(results, Experiment(checked(CONFIG | {"comparison": {"margin": 0.9}})))
    assert audit() == (
        0,
        [
            "results/configuration.json: comparison.margin is 0.9, by default 0.03",
            "0 errors, 0 notes, 0 tables differ",
        ],
    )


UNUSABLE = '{"config": {"tracks": ["x"]}, "excluded": {}, "unknown_images": []}'


@pytest.mark.parametrize("content", [None, "{", UNUSABLE])
def test_without_a_whole_configuration_no_table_is_believed(results, audit, content):
    path = results / "configuration.json"
    path.unlink()
    if content:
        path.write_text(content)
    status, lines = audit()
    assert (status, lines[-1]) == (3, "0 errors, 0 notes, 1 tables differ")
    assert lines[0].startswith("results/configuration.json: no table can be computed again: ")


def test_where_no_table_has_been_made_yet_the_records_alone_are_audited(results, audit):
    for path in (*results.glob("*.csv"), results / "comparison.md"):
        path.unlink()
    assert audit() == (0, ["no table has been made yet", *NOTHING_WRONG[1]])


def test_an_excluded_competitor_is_noted_and_has_no_rows(results, audit):
    reasons = {"mxnet-cpu": "training fails"}
    write_tables(results, Experiment(checked(CONFIG), reasons))
    assert "mxnet-cpu" not in (results / "runs.csv").read_text()
    status, lines = audit()
    missing = 9  # in rounds that it took part in
    assert (status, lines[-1]) == (0, f"0 errors, {1 + missing} notes, 0 tables differ")
    assert any("it failed its examination: training fails" in line for line in lines)
    assert lines[-2].startswith(BEYOND.format(records=10, rounds=9))
