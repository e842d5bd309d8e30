"""Images run the same training, shut in: podman on images from a base made by debootstrap."""

import csv
import json
import os
import re
import runpy
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import container
import numpy as np
import pandas as pd
import pytest
import yaml

from evenhand.core import axes
from evenhand.core.proxies import proxies
from evenhand.core.schemas import ROOT
from evenhand.environments import containers
from support.checkouts import command, planned, snakemake
from support.deployments import (
    CACHE,
    COMPETITORS,
    RECORDS,
    apptainer,
    base_image,
    certificates,
    examined,
    first_on_path,
    podman,
    small,
)
from toolbox.record import Record, sha256
from toolbox.stopwatch import descendants, stat


@pytest.fixture(scope="session")
def engine(tmp_path_factory):
    """Variables under which podman works here."""
    return podman(tmp_path_factory.mktemp("podman"))


def build(folder: Path, engine: dict, *arguments) -> str:
    """Run a checkout's containers/build.py; what it prints."""
    command = [sys.executable, folder / "containers/build.py", "--base", base_image(engine)]
    run = subprocess.run(
        [*command, *certificates(), *arguments],
        env=os.environ | engine,
        text=True,
        capture_output=True,
    )
    assert run.returncode == 0, run.stdout[-3000:] + run.stderr[-3000:]
    return run.stdout


@pytest.fixture(scope="session")
def home(engine):
    """A folder as users have them: /tmp is another one in a container."""
    with tempfile.TemporaryDirectory(dir=CACHE) as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
def images(engine):
    """The names of the two images."""
    build(ROOT, engine, *COMPETITORS)
    return {c: containers.image_name("evenhand-", ROOT / f"envs/{c}.lock") for c in COMPETITORS}


def inspect(engine: dict, image: str) -> dict:
    command = ["podman", "image", "inspect", image]
    return json.loads(subprocess.check_output(command, env=os.environ | engine))[0]


# ---- Images ----------------------------------------------------------


def test_an_image_says_what_it_is_and_is_not_root_s(engine, images):
    about = inspect(engine, images["numpy-cpu"])
    assert about["User"] == "65532:65532"
    labels = {k.removeprefix("org.opencontainers.image."): v for k, v in about["Labels"].items()}
    assert labels["title"] == "Evenhand: numpy-cpu"
    assert labels["version"] == images["numpy-cpu"].rpartition(":")[2]
    assert labels["licenses"] == "Apache-2.0"
    assert labels["revision"]
    assert labels["base.name"] == base_image(engine)
    assert labels["base.digest"] == inspect(engine, base_image(engine))["Digest"]
    assert labels["evenhand.python"].startswith("3.11.")
    assert labels["evenhand.libc"].startswith("glibc 2.")


CONTENTS = """
import hashlib, pathlib, sys
for path in sorted(pathlib.Path(sys.argv[1]).rglob("*")):
    if path.is_file() and path.suffix != ".pyc":  # which hold the time of their making
        print(path, hashlib.sha256(path.read_bytes()).hexdigest())
"""


def contents_of(engine: dict, image: str) -> str:
    """The files of an image's environments with their digests, without compiled Python."""
    run = ["podman", "run", "--rm", image, "python3", "-c", CONTENTS, containers.ENVIRONMENTS]
    return subprocess.check_output(run, env=os.environ | engine, text=True)


def test_two_builds_from_one_base_have_the_same_files(engine, images, tmp_path):
    for folder in (ROOT, another := small(tmp_path / "evenhand", frameworks=["numpy"])):
        assert "is there already" in build(folder, engine, "numpy-cpu")
    again = containers.image_name("evenhand-again-", ROOT / "envs/numpy-cpu.lock")
    forget = ["podman", "image", "rm", again]  # what an earlier test that failed may have left
    subprocess.run(forget, env=os.environ | engine, capture_output=True)
    recipe = another / "containers/Containerfile"
    recipe.write_text(recipe.read_text().replace("set -e;", "set -e; : again;"))
    assert "built evenhand-again-" in build(
        another, engine, "--prefix", "evenhand-again-", "numpy-cpu"
    )
    files = contents_of(engine, again)
    assert files.count("numpy") > 500
    assert files == contents_of(engine, images["numpy-cpu"])
    subprocess.run(forget, env=os.environ | engine, check=True, stdout=subprocess.DEVNULL)


def test_labels_are_of_the_last_build_whatever_layers_the_engine_has_kept(engine, images, tmp_path):
    another = small(tmp_path / "evenhand", frameworks=["numpy"])
    with open(another / "containers/Containerfile", "a") as recipe:
        recipe.write("# The same layers.\n")
    by_another_name, prefix = "localhost/evenhand-test-base:again", "evenhand-labels-"
    tag = ["podman", "tag", base_image(engine), by_another_name]
    subprocess.run(tag, env=os.environ | engine, check=True)
    asked = ["--base", by_another_name, "--prefix", prefix, "numpy-cpu"]
    build(another, engine, *asked)
    name = containers.image_name(prefix, ROOT / "envs/numpy-cpu.lock")
    assert inspect(engine, name)["Labels"]["org.opencontainers.image.base.name"] == by_another_name
    assert "is there already" in build(another, engine, *asked)
    forget = ["podman", "rmi", name, by_another_name]
    subprocess.run(forget, env=os.environ | engine, check=True, stdout=subprocess.DEVNULL)


