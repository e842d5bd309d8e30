"""A small project for the test cluster: made-up digits, and NumPy under three names.

The three frameworks are copies of one another in a temporary copy of the repository, so that
rounds have several members without heavy environments.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import yaml
from made_up import idx_folder

ROOT = Path(__file__).parents[2]
FRAMEWORKS = ["numpy", "numpy_b", "numpy_c"]
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

    def start(self, *flags: str, targets=("results/runs.csv", "results/audit.csv")):
        """Start Snakemake; what it says goes to snakemake.out."""
        with open(self.folder / "snakemake.out", "ab") as out:
            return subprocess.Popen(
                [sys.executable, Path(__file__).with_name("impatient.py"), *flags, "--", *targets],
                cwd=self.folder,
                env=self.env,
                stdout=out,
                stderr=out,
            )

    def run(self, *flags: str, **options) -> int:
        """Run Snakemake to its end; its exit status."""
        return self.start(*flags, **options).wait(timeout=240)

    def said(self) -> str:
        return (self.folder / "snakemake.out").read_text()

    def configure(self, **changes) -> None:
        path = self.folder / "config/config.yaml"
        path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | changes))

    def sabotage(self, framework: str, code: str) -> None:
        """Let a framework's trainer run this code first."""
        trainer = self.folder / f"workflow/trainers/controlled/{framework}_mlp.py"
        docstring, _, rest = trainer.read_text().partition("\n")
        trainer.write_text(f"{docstring}\n{code}\n{rest}")

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
            "workflow/trainers/controlled/{}_mlp.py",
        ]:
            shutil.copy(folder / path.format("numpy"), folder / path.format(framework))
    project = Project(folder, dict(os.environ))
    project.configure(
        frameworks=FRAMEWORKS,
        tracks=["controlled"],
        rounds=3,
        scenarios={"baseline": {"epochs": 2, "hidden_units": 16}},
        data={
            "folder": str(idx_folder(folder / "digits", 300, 100)),
            "train_images": 300,
            "test_images": 100,
        },
    )
    environments = [f"results/environments/{framework}-cpu.json" for framework in FRAMEWORKS]
    if project.run(targets=["results/data/mnist.npz", *environments]):
        raise RuntimeError(project.said())
    return project
