"""Code is an input of the rules that run it: an edit runs again what uses it, and nothing else."""

import subprocess
import sys
from pathlib import Path

import pytest

from evenhand.core.imports import modules_of
from evenhand.core.schemas import ROOT
from support.checkouts import planned, planned_after_a_change

SCRIPTS = ROOT / "workflow/scripts"
PROGRAMS = sorted(path.stem for path in SCRIPTS.glob("*.py"))
# Which of our modules Python itself has loaded once it has imported a program.
LOADED = """
import importlib, sys
sys.path.insert(0, sys.argv[1])
importlib.import_module(sys.argv[2])
ours = {m for n, m in sys.modules.items() if n.partition(".")[0] in ("evenhand", "toolbox")}
print(*(m.__file__ for m in ours if getattr(m, "__file__", None)), sep="\\n")
"""


@pytest.mark.parametrize("program", PROGRAMS)
def test_the_modules_of_a_program_are_those_that_python_loads(program):
    loaded = subprocess.run(
        [sys.executable, "-c", LOADED, SCRIPTS, program], capture_output=True, text=True, check=True
    )
    found = modules_of(SCRIPTS / f"{program}.py")
    assert {Path(line) for line in loaded.stdout.split()} <= set(found)
    assert all(path.is_relative_to(ROOT / "workflow") for path in found)


ANALYSIS = {"compare", "compare_nodes", "statements", "figures", "report"}
# An edited module, and the rules that run again: those that use it, and what follows from them.
EDITS = {
    "model/reference.py": {"reference", "distribution", "gate", "tutorial_check", *ANALYSIS},
    "model/distribution.py": {"distribution", "tutorial_check", *ANALYSIS},
    "checks/gate.py": {"gate", *ANALYSIS},
    "checks/audit.py": {"audit", "gate", *ANALYSIS},
    "checks/tutorial_check.py": {"tutorial_check", *ANALYSIS},
    "comparison/inference.py": ANALYSIS,
    "comparison/recomputed.py": set(),  # from the command line alone
    "report/figures.py": {"figures", "report"},
    "report/sentences.py": {"report"},
    "environments/building.py": set(),  # an environment is what its lock says, whoever builds it
    "rounds/plan.py": set(),
}


@pytest.mark.parametrize("module", EDITS)
def test_an_edited_module_runs_again_what_uses_it(finished, module):
    jobs = planned_after_a_change(finished, f"workflow/scripts/evenhand/{module}")
    assert set(jobs) - {"all"} == EDITS[module]


# An edited file of an axis, and the rules that run again.
AXES = {
    "frameworks/numpy.yaml": {"audit", "gate", *ANALYSIS},
    "devices/cpu.yaml": {"audit", "gate", *ANALYSIS},
    "datasets/mnist.yaml": {"report"},
    "trainers/tutorial/track.yaml": {"audit", "gate", "tutorial_check", *ANALYSIS},
}


@pytest.mark.parametrize("path", AXES)
def test_an_edited_file_of_an_axis_runs_again_what_reads_it(finished, path):
    jobs = planned_after_a_change(finished, f"workflow/{path}")
    assert set(jobs) - {"all"} == AXES[path]


@pytest.mark.parametrize(
    ("change", "rules"),
    [
        ("data={retries: 3}", {"configuration", "tutorial_check", *ANALYSIS}),
        ("rounds=2", set()),
        ("gate={test_images: 30}", {"configuration", "gate", "tutorial_check", *ANALYSIS}),
        ("comparison={margin: 0.05}", {"configuration", "tutorial_check", *ANALYSIS}),
    ],
)
def test_a_changed_setting_runs_again_what_depends_on_it(finished, change, rules):
    assert set(planned(finished, "--config", change)) - {"all"} == rules