@pytest.mark.fast
@pytest.mark.parametrize(
    ("answers", "said"),
    [
        (
            '[ "$1" = run ] && echo 3.13.1 glibc 2.41 || echo sha256:0',
            "some has Python 3.13.1, not 3.11\n",
        ),
        (
            '[ "$1" = run ] && { echo no python3 >&2; exit 127; } || echo sha256:0',
            "some has no python3 that starts: docker run --rm failed: no python3\n",
        ),
        (
            '[ "$2" = --quiet ] || exit 1',
            "The base image some is not here and was not pulled; docker says why above. "
            "Another one: --base IMAGE.\n",
        ),
    ],
    ids=["another Python", "no Python", "not there"],
)
def test_a_base_that_cannot_be_built_from_is_refused_in_one_line(tmp_path, answers, said):
    engine = tmp_path / "docker"
    engine.write_text(f"#!/bin/sh\n{answers}\n")
    engine.chmod(0o755)
    command = [sys.executable, ROOT / "containers/build.py", "--base", "some", "numpy-cpu"]
    without = {name: value for name, value in os.environ.items() if name not in proxies()}
    environment = without | first_on_path(tmp_path)
    run = subprocess.run(command, env=environment, text=True, capture_output=True)
    assert run.returncode == 1
    assert run.stderr == said


@pytest.mark.fast
def test_a_secret_that_is_not_there_is_told_before_anything_is_built():
    command = [sys.executable, ROOT / "containers/build.py", "--ca-certificates", "none.pem"]
    run = subprocess.run(command, text=True, capture_output=True)
    assert run.returncode == 2
    assert "--ca-certificates: there is no file none.pem" in run.stderr


def test_an_image_holds_no_cache_no_compiler_and_no_certificates_of_ours(engine, images):
    look = "ls -A /root /tmp /var/cache/apt/archives /run /run/secrets 2>&1; which gcc cc make; "
    look += "echo seen"
    run = ["podman", "run", "--rm", images["numpy-cpu"], "bash", "-c", look]
    found = subprocess.run(run, env=os.environ | engine, text=True, capture_output=True).stdout
    for name in (".cache", ".whl", ".deb", "certificates", ".lock", "gcc", "/cc", "make"):
        assert name not in found, found
    assert found.endswith("seen\n")


def test_a_package_with_another_hash_makes_no_image(engine, tmp_path):
    folder = small(tmp_path / "evenhand")
    lock = folder / "envs/numpy-cpu.lock"
    lines = [line for line in lock.read_text().splitlines() if "--hash" not in line]
    spoiled = "\n".join(line.replace(" \\", f" --hash=sha256:{'0' * 64}") for line in lines)
    lock.write_text(spoiled + "\n")
    with pytest.raises(AssertionError, match="THESE PACKAGES DO NOT MATCH THE HASHES"):
        build(folder, engine, "numpy-cpu")


@pytest.fixture(scope="session")
def configured(tmp_path_factory):
    """A checkout whose configuration compares two frameworks, of which one calls a program."""
    frameworks = ["tinygrad", "numpy"]
    return small(tmp_path_factory.mktemp("configured") / "evenhand", frameworks=frameworks)


STAND_IN = """#!/bin/sh
case "$1 $2" in
  "build "*) for word; do echo "$word"; done ;;
  "image inspect") [ "${5%%:*}" = docker.io/library/python ] && echo sha256:0 ;;
  "run "*) echo 3.11.9 glibc 2.36 ;;
esac
"""


@pytest.fixture
def asked_to_build(configured, tmp_path):
    """What build.py asks an engine for, a word a line.

    The engine is a stand-in that has the base image alone, and says what it is to build.
    """

    def by(engine_: str, *images: str) -> str:
        for name in containers.ENGINES:
            fake(tmp_path, name, "is not the one that is asked")
        (tmp_path / engine_).write_text(STAND_IN)
        command = [sys.executable, configured / "containers/build.py", *images]
        return subprocess.check_output(command, env=os.environ | first_on_path(tmp_path), text=True)

    return by


@pytest.fixture
def contents(asked_to_build):
    """Of each image that build.py asks an engine for: its title, environments and packages."""

    def of(*images: str) -> list[tuple[str, ...]]:
        said = asked_to_build("docker", *images)
        names = ("TITLE", "ENVIRONMENTS", "PACKAGES")
        found = (re.findall(f"^{name}=(.*)$", said, re.MULTILINE) for name in names)
        return list(zip(*found, strict=True))

    return of


