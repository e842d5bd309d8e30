"""Tests import the workflow's scripts and trainers as Snakemake's jobs do, by their bare names."""

import sys
from pathlib import Path

WORKFLOW = Path(__file__).parents[1] / "workflow"
sys.path[:0] = [str(WORKFLOW / "scripts"), str(WORKFLOW / "trainers")]
