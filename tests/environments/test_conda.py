"""`--use-conda` makes the same environments: a test double of conda, real solves and installs.

The Snakemake that runs is a site's own: without anything else that this project needs.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from uv import find_uv_bin

from evenhand.core.schemas import ROOT
from support.checkouts import snakemake
from support.deployments import COMPETITORS, RECORDS, conda_double, examined, first_on_path, small


@pytest.fixture(scope="session")
def conda(tmp_path_factory):
    """The variable that puts the test double first."""
    return first_on_path(conda_double(tmp_path_factory.mktemp("conda")))


@pytest.fixture(scope="session")
def sites_own(tmp_path_factory):
    """The program of a Snakemake that was installed alone."""
    folder = tmp_path_factory.mktemp("site")
    install = [find_uv_bin(), "pip", "install", "--quiet", "--python", folder / "bin/python"]
    subprocess.run([find_uv_bin(), "venv", "--quiet", "--clear", folder], check=True)
    subprocess.run([*install, "-c", ROOT / "requirements.txt", "snakemake"], check=True)
    return folder / "bin/snakemake"


@pytest.fixture(scope="session")
def finished(tmp_path_factory, conda, sites_own):
    """A checkout after `snakemake --use-conda`."""
    folder = small(tmp_path_factory.mktemp("in_conda") / "evenhand")
    command = [sites_own, "--cores", "2", "--use-conda"]
    done = subprocess.run(
        command, cwd=folder, env=os.environ | conda, capture_output=True, text=True
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-5000:]
    return folder


def doctor_s_log(folder: Path) -> str:
    return (folder / "logs/doctor.log").read_text()


def configured(conda: dict, root: Path, text: str) -> dict[str, str]:
    """The variable that puts a test double first with the same channels and this .condarc."""
    channels = Path(conda["PATH"].partition(":")[0]).parents[1] / "channels"
    program = Path(__file__).with_name("conda_double") / "conda.py"
    subprocess.run([sys.executable, program, "setup", root, channels], check=True)
    (root / ".condarc").write_text(text)
    return first_on_path(root / "bin")


def test_a_sites_own_snakemake_has_nothing_of_ours(sites_own):
    for package in ("pandas", "matplotlib", "uv"):
        trial = [sites_own.with_name("python"), "-c", f"import {package}"]
        assert subprocess.run(trial, capture_output=True).returncode == 1


def test_it_ends_in_a_report_whose_runs_were_deployed_by_conda(finished):
    assert (finished / "results/report.html").stat().st_size > 10_000
    runs = pd.read_csv(finished / "results/runs.csv")
    assert set(runs["deployment"]) == {"conda"}
    audit = pd.read_csv(finished / "results/audit.csv")
    assert audit[audit["severity"] == "error"].empty, audit.to_string()
    assert "lock" not in set(audit["check"]), audit.to_string()


@pytest.mark.parametrize("competitor", COMPETITORS)
def test_the_receipt_tells_what_conda_installed_and_nothing_is_built_twice(finished, competitor):
    receipt = json.loads((finished / f"results/environments/{competitor}.json").read_text())
    lock = (ROOT / f"envs/{competitor}.lock").read_text()
    assert receipt["deployment"] == "conda"
    assert receipt["packages"] == dict(re.findall(r"^([\w-]+)==(\S+)", lock, re.MULTILINE))
    assert receipt["image"] is receipt["seconds"] is None
    assert receipt["bytes"] > 10e6
    assert not (finished / f"results/environments/{competitor}").exists()


@pytest.mark.parametrize("competitor", COMPETITORS)
def test_the_doctor_examined_conda_s_environment(finished, competitor):
    assert ["controlled training", True, "two steps"] in examined(finished, competitor)


def test_the_doctor_notes_the_channels_that_are_configured_and_excludes_nobody(
    finished, conda, tmp_path
):
    snakemake(finished, "--use-conda", "doctor", **conda)
    assert "conda: channels            ok  configured: none" in doctor_s_log(finished)
    loose = configured(conda, tmp_path / "loose", "channels: [defaults]\n")
    output = snakemake(finished, "--use-conda", "doctor", **loose)
    assert "conda: channels            NO  `defaults` is configured" in doctor_s_log(finished)
    assert "not configured to use strict channel priorities" in output


def test_configured_channels_are_added_to_those_of_the_files(conda, tmp_path):
    """Snakemake makes the environments before any job: there the doctor cannot speak."""
    folder = small(tmp_path / "evenhand")
    blocked = configured(conda, tmp_path / "blocked", "channels: [defaults]\n")
    output = snakemake(folder, "--use-conda", "doctor", fails=True, **blocked)
    assert "there is no channel defaults" in output
    assert not (folder / "results").exists()


@pytest.mark.parametrize("record", RECORDS)
def test_step_losses_are_those_of_a_virtual_environment_to_the_last_bit(
    finished, in_virtual_environments, record
):
    losses = record.replace(".json", ".losses.npy")
    ours, theirs = np.load(finished / losses), np.load(in_virtual_environments / losses)
    assert ours.shape == (2, 5) and ours.tobytes() == theirs.tobytes()


def test_explicit_pins_are_made_as_the_documentation_says(conda, tmp_path):
    folder = small(tmp_path / "evenhand")
    section = (ROOT / "docs/deployments.md").read_text().partition("### Explicit pins")[2]
    (commands,) = re.findall(r"```sh\n(.*?)```", section.partition("\n#")[0], re.DOTALL)
    subprocess.run(["sh", "-ec", commands], cwd=folder, env=os.environ | conda, check=True)
    receipts = [f"results/environments/{name}.json" for name in COMPETITORS]
    output = snakemake(folder, "--use-conda", "--", *receipts, **conda)
    for name in COMPETITORS:
        pins = (folder / f"envs/{name}.linux-64.pin.txt").read_text()
        assert pins.startswith("@EXPLICIT\n") and "/conda-forge/linux-64/python-3.11." in pins
        assert re.search(f"Using pinnings from .*{name}.linux-64.pin.txt", output)
        assert (folder / f"results/environments/{name}.json").exists()  # as the lock has it


@pytest.mark.fast
def test_every_rule_that_runs_a_framework_s_python_can_be_deployed_in_every_way():
    text = "\n".join(path.read_text() for path in sorted(ROOT.glob("workflow/rules/*.smk")))
    rules = re.split(r"^rule ", text, flags=re.MULTILINE)[1:]
    framework = [rule for rule in rules if "{params.python}" in rule]
    assert len(framework) >= 3
    for rule in framework:
        assert '"../../envs/{framework}-{device}.yaml"' in rule, rule
        assert '"results/images/{framework}-{device}.sif"' in rule, rule


def test_without_conda_one_line_tells_so_and_nothing_is_trained(tmp_path):
    folder = small(tmp_path / "evenhand")
    output = snakemake(folder, "--use-conda", *RECORDS, PATH="/usr/bin:/bin", fails=True)
    assert "Is conda installed and accessible?" in output
    assert not (folder / "results").exists()


def test_conda_and_images_at_once_are_refused(tmp_path):
    folder = small(tmp_path / "evenhand")
    for arguments in (["--sdm", "conda", "apptainer"], ["--sdm", "conda"]):
        config = [] if "apptainer" in arguments else ["--config", "runtime=docker"]
        output = snakemake(folder, *arguments, *config, "--dry-run", fails=True)
        assert "runtime: choose one of" in output
