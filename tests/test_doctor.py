"""The doctor tells each finding once; what is unfit is left out of the next start."""

import json
import os
import re
import shutil
import subprocess
import sys

import doctor
import pytest
import settings
from checkouts import checkout, planned, snakemake

from toolbox.record import sha256, write

NUMPY = settings.ROOT / "workflow/trainers/controlled/numpy_mlp.py"


def verdict(name: str, fit: bool) -> dict:
    findings = [["training", fit, "two steps" if fit else "fails: no kernel image"]]
    return {"competitor": name, "fit": fit, "findings": findings}


def test_every_finding_is_told_and_a_node_once():
    around = [{"node": "n1", "remarks": [["load", True, load]]} for load in ("0.1", "0.2")]
    verdicts = [verdict("a-cpu", True), verdict("b-cuda", False)]
    told = doctor.lines(verdicts, around, [("slurm", True, "answers")])
    assert [line.split(maxsplit=3) for line in told] == [
        ["a-cpu:", "training", "ok", "two steps"],
        ["b-cuda:", "training", "NO", "fails: no kernel image"],
        ["n1:", "load", "ok", "0.2"],
        ["scheduler:", "slurm", "ok", "answers"],
    ]


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("echo '(null)'", [("slurm", True), ("gres", False)]),
        ("echo 'gpu:4'", [("slurm", True), ("gres", True)]),
        ("echo 'Unable to contact slurm controller' >&2; exit 1", [("slurm", False)]),
    ],
)
def test_the_scheduler_is_asked_where_there_is_one(tmp_path, monkeypatch, script, expected):
    sinfo = tmp_path / "sinfo"
    sinfo.write_text(f"#!/bin/sh\n{script}\n")
    sinfo.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert [remark[:2] for remark in doctor.ask_scheduler(wants_gpu=True)] == expected
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    assert doctor.ask_scheduler(wants_gpu=True) == []


def test_an_unfit_competitor_is_left_out_and_its_companions_stay(tmp_path):
    write(tmp_path / "mxnet-cuda.verdict.json", verdict("mxnet-cuda", False))
    write(tmp_path / "mxnet-cpu.verdict.json", verdict("mxnet-cpu", True))
    config = {"frameworks": ["mxnet", "numpy"], "devices": ["cpu", "cuda"]}
    config["left_out"] = settings.unfit(tmp_path)
    assert config["left_out"] == {"mxnet-cuda": "training fails: no kernel image"}
    assert settings.competitors(config, "controlled") == ["mxnet-cpu", "numpy-cpu"]


@pytest.mark.parametrize("changed", ["envs/a-cpu.lock", "workflow/trainers/tutorial/a_mlp.py"])
def test_a_mended_competitor_is_left_out_no_more(tmp_path, changed):
    path = tmp_path / "a-cpu.verdict.json"
    write(path, verdict("a-cpu", False))
    file = tmp_path / changed
    file.parent.mkdir(parents=True)
    file.touch()
    os.utime(file, (0, 0))
    assert settings.mended(tmp_path, tmp_path) == []
    assert "a-cpu" in settings.unfit(tmp_path, tmp_path)
    os.utime(file, (path.stat().st_mtime + 1,) * 2)
    assert settings.mended(tmp_path, tmp_path) == [path]
    assert settings.unfit(tmp_path, tmp_path) == {}


@pytest.mark.parametrize(
    ("resources", "folder"),
    [
        ([], "here"),
        (["mem_mb=1000", "tmpdir=system_tmpdir"], "here"),
        (["slurm_partition=gpu", "slurm_account=me", "constraint=a100&ib"], "gpu-a100-ib"),
    ],
)
def test_verdicts_are_filed_by_the_kind_of_nodes(resources, folder):
    assert settings.node_class(resources) == folder


@pytest.fixture
def examine(tmp_path):
    """Examine NumPy, as it is in the environment of the tests, after a change of its trainer."""
    trainers = tmp_path / "trainers"
    shutil.copytree(settings.ROOT / "workflow/trainers", trainers)
    lock = tmp_path / "numpy.lock"
    lock.write_text("numpy\n")

    def run(device="cpu", packages=(), change=("", ""), fake_nvml=None) -> dict:
        trainer = trainers / "controlled/numpy_mlp.py"
        trainer.write_text(NUMPY.read_text().replace(*change))
        receipt = {"framework": "numpy", "device": device, "packages": dict(packages)}
        receipt |= {"deployment": "conda", "image": None, "lock_sha256": sha256(lock)}
        write(tmp_path / "receipt.json", receipt)
        if fake_nvml:
            shutil.copy(settings.ROOT / "tests/fake_nvml/pynvml.py", trainers)
        subprocess.run(
            [
                *(sys.executable, trainers / "examine.py"),
                *("--environment", tmp_path / "receipt.json", "--lock", lock),
                *("--verdict", tmp_path / "verdict.json", "--trainers", trainer),
                *("--surroundings", tmp_path / "surroundings.json"),
            ],
            check=True,
            capture_output=True,
        )
        return json.loads((tmp_path / "verdict.json").read_text())

    return run