@pytest.mark.fast
def test_an_image_has_the_programs_that_its_framework_calls(contents):
    mxnet = ("Evenhand: mxnet-cpu", "mxnet-cpu", "")
    tinygrad = ("Evenhand: tinygrad-cpu", "tinygrad-cpu", "clang")
    assert contents("mxnet-cpu", "tinygrad-cpu") == [mxnet, tinygrad]


@pytest.mark.fast
def test_images_are_those_of_the_configuration_unless_others_are_asked_for(contents, configured):
    assert [environments for _, environments, _ in contents()] == ["tinygrad-cpu", "numpy-cpu"]
    everything = sorted(path.stem for path in configured.glob("envs/*.lock"))
    assert [environments for _, environments, _ in contents("all")] == everything


@pytest.mark.fast
def test_the_image_of_the_workflow_holds_what_is_configured(contents):
    whole = ("Evenhand: workflow", "workflow tinygrad-cpu numpy-cpu", "clang")
    assert contents("workflow") == [whole]


@pytest.mark.fast
def test_docker_is_told_of_proxies_and_podman_of_a_mount_that_selinux_must_allow(
    asked_to_build, monkeypatch
):
    """Podman passes on proxies by itself; Docker labels no mount of a build."""
    monkeypatch.setenv("HTTPS_PROXY", "http://user:word@proxy:3128")
    monkeypatch.setenv("no_proxy", "localhost")
    docker, podman_ = (asked_to_build(name, "numpy-cpu") for name in containers.ENGINES)
    for name in ("HTTPS_PROXY", "no_proxy"):
        assert f"--build-arg\n{name}\n" in docker
        assert name not in podman_
    assert "word" not in docker
    assert "--security-opt\nlabel=disable\n" in podman_
    assert "label=disable" not in docker


# ---- Runs ------------------------------------------------------------


@pytest.fixture(scope="session")
def in_docker(engine, images, home):
    """A checkout after `snakemake --config runtime=docker`, which finds podman."""
    folder = small(home / "evenhand")
    snakemake(folder, "--config", "runtime=docker", **engine)
    return folder


@pytest.fixture(scope="session")
def with_apptainer(engine):
    """Variables under which Apptainer works here, and podman, which builds for it."""
    return engine | apptainer()


@pytest.fixture(scope="session")
def in_apptainer(with_apptainer, images, home):
    """A checkout after `snakemake --sdm apptainer`."""
    folder = small(home / "in apptainer" / "evenhand")
    build(folder, with_apptainer, "--archive", folder / "results/images", *COMPETITORS)
    asked = ["--sdm", "apptainer", "--", *RECORDS, "results/audit.csv"]
    snakemake(folder, *asked, **with_apptainer)
    return folder


def test_runtime_docker_ends_in_a_report_and_records_tell_the_image(in_docker, engine, images):
    assert (in_docker / "results/report.html").stat().st_size > 10_000
    audit = pd.read_csv(in_docker / "results/audit.csv")
    assert audit[audit["severity"] == "error"].empty, audit.to_string()
    for path, competitor in zip(RECORDS, COMPETITORS, strict=True):
        environment = Record.read(in_docker / path).environment
        assert environment.deployment == "podman"
        assert environment.image == f"sha256:{inspect(engine, images[competitor])['Id']}"
        receipt = json.loads((in_docker / f"results/environments/{competitor}.json").read_text())
        assert receipt["base"] == inspect(engine, base_image(engine))["Digest"]
        round_file = in_docker / "results/rounds/controlled/baseline/0.json"
        opened = json.loads(round_file.read_text())
        assert environment.machine["node"] == opened["machine"]["node"]


def test_a_sif_of_the_same_image_is_kept(in_apptainer, with_apptainer):
    sif = in_apptainer / "results/images/numpy-cpu.sif"
    before = sif.stat().st_mtime_ns
    asked = ["--archive", sif.parent, "numpy-cpu"]
    assert f"{sif} is there already" in build(in_apptainer, with_apptainer, *asked)
    assert sif.stat().st_mtime_ns == before


def test_apptainer_runs_the_same_images_and_records_tell_the_file(in_apptainer, engine):
    audit = pd.read_csv(in_apptainer / "results/audit.csv")
    assert audit[audit["severity"] == "error"].empty, audit.to_string()
    for path, competitor in zip(RECORDS, COMPETITORS, strict=True):
        environment = Record.read(in_apptainer / path).environment
        assert environment.deployment == "apptainer"
        sif = in_apptainer / f"results/images/{competitor}.sif"
        assert environment.image == f"sha256:{sha256(sif)}"
        receipt = json.loads((in_apptainer / f"results/environments/{competitor}.json").read_text())
        assert receipt["base"] == inspect(engine, base_image(engine))["Digest"]


