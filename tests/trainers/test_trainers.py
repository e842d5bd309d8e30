"""The trainers' shape: one screen, four sections, the same names in the same places."""

import ast
import re

import pytest

from evenhand.core import axes
from evenhand.core.schemas import ROOT

pytestmark = pytest.mark.fast

BANNERS = ["1. Data", "2. Model", "3. Loss and optimizer", "4. Training loop"]
TRAINERS = sorted((ROOT / "workflow/trainers").glob("*/*_mlp.py"))
# What stands in every trainer, and the section where it is made.
NAMES = {"images": 1, "labels": 1, "net": 2, "loss_fn": 3, "epoch": 4, "loss": 4}
by_track_and_name = pytest.mark.parametrize(
    "trainer", TRAINERS, ids=[f"{path.parent.name}/{path.stem}" for path in TRAINERS]
)


def sections(source: str) -> dict[str, str]:
    """Title and text of each section, and the head before the first under an empty title."""
    parts = re.split(r"^# ---- (.*?) -+$", source, flags=re.MULTILINE)
    return dict(zip(["", *parts[1::2]], parts[::2], strict=True))


def assigned(source: str) -> set[str]:
    """Names that the source binds: assignments, loops, functions."""
    nodes = list(ast.walk(ast.parse(source)))
    names = {n.id for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    return names | {n.name for n in nodes if isinstance(n, ast.FunctionDef)}


@by_track_and_name
def test_a_trainer_has_the_four_sections_in_their_order(trainer):
    assert list(sections(trainer.read_text()))[1:] == BANNERS


@by_track_and_name
def test_a_trainer_fits_one_screen(trainer):
    lines = trainer.read_text().splitlines()
    assert len(lines) <= 66
    assert max(map(len, lines)) <= 72


@by_track_and_name
def test_a_trainer_binds_the_common_names_in_their_sections(trainer):
    parts = list(sections(trainer.read_text()).values())
    for name, number in NAMES.items():
        if axes.track(trainer.parent.name)["data"] == "loader" and name in ("images", "labels"):
            name = "loader"  # there the framework's loader takes the place of arrays in memory
        assert name in assigned(parts[number]), f"{name} is not made in section {number}"


@by_track_and_name
def test_a_trainer_holds_no_setting_of_its_own(trainer):
    numbers = {
        node.value
        for node in ast.walk(ast.parse(trainer.read_text()))
        if isinstance(node, ast.Constant) and type(node.value) in (int, float)
    }
    assert numbers <= {0, 1, 2}  # indexes, axes and steps; the sizes are the run's


@by_track_and_name
def test_a_trainer_imports_nothing_of_the_workflow_but_its_run(trainer):
    imports = [n for n in ast.walk(ast.parse(trainer.read_text())) if isinstance(n, ast.ImportFrom)]
    ours = [n for n in imports if n.module.split(".")[0] in ("toolbox", "evenhand")]
    assert [(n.module, [a.name for a in n.names]) for n in ours] == [("toolbox.run", ["Run"])]


def test_the_toolbox_knows_no_framework():
    numpy = {"numpy"}  # a framework here, and the library that the toolbox computes with
    names = {*axes.names("framework"), "torch", "numpy_mlp"} - numpy
    for path in (ROOT / "workflow/trainers/toolbox").glob("*.py"):
        tree = ast.parse(path.read_text())
        words = {n.value for n in ast.walk(tree) if isinstance(n, ast.Constant)}
        imports = {a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
        assert not (words | imports) & names, path
        for name in names - {"torch"}:
            assert not re.search(rf"\b{name}\b", path.read_text(), re.IGNORECASE), path
