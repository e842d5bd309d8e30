"""An examination names each finding once; who cannot train is excluded from the next start."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from examine import programs
from look_around import cores, readable

from evenhand.core import axes
from evenhand.core.config import checked
from evenhand.core.experiment import Experiment
from evenhand.core.schemas import ROOT
from evenhand.rounds import examination, leftovers
from evenhand.rounds.nodes import node_class
from support.checkouts import checkout, planned, snakemake
from support.deployments import first_on_path
from toolbox.energy import Meter, of_processor
from toolbox.record import sha256, write

NUMPY = ROOT / "workflow/trainers/controlled/numpy_mlp.py"


def examined(name: str, fit: bool) -> dict:
    findings = [["training", fit, "two steps" if fit else "fails: no kernel image"]]
    return {"competitor": name, "fit": fit, "findings": findings}


@pytest.mark.fast
def test_every_finding_has_a_line_and_a_node_one_for_each_remark():
    around = [{"node": "n1", "remarks": [["load", True, load]]} for load in ("0.1", "0.2")]
    examinations = [examined("a-cpu", True), examined("b-cuda", False)]
    others = {"scheduler": [("slurm", True, "answers")], "conda": [("channels", False, "remedy")]}
    lines = examination.lines(examinations, around, others)
    assert [line.split(maxsplit=3) for line in lines] == [
        ["a-cpu:", "training", "ok", "two steps"],
        ["b-cuda:", "training", "NO", "fails: no kernel image"],
        ["n1:", "load", "ok", "0.2"],
        ["scheduler:", "slurm", "ok", "answers"],
        ["conda:", "channels", "NO", "remedy"],
    ]


@pytest.mark.fast
def test_a_quota_of_processor_time_is_told_with_a_remedy():
    assert cores(2, 2) == (True, f"2 of the machine's {os.cpu_count()} can be used")
    enough, words = cores(1.5, 2)
    assert not enough and words.startswith("1.5 of ") and "--cpuset-cpus" in words


@pytest.mark.fast
def test_scenarios_with_more_threads_than_a_nodes_cores_have_a_line():
    around = [{"node": "n1", "remarks": [], "usable_cores": 1.5}, {"node": "n2", "remarks": []}]
    around.append({"node": "n3", "remarks": [], "usable_cores": 8})
    threads = {"baseline": "default", "one": 1, "two": 2, "four": 4}
    (line,) = examination.lines([], around, threads=threads)
    assert re.match("n1: threads +NO  scenario two asks for 2, and 1.5 cores", line)
    assert "; scenario four asks for 4" in line


LOADER = examination.Loader("wide", workers=4, batch_size=512, inputs=784)


@pytest.mark.fast
def test_shared_memory_is_held_against_the_largest_loader_of_processes():
    """TensorFlow's workers are threads, and from memory nobody loads."""
    scenarios = {"a": {}, "wide": {"batch_size": 512}, "none": {"loader_workers": 0}}
    scenarios["elsewhere"] = {"batch_size": 4096, "tracks": ["controlled"]}
    frameworks, tracks = ["pytorch", "tensorflow", "numpy"], ["tutorial", "controlled"]
    config = {"frameworks": frameworks, "tracks": tracks, "scenarios": scenarios}
    assert examination.largest_loaders(Experiment(checked(config))) == {"pytorch-cpu": LOADER}
    one = Experiment(checked(config | {"scenarios": {"a": {"loader_workers": 0}}}))
    assert examination.largest_loaders(one) == {}


@pytest.mark.fast
def test_too_little_shared_memory_has_a_line_with_a_remedy():
    """PyTorch trained with nine batches of it, MXNet needed ten, PaddlePaddle twelve at most."""
    batch = 512 * (784 * 4 + 8)
    assert 12 * batch <= LOADER.shared_bytes <= 14 * batch
    around = [{"node": "n", "remarks": [], "shared_memory_bytes": 64_000_000}] * 2
    loaders = {"a-cpu": LOADER}
    both = [examined("a-cpu", True), examined("b-cpu", True)]
    *_, line = examination.lines(both, around, loaders=loaders)
    assert re.fullmatch(r"a-cpu: shared memory +ok +/dev/shm has 64.0 MB free; .* 20.9 MB", line)
    around = [{"node": "n", "remarks": [], "shared_memory_bytes": 2_000_000}]
    _, line = examination.lines(both[:1], around, loaders=loaders)
    assert re.match(r"a-cpu: shared memory +NO +/dev/shm has 2.0 MB free; 4 loader workers", line)
    assert "scenario wide" in line and "--shm-size" in line and "`loader_workers`" in line
    (_,) = examination.lines(both[:1], [{"node": "n", "remarks": []}], loaders=loaders)


