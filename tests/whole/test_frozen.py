"""Nothing computed has changed: the same records give the numbers that they always gave.

frozen/ holds what an early version of the workflow measured (the quick preset on MNIST, two rounds)
and the tables that this version made of it. Since then names of keys, paths and machines have been
brought up to date, and p-values and what follows from them are adjusted over the whole page.
"""

import contextlib
import tarfile
from pathlib import Path

import pandas as pd
import pytest

from evenhand.checks import findings
from evenhand.comparison import recomputed
from evenhand.core.config import checked
from evenhand.core.experiment import Experiment
from evenhand.core.tables import as_read

pytestmark = pytest.mark.fast
FROZEN = Path(__file__).parent / "frozen"
# Columns that came later, by table, and columns that were renamed since.
NEW = {
    "gate": {"track", "cause", "detail"},
    "gate_steps": {"track"},
    "tutorial_check": {"track"},
    "runs": {"threads_at_work", "helpers_at_work", "between_seconds", "rest_seconds"}
    | {"peak_threads", "peak_kernel", "peak_library", "compile_seconds", "products_seconds"}
    | {"first_epoch_seconds", "seconds_to_accuracy", "own_process_seconds"}
    | {"median_epoch_joules", "processor_domains"},
    "epochs": {"processor_joules", "gpu_joules", "energy_joules"},
    "thread_effect": {"p_value", "verdict"},
}
RENAMED = {"consistency": "verdict"}


@pytest.fixture(scope="module")
def tables(tmp_path_factory) -> dict[str, pd.DataFrame]:
    """The tables that today's code makes of the frozen records, read as their readers do."""
    folder = tmp_path_factory.mktemp("frozen")
    with tarfile.open(FROZEN / "results.tar.xz") as archive:
        archive.extractall(folder)
    scenarios = {"baseline": {"epochs": 2}}
    scenarios["one-thread"] = {"epochs": 2, "threads": 1, "tracks": ["tutorial"]}
    data = {"train_images": 6000, "test_images": 1000}
    config = {"rounds": 2, "seed": 1, "data": data, "scenarios": scenarios}
    names = {"frameworks": ["pytorch", "mxnet", "numpy"], "devices": ["cpu"]}
    experiment = Experiment(checked(config | names | {"tracks": ["tutorial", "controlled"]}))
    with contextlib.chdir(folder):  # tables name files as the workflow does
        made, failed = recomputed.tables(experiment, Path("results"), findings.table([]))
    assert failed == {}
    return {name: as_read(table) for name, table in made.items()}


@pytest.mark.parametrize("name", sorted(path.name.split(".")[0] for path in FROZEN.glob("*.csv*")))
def test_the_numbers_of_a_table_are_those_that_they_were(tables, name):
    (file,) = FROZEN.glob(f"{name}.csv*")
    then = pd.read_csv(file, low_memory=False, dtype={"outliers": str})
    now = tables[name].rename(columns=RENAMED)
    if name == "gate":  # checks, too, came later
        now = now[now["check"].isin(then["check"])].reset_index(drop=True)
    new = NEW.get(name, set())
    kept = [column for column in then.columns if column not in new]
    assert set(now.columns) - set(then.columns) <= new
    # Logarithms end in other bits on another processor.
    pd.testing.assert_frame_equal(now[kept], then[kept], rtol=1e-12, atol=1e-15)
