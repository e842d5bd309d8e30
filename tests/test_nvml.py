"""What the launcher learns of a GPU, from a test double of NVML. No GPU has been seen by it yet."""

import json
import os
import subprocess
import sys
from pathlib import Path

import made_up
import pytest
import round as opening
import settings
import yaml
from jsonschema import Draft202012Validator

from toolbox.record import write

SCRIPT = settings.ROOT / "workflow/trainers/controlled/numpy_mlp.py"


@pytest.fixture
def launch(tmp_path):
    """Launch what stands for a trainer on cuda: NumPy's, which says that it worked on the GPU."""
    data = made_up.packed(tmp_path / "data", 300, 100)
    trainer = tmp_path / "stand_in_mlp.py"
    trainer.write_text(SCRIPT.read_text().replace('device="cpu"', "device=run.device"))
    protocol = tmp_path / "protocol.npz"
    subprocess.run(
        [sys.executable, "-c", PROTOCOL, protocol],
        env={"PYTHONPATH": str(settings.ROOT / "workflow/scripts")},
        check=True,
    )
    write(
        tmp_path / "round.json", opening.open_round("controlled", "x", 0, "here", 7, ["a-cuda"], 1)
    )
    receipt = {
        "framework": "a",
        "device": "cuda",
        "deployment": "virtual environment",
        "image": None,
    }
    write(tmp_path / "environment.json", receipt | {"lock_sha256": "0" * 64})

    def launch(**variables) -> subprocess.CompletedProcess:
        fake = Path(__file__).with_name("fake_nvml")
        return subprocess.run(
            [
                *(sys.executable, "-m", "toolbox.launch", "--threads", "1", "--trainer", trainer),
                *("--environment", "environment.json", "--round", "round.json"),
                *("--record", "record.json", "--losses", "record.losses.npy", "--"),
                *("--device", "cuda", "--epochs", "2", "--hidden-units", "16", "--seed", "7"),
                *("--data", data, "--protocol", protocol),
            ],
            env={
                "PATH": os.environ["PATH"],
                "PYTHONPATH": f"{settings.ROOT}/workflow/trainers:{fake}",
            }
            | variables,
            cwd=tmp_path,
            capture_output=True,
            text=True,
        )

    return launch


PROTOCOL = """
import sys, numpy as np, protocol
rng = np.random.default_rng(0)
weights = protocol.initial_weights(rng, 16)
np.savez(sys.argv[1], **weights, order=protocol.batch_order(rng, 2, 300))
"""


def test_a_record_from_cuda_tells_of_the_gpu(launch, tmp_path):
    done = launch()
    assert done.returncode == 0, done.stderr
    record = json.loads((tmp_path / "record.json").read_text())
    facts, watched = record["ran"]["gpu"], record["measured"]["gpu"]
    assert facts["name"] == "A Made-Up GPU"
    assert facts["compute_capability"] == "8.6"
    assert facts["driver_cuda"] == "12.8"
    assert watched["process_seen"]
    assert watched["process_memory_bytes"] == 300 << 20, "a stranger's memory was counted"
    assert watched["energy_joules"] == 2.5
    assert watched["throttled"] == ["power cap"]
    assert watched["power_watts"] == {"min": 70.0, "median": 70.0, "max": 70.0}
    assert watched["temperature_celsius"] is None
    assert record["ran"]["variables"]["NVIDIA_TF32_OVERRIDE"] == "0"
    schema = yaml.safe_load((settings.ROOT / "workflow/schemas/record.schema.yaml").read_text())
    Draft202012Validator(schema).validate(record)


def test_a_run_that_nobody_saw_on_the_gpu_says_so(launch, tmp_path):
    assert launch(FAKE_NVML="idle").returncode == 0
    record = json.loads((tmp_path / "record.json").read_text())
    assert not record["measured"]["gpu"]["process_seen"]


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