@pytest.mark.fast
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
    assert [remark[:2] for remark in examination.ask_scheduler(wants_gpu=True)] == expected
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    assert examination.ask_scheduler(wants_gpu=True) == []


@pytest.mark.fast
def test_who_cannot_train_is_excluded_and_the_others_stay(tmp_path):
    write(tmp_path / "mxnet-cuda.examination.json", examined("mxnet-cuda", False))
    write(tmp_path / "mxnet-cpu.examination.json", examined("mxnet-cpu", True))
    config = checked({"frameworks": ["mxnet", "numpy"], "devices": ["cpu", "cuda"]})
    experiment = Experiment(config, leftovers.excluded(tmp_path))
    assert experiment.excluded == {"mxnet-cuda": "training fails: no kernel image"}
    assert experiment.competitors("controlled") == ["mxnet-cpu", "numpy-cpu"]
    assert "mxnet-cuda" in experiment.competitors("controlled", everybody=True)


@pytest.mark.fast
@pytest.mark.parametrize("changed", ["envs/a-cpu.lock", "workflow/trainers/tutorial/a_mlp.py"])
def test_a_competitor_that_has_changed_since_is_excluded_no_more(tmp_path, changed):
    path = tmp_path / "a-cpu.examination.json"
    write(path, examined("a-cpu", False))
    file = tmp_path / changed
    file.parent.mkdir(parents=True)
    file.touch()
    os.utime(file, (0, 0))
    assert leftovers.stale_examinations(tmp_path, tmp_path) == []
    assert "a-cpu" in leftovers.excluded(tmp_path, tmp_path)
    os.utime(file, (path.stat().st_mtime + 1,) * 2)
    assert leftovers.stale_examinations(tmp_path, tmp_path) == [path]
    assert leftovers.excluded(tmp_path, tmp_path) == {}


@pytest.mark.fast
def test_a_program_that_is_missing_excludes_a_framework_with_a_remedy(tmp_path):
    path = tmp_path / "a-cpu.examination.json"
    there, missing = programs({"sh": "dash", "no-such-compiler": "its-package"}, path)
    assert there[:2] == ("program sh", True) and there[2].startswith("on the PATH: ")
    remedy = f"Debian: apt install its-package (images: build it again); then delete {path}"
    assert missing == ("program no-such-compiler", False, f"not on the PATH; {remedy}")
    write(path, {"competitor": "a-cpu", "fit": False, "findings": [there, missing]})
    why = {"a-cpu": f"program no-such-compiler not on the PATH; {remedy}"}
    assert leftovers.excluded(tmp_path) == why


@pytest.mark.fast
@pytest.mark.parametrize(
    ("reason", "words"),
    [
        (None, "readable (package-0, dram)"),
        ("no tree", "not readable here: no powercap tree: a virtual machine or container"),
        ("denied", "not readable here: only root may read the counters; until the next boot: sudo"),
    ],
)
def test_energy_is_readable_or_there_is_a_remedy(reason, words):
    counters = [SimpleNamespace(domain=domain) for domain in ("package-0", "dram")]
    well, said = readable(Meter("powercap", counters, reason))
    assert well == (reason is None) and said.startswith(words)


@pytest.mark.fast
@pytest.mark.parametrize(
    ("resources", "folder"),
    [
        ([], "here"),
        (["mem_mb=1000", "tmpdir=system_tmpdir"], "here"),
        (["slurm_partition=gpu", "slurm_account=me", "constraint=a100&ib"], "gpu-a100-ib"),
    ],
)
def test_examinations_are_filed_by_the_kind_of_nodes(resources, folder):
    assert node_class(resources) == folder


