"""The check of a port in the frameworks' real environments."""

import json
import shlex
import shutil
import subprocess
import sys

import pytest

from evenhand.core import axes
from evenhand.core.schemas import ROOT
from evenhand.porting import check, trial
from support.checkouts import ON_CPU
from support.deployments import need

DOCS = ROOT / "docs"


@pytest.mark.parametrize("framework", ON_CPU)
def test_every_controlled_trainer_passes(environments, framework):
    """In float64 and float32 it computes what the reference does, on no more than one thread."""
    for program, package in axes.framework(framework)["programs"].items():
        need(bool(shutil.which(program)), f"{framework} needs {program}, of the package {package}")
    python = environments / f"{framework}-cpu/bin/python"
    done = subprocess.run(
        [
            *(sys.executable, ROOT / "workflow/scripts/check.py"),
            *(axes.trainer("controlled", framework), "--python", shlex.quote(str(python))),
        ],
        text=True,
        capture_output=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_example_of_the_documentation_is_told_so_and_its_cure_passes(
    environments, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(trial, "COPIES", 3)
    port, told = tmp_path / "my_port.py", (DOCS / "porting.md").read_text().replace("\n  ", " ")
    example = (DOCS / "porting/softmax_twice.py").read_text()
    cure = example.replace(", nn.Softmax(dim=1)", "")
    assert cure != example
    command = [str(port), "--npz", "--json", "--python"]
    command.append(shlex.quote(str(environments / "pytorch-cpu/bin/python")))

    port.write_text(example)
    assert check.main(command, "What.\n\nHow.") == 1
    result = json.loads(capsys.readouterr().out)
    assert len(result["evidence"]) == 2
    for sentence in (result["cause"]["sentence"], *result["evidence"]):
        assert sentence in told

    port.write_text(cure)
    assert check.main(command, "What.\n\nHow.") == 0
