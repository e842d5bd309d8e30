"""The made-up results tree of benchmarks/records.py is such as runs leave."""

import json
from pathlib import Path

import made_up_results
import pandas as pd
from audit import Audit
from made_up_results import records

from toolbox.record import is_sealed


def files(folder: Path) -> dict[Path, bytes]:
    return {
        path.relative_to(folder): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.suffix in (".json", ".npy", ".csv")
    }


def test_the_same_config_makes_the_same_files_and_another_seed_others(tmp_path):
    for name, seed in (("first", 1), ("second", 1), ("other", 2)):
        records.make(tmp_path / name, made_up_results.config(rounds=2, seed=seed))
    assert files(tmp_path / "first") == files(tmp_path / "second") != files(tmp_path / "other")


def test_its_records_are_sealed_and_the_audit_finds_nothing(tmp_path):
    results = tmp_path / "results"
    records.make(results, made_up_results.config(rounds=3))
    runs = sorted(results.glob("runs/*/*/*/*.json"))
    assert len(runs) == 3 * (2 + 2 + 3)
    assert all(is_sealed(json.loads(path.read_text())) for path in runs)
    audit = Audit(results)
    audit.everything(runs, sorted(results.glob("rounds/*/*/*.json")))
    pd.testing.assert_frame_equal(audit.table(), audit.table().head(0))