@pytest.fixture
def examine(tmp_path):
    """Examine NumPy, as it is in the environment of the tests, after a change of its trainer."""
    trainers = tmp_path / "trainers"
    shutil.copytree(ROOT / "workflow/trainers", trainers)
    lock = tmp_path / "numpy.lock"
    lock.write_text("numpy\n")

    def run(
        device="cpu", packages=(), change=("", ""), fake_nvml=None, needed=(), options=(), cuda=""
    ) -> dict:
        trainer = trainers / "controlled/numpy_mlp.py"
        trainer.write_text(NUMPY.read_text().replace(*change))
        receipt = {"framework": "numpy", "device": device, "packages": dict(packages)}
        receipt |= {"deployment": "conda", "image": None, "lock_sha256": sha256(lock)}
        write(tmp_path / "receipt.json", receipt)
        if fake_nvml:
            shutil.copy(ROOT / "tests/support/fake_nvml/pynvml.py", trainers)
        if cuda:
            package, _, version = cuda.partition("==")
            info = trainers / f"{package.replace('-', '_')}-{version}.dist-info"
            info.mkdir()
            told = f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n"
            (info / "METADATA").write_text(told)
        subprocess.run(
            [
                *(sys.executable, "-E", "-s", trainers / "examine.py"),
                *("--environment", tmp_path / "receipt.json", "--lock", lock),
                *("--examination", tmp_path / "examination.json", "--trainers", trainer),
                # as the rule writes it: both may be empty
                *("--programs", *needed, "--drivers"),
                *(f"{major}={driver}" for major, driver in axes.device(device)["drivers"].items()),
                *("--", *options),
                *(["--gpu"] if device == "cuda" else []),
            ],
            check=True,
            capture_output=True,
        )
        return json.loads((tmp_path / "examination.json").read_text())

    return run


@pytest.fixture
def look_around(tmp_path):
    """Look around, as the rule does it for a competitor in the environment of the tests."""

    def run(gpus: int = 0, trainers: Path = ROOT / "workflow/trainers") -> dict:
        file = tmp_path / "surroundings.json"
        program = [sys.executable, "-E", "-s", trainers / "look_around.py"]
        flags = ["--surroundings", file, "--gpus", str(gpus)]
        subprocess.run([*program, *flags], check=True, capture_output=True)
        return json.loads(file.read_text())

    return run


@pytest.mark.fast
def test_what_changes_from_hour_to_hour_is_looked_at_apart(look_around):
    around = look_around()
    remarks = {"disk", "memory", "cores", "governor", "load", "energy"}
    assert {remark[0] for remark in around["remarks"]} == remarks
    assert around["shared_memory_bytes"] == pytest.approx(shutil.disk_usage("/dev/shm").free, 0.1)


@pytest.mark.fast
def test_the_energy_of_a_gpu_is_looked_at_for_those_who_use_one(look_around, tmp_path):
    trainers = Path(shutil.copytree(ROOT / "workflow/trainers", tmp_path / "with_nvml"))
    shutil.copy(ROOT / "tests/support/fake_nvml/pynvml.py", trainers)
    readable = ["energy of the GPU", True, "readable (gpu)"]
    assert readable in look_around(1, trainers)["remarks"]
    assert readable not in look_around(0, trainers)["remarks"]


def test_who_can_train_is_fit(examine):
    found = examine()
    assert found["fit"]
    assert [finding[0] for finding in found["findings"]] == ["environment", "controlled training"]
    assert found["findings"][0][2].startswith("conda: Python 3."), "the deployment"
    assert examine() == found, "rounds would run again for another examination"


@pytest.mark.parametrize("options", [(), ("--set", "A=1", "B=2")])
def test_who_has_the_programs_that_it_calls_is_fit(examine, options):
    found = examine(needed=["sh=dash", "env=coreutils"], options=options)
    assert [(what, well) for what, well, _ in found["findings"]] == [
        ("environment", True),
        ("program sh", True),
        ("program env", True),
        ("controlled training", True),
    ]


@pytest.mark.fast
def test_without_a_program_that_it_calls_nothing_is_tried(examine):
    found = examine(device="cuda", needed=["no-such-compiler=its-package", "sh=dash"])
    assert not found["fit"]
    assert [(what, well) for what, well, _ in found["findings"]] == [
        ("environment", True),
        ("program no-such-compiler", False),
        ("program sh", True),
    ]


