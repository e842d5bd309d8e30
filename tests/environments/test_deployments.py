"""Each way to deploy environments is found by its name, is isolated, and says what it lacks."""

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import container
import pytest

from evenhand.core.config import ConfigError
from evenhand.core.schemas import ROOT
from evenhand.environments import containers, deployments
from evenhand.environments.deployments import DEPLOYMENTS
from evenhand.environments.locks import BuildError

pytestmark = pytest.mark.fast
SHA_OF_ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180-2, B.1
WAYS = list(DEPLOYMENTS)
JOB = {
    "receipt": "results/environments/some-cpu.json",
    "read": ["code/trainers/start.py", "code/trainers/toolbox/run.py", "code/trainers/other.py"],
    "write": ["results/out.json", "results/out.npy"],
    "recorded": ["OMP_", "SOME_"],
    "container_program": "code/scripts/container.py",
}


# ---- The choice ------------------------------------------------------


@pytest.mark.parametrize(
    ("methods", "runtime", "name"),
    [
        ([], "environment", "virtual environment"),
        (["conda"], "environment", "conda"),
        (["apptainer"], "environment", "apptainer"),
        ([], "docker", "docker"),
    ],
)
def test_snakemake_s_method_and_the_config_s_runtime_choose_the_way(methods, runtime, name):
    assert deployments.choose(methods, runtime).name == name


def test_in_the_workflow_s_image_its_environments_are_used(tmp_path, monkeypatch):
    monkeypatch.setattr(containers, "ENVIRONMENTS", str(tmp_path))
    assert deployments.choose([], "environment").name == "workflow image"
    assert deployments.choose(["conda"], "environment").name == "conda"


@pytest.mark.parametrize(
    ("methods", "runtime", "named"),
    [
        (["conda", "apptainer"], "environment", "apptainer, conda"),
        (["conda"], "docker", "conda, docker"),
    ],
)
def test_two_ways_at_once_are_refused_in_one_line(methods, runtime, named):
    with pytest.raises(ConfigError) as error:
        deployments.choose(methods, runtime)
    assert str(error.value) == f"config: runtime: choose one of {named}, not all at once"


def test_a_method_that_deploys_no_environments_is_refused():
    with pytest.raises(ConfigError, match=r"env_modules \(allowed: apptainer, conda\)"):
        deployments.choose(["env_modules"], "environment")


# ---- The command -----------------------------------------------------


@pytest.mark.parametrize("way", WAYS)
def test_every_way_starts_a_python_that_leaves_the_user_s_own_packages_out(way):
    assert DEPLOYMENTS[way].python("some-cpu", **JOB)[-2:] == ["-E", "-s"]


def test_neither_pythonpath_nor_the_user_s_site_gets_into_a_framework_s_process(
    tmp_path, monkeypatch
):
    environment = tmp_path / "results/environments/some-cpu"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True)
    minor = "python{}.{}".format(*sys.version_info)
    stray = [tmp_path / "elsewhere", tmp_path / f"base/lib/{minor}/site-packages"]
    for number, folder in enumerate(stray):
        folder.mkdir(parents=True)
        (folder / f"stray_{number}.py").touch()
    monkeypatch.setenv("PYTHONPATH", str(stray[0]))
    monkeypatch.setenv("PYTHONUSERBASE", str(tmp_path / "base"))
    monkeypatch.chdir(tmp_path)
    program = tmp_path / "program.py"
    program.write_text(
        "import importlib.util\n"
        "print([bool(importlib.util.find_spec(name))\n"
        "       for name in ('stray_0', 'stray_1', 'toolbox.launch')])\n"
    )
    python = DEPLOYMENTS["virtual environment"].python("some-cpu", **JOB)
    start = [*python, str(ROOT / "workflow/trainers/start.py"), str(program)]
    assert subprocess.check_output(start, text=True).strip() == "[False, False, True]"


