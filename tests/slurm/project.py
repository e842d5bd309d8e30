"""A small project for the test cluster: made-up digits, and NumPy under three names.

The three frameworks are copies of one another in a temporary copy of the repository, so that
rounds have several members without heavy environments. One is a version with a trainer of its own.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import yaml

from support.digits import idx_folder

ROOT = Path(__file__).parents[2]
# The profile, at a test's pace; the test cluster keeps no accounts.
PROFILE = [
    *("--profile", "profiles/slurm", "--slurm-no-account", "--slurm-status-command", "squeue"),
    *("--slurm-init-seconds-before-status-checks", "1", "--latency-wait", "10"),
]
FRAMEWORKS = ["numpy", "numpy@2.4", "numpy_c"]
IMPATIENT = Path(__file__).with_name("impatient.py")
BREAKABLE = "numpy@2.4"
HOOK = """
import os
if os.path.exists("fault"):
    exec(open("fault").read())
"""
CODE = ["Snakefile", "config", "envs", "profiles", "workflow"]


class Project:
    """A copy of the workflow in a folder of its own, and how to run it."""

    def __init__(self, folder: Path, env: dict[str, str] | None = None):
        self.folder, self.env = folder, env
        self.results = folder / "results"

    def copy(self, folder: Path, env: dict[str, str]) -> "Project":
        """The same in another folder, to be run with these variables."""
        shutil.copytree(self.folder, folder, symlinks=True)
        return Project(folder, env)

    def start(
        self, *flags: str, targets=("results/runs.csv", "results/audit.csv"), profile=PROFILE
    ):
        """Start Snakemake on the cluster; what it says goes to snakemake.out."""
        with open(self.folder / "snakemake.out", "ab") as out:
            return subprocess.Popen(
                [sys.executable, IMPATIENT, *profile, *flags, "--", *targets],
                cwd=self.folder,
                env=self.env,
                stdout=out,
                stderr=out,
            )

    def run(self, *flags: str, **options) -> int:
        """Run Snakemake to its end; its exit status."""
        return self.start(*flags, **options).wait(timeout=600)

    def said(self) -> str:
        return (self.folder / "snakemake.out").read_text()

    def configure(self, **changes) -> None:
        path = self.folder / "config/config.yaml"
        path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | changes))

    def break_with(self, code: str) -> None:
        """From now on the trainers of BREAKABLE run this code first; `repair` ends that."""
        (self.folder / "fault").write_text(code)

    def repair(self) -> None:
        (self.folder / "fault").unlink()

    def runs(self) -> pd.DataFrame:
        return pd.read_csv(self.results / "runs.csv")

    def audit(self) -> pd.DataFrame:
        return pd.read_csv(self.results / "audit.csv")


def prepared(folder: Path) -> Project:
    """A project whose environments and data are there, and no round yet."""
    for name in CODE:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, folder / name)
    for framework in FRAMEWORKS[1:]:
        for path in [
            "envs/{}-cpu.yaml",
            "envs/{}-cpu.lock",
            "workflow/frameworks/{}.yaml",
            "workflow/trainers/controlled/{}_mlp.py",
        ]:
            shutil.copy(folder / path.format("numpy"), folder / path.format(framework))
    with open(folder / f"workflow/trainers/controlled/{BREAKABLE}_mlp.py", "r+") as trainer:
        docstring, rest = trainer.readline(), trainer.read()
        trainer.seek(0)
        trainer.write(docstring + HOOK + rest)
    project = Project(folder, dict(os.environ))
    project.configure(
        frameworks=FRAMEWORKS,
        tracks=["controlled"],
        rounds=3,
        scenarios={"baseline": {"epochs": 2, "hidden_layers": [16]}},
        data={
            "folder": str(idx_folder(folder / "digits", 300, 100)),
            "train_images": 300,
            "test_images": 100,
        },
    )
    targets = [f"results/doctor/here/{name}-cpu.fit" for name in FRAMEWORKS]
    targets += [f"results/protocol/baseline/{round_}.npz" for round_ in range(3)]
    if project.run(profile=[], targets=targets):
        raise RuntimeError(project.said())
    return project
