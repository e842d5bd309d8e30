"""The workflow in folders with odd names, run from elsewhere, and as another one's module."""

import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml

from support import digits
from support.checkouts import checkout, command, snakemake

SMALL = {"tracks": ["controlled"], "frameworks": ["numpy"], "rounds": 1}
MODULE = """
configfile: "mine.yaml"


module evenhand:
    snakefile:
        {snakefile!r}
    config:
        config["evenhand"]


use rule * from evenhand{alias}
"""
MINE = """
rule mine:
    input:
        "results/report.html",
    output:
        "mine.txt",
    shell:
        "wc -c {input} > {output}"
"""


def no_error(folder: Path) -> bool:
    audit = pd.read_csv(folder / "results/audit.csv")
    return audit[audit["severity"] == "error"].empty


@pytest.mark.parametrize("name", ["my réseau d", "a:b", "it's $HOME"])
def test_a_checkout_whose_path_has_odd_characters(tmp_path, name):
    folder = checkout(tmp_path / name / "evenhand", **SMALL)
    snakemake(folder)
    assert (folder / "results/report.html").exists() and no_error(folder)


@pytest.mark.parametrize("name", ["my réseau d", "a:b"])
def test_a_checkout_that_is_run_from_elsewhere(tmp_path, name):
    folder = checkout(tmp_path / name / "evenhand", **SMALL)
    here = tmp_path / "here"
    here.mkdir()
    config = ["--configfile", str(folder / "config/config.yaml")]
    snakemake(here, "--snakefile", str(folder / "Snakefile"), *config)
    assert (here / "results/report.html").exists() and no_error(here)
    assert not (folder / "results").exists()


@pytest.mark.parametrize("alias", ["", " as evenhand_*"])
def test_another_workflow_uses_it_as_a_module(tmp_path, alias):
    folder = checkout(tmp_path / "their code/evenhand")
    here = tmp_path / "here"
    here.mkdir()
    source = digits.idx_folder(tmp_path / "digits", 600, 200)
    data = {"folder": str(source), "train_images": 600, "test_images": 200}
    mine = SMALL | {"scenarios": {"baseline": {"epochs": 2}}, "data": data}
    (here / "mine.yaml").write_text(yaml.safe_dump({"evenhand": mine}))
    snakefile = str(folder / "workflow/Snakefile")
    module = MODULE.format(snakefile=snakefile, alias=alias)
    (here / "Snakefile").write_text(MINE + module)
    snakemake(here)
    assert (here / "mine.txt").read_text().strip().endswith("results/report.html")
    assert no_error(here)
    (here / "Snakefile").write_text(module)
    assert "Nothing to be done" in snakemake(here), "without a target of the importer's, ours is it"


def test_a_users_python_settings_reach_no_process_of_a_framework(tmp_path):
    """A module of NumPy's name on PYTHONPATH that fails when it is imported."""
    folder = checkout(tmp_path / "evenhand", **SMALL)
    snakemake(folder, "results/environments/numpy-cpu.json")
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "threadpoolctl.py").write_text("raise ImportError('the user has a broken one')\n")
    targets = [
        "results/runs/controlled/baseline/0/numpy-cpu.json",
        "results/statements/numpy-cpu.json",
    ]
    # Snakemake itself must not read it either, so it reaches only what Snakemake starts.
    code = "import os, sys; os.environ['PYTHONPATH'] = sys.argv.pop(1); "
    code += "from snakemake.cli import main; main()"
    rules = ["--allowed-rules", *"secret train check_statements examine protocol admit".split()]
    for path in [*targets, "results/rounds/controlled/baseline/0.json"]:
        assert not (folder / path).exists()
    snakemake(folder, "results/rounds/controlled/baseline/0.json")
    done = subprocess.run(
        [sys.executable, "-c", code, str(broken), "--cores", "2", *targets, *rules],
        cwd=folder,
        env=os.environ,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert command()[0] == sys.executable