def test_a_container_is_given_the_job_s_folders_files_and_variables(tmp_path, monkeypatch):
    command = DEPLOYMENTS["docker"].python("some-cpu", **JOB)
    assert command[:2] == [sys.executable, "code/scripts/container.py"]
    given = {}

    def run(receipt, options, read, write, recorded, arguments, starter, withheld):
        given.update(read=read, write=write, recorded=recorded, arguments=arguments)
        given.update(starter=starter)
        return 0

    monkeypatch.setattr(containers, "run", run)
    monkeypatch.setattr(containers, "engines", lambda names: ["docker"])
    monkeypatch.chdir(tmp_path)
    Path(JOB["receipt"]).parent.mkdir(parents=True)
    Path(JOB["receipt"]).write_text('{"device": "cpu", "deployment": "docker"}')
    flags = ["start.py", "launch.py", "--threads", "1", "--", "--seed", "3"]
    assert container.main([*command[2:], *flags]) == 0
    assert given == {
        "read": [Path("code/trainers"), Path("code/trainers/toolbox")],
        "write": [Path("results/out.json"), Path("results/out.npy")],
        "recorded": ["OMP_", "SOME_"],
        "arguments": ["-E", "-s", *flags],
        "starter": os.getpid(),
    }


def test_an_interrupted_container_leaves_no_traceback(tmp_path, monkeypatch, capfd):
    def interrupted(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(containers, "run", interrupted)
    monkeypatch.setattr(containers, "engines", lambda names: names)
    receipt = tmp_path / "receipt.json"
    receipt.write_text('{"device": "cpu", "deployment": "docker"}')
    flags = f"--starter 1 --receipt {receipt} --write {tmp_path}/out -- x"
    assert container.main(flags.split()) == 130
    assert capfd.readouterr() == ("", "")


# ---- What is not there -----------------------------------------------


def test_a_missing_sif_is_told_and_one_that_is_there_is_an_input(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    way, lock = DEPLOYMENTS["apptainer"], Path("envs/some-cpu.lock")
    assert way.image_file("some-cpu") is None
    Path("results/images/some-cpu.sif").mkdir(parents=True)  # no image, whatever its name is
    assert way.image_file("some-cpu") is None
    with pytest.raises(BuildError) as error:
        way.check_ready([lock, Path("envs/other-cpu.lock")], "evenhand-")
    assert str(error.value) == (
        "There is no results/images/some-cpu.sif and no results/images/other-cpu.sif. Where "
        "Apptainer is installed, this makes them: "
        "python containers/build.py --archive results/images some-cpu other-cpu"
    )
    Path("results/images/some-cpu.sif").rmdir()
    Path("results/images/some-cpu.sif").touch()
    assert way.image_file("some-cpu") == "results/images/some-cpu.sif"
    way.check_ready([lock], "evenhand-")


def test_an_image_is_another_one_by_what_is_in_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    way, lock = DEPLOYMENTS["apptainer"], Path("envs/some-cpu.lock")
    receipt = {"deployment": "apptainer", "image": f"sha256:{SHA_OF_ABC}"}
    assert not way.has_replaced(lock, "evenhand-", receipt, made=1000), "there is none"
    sif = Path("results/images/some-cpu.sif")
    sif.parent.mkdir(parents=True)
    for content, replaced in (("abc", False), ("abcd", True)):
        sif.write_text(content)
        os.utime(sif, (1001, 1001))
        assert way.has_replaced(lock, "evenhand-", receipt, made=1000) == replaced


def test_an_engine_s_image_is_another_one_by_its_id(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    way, lock = DEPLOYMENTS["docker"], tmp_path / "some-cpu.lock"
    lock.touch()
    receipt = {"deployment": "podman", "image": "sha256:0"}
    assert not way.has_replaced(lock, "evenhand-", receipt, made=0), "this machine has no engine"
    for answer, replaced in (("exit 1", False), ("echo 0 7 null", False), ("echo 1 7 null", True)):
        (tmp_path / "podman").write_text(f"#!/bin/sh\n{answer}\n")
        (tmp_path / "podman").chmod(0o755)
        assert way.has_replaced(lock, "evenhand-", receipt, made=0) == replaced


def test_an_environment_that_the_workflow_s_image_lacks_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(containers, "ENVIRONMENTS", str(tmp_path))
    way, lock = DEPLOYMENTS["workflow image"], Path("envs/some-cpu.lock")
    with pytest.raises(BuildError, match="does not hold some-cpu"):
        way.check_ready([lock], "evenhand-")
    python = tmp_path / "some-cpu/bin/python"
    python.parent.mkdir(parents=True)
    python.touch()
    way.check_ready([lock], "evenhand-")


@pytest.mark.parametrize("way", ["virtual environment", "conda"])
def test_what_is_built_on_the_spot_needs_nothing_before(way):
    DEPLOYMENTS[way].check_ready([Path("envs/some-cpu.lock")], "evenhand-")
    assert DEPLOYMENTS[way].image_file("some-cpu") is None


# ---- What the doctor says of it --------------------------------------


@pytest.mark.parametrize(
    ("script", "well", "words"),
    [
        ("""echo '{"channels": []}'""", True, "configured: none"),
        ("""echo '{"channels": ["bioconda", "conda-forge"]}'""", True, "bioconda, conda-forge"),
        ("""echo '{"channels": ["conda-forge", "defaults"]}'""", False, "`defaults` is configured"),
        ("echo 'LoadError: .condarc' >&2; exit 1", False, "does not tell its channels: LoadError"),
    ],
)
def test_conda_s_configured_channels_are_remarked_on(tmp_path, monkeypatch, script, well, words):
    conda = tmp_path / "conda"
    conda.write_text(f'#!/bin/sh\n[ "$*" = "config --show channels --json" ] || exit 2\n{script}\n')
    conda.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    ((subject, found_well, found_words),) = DEPLOYMENTS["conda"].remarks()
    assert (subject, found_well) == ("channels", well)
    assert words in found_words


@pytest.mark.parametrize("way", [way for way in WAYS if way != "conda"])
def test_of_the_other_ways_there_is_nothing_to_remark(way):
    assert DEPLOYMENTS[way].remarks() == []


def test_apptainer_is_started_with_the_user_s_arguments_to_look_into_an_image(
    tmp_path, monkeypatch
):
    """As Snakemake starts it for a job: by a shell, with the job's folder as the home."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SCRATCH", "/a")
    apptainer = tmp_path / "bin/apptainer"
    apptainer.parent.mkdir()
    labels = json.dumps({"data": {"attributes": {"labels": {containers.BASE: "sha256:b"}}}})
    apptainer.write_text(f"""#!/bin/sh
[ "$1" = inspect ] && echo '{labels}' || printf '%s\\n' "$@"
""")
    apptainer.chmod(0o755)
    monkeypatch.setenv("PATH", f"{apptainer.parent}:/usr/bin:/bin")
    Path("results/images").mkdir(parents=True)
    Path("results/images/some-cpu.sif").touch()
    way, lock = DEPLOYMENTS["apptainer"], Path("envs/some-cpu.lock")
    asked = {"python": "3.11", "folder": Path("unused"), "image_prefix": "evenhand-"}
    made = way.make(lock, **asked, apptainer_args="--bind $SCRATCH:/b --env 'A=b c'")
    given = subprocess.check_output([*made.interpreter, "-c", "1 + 1"], text=True)
    start = ["exec", "--home", str(tmp_path), "--bind", "/a:/b", "--env", "A=b c"]
    start += ["results/images/some-cpu.sif", containers.python_of("some-cpu"), "-c", "1 + 1"]
    assert given.splitlines() == start
    assert made.base == "sha256:b"


# ---- The end of a container ------------------------------------------

ENDS = ["sh", "-c", containers.UNTIL_INPUT_ENDS, "sh"]


def test_a_container_s_exit_status_is_its_program_s():
    assert containers.run_until_ended(os.getpid(), [*ENDS, "sh", "-c", "exit 7"]) == 7


def test_a_container_ends_with_its_starter():
    with subprocess.Popen(["sleep", "0.2"]) as starter:
        assert containers.run_until_ended(starter.pid, [*ENDS, "sleep", "3600"]) == 128 + 9


def test_a_container_of_a_starter_that_has_ended_ends_at_once():
    starter = subprocess.Popen(["true"])
    starter.wait()
    assert containers.run_until_ended(starter.pid, [*ENDS, "sleep", "3600"]) == 128 + 9


def test_a_kernel_that_cannot_tell_of_a_starter_s_end_runs_containers_to_their_own(monkeypatch):
    def missing(process):
        raise OSError(errno.ENOSYS, "not there")

    monkeypatch.setattr(os, "pidfd_open", missing)
    assert containers.run_until_ended(os.getpid(), [*ENDS, "sh", "-c", "exit 7"]) == 7