def test_other_arguments_for_apptainer_make_no_other_receipt(in_apptainer, with_apptainer):
    asked = ["--sdm", "apptainer", "--apptainer-args=--no-home"]
    assert planned(in_apptainer, *asked, "--", *RECORDS, **with_apptainer) == {}


def test_another_sif_makes_another_receipt(in_apptainer, with_apptainer):
    asked = ["--sdm", "apptainer", "--", *RECORDS]
    (in_apptainer / "results/images/numpy-cpu.sif").touch()
    assert planned(in_apptainer, *asked, **with_apptainer) == {}, "it is the same"
    with open(in_apptainer / "results/images/numpy-cpu.sif", "a") as sif:
        sif.write("\n")  # another file, of which Apptainer reads the same
    asked = ["--sdm", "apptainer", "--", "results/environments/numpy-cpu.json"]
    assert planned(in_apptainer, *asked, **with_apptainer) == {"environment": 1}


@pytest.mark.parametrize(
    ("contents", "arguments", "why"),
    [
        ("no image", [], "FATAL:.*image"),
        (None, ["--apptainer-args=--no-such-flag"], "unknown flag: --no-such-flag"),
    ],
)
def test_why_apptainer_did_not_start_is_told(
    in_apptainer, with_apptainer, tmp_path, contents, arguments, why
):
    folder = small(tmp_path / "evenhand", frameworks=["numpy"])
    sif = folder / "results/images/numpy-cpu.sif"
    sif.parent.mkdir(parents=True)
    if contents:
        sif.write_text(contents)
    else:
        sif.symlink_to(in_apptainer / "results/images/numpy-cpu.sif")
    asked = ["--sdm", "apptainer", *arguments, "--", "results/environments/numpy-cpu.json"]
    snakemake(folder, *asked, fails=True, **with_apptainer)
    told = (folder / "logs/environment/numpy-cpu.log").read_text()
    assert re.search(f"^The environment's Python does not start: .*{why}", told, re.MULTILINE)
    assert "\x1b" not in told


@pytest.mark.parametrize("competitor", COMPETITORS)
def test_the_doctor_examined_inside_of_images(in_docker, in_apptainer, competitor):
    for folder in (in_docker, in_apptainer):
        assert ["controlled training", True, "two steps"] in examined(folder, competitor)


@pytest.mark.parametrize("record", RECORDS)
def test_step_losses_are_those_of_a_virtual_environment_to_the_last_bit(
    in_docker, in_apptainer, in_virtual_environments, record
):
    losses = record.replace(".json", ".losses.npy")
    expected = np.load(in_virtual_environments / losses)
    assert expected.shape == (2, 5)
    for folder in (in_docker, in_apptainer):
        assert np.load(folder / losses).tobytes() == expected.tobytes(), folder


def test_the_whole_workflow_makes_its_report_offline_in_one_image(engine, tmp_path):
    folder = small(tmp_path / "evenhand")
    build(folder, engine, "--prefix", "evenhand-test-", "workflow")
    (tmp_path / "out").mkdir()
    os.chown(tmp_path / "out", 12345, 12345)  # stands for the user who calls it
    run = ["podman", "run", "--rm", "--network", "none", "--user", "12345:12345"]
    run += ["--volume", f"{tmp_path}/out:/evenhand", "--volume", f"{folder}/mine:/digits:ro"]
    run += ["evenhand-test-workflow:latest", "--config", "data={folder: /digits}"]
    done = subprocess.run(run, env=os.environ | engine, text=True, capture_output=True)
    assert done.returncode == 0, done.stderr[-3000:]
    assert (tmp_path / "out/results/report.html").stat().st_size > 10_000
    labels = inspect(engine, "evenhand-test-workflow:latest")["Labels"]
    version = yaml.safe_load((ROOT / "CITATION.cff").read_text())["version"]
    assert labels["org.opencontainers.image.version"] == version
    runs = pd.read_csv(tmp_path / "out/results/runs.csv")
    assert set(runs["deployment"]) == {"workflow image"}


# ---- Shut in ---------------------------------------------------------

PROWL = """
import json, os, socket, sys
found = {"user": os.getuid(), "networks": [name for _, name in socket.if_nameindex()], "wrote": []}
found["root_is_read_only"] = bool(os.statvfs("/").f_flag & os.ST_RDONLY)
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
found["rights"] = {key: int(status[key], 16) for key in ("CapBnd", "CapEff", "NoNewPrivs")}
for folder in json.loads(sys.argv[1]):
    try:
        open(f"{folder}/intruder", "w").close()
        found["wrote"].append(folder)
    except OSError:
        pass
try:
    socket.create_connection(("1.1.1.1", 53), timeout=2)
    found["connected"] = True
except OSError:
    found["connected"] = False
found["secret"] = os.path.exists(sys.argv[2])
found["rivals"] = os.listdir(os.path.dirname(sys.argv[3]))
open(sys.argv[3], "w").write(json.dumps(found))
"""