def test_who_can_train_is_fit(examine, tmp_path):
    told = examine()
    assert told["fit"]
    assert [finding[0] for finding in told["findings"]] == ["environment", "controlled training"]
    around = json.loads((tmp_path / "surroundings.json").read_text())
    assert {remark[0] for remark in around["remarks"]} == {"disk", "memory", "governor", "load"}
    assert examine() == told, "rounds would run again for another verdict"


def test_an_environment_that_was_changed_is_told_with_a_remedy(examine):
    told = examine(packages={"numpy": "0.0"})
    ((what, well, words),) = told["findings"]
    assert (told["fit"], what, well) == (False, "environment", False)
    assert words.startswith("numpy is ") and "snakemake --forcerun environment" in words


def test_an_error_in_training_is_told_in_its_own_words(examine):
    told = examine(change=("run.finish(", "raise MemoryError('too large')\nrun.finish("))
    what, _, words = told["findings"][-1]
    assert not told["fit"] and what == "controlled training"
    assert "MemoryError: too large" in words


def test_a_crash_of_the_framework_is_told(examine):
    told = examine(change=("run.finish(", "import os\nos.abort()\nrun.finish("))
    assert not told["fit"] and "exit status -6" in told["findings"][-1][2]


def test_a_gpu_that_a_framework_has_no_kernels_for_is_named_in_the_line(examine):
    """What MXNet says on a GPU newer than its wheels, here by a stand-in on a double of NVML."""
    error = "raise RuntimeError('no kernel image is available for execution on the device')"
    told = examine("cuda", change=("run.finish(", f"{error}\nrun.finish("), fake_nvml=True)
    words = {what: words for what, _, words in told["findings"]}
    assert not told["fit"]
    assert words["device"] == "A Made-Up GPU, compute capability 8.6"
    line = words["controlled training"]
    assert "on A Made-Up GPU, compute capability 8.6" in line and "no kernel image" in line


def test_a_broken_framework_is_told_before_any_round_and_then_left_out(environments, tmp_path):
    """The first start stops early and says who is unfit; the next one reports without it."""
    folder = checkout(
        tmp_path / "evenhand", environments, tracks=["controlled"], frameworks=["mxnet", "numpy"]
    )
    trainer = folder / "workflow/trainers/controlled/mxnet_mlp.py"
    right = trainer.read_text()
    trainer.write_text(right.replace("run.finish(", "raise SystemExit('broken')\nrun.finish("))
    output = snakemake(folder, "--keep-going", fails=True)
    assert "mxnet-cpu: controlled training NO  fails: broken" in output
    assert "unfit: mxnet-cpu" in output
    assert not (folder / "results/rounds").exists()

    output = snakemake(folder)
    assert "left out, unfit: mxnet-cpu: controlled training fails: broken" in output
    assert {path.stem for path in folder.glob("results/runs/*/*/*/*.json")} == {"numpy-cpu"}
    page = (folder / "results/report.html").read_text()
    assert "the doctor found it unfit: controlled training fails: broken" in page
    assert "mxnet-cpu: NO  controlled training fails" in snakemake(folder, "doctor", fails=True)

    trainer.write_text(right)
    snakemake(folder)
    runs = {path.stem for path in folder.glob("results/runs/*/*/*/*.json")}
    assert runs == {"mxnet-cpu", "numpy-cpu"}, "a mended framework stays left out"


def test_asking_the_doctor_again_runs_no_round_again(environments, tmp_path):
    folder = checkout(
        tmp_path / "evenhand", environments, tracks=["controlled"], frameworks=["numpy"]
    )
    snakemake(folder, "results/runs.csv")
    before = (folder / "results/doctor/here/numpy-cpu.surroundings.json").stat().st_mtime_ns
    told = snakemake(folder, "doctor", "--forcerun", "examine")
    assert re.search("numpy-cpu: controlled training +ok  two steps", told)
    after = (folder / "results/doctor/here/numpy-cpu.surroundings.json").stat().st_mtime_ns
    assert after > before, "the doctor did not look again"
    assert planned(folder, "results/runs.csv") == {}


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
