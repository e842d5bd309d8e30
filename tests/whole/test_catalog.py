"""What the Snakemake workflow catalog does with the project, as its program does it."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from evenhand.core.schemas import ROOT
from support.checkouts import copy, planned

DEPLOYED = """
configfile: "config/config.yaml"


module evenhand:
    snakefile:
        {snakefile!r}
    config:
        config


use rule * from evenhand{alias}
"""


@pytest.fixture(scope="module")
def clone(tmp_path_factory) -> Path:
    return copy(tmp_path_factory.mktemp("catalog") / "evenhand")


def test_a_report_is_promised_where_the_catalog_reads_it_and_where_it_documents_it():
    usage = yaml.safe_load((ROOT / ".snakemake-workflow-catalog.yml").read_text())["usage"]
    assert usage["report"] is True
    assert usage["software-stack-deployment"]["report"] is True


def test_the_rule_graph_of_the_test_folder_has_every_rule_of_the_main_job(clone):
    """The catalog stops this after 15 seconds; it takes 3."""
    where = ["-s", str(clone / "workflow/Snakefile"), "-d", str(clone / ".test")]
    command = [sys.executable, "-m", "snakemake", "--forceall", *where, "-c", "1", "--rulegraph"]
    run = subprocess.run(command, cwd=clone, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert run.stdout.startswith("digraph"), "whatever else is printed spoils the graph"
    for rule in {"all", *planned(clone)}:
        assert f'"{rule}' in run.stdout, rule


@pytest.mark.parametrize("alias", ["", " as evenhand_*"])
def test_a_module_has_the_report_as_its_target(clone, tmp_path, alias):
    (tmp_path / "config").mkdir()
    (tmp_path / "config/config.yaml").write_text((clone / ".test/config/config.yaml").read_text())
    snakefile = str(clone / "workflow/Snakefile")
    (tmp_path / "Snakefile").write_text(DEPLOYED.format(snakefile=snakefile, alias=alias))
    prefix = "evenhand_" if alias else ""
    assert planned(tmp_path)[f"{prefix}report"] == 1
