"""What the launcher learns of a GPU, from a test double of NVML. No GPU has been seen by it yet."""

import subprocess
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from evenhand.core import axes
from evenhand.core.schemas import schema
from support import launching
from toolbox.record import Record

pytestmark = pytest.mark.fast

FAKE = Path(launching.__file__).with_name("fake_nvml")
# As the workflow passes them on from the files of device and track.
OPTIONS = [
    "--gpu",
    *("--set", *(f"{k}={v}" for k, v in axes.track("controlled")["variables"]["cuda"].items())),
    *("--recorded", *axes.device("cuda")["recorded"]),
]


@pytest.fixture(scope="module")
def python(tmp_path_factory) -> Path:
    return launching.environment(tmp_path_factory.mktemp("environment") / "python", FAKE)


@pytest.fixture
def launch(tmp_path, python):
    """Launch what stands for a trainer on cuda: NumPy's, which says that it worked on the GPU."""
    launching.prepare(tmp_path, device="cuda")
    trainer = (launching.TRAINERS / "controlled/numpy_mlp.py").read_text()
    assert 'device="cpu"' in trainer
    (tmp_path / "stand_in_mlp.py").write_text(trainer.replace('device="cpu"', "device=run.device"))
    requested = launching.settings(device="cuda")

    def launch(**variables) -> subprocess.CompletedProcess:
        return launching.launch(
            tmp_path, "stand_in_mlp.py", requested, OPTIONS, python=python, **variables
        )

    return launch


def test_a_record_from_cuda_tells_of_the_gpu(launch, tmp_path):
    done = launch()
    assert done.returncode == 0, done.stderr
    record = Record.read(tmp_path / "record.json")
    facts, watched = record.environment.gpu, record.measured.gpu
    assert facts["name"] == "A Made-Up GPU"
    assert facts["compute_capability"] == "8.6"
    assert facts["driver_cuda"] == "12.8"
    assert watched["process_seen"]
    assert watched["process_memory_bytes"] == 300 << 20, "another process was counted"
    joules = [epoch.gpu_joules for epoch in record.measured.epochs]
    assert all(of_epoch >= 2.5 for of_epoch in joules), "a reading of the counter adds 2.5 J"
    assert watched["energy_joules"] > sum(joules)
    told = {"source": "nvml", "domains": ["gpu"], "reason": None}
    assert record.measured.energy["gpu"] == told
    assert watched["throttled"] == ["power cap"]
    assert watched["power_watts"] == {"min": 70.0, "median": 70.0, "max": 70.0}
    assert watched["temperature_celsius"] is None
    assert record.environment.variables["NVIDIA_TF32_OVERRIDE"] == "0"
    Draft202012Validator(schema("record")).validate(record.to_dict())


def test_a_run_that_was_not_seen_on_the_gpu_says_so(launch, tmp_path):
    assert launch(FAKE_NVML="idle").returncode == 0
    assert not Record.read(tmp_path / "record.json").measured.gpu["process_seen"]


def test_a_gpu_without_a_counter_of_energy_says_so(launch, tmp_path):
    assert launch(FAKE_NVML="old").returncode == 0
    measured = Record.read(tmp_path / "record.json").measured
    assert [epoch.gpu_joules for epoch in measured.epochs] == [None, None]
    told = {"source": "nvml", "domains": [], "reason": "no counter"}
    assert measured.energy["gpu"] == told and measured.gpu["energy_joules"] is None


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"FAKE_NVML": "absent"}, "NVML Shared Library Not Found; CUDA_VISIBLE_DEVICES is not set"),
        ({"CUDA_VISIBLE_DEVICES": ""}, "CUDA_VISIBLE_DEVICES is ''"),
        ({"CUDA_VISIBLE_DEVICES": "3"}, "Invalid Argument; CUDA_VISIBLE_DEVICES is '3'"),
    ],
)
def test_cuda_without_a_gpu_is_told_before_any_training(launch, tmp_path, variables, words):
    done = launch(**variables)
    assert done.returncode == 1
    assert words in done.stderr
    assert "epoch" not in done.stdout
    assert not (tmp_path / "record.json").exists()


def test_a_gpu_is_found_by_its_uuid(launch):
    assert launch(CUDA_VISIBLE_DEVICES="GPU-1,GPU-2").returncode == 0


def test_a_run_on_another_device_looks_for_no_gpu(tmp_path, python):
    launching.prepare(tmp_path)
    trainer = launching.TRAINERS / "controlled/numpy_mlp.py"
    done = launching.launch(tmp_path, trainer, python=python, FAKE_NVML="absent")
    assert done.returncode == 0, done.stderr
    record = Record.read(tmp_path / "record.json")
    assert record.environment.gpu is None and record.measured.gpu is None