@pytest.fixture(params=["plain", "with space, comma: colon", 'réseau "d"'])
def working_folder(request, home, monkeypatch) -> None:
    """The folder that results are made in, under a name that somebody may have given it."""
    folder = Path(tempfile.mkdtemp(dir=home), request.param)
    folder.mkdir()
    monkeypatch.chdir(folder)


@pytest.fixture
def shut_in(engine, images, working_folder, monkeypatch):
    """Run Python in NumPy's image: what it may read is given/, what it may write is taken/out."""
    for variable, value in engine.items():
        monkeypatch.setenv(variable, value)
    for folder in ("given", "taken", "kept"):
        Path(folder).mkdir()
    for folder in ("given", "kept"):  # so that no file's owner is what keeps a container out
        Path(folder).chmod(0o777)
    Path("kept/secret").touch()
    Path("taken/rival").touch()
    digest = containers.find_images("evenhand-", ROOT / "envs/numpy-cpu.lock")[0].id
    receipt = {"framework": "numpy", "device": "cpu", "deployment": "podman", "image": digest}
    Path("given/receipt.json").write_text(json.dumps(receipt))

    def run(*arguments) -> int:
        flags = f"--starter {os.getpid()} --receipt given/receipt.json --read given"
        flags += " --write taken/out --"
        return container.main([*flags.split(), *map(str, arguments)])

    return run


def test_a_container_has_no_network_is_not_root_and_writes_into_its_folder_alone(shut_in):
    here = Path.cwd()
    folders = ["/", "/etc", "/opt/evenhand/environments", "/usr/bin", here, here / "given"]
    folders += [here / "kept", here / "taken"]
    secret, out = here / "kept/secret", here / "taken/out"
    assert shut_in("-c", PROWL, json.dumps(list(map(str, folders))), secret, out) == 0
    found = json.loads(out.read_text())
    assert found["user"] != 0
    assert found["root_is_read_only"]
    assert found["rights"] == {"CapBnd": 0, "CapEff": 0, "NoNewPrivs": 1}
    assert found["networks"] == ["lo"] and not found["connected"]
    assert found["wrote"] == [str(here / "taken")]
    assert not found["secret"]
    assert found["rivals"] == ["intruder"]  # not the rival's result that lies in the same folder
    assert sorted(os.listdir("taken")) == ["out", "rival"]  # and the intruder is gone


def test_a_link_is_not_taken_for_a_result(shut_in, capfd):
    link = "import os; os.symlink('/etc/passwd', 'taken/out')"
    assert shut_in("-c", link) == 1
    assert "taken/out was not written" in capfd.readouterr().err
    assert os.listdir("taken") == ["rival"]


@pytest.mark.fast
@pytest.mark.parametrize("name", ["d:x", "a, b", 'say "x"', "réseau"])
def test_folders_of_any_name_are_mounted_whole(name, tmp_path, monkeypatch):
    here = tmp_path / name
    here.mkdir()
    monkeypatch.chdir(here)
    write = {Path("taken"): Path("real")}
    command = containers.command("docker", "image", read=[Path("given")], write=write)
    fields = [next(csv.reader([value])) for key, value in pairwise(command) if key == "--mount"]
    assert fields == [
        ["type=tmpfs", f"target={here}", "tmpfs-mode=0555"],
        ["type=bind", f"source={here}/given", f"target={here}/given", "readonly"],
        ["type=bind", f"source={here}/real", f"target={here}/taken"],
    ]
    assert command[command.index("--workdir") + 1] == str(here)
    assert "--volume" not in command


@pytest.mark.fast
def test_only_recorded_variables_are_passed_into_a_container(monkeypatch):
    monkeypatch.setattr(os, "environ", {})
    for variable in ("PYTHONPATH", "OMP_PROC_BIND", "ANY_SECRET", "MY_SETTING"):
        monkeypatch.setenv(variable, "1")

    def passed(*recorded):
        command = containers.command("docker", "image", recorded=recorded)
        return [value for key, value in pairwise(command) if key == "--env"]

    assert passed("OMP_PROC", "MY_") == ["MY_SETTING", "OMP_PROC_BIND"]
    assert passed() == []
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    assert passed() == ["SLURM_JOB_ID"], "by which a run knows that its round is another job's now"


# What an engine is given where CUDA_VISIBLE_DEVICES is the one or the other, on a machine with
# GPU-a, GPU-b and GPU-c, of which the last is split.
GIVEN = {
    "docker": {
        "1": ["--gpus", '"device=GPU-b"', "CUDA_VISIBLE_DEVICES=GPU-b"],
        "MIG-2,GPU-a": ["--gpus", '"device=MIG-2,GPU-a"', "CUDA_VISIBLE_DEVICES=MIG-2,GPU-a"],
        None: ["--gpus", '"device=GPU-a,GPU-b,MIG-1,MIG-2"'],
    },
    "podman": {
        "1": ["--device=nvidia.com/gpu=GPU-b", "CUDA_VISIBLE_DEVICES=GPU-b"],
        "MIG-2,GPU-a": [
            "--device=nvidia.com/gpu=MIG-2",
            "--device=nvidia.com/gpu=GPU-a",
            "CUDA_VISIBLE_DEVICES=MIG-2,GPU-a",
        ],
    },
}


