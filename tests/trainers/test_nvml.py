"""What the launcher learns of a GPU, from a test double of NVML. No GPU has been seen by it yet."""

import runpy
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest
from jsonschema import Draft202012Validator

from evenhand.core import axes
from evenhand.core.schemas import schema
from support import launching
from toolbox.nvml import visible
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
    assert record.environment.machine["gpu"] == "A Made-Up GPU, 8 GiB"
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


def test_a_run_through_the_server_of_mps_is_seen_and_the_server_is_not(launch, tmp_path):
    assert launch(FAKE_NVML="mps").returncode == 0
    watched = Record.read(tmp_path / "record.json").measured.gpu
    assert watched["process_seen"]
    assert watched["process_memory_bytes"] == 300 << 20, "the server, or another, was counted"


def test_an_old_driver_lacks_functions_and_the_run_is_watched_all_the_same(launch, tmp_path):
    done = launch(FAKE_NVML="old")
    assert done.returncode == 0, done.stderr
    watched = Record.read(tmp_path / "record.json").measured.gpu
    assert watched["process_seen"] and watched["process_memory_bytes"] == 300 << 20
    assert watched["throttled"] == ["power cap"]
    assert watched["sm_clock_mhz"]["median"] == 1400


def test_a_run_that_could_not_be_watched_to_the_end_leaves_no_record(launch, tmp_path):
    done = launch(FAKE_NVML="broken")
    assert done.returncode == 1
    assert "ValueError: no clock" in done.stderr
    assert "RuntimeError: the GPU could not be watched to the end" in done.stderr
    assert not (tmp_path / "record.json").exists()


@pytest.mark.parametrize("setting", [None, "0", "MIG-1", "MIG-GPU-1/1/0"])
def test_of_a_split_gpu_a_record_tells_the_part(launch, tmp_path, setting):
    variables = {} if setting is None else {"CUDA_VISIBLE_DEVICES": setting}
    done = launch(FAKE_NVML="mig", **variables)
    assert done.returncode == 0, done.stderr
    record = Record.read(tmp_path / "record.json")
    assert record.where["gpu"] == "MIG-1"
    assert record.environment.machine["gpu"] == "A Made-Up GPU MIG 1g.2gb, 2 GiB"
    assert record.environment.gpu["compute_capability"] == "8.6"
    assert record.measured.gpu["process_seen"]
    assert record.measured.gpu["sm_clock_mhz"]["median"] == 1400, "the whole GPU's"
    told = {"source": "nvml", "domains": [], "reason": "no counter"}
    assert record.measured.energy["gpu"] == told


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
        (
            {"CUDA_VISIBLE_DEVICES": "3"},
            "NVML lists 1, and none of them is to be used; CUDA_VISIBLE_DEVICES is '3'",
        ),
    ],
)
def test_cuda_without_a_gpu_is_told_before_any_training(launch, tmp_path, variables, words):
    done = launch(**variables)
    assert done.returncode == 1
    assert words in done.stderr
    assert "epoch" not in done.stdout
    assert not (tmp_path / "record.json").exists()


@pytest.mark.parametrize(("fake", "status"), [("", 0), ("idle", 128 + 9), ("old", 128 + 9)])
def test_a_run_that_waits_for_a_busy_gpu_does_not_stand_still(tmp_path, python, fake, status):
    """A process that waits for its GPU may use no processor; one GPU tells that it works."""
    launching.prepare(tmp_path, device="cuda")
    trainer = (launching.TRAINERS / "controlled/numpy_mlp.py").read_text()
    waits = trainer.replace("run.finish(", "import time\ntime.sleep(2.4)\nrun.finish(")
    (tmp_path / "waits_mlp.py").write_text(waits)
    options = [*OPTIONS, "--stall-seconds", "1"]
    requested = launching.settings(device="cuda")
    done = launching.launch(
        tmp_path, "waits_mlp.py", requested, options, python=python, FAKE_NVML=fake
    )
    assert done.returncode == status, done.stderr


@pytest.mark.parametrize(
    ("setting", "seen"),
    [
        (None, ["GPU-aa1", "MIG-c1", "MIG-c2", "GPU-b7"]),
        ("", []),
        ("0", ["GPU-aa1"]),
        (" 2, 0", ["GPU-b7", "GPU-aa1"]),
        ("1", ["MIG-c1"]),  # a number means the first part of a GPU that is split
        ("GPU-aa1", ["GPU-aa1"]),
        ("GPU-b,GPU-aa1", ["GPU-b7", "GPU-aa1"]),
        ("GPU-a", []),  # two begin so
        ("GPU-aa2", ["MIG-c1"]),
        ("MIG-c2", ["MIG-c2"]),
        ("MIG-c", []),
        ("MIG-GPU-aa2/2/0", ["MIG-c2"]),
        ("MIG-GPU-aa2/2", ["MIG-c2"]),
        ("MIG-GPU-aa2/9/0", []),
        ("0,-1,2", ["GPU-aa1"]),  # as CUDA reads it, nothing after the first that is not there
        ("0,3,2", ["GPU-aa1"]),
        ("0,,2", ["GPU-aa1"]),
        ("NoDevFiles", []),
    ],
)
def test_devices_are_visible_as_cuda_reads_its_setting(setting, seen):
    fake = runpy.run_path(str(FAKE / "pynvml.py"))
    parts = [fake["part"]("MIG-c1", 1), None, fake["part"]("MIG-c2", 2)]
    fake["gpus"][:] = [fake["gpu"]("GPU-aa1"), fake["gpu"]("GPU-aa2", parts=parts)]
    fake["gpus"].append(fake["gpu"]("GPU-b7"))
    assert [device.uuid for device in visible(SimpleNamespace(**fake), setting)] == seen


def test_a_gpu_is_found_by_its_uuid(launch):
    assert launch(CUDA_VISIBLE_DEVICES="GPU-1,GPU-2").returncode == 0


def test_a_run_on_another_device_looks_for_no_gpu(tmp_path, python):
    launching.prepare(tmp_path)
    trainer = launching.TRAINERS / "controlled/numpy_mlp.py"
    done = launching.launch(tmp_path, trainer, python=python, FAKE_NVML="absent")
    assert done.returncode == 0, done.stderr
    record = Record.read(tmp_path / "record.json")
    assert record.environment.gpu is None and record.measured.gpu is None
