"""What an earlier start left damaged or incomplete is found; reading removes nothing."""

import pytest

from evenhand.core.config import checked
from evenhand.core.experiment import Experiment
from evenhand.core.identity import Round
from evenhand.rounds import leftovers
from evenhand.rounds.schedule import Schedule
from toolbox.record import write

pytestmark = pytest.mark.fast
OPENED = {
    "id": "1" * 32,
    "track": "controlled",
    "order": ["numpy-cpu", "mxnet-cpu"],
    "machine": {"job": "7 n1"},
    "nodes": "here",
}
RECEIPT = {"framework": "numpy", "device": "cpu", "deployment": "conda", "lock_sha256": "0" * 64}


def experiment(*frameworks: str) -> Experiment:
    return Experiment(checked({"frameworks": list(frameworks), "tracks": ["controlled"]}))


def test_a_round_that_a_cluster_left_unfinished_is_incomplete(tmp_path):
    for number, job in enumerate(["7 n1", "8 n1", None]):
        folder = tmp_path / f"runs/controlled/x/{number}"
        folder.mkdir(parents=True)
        rounds = tmp_path / "rounds/controlled/x"
        rounds.mkdir(parents=True, exist_ok=True)
        write(rounds / f"{number}.json", OPENED | {"machine": {"job": job}})
        (folder / "numpy-cpu.json").touch()
    (tmp_path / "runs/controlled/x/1/mxnet-cpu.json").touch()
    first = tmp_path / "rounds/controlled/x/0.json"
    assert leftovers.incomplete_rounds(experiment("mxnet", "numpy"), tmp_path) == [first]
    assert leftovers.incomplete_rounds(experiment("numpy"), tmp_path) == [], "all runs are there"


@pytest.mark.parametrize("text", ["", '{"id": "11', "[]", "{}"], ids=["empty", "cut", "list", "{}"])
@pytest.mark.parametrize(
    ("path", "whole"),
    [
        ("rounds/controlled/baseline/0.json", OPENED),
        ("doctor/here/numpy-cpu.examination.json", {"competitor": "numpy-cpu", "fit": True}),
        ("environments/numpy-cpu.json", RECEIPT),
    ],
)
def test_a_damaged_file_is_named_and_stays_where_it_is(tmp_path, path, whole, text):
    file = tmp_path / path
    file.parent.mkdir(parents=True)
    write(file, whole | {"findings": []})
    assert leftovers.damaged(tmp_path, "here") == []
    file.write_text(text)
    again = leftovers.to_make_again(experiment("numpy"), tmp_path, "here")
    assert again == {str(file): "not whole JSON"}
    assert file.read_text() == text


def test_a_damaged_round_has_the_order_that_the_seed_gives(tmp_path):
    numpy = experiment("mxnet", "numpy")
    round_ = Round("controlled", "baseline", 0)
    file = round_.path(tmp_path)
    file.parent.mkdir(parents=True)
    file.write_text('{"order"')
    schedule = Schedule(numpy, tmp_path, "here", leftovers.to_make_again(numpy, tmp_path, "here"))
    assert schedule.opened(round_) == {}
    assert schedule.order(round_) == numpy.order("controlled", "baseline", 0)
    assert schedule.nodes_of(round_) == "here"