@pytest.fixture
def asked(tmp_path, monkeypatch, capfd):
    """The exit status of a program in a container, and what a double of the engine is asked."""
    fake = runpy.run_path(str(ROOT / "tests/support/fake_nvml/pynvml.py"))
    split = fake["gpu"]("GPU-c", parts=[fake["part"]("MIG-1", 1), fake["part"]("MIG-2", 2)])
    fake["gpus"][:] = [fake["gpu"]("GPU-a"), fake["gpu"]("GPU-b"), split]

    def asked(engine_: str, device: str, setting: str | None, driver: bool = True):
        script = '#!/bin/sh\n[ "$1" = images ] || { printf "%s\\n" "$@"; exit 7; }\n'
        (tmp_path / engine_).write_text(script)
        (tmp_path / engine_).chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
        monkeypatch.setitem(sys.modules, "pynvml", SimpleNamespace(**fake) if driver else None)
        monkeypatch.setenv("NVIDIA_VISIBLE_DEVICES", "all")
        monkeypatch.setenv("CUDA_MODULE_LOADING", "EAGER")
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
        if setting is not None:
            monkeypatch.setenv("CUDA_VISIBLE_DEVICES", setting)
        receipt = {"framework": "any", "deployment": engine_, "image": "sha256:0", "device": device}
        (tmp_path / "receipt.json").write_text(json.dumps(receipt))
        flags = ["--starter", os.getpid(), "--receipt", tmp_path / "receipt.json"]
        flags += ["--write", tmp_path / "out"]
        flags += ["--recorded", *axes.device(device)["recorded"], "--", "x"]
        status = container.main(list(map(str, flags)))
        out, error = capfd.readouterr()
        return status, out.splitlines(), error

    return asked


@pytest.mark.fast
@pytest.mark.parametrize(
    ("engine_", "setting"),
    [(engine_, setting) for engine_, settings in GIVEN.items() for setting in settings],
)
def test_the_gpus_that_were_granted_are_passed_on_cuda_and_no_others(asked, engine_, setting):
    status, words, _ = asked(engine_, "cuda", setting)
    given = GIVEN[engine_][setting]
    assert status == 7 and [word for word in words if word in given] == given
    visible = [word for word in words if "VISIBLE_DEVICES" in word]
    assert len(visible) == 1 and visible[0].startswith("CUDA_VISIBLE_DEVICES=")
    assert not {"all", "nvidia.com/gpu=all"} & {*words}
    assert "CUDA_MODULE_LOADING" in words, "what says how a GPU computes is passed on"
    assert words[-2:] == [containers.python_of("any-cuda"), "x"]


@pytest.mark.fast
def test_a_node_without_the_engine_of_the_receipt_says_so_in_one_line(
    tmp_path, monkeypatch, capsys
):
    fake(tmp_path, "podman", "")
    monkeypatch.setenv("PATH", str(tmp_path))
    receipt = {"framework": "any", "deployment": "docker", "image": "sha256:0", "device": "cpu"}
    (tmp_path / "receipt.json").write_text(json.dumps(receipt))
    flags = f"--starter {os.getpid()} --receipt {tmp_path}/receipt.json --write {tmp_path}/out -- x"
    assert container.main(flags.split()) == 1
    said = capsys.readouterr().err
    assert said == "No container engine can be used: docker is not installed.\n"


@pytest.mark.fast
@pytest.mark.parametrize("hidden", ["given/file", "given"])
def test_what_roots_containers_could_not_read_is_told_with_a_remedy(tmp_path, monkeypatch, hidden):
    """With umask 077 all that root makes; its containers run as another user."""
    (tmp_path / "given/not needed").mkdir(parents=True, mode=0o700)
    (tmp_path / "given/file").touch()
    (tmp_path / hidden).chmod(0o700)
    monkeypatch.setattr(os, "getuid", lambda: 0)
    receipt = {"framework": "a", "device": "cpu", "deployment": "false", "image": "none"}
    run = (receipt, [], [tmp_path / "given"], [tmp_path / "out"], [], [], os.getpid())
    with pytest.raises(containers.ContainerError, match=f"{hidden} can be read by root alone"):
        containers.run(*run)
    monkeypatch.setattr(os, "getuid", lambda: 1)
    assert containers.run(*run) == 1, "who is not root reads what is theirs"


@pytest.mark.fast
@pytest.mark.parametrize("engine_", containers.ENGINES)
def test_no_gpu_is_passed_or_looked_for_on_a_processor(asked, engine_):
    status, words, _ = asked(engine_, "cpu", "1", driver=False)
    assert status == 7
    assert not any(word.startswith(("--gpus", "--device", "CUDA_", "NVIDIA_")) for word in words)