def test_an_environment_that_was_changed_is_named_with_a_remedy(examine):
    found = examine(packages={"numpy": "0.0"})
    ((what, well, words),) = found["findings"]
    assert (found["fit"], what, well) == (False, "environment", False)
    assert words.startswith("numpy is ") and "snakemake --forcerun environment" in words


def test_an_error_in_training_is_named_in_its_own_words(examine):
    found = examine(change=("run.finish(", "raise MemoryError('too large')\nrun.finish("))
    what, _, words = found["findings"][-1]
    assert not found["fit"] and what == "controlled training"
    assert "MemoryError: too large" in words


def test_a_finding_names_no_folder_of_the_user_and_no_machine(examine):
    """It is shown on the page, if it excludes a competitor."""
    error = "raise OSError(f'{sys.prefix}/lib: cannot be read by ' + platform.node())"
    found = examine(change=("run.finish(", f"import platform, sys\n{error}\nrun.finish("))
    words = found["findings"][-1][2]
    assert "(path): cannot be read by (host)" in words
    assert sys.prefix not in words


def test_a_crash_of_the_framework_is_named(examine):
    found = examine(change=("run.finish(", "import os\nos.abort()\nrun.finish("))
    assert not found["fit"] and "exit status -6" in found["findings"][-1][2]


def test_a_gpu_that_a_framework_has_no_kernels_for_is_named_in_the_line(examine):
    """What MXNet says on a GPU newer than its wheels, here by a stand-in on a double of NVML."""
    error = "raise RuntimeError('no kernel image is available for execution on the device')"
    found = examine("cuda", change=("run.finish(", f"{error}\nrun.finish("), fake_nvml=True)
    words = {what: words for what, _, words in found["findings"]}
    assert not found["fit"]
    assert words["device"] == "A Made-Up GPU, compute capability 8.6"
    line = words["controlled training"]
    assert "on A Made-Up GPU, compute capability 8.6" in line and "no kernel image" in line


@pytest.mark.fast
@pytest.mark.parametrize(
    ("cuda", "driver", "well", "words"),
    [
        (
            "nvidia-cuda-runtime==13.0.96",
            "570.1 12080",
            False,
            "570.1, for CUDA up to 12.8; the environment's CUDA is 13.0.96 and needs driver 580 or "
            "newer; install one, then delete ",
        ),
        ("nvidia-cuda-runtime-cu14==14.1", "580.1 13000", False, "14.1 and needs a newer driver"),
        # within one major version every driver will do
        ("nvidia-cuda-runtime-cu12==12.9.79", "525.60 12000", True, "CUDA is 12.9.79"),
        ("nvidia-cuda-runtime-cu11==11.8.89", "580.1 13000", True, "CUDA is 11.8.89"),
        # an old driver with NVIDIA's package of a newer CUDA beside it
        ("nvidia-cuda-runtime==13.0.96", "535.1 13000", True, "535.1, for CUDA up to 13.0"),
        ("", "580.1 13000", True, "brings no CUDA of its own"),
    ],
)
def test_a_driver_too_old_for_the_environment_is_named_with_a_remedy(
    examine, monkeypatch, tmp_path, cuda, driver, well, words
):
    monkeypatch.setenv("FAKE_NVML_DRIVER", driver)
    found = examine("cuda", fake_nvml=True, cuda=cuda)
    (finding,) = (finding for finding in found["findings"] if finding[0] == "driver")
    assert finding[1] == well and words in finding[2] and "\n" not in finding[2]
    trained = [what for what, _, _ in found["findings"] if what.endswith("training")]
    assert found["fit"] == well and bool(trained) == well, "tried on a driver that cannot do it"
    if not well:
        assert f"delete {tmp_path / 'examination.json'}, or take an environment" in finding[2]


@pytest.mark.fast
def test_who_trains_elsewhere_than_on_the_gpu_that_was_asked_for_is_not_fit(examine, monkeypatch):
    """A framework that misses one of CUDA's libraries may take the processor instead."""
    monkeypatch.setenv("FAKE_NVML", "idle")
    what, well, words = examine("cuda", fake_nvml=True)["findings"][-1]
    assert (what, well) == ("controlled training", False)
    assert words.startswith("trains, but not on A Made-Up GPU, compute capability 8.6: the driver")


