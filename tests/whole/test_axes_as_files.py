"""A framework, a track and a data set that no code knows are files alone, and work throughout."""

import hashlib
import json
import re
import shutil
from pathlib import Path

import pandas as pd
import pytest
import yaml

from support import digits
from support.checkouts import checkout, snakemake

IMAGE, CLASSES = (12, 9), 7


def add_dataset(folder: Path, name: str) -> Path:
    """The file of a data set in a checkout; the folder of its four files."""
    source, files = folder / "bars", {}
    source.mkdir()
    for part, count, seed in (("train", 500, 1), ("test", 150, 2)):
        made = digits.digits(count, seed, IMAGE, CLASSES)
        for kind, array in zip(("images", "labels"), made, strict=True):
            content = digits.idx(array)
            (source / f"{part}-{kind}.idx").write_bytes(content)
            digest = hashlib.sha256(content).hexdigest()
            entry = {"name": f"{part}-{kind}.idx", "bytes": len(content), "sha256": digest}
            files[f"{part}_{kind}"] = entry
    facts = {
        "label": "Bars",
        "source": "made up",
        "license": "none needed",
        "shows": {"en": "bright bars", "zh": "亮条"},
        "image": list(IMAGE),
        "classes": CLASSES,
        "pixel_mean": 0.25,
        "pixel_std": 0.2,
        "mirrors": ["https://bars.example/"],
        "files": files,
    }
    (folder / f"workflow/datasets/{name}.yaml").write_text(yaml.safe_dump(facts))
    return source


def add_framework(folder: Path, name: str) -> None:
    """NumPy's trainer under another framework's name."""
    facts = {"label": "Made Up", "color": "#123456", "recorded": ["MADE_UP_"]}
    (folder / f"workflow/frameworks/{name}.yaml").write_text(yaml.safe_dump(facts))
    for kind in ("yaml", "lock"):
        shutil.copy(folder / f"envs/numpy-cpu.{kind}", folder / f"envs/{name}-cpu.{kind}")


# What a trainer adds that claims to have an operation without float64.
TWIN = """

def restart(arrays):
    for weight, array in zip(weights, arrays, strict=True):
        weight[...] = array


run.twin("an operation", np.matmul, np.dot, restart)
"""


def add_track(folder: Path, name: str, *frameworks: str, improves: str | None = None) -> None:
    """A track in which frameworks are proved by the gate, with NumPy's trainer for each."""
    track = folder / f"workflow/trainers/{name}"
    track.mkdir()
    facts = {"start": "protocol", "data": "memory", "proof": "gate", "improves": improves}
    (track / "track.yaml").write_text(yaml.safe_dump(facts))
    for framework in frameworks:
        trainer = folder / "workflow/trainers/controlled/numpy_mlp.py"
        shutil.copy(trainer, track / f"{framework}_mlp.py")


@pytest.fixture(scope="module")
def made_up(tmp_path_factory) -> Path:
    """A checkout after a run with made-up members of the axes, and two hidden layers."""
    folder = checkout(tmp_path_factory.mktemp("axes") / "evenhand")
    add_framework(folder, "made_up")
    add_track(folder, "replayed", "made_up", "numpy")
    add_track(folder, "again", "made_up", improves="replayed")
    trainer = folder / "workflow/trainers/again/made_up_mlp.py"
    source = trainer.read_text()
    banner = "\n# ---- 3."
    assert banner in source
    trainer.write_text(source.replace(banner, TWIN + banner))
    source = add_dataset(folder, "bars")
    scenario = {"dataset": "bars", "hidden_layers": [24, 12], "epochs": 2, "batch_size": 32}
    config = {
        "frameworks": ["made_up", "numpy"],
        "tracks": ["replayed", "again"],
        "rounds": 2,
        "data": {"folder": str(source)},
        "scenarios": {"baseline": scenario},
    }
    (folder / "config/config.yaml").write_text(yaml.safe_dump(config))
    snakemake(folder, MADE_UP_SPEED="fast")
    return folder


def test_every_competitor_ran_in_the_made_up_track(made_up):
    runs = pd.read_csv(made_up / "results/runs.csv")
    ran = runs.groupby(["track", "competitor"]).size().to_dict()
    made_up, numpy = ("replayed", "made_up-cpu"), ("replayed", "numpy-cpu")
    assert ran == {made_up: 2, numpy: 2, ("again", "made_up-cpu"): 2}
    # products of 108 x 24 (two), 24 x 12 and 12 x 7 (three each), two operations a weight and image
    flop = 500 * 2 * (2 * 108 * 24 + 3 * (24 * 12 + 12 * 7))
    assert set(runs["flop_per_epoch"]) == {flop}


def test_the_gate_proves_the_made_up_framework_in_the_made_up_track(made_up):
    gate = pd.read_csv(made_up / "results/gate.csv")
    assert set(gate["track"]) == {"replayed", "again"}
    assert set(gate["competitor"]) == {"made_up-cpu", "numpy-cpu"}
    assert gate["passed"].all(), gate.to_string()
    assert set(gate["tier"]) == {"float64", "float32", "restarted"}


def test_who_has_a_float64_twin_is_restarted_at_every_step_from_the_reference(made_up):
    gate = pd.read_csv(made_up / "results/gate.csv").query("tier == 'restarted'")
    assert set(gate["track"]) == {"again"} and set(gate["competitor"]) == {"made_up-cpu"}
    steps = pd.read_csv(made_up / "results/gate_steps.csv").query("tier == 'restarted'")
    assert len(steps) == 2 * 16 and steps["deviation"].max() < 5e-6
    assert not list(made_up.glob("results/reference/**/*.weights.npy")), "it is large"
    page = (made_up / "results/report.html").read_text()
    assert "an operation. In float64 it was rehearsed with another" in page


def test_what_a_track_brings_over_another_is_told(made_up):
    (row,) = pd.read_csv(made_up / "results/gains.csv").to_dict("records")
    assert (row["track"], row["improves"]) == ("again", "replayed")
    assert (row["competitor"], row["rounds"]) == ("made_up-cpu", 2)
    assert 'id="gains"' in (made_up / "results/report.html").read_text()


def test_the_audit_finds_no_error(made_up):
    audit = pd.read_csv(made_up / "results/audit.csv")
    assert audit[audit["severity"] == "error"].empty, audit.to_string()


def test_the_variables_of_the_made_up_framework_are_recorded(made_up):
    folder = made_up / "results/runs/replayed/baseline/0"
    variables = {
        name: json.loads((folder / f"{name}-cpu.json").read_text())["environment"]["variables"]
        for name in ("made_up", "numpy")
    }
    assert variables["made_up"]["MADE_UP_SPEED"] == "fast"
    assert "MADE_UP_SPEED" not in variables["numpy"]


def test_the_page_speaks_of_the_made_up_members(made_up):
    page = (made_up / "results/report.html").read_text()
    text = re.sub(r"<pre.*?</pre>|<style.*?</style>", "", page, flags=re.DOTALL)
    assert "Made Up" in text and "#123456" in page
    assert "bright bars" in text
    assert "handwritten" not in text and "MNIST" not in text
    assert "not the data set’s own" not in text, "the files have the hashes that the data set names"


def test_the_main_jobs_own_members_are_not_touched_by_others(made_up):
    tables = {path.stem for path in (made_up / "results").glob("*.csv")}
    assert {"runs", "epochs", "audit", "gate", "gate_steps", "tutorial_check"} <= tables
    check = pd.read_csv(made_up / "results/tutorial_check.csv")
    assert check.empty and "consistency" in check.columns, "no track asks for it"