@pytest.mark.fast
@pytest.mark.parametrize("engine_", containers.ENGINES)
@pytest.mark.parametrize(
    ("setting", "driver", "why"),
    [
        ("7", True, "NVML lists 3, and none of them is to be used; CUDA_VISIBLE_DEVICES is '7'"),
        ("0", False, "the environment lacks nvidia-ml-py"),
    ],
)
def test_where_no_gpu_can_be_passed_one_line_says_why(asked, engine_, setting, driver, why):
    status, words, error = asked(engine_, "cuda", setting, driver)
    assert status == 1 and words == []
    assert error.startswith("No GPU can be passed into a container: ") and error.count("\n") == 1
    assert why in error


def test_a_failing_program_leaves_nothing(shut_in):
    assert shut_in("-c", "open('taken/out', 'w').close(); raise SystemExit(7)") == 7
    assert os.listdir("taken") == ["rival"]
    assert os.listdir("results/containers") == []


# ---- Killed ----------------------------------------------------------


def until(condition, what: str) -> None:
    """Wait for something that happens within seconds; two minutes are for a busy machine."""
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.1)


@pytest.fixture
def endless(images, engine, home):
    """A checkout whose Snakemake waits for a container; the process, and what lists containers."""
    folder = small(home / "killed" / "evenhand", frameworks=["numpy"])
    trainer = folder / "workflow/trainers/controlled/numpy_mlp.py"
    trainer.write_text(f"import time\ntime.sleep(3600)\n{trainer.read_text()}")
    examination = "results/doctor/here/numpy-cpu.examination.json"
    start = command("--config", "runtime=docker", "--", examination)
    run = subprocess.Popen(start, cwd=folder, env=os.environ | engine)
    listing = ["podman", "ps", "--quiet", "--filter", f"label={containers.LABEL}={folder}"]

    def there() -> list[str]:
        return subprocess.check_output(listing, env=os.environ | engine, text=True).split()

    examined = folder / "logs/examine"
    until(lambda: examined.exists() and there(), "no container was started")
    yield folder, run, there
    run.kill()
    run.wait()
    shutil.rmtree(folder)


def test_a_container_ends_when_its_snakemake_is_killed(endless):
    folder, run, there = endless
    run.kill()
    until(lambda: not there(), "the container goes on")
    until(lambda: not os.listdir(folder / "results/containers"), "what it wrote is left")


def lives(process: int) -> bool:
    """Whether a process has not ended; nobody may have waited for one that has."""
    with suppress(OSError):
        return stat(process)[0] != b"Z"
    return False


def test_a_container_ends_when_all_around_it_is_killed_at_once(endless, engine, monkeypatch):
    """As a scheduler kills a job: what the engine leaves to watch the container is no exception.

    So podman does not hear that it has ended, and its name is left to be removed.
    """
    folder, run, there = endless
    inspect = ["podman", "inspect", "--format", "{{.State.Pid}} {{.State.ConmonPid}}", *there()]
    inside, monitor = map(int, subprocess.check_output(inspect, env=os.environ | engine).split())
    assert lives(inside)
    for process in (run.pid, *descendants(run.pid), monitor):
        os.kill(process, signal.SIGKILL)
    until(lambda: not lives(inside), "the container goes on")
    for variable, value in engine.items():
        monkeypatch.setenv(variable, value)
    assert len(containers.remove_left(folder)) == 1
    assert there() == []


def test_the_next_start_removes_a_container_that_was_left(engine, images, home):
    """As after a crash of the engine."""
    folder = small(home / "left" / "evenhand", frameworks=["numpy"])
    (folder / "results/containers/left").mkdir(parents=True)
    run = ["podman", "run", "--detach", "--rm", "--label", f"{containers.LABEL}={folder}"]
    left = subprocess.check_output(
        [*run, images["numpy-cpu"], "sleep", "3600"], env=os.environ | engine, text=True
    )
    options = ["--config", "runtime=docker", "--", "results/environments/numpy-cpu.json"]
    snakemake(folder, *options, **engine)
    exists = ["podman", "container", "exists", left.strip()]
    assert subprocess.run(exists, env=os.environ | engine).returncode == 1
    assert not (folder / "results/containers").exists()


# ---- What is not there -----------------------------------------------


def test_an_image_that_is_gone_is_told_with_a_remedy(shut_in, capfd):
    receipt = json.loads(Path("given/receipt.json").read_text())
    Path("given/receipt.json").write_text(json.dumps(receipt | {"image": f"sha256:{'0' * 64}"}))
    assert shut_in("-c", "pass") == 1
    assert "snakemake --forcerun environment" in capfd.readouterr().err
    assert os.listdir("taken") == ["rival"]