def test_a_broken_framework_is_named_before_any_round_and_then_excluded(environments, tmp_path):
    """The first start stops early and says who cannot train; the next one reports without it."""
    folder = checkout(
        tmp_path / "evenhand", environments, tracks=["controlled"], frameworks=["mxnet", "numpy"]
    )
    trainer = folder / "workflow/trainers/controlled/mxnet_mlp.py"
    right = trainer.read_text()
    trainer.write_text(right.replace("run.finish(", "raise SystemExit('broken')\nrun.finish("))
    output = snakemake(folder, "--keep-going", fails=True)
    assert "mxnet-cpu: controlled training NO  fails: broken" in output
    assert "mxnet-cpu cannot train here" in output
    assert not (folder / "results/rounds").exists()

    output = snakemake(folder)
    assert "excluded: mxnet-cpu: controlled training fails: broken" in output
    assert {path.stem for path in folder.glob("results/runs/*/*/*/*.json")} == {"numpy-cpu"}
    page = (folder / "results/report.html").read_text()
    assert "it failed its examination: controlled training fails: broken" in page
    again = snakemake(folder, "doctor", fails=True)
    assert "mxnet-cpu: NO  controlled training fails" in again
    assert re.search("mxnet-cpu: examined +ok  20", again), "it was kept"

    trainer.write_text(right)
    snakemake(folder)
    runs = {path.stem for path in folder.glob("results/runs/*/*/*/*.json")}
    assert runs == {"mxnet-cpu", "numpy-cpu"}, "a corrected framework stays excluded"


def test_a_framework_takes_part_again_once_its_program_is_installed(environments, tmp_path):
    """The remedy works as it stands in the doctor's line."""
    folder = checkout(
        tmp_path / "evenhand", environments, tracks=["controlled"], frameworks=["mxnet", "numpy"]
    )
    for name, needed in {"mxnet": {"its-cc": "its-package"}, "numpy": {"sh": "dash"}}.items():
        file = folder / f"workflow/frameworks/{name}.yaml"
        file.write_text(yaml.safe_dump(yaml.safe_load(file.read_text()) | {"programs": needed}))
    output = snakemake(folder, "doctor", "--keep-going", fails=True)
    assert re.search("numpy-cpu: program sh +ok  on the PATH", output)
    failed = re.search("mxnet-cpu: program its-cc +NO .*; then delete (.*)", output)[1]
    assert "mxnet-cpu: controlled training" not in output

    compiler = tmp_path / "bin/its-cc"
    compiler.parent.mkdir()
    compiler.symlink_to("/bin/true")
    there = first_on_path(compiler.parent)
    assert "mxnet-cpu: NO" in snakemake(folder, "doctor", fails=True, **there)
    (folder / failed).unlink()
    assert re.search("mxnet-cpu: program its-cc +ok", snakemake(folder, "doctor", **there))


def test_asking_the_doctor_again_looks_around_again_and_runs_no_round_again(environments, tmp_path):
    folder = checkout(
        tmp_path / "evenhand", environments, tracks=["controlled"], frameworks=["numpy"]
    )
    snakemake(folder, "results/runs.csv")
    around = folder / "results/doctor/here/numpy-cpu.surroundings.json"
    assert not around.exists(), "nobody asked"
    examination = folder / "results/doctor/here/numpy-cpu.examination.json"
    os.utime(examination, (time.mktime((2026, 1, 2, 3, 4, 5, 0, 0, -1)),) * 2)
    snakemake(folder, "doctor")
    around.write_text('{"node": "that of old", "remarks": []}')
    assert planned(folder, "doctor") == {"doctor": 1, "look_around": 1}
    output = snakemake(folder, "doctor")
    assert "that of old" not in output
    assert re.search(r"numpy-cpu: examined +ok  2026-01-02 03:04", output)
    assert re.search("numpy-cpu: environment +ok  virtual environment: Python", output)
    assert re.search("numpy-cpu: controlled training +ok  two steps", output)
    meter = of_processor()  # a remark: the doctor ends well in either case
    said = "NO  not readable here: " if meter.reason else r"ok  readable \("
    assert re.search(f": energy +{said}", output)
    assert planned(folder, "results/runs.csv") == {}
    anew = snakemake(folder, "doctor", "--forcerun", "examine")
    assert "2026-01-02 03:04" not in anew
    assert planned(folder, "results/runs.csv") == {}
