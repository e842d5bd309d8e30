"""Tests import the workflow's programs as Snakemake's jobs do, by their bare names."""

import sys
from pathlib import Path

import pytest

WORKFLOW = Path(__file__).parents[1] / "workflow"
sys.path[:0] = [str(WORKFLOW / part) for part in ("scripts", "trainers", "statements")]

from checkouts import checkout, snakemake  # noqa: E402, they import from there


@pytest.fixture(scope="session")
def environments(tmp_path_factory) -> Path:
    """The folder of the frameworks' environments, built once a session by the workflow itself."""
    folder = checkout(tmp_path_factory.mktemp("environments") / "evenhand")
    frameworks = ("pytorch", "mxnet", "numpy")
    snakemake(folder, *(f"results/environments/{framework}-cpu.json" for framework in frameworks))
    return folder / "results/environments"