def fake(folder: Path, program: str, words: str) -> None:
    """A program that says these words on standard error and fails."""
    folder.mkdir(exist_ok=True)
    (folder / program).write_text(f"#!/bin/sh\necho '{words}' >&2\nexit 1\n")
    (folder / program).chmod(0o755)


@pytest.mark.fast
def test_engines_that_are_absent_or_refuse_are_named(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(containers.ContainerError) as error:
        containers.engines()
    assert str(error.value) == (
        "No container engine can be used: docker is not installed; podman is not installed."
    )
    fake(tmp_path, "docker", "permission denied while trying to connect to the docker daemon")
    refusal = r"docker does not answer .permission denied"
    with pytest.raises(containers.ContainerError, match=refusal):
        containers.engines()
    fake(tmp_path, "podman", "")
    with pytest.raises(containers.ContainerError, match=r"podman does not answer .exit status 1"):
        containers.engines()


@pytest.mark.fast
def test_podman_by_dockers_name_is_called_by_its_own(tmp_path, monkeypatch):
    """As Debian's and Fedora's package `podman-docker` has it: some of its options are others."""
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    (tmp_path / "podman").write_text("#!/bin/sh\necho podman version 4.3.1\n")
    (tmp_path / "podman").chmod(0o755)
    (tmp_path / "docker").write_text(
        '#!/bin/sh\necho Emulate Docker CLI using podman. >&2\nexec podman "$@"\n'
    )
    (tmp_path / "docker").chmod(0o755)
    assert containers.engines() == ["podman"]
    with pytest.raises(containers.ContainerError, match="docker is podman by another name"):
        containers.engines(["docker"])


def refused(folder: Path, *arguments: str, **variables: str) -> str:
    """The one line with which Snakemake refuses to begin; no job has."""
    output = snakemake(folder, *arguments, fails=True, **variables)
    assert not (folder / "logs").exists() and not (folder / "results").exists()
    (line,) = re.findall(r"^WorkflowError.*\n(.+)$", output, flags=re.MULTILINE)
    return line


def test_a_missing_image_is_told_before_anything_begins(engine, tmp_path):
    folder = small(tmp_path / "evenhand", frameworks=["numpy", "jax"])
    line = refused(folder, "--config", "runtime=docker", "image_prefix=nobody-", **engine)
    assert re.search("no image nobody-jax-cpu:[0-9a-f]+ and no nobody-numpy-cpu:", line)
    assert line.endswith("python containers/build.py --prefix nobody- jax-cpu numpy-cpu")


def test_engines_that_refuse_are_told_before_anything_begins(tmp_path):
    folder = small(tmp_path / "evenhand", frameworks=["numpy"])
    fake(tmp_path / "bin", "docker", "permission denied")
    fake(tmp_path / "bin", "podman", "no subuid ranges found")
    line = refused(folder, "--config", "runtime=docker", **first_on_path(tmp_path / "bin"))
    assert "docker does not answer (permission denied)" in line
    assert "podman does not answer (no subuid ranges found)" in line


def test_what_needs_no_image_asks_for_none(tmp_path):
    folder = small(tmp_path / "evenhand", frameworks=["numpy"])
    fake(tmp_path / "bin", "docker", "permission denied")
    fake(tmp_path / "bin", "podman", "permission denied")
    options = ["--config", "runtime=docker", "--", "results/data/mnist/images.npz"]
    snakemake(folder, *options, **first_on_path(tmp_path / "bin"))


def test_a_missing_sif_is_told_before_anything_begins(tmp_path):
    folder = small(tmp_path / "evenhand", frameworks=["numpy"])
    apptainer = tmp_path / "bin"
    fake(apptainer, "apptainer", "")
    (apptainer / "apptainer").write_text("#!/bin/sh\necho apptainer version 1.3.4\n")
    line = refused(folder, "--sdm", "apptainer", **first_on_path(apptainer))
    assert "no results/images/numpy-cpu.sif" in line and "--archive results/images" in line


def test_without_apptainer_one_line_tells_so(tmp_path):
    folder = small(tmp_path / "evenhand")
    line = refused(folder, "--sdm", "apptainer", "--", *RECORDS, PATH="/bin")
    assert "The apptainer or singularity command has to be available" in line


def test_a_lock_at_odds_with_its_environment_is_told_before_anything_begins(tmp_path):
    folder = small(tmp_path / "evenhand")
    file, lock = (folder / f"envs/numpy-cpu.{suffix}" for suffix in ("yaml", "lock"))
    pins = file.read_text()
    file.write_text(pins.replace("numpy==2.4.6", "numpy==2.4.5"))
    for deployment in ([], ["--sdm", "conda"], ["--config", "runtime=docker"]):
        line = refused(folder, *deployment)
        assert "numpy (locked: 2.4.6, pinned: 2.4.5)" in line and "lock.py" in line
    file.write_text(pins)
    lock.unlink()
    line = refused(folder)
    assert "envs/numpy-cpu.lock is missing" in line and "lock.py" in line
