"""The doctor tells each finding once; what is unfit is left out of the next start."""

import doctor
import examine
import pytest
import settings

from toolbox.record import write


def verdict(name: str, fit: bool, load: str) -> dict:
    findings = [["training", fit, "two steps" if fit else "fails: no kernel image"]]
    remarks = [["load", True, load]]
    told = {"competitor": name, "fit": fit, "node": "n1", "findings": findings, "remarks": remarks}
    return told


def test_every_finding_is_told_and_a_node_once():
    told = doctor.lines([verdict("a-cpu", True, "0.1"), verdict("b-cuda", False, "0.2")])
    assert told == [
        "a-cpu: training    ok  two steps",
        "b-cuda: training    NO  fails: no kernel image",
        "n1: load        ok  0.2",
    ]


def test_an_unfit_competitor_is_left_out_and_its_companions_stay(tmp_path):
    write(tmp_path / "mxnet-cpu.json", verdict("mxnet-cpu", False, ""))
    write(tmp_path / "numpy-cpu.json", verdict("numpy-cpu", True, ""))
    config = {"frameworks": ["mxnet", "numpy"], "devices": ["cpu"]}
    config["left_out"] = settings.unfit(tmp_path)
    assert settings.competitors(config, "controlled") == ["numpy-cpu"]


@pytest.fixture
def receipt(tmp_path):
    lock = tmp_path / "a-cpu.lock"
    lock.write_text("numpy==0.0\n")
    write(
        tmp_path / "a.json",
        {"framework": "a", "device": "cpu", "deployment": "virtual environment"},
    )
    return tmp_path / "a.json"


def test_an_environment_that_is_gone_is_told_with_a_remedy(receipt, tmp_path):
    found = examine.examine([tmp_path / "none"], tmp_path / "a-cpu.lock", None, receipt, "cpu")
    ((what, ok, words),) = found
    assert (what, ok) == ("environment", False)
    assert "snakemake --forcerun environment" in words


def test_a_round_that_a_cluster_left_unfinished_is_torn(tmp_path):
    config = {"frameworks": ["mxnet", "numpy"], "devices": ["cpu"]}
    opened = {
        "track": "controlled",
        "order": ["numpy-cpu", "mxnet-cpu"],
        "machine": {"job": "7 n1"},
    }
    for number, job in enumerate(["7 n1", "8 n1", None]):
        folder = tmp_path / f"runs/controlled/x/{number}"
        folder.mkdir(parents=True)
        rounds = tmp_path / "rounds/controlled/x"
        rounds.mkdir(parents=True, exist_ok=True)
        write(rounds / f"{number}.json", opened | {"machine": {"job": job}})
        (folder / "numpy-cpu.json").touch()
    (tmp_path / "runs/controlled/x/1/mxnet-cpu.json").touch()
    assert settings.torn_rounds(config, tmp_path) == [tmp_path / "rounds/controlled/x/0.json"]
    alone = config | {"frameworks": ["numpy"]}
    assert settings.torn_rounds(alone, tmp_path) == [], "what is asked for is there"
