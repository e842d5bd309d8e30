"""What the factory of records makes is such as runs leave."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from jsonschema import Draft202012Validator

from evenhand.checks.audit import Audit
from evenhand.core.config import checked
from evenhand.core.schemas import ROOT, schema
from support import records
from toolbox.record import Record, is_sealed

pytestmark = pytest.mark.fast


def config(**changes) -> dict:
    return checked({"rounds": 3} | changes)


def files(folder: Path) -> dict[Path, bytes]:
    return {
        path.relative_to(folder): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.suffix in (".json", ".npy", ".csv")
    }


def test_the_same_config_makes_the_same_files_and_another_seed_others(tmp_path):
    for name, seed in (("first", 1), ("second", 1), ("other", 2)):
        records.make(tmp_path / name, config(rounds=2, seed=seed))
    assert files(tmp_path / "first") == files(tmp_path / "second") != files(tmp_path / "other")


def test_its_records_are_sealed_and_the_audit_finds_nothing(tmp_path):
    results = tmp_path / "results"
    records.make(results, config())
    runs = sorted(results.glob("runs/*/*/*/*.json"))
    rehearsals = sorted(results.glob("rehearsals/*/*/*/*.json"))
    assert (len(runs), len(rehearsals)) == (3 * (2 + 2 + 4), 4)
    assert all(is_sealed(json.loads(path.read_text())) for path in (*runs, *rehearsals))
    audit = Audit(results)
    audit.everything(runs, sorted(results.glob("rounds/*/*/*.json")), rehearsals)
    pd.testing.assert_frame_equal(audit.table(), audit.table().head(0))


def test_its_files_fit_their_schemas(tmp_path):
    records.make(tmp_path, config(rounds=1))
    for name, pattern in (
        ("round", "rounds/*/*/*.json"),
        ("record", "runs/*/*/*/*.json"),
        ("record", "rehearsals/*/*/*/*.json"),
    ):
        validator = Draft202012Validator(schema(name))
        paths = list(tmp_path.glob(pattern))
        assert paths
        for path in paths:
            validator.validate(json.loads(path.read_text()))


def test_the_data_are_as_many_as_the_config_asks_for(tmp_path):
    records.make(tmp_path, config(rounds=1, data={"train_images": 600, "test_images": 200}))
    facts = json.loads((tmp_path / "data/mnist/facts.json").read_text())
    with np.load(tmp_path / "data/mnist/images.npz") as data:
        assert len(data["train_images"]) == len(data["train_labels"]) == facts["train_images"]
        assert len(data["test_images"]) == len(data["test_labels"]) == facts["test_images"]
    assert (facts["train_images"], facts["test_images"]) == (600, 200)


@pytest.mark.parametrize("competitor", ["numpy-cpu", "mxnet-cpu", "pytorch-cuda"])
def test_one_record_fits_the_schema_on_every_device(competitor):
    record = records.record(competitor)
    Draft202012Validator(schema("record")).validate(record.to_dict())
    assert record.requested.competitor == competitor


def test_one_record_can_differ_in_any_field():
    record = records.record(
        id="1" * 32, requested={"dtype": "float64", "round": 3}, environment={"device": "tpu"}
    )
    assert (record.id, record.requested.dtype, record.requested.round) == ("1" * 32, "float64", 3)
    assert record.environment.device == "tpu"
    assert record.measured == records.record().measured


def test_one_round_fits_the_schema_and_can_differ_in_any_field():
    validator = Draft202012Validator(schema("round"))
    validator.validate(records.opened_round())
    opened = records.opened_round("tutorial", "one-thread", 4, ["a-cpu", "b-cpu"], seed=9)
    validator.validate(opened)
    assert is_sealed(opened)
    assert (opened["track"], opened["round"], opened["seed"]) == ("tutorial", 4, 9)


def test_the_factory_is_a_program_too(tmp_path):
    small = tmp_path / "small.yaml"
    small.write_text(yaml.safe_dump({"tracks": ["controlled"], "frameworks": ["numpy"]}))
    subprocess.run(
        [sys.executable, "-m", "support.records", "--config", small, "--rounds", "2", "results"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": f"{ROOT}/tests:{ROOT}/workflow/scripts"},
        check=True,
    )
    made = sorted(path.stem for path in tmp_path.glob("results/rounds/controlled/baseline/*"))
    assert made == ["0", "1"]
    path = tmp_path / "results/runs/controlled/baseline/1/numpy-cpu.json"
    assert Record.read(path).requested.round == 1
