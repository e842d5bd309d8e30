"""Nothing computed has changed: the same records give the numbers that they always gave.

frozen/ holds what an early version of the workflow measured (the quick preset on MNIST, two rounds)
and the tables that this version made of it. Since then names of keys, paths and machines have been
brought up to date, and p-values and what follows from them are adjusted over the whole page.
"""

import tarfile
from pathlib import Path

import pandas as pd
import pytest
import yaml

from evenhand.checks import collect, findings, gate, tutorial_check
from evenhand.comparison import nodes
from evenhand.comparison.compare import admit, compare, not_comparable
from evenhand.comparison.remarks import remarks, with_notes
from evenhand.core.config import checked
from evenhand.core.experiment import Experiment
from evenhand.core.identity import Round
from evenhand.core.schemas import ROOT
from evenhand.core.tables import read_table, write_table

pytestmark = pytest.mark.fast
FROZEN = Path(__file__).parent / "frozen"
# Columns that came later, by table, and columns that were renamed since.
NEW = {
    "gate": {"track", "cause", "detail"},
    "gate_steps": {"track"},
    "tutorial_check": {"track"},
    "runs": {"threads_at_work", "helpers_at_work", "between_seconds", "rest_seconds"}
    | {"peak_threads", "peak_kernel", "peak_library"},
    "thread_effect": {"p_value", "verdict"},
}
RENAMED = {"consistency": "verdict"}


@pytest.fixture(scope="module")
def tables(tmp_path_factory) -> dict[str, pd.DataFrame]:
    """The tables that today's code makes of the frozen records, read as their readers do."""
    folder = tmp_path_factory.mktemp("frozen")
    with tarfile.open(FROZEN / "results.tar.xz") as archive:
        archive.extractall(folder, filter="data")
    results = folder / "results"
    scenarios = {"baseline": {"epochs": 2}}
    scenarios["one-thread"] = {"epochs": 2, "threads": 1, "tracks": ["tutorial"]}
    data = {"train_images": 6000, "test_images": 1000}
    config = {"rounds": 2, "seed": 1, "data": data, "scenarios": scenarios}
    names = {"frameworks": ["pytorch", "mxnet", "numpy"], "devices": ["cpu"]}
    experiment = Experiment(checked(config | names | {"tracks": ["tutorial", "controlled"]}))
    settings, gated = experiment.config["comparison"], experiment.tracks_with("proof", "gate")
    records = {
        track: [
            Round(track, scenario, number).run(name).path(results)
            for of, scenario in experiment.contests
            if of == track
            for number in range(experiment.config["rounds"])
            for name in experiment.competitors(track)
        ]
        for track in experiment.config["tracks"]
    }
    rehearsals = [
        Round(track, "baseline", 0).rehearsal(name).path(results)
        for track in gated
        for name in experiment.competitors(track)
    ]
    published = yaml.safe_load((ROOT / "config/published.yaml").read_text())
    text = yaml.safe_load((ROOT / "workflow/scripts/evenhand/report/text.en.yaml").read_text())

    made = {}

    def keep(name: str, table: pd.DataFrame) -> pd.DataFrame:
        write_table(table, folder / f"{name}.csv")
        made[name] = read_table(folder / f"{name}.csv")
        return made[name]

    runs, epochs = collect.tables(
        [path for paths in records.values() for path in paths], results, settings["warmup_epochs"]
    )
    runs["record"] = [str(Path(path).relative_to(folder)) for path in runs["record"]]
    runs, epochs, audit = keep("runs", runs), keep("epochs", epochs), findings.table([])
    of_gated = [path for track in gated for path in records[track]]
    checks, steps = gate.tables(experiment, results, of_gated, rehearsals, audit)
    checks, _ = keep("gate", checks), keep("gate_steps", steps)
    check = keep("tutorial_check", tutorial_check.table(experiment, results, epochs, published))
    sound = admit(runs, audit)
    reasons = not_comparable(runs, checks, check)
    names = experiment.all_competitors
    table, changes = compare(runs, sound, reasons, names, settings)
    beside = remarks(table, changes, runs, sound, reasons, settings["spread_limit"])
    keep("comparison", with_notes(table, beside, text))
    keep("thread_effect", changes)
    keep("nodes", nodes.by_fingerprint(sound, made["comparison"], settings["confidence"]))
    return made


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
