"""Environments hold what their locks say, whatever the machine is set to; anything else is told.

Builds are real, with uv, from an index on this machine that holds two tiny packages.
"""

import base64
import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import threading
import zipfile
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

from evenhand.core import axes
from evenhand.core.identity import Competitor
from evenhand.core.pip import pip_setting
from evenhand.core.schemas import ROOT, Refused
from evenhand.environments import building, locks, uv, versions

YAMLS = sorted(ROOT.glob("envs/*.yaml"))
MAIN = ROOT / "workflow/envs/main.yaml"
LOCKS = [*sorted(ROOT.glob("envs/*.lock")), *sorted(ROOT.glob("requirements*.txt"))]
PYTHON = "{}.{}".format(*sys.version_info)
BROKEN = "raise ImportError('libtiny.so.0: cannot open shared object file')\n"


def name(path):
    return path.name


# ---- Pins and locks --------------------------------------------------


@pytest.mark.fast
@pytest.mark.parametrize("path", YAMLS, ids=name)
def test_an_environment_and_its_lock_hold_the_same_versions(path):
    _, pins = locks.requested(path.read_text())
    locked = locks.locked_versions(path.with_suffix(".lock"))
    pins = map(locks.without_extras, pins)
    assert sorted(pins) == sorted(f"{package}=={version}" for package, version in locked.items())


@pytest.mark.fast
@pytest.mark.parametrize("path", YAMLS, ids=name)
def test_an_environment_for_a_gpu_can_watch_it_and_its_driver_can_be_told(path):
    device = axes.device(Competitor.parse(path.stem).device)
    locked = locks.locked_versions(path.with_suffix(".lock"))
    assert "threadpoolctl" in locked and ("nvidia-ml-py" in locked) == device["gpu"]
    if device["gpu"]:
        (cuda,) = (v for package, v in locked.items() if package.startswith("nvidia-cuda-runtime"))
        major = cuda.partition(".")[0]
        lines = (ROOT / "docs/environments.md").read_text().splitlines()
        (row,) = (line.split(" | ") for line in lines if line.startswith(f"| `{path.stem}`"))
        assert row[2:4] == [major, device["drivers"][major]]
        version = locks.requested(path.read_text())[1][0].partition("==")[2]
        assert version in row[0] or version.startswith(axes.version(path.stem.rpartition("-")[0]))


@pytest.mark.fast
@pytest.mark.parametrize("path", [*YAMLS, MAIN], ids=name)
def test_an_environment_file_is_one_that_conda_takes(path):
    """Conda takes `nodefaults` for a channel, and needs pip named where pip has a part."""
    file = yaml.safe_load(path.read_text())
    assert file["channels"] == ["conda-forge"]
    assert file["dependencies"][:-1] == ["python=3.11.*", "pip"]


@pytest.mark.fast
@pytest.mark.parametrize("lock", LOCKS, ids=name)
def test_a_lock_names_versions_and_hashes_and_no_address(lock):
    text = lock.read_text()
    assert not re.search(r"://|^\s*-[a-z-]*(index|links)|\s@\s", text, flags=re.MULTILINE)
    entries = [e for e in re.split(r"\n(?=\S)", text) if not e.startswith("#")]
    assert len(entries) == len(locks.locked_versions(lock)) > 0
    assert all("--hash=sha256:" in entry for entry in entries)


@pytest.mark.fast
@pytest.mark.parametrize("stem", ["requirements", "requirements-dev"])
def test_each_direct_requirement_is_locked_to_a_version_that_it_allows(stem):
    lines = (line.partition("#")[0].strip() for line in open(ROOT / f"{stem}.in"))
    wanted = [Requirement(line) for line in lines if line and not line.startswith("-")]
    locked = locks.locked_versions(ROOT / f"{stem}.txt")
    assert wanted
    assert [r.name for r in wanted if locked.get(r.name) not in r.specifier] == []


@pytest.mark.fast
def test_development_runs_on_the_versions_that_users_get():
    users = locks.locked_versions(ROOT / "requirements.txt")
    developers = locks.locked_versions(ROOT / "requirements-dev.txt")
    assert users.items() <= developers.items()


@pytest.mark.fast
def test_conda_s_main_environment_is_what_requirements_txt_says():
    requirements = (ROOT / "requirements.txt").read_text()
    python, pins = locks.requested(MAIN.read_text())
    locked = locks.locked_versions(ROOT / "requirements.txt")
    elsewhere = re.findall(r"^(\S+)==.* ; sys_platform == 'win32'", requirements, re.MULTILINE)
    assert python == "3.11" and elsewhere
    assert pins == [f"{name}=={v}" for name, v in locked.items() if name not in elsewhere]
    assert MAIN.read_text() == locks.main_environment(requirements)


@pytest.mark.fast
def test_markers_are_evaluated_for_conda_s_python_and_platform_and_no_other():
    lock = (
        "both==1 \\\n    --hash=sha256:0\n    # via one\n"
        "old==1 ; python_full_version < '3.12' \\\n    --hash=sha256:0\n"
        "new==1 ; python_version >= '3.12' \\\n    --hash=sha256:0\n"
        "apple==1 ; sys_platform == 'darwin' \\\n    --hash=sha256:0\n"
        "intel==1 ; platform_machine == 'x86_64' or platform_machine == 'aarch64' \\\n"
    )
    _, pins = locks.requested(locks.main_environment(lock))
    assert pins == ["both==1", "old==1", "intel==1"]


# ---- Builds ----------------------------------------------------------


def write_wheel(folder: Path, package: str, version: str, code: str) -> str:
    """Write a wheel with one module; return its line in a lock."""
    module = package.replace("-", "_")
    info = f"{module}-{version}.dist-info"
    files = {
        f"{module}/__init__.py": code,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = f"{info}/RECORD,,\n"
    for path, text in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode()
        record += f"{path},sha256={digest.rstrip('=')},{len(text)}\n"
    folder.mkdir(parents=True, exist_ok=True)
    wheel = folder / f"{module}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for path, text in (files | {f"{info}/RECORD": record}).items():
            archive.writestr(path, text)
    return f"{package}=={version} --hash=sha256:{hashlib.sha256(wheel.read_bytes()).hexdigest()}\n"


@pytest.fixture
def lines(tmp_path, monkeypatch):
    """Lines for locks, of packages in an index that pip, and nothing else, is configured for."""
    packages = {
        ("tiny", "1.0"): "",
        ("tiny", "2.0"): "",
        ("tiny-helper", "1.0"): "",
        ("broken", "1.0"): BROKEN,
        ("crashing", "1.0"): "import os\nos._exit(4)\n",
    }
    simple = tmp_path / "simple"
    lines = {
        f"{package} {version}": write_wheel(simple / package, package, version, code)
        for (package, version), code in packages.items()
    }
    handler = partial(SimpleHTTPRequestHandler, directory=simple)
    for variable in [v for v in os.environ if v.startswith(("UV_", "PIP_"))]:
        monkeypatch.delenv(variable)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)  # pip then reads no other file, either
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever).start()
        monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{server.server_port}")
        yield lines
        server.shutdown()


@pytest.fixture
def make_lock(tmp_path, lines):
    """Write tiny.lock with the named lines."""

    def make(*names: str) -> Path:
        lock = tmp_path / "tiny.lock"
        lock.write_text("".join(lines[name] for name in names))
        return lock

    return make


def test_a_build_holds_exactly_what_the_lock_says(tmp_path, make_lock):
    lock = make_lock("tiny 1.0", "tiny-helper 1.0")
    interpreter = building.build(tmp_path / "environment", PYTHON, lock)
    (site,) = tmp_path.glob("environment/lib/*/site-packages")
    (site / "tiny-0.9.dist-info").mkdir()  # as pip may leave it of what conda had installed
    (site / "tiny-0.9.dist-info/INSTALLER").touch()
    version, packages, libc = building.check(interpreter, lock)
    assert building.look_inside(interpreter) == (version, packages, libc)
    assert version.startswith(PYTHON)
    assert packages == {"tiny": "1.0", "tiny-helper": "1.0"}
    assert list(tmp_path.glob("environment/**/tiny/__pycache__/*.pyc"))  # not left to a clocked run


def test_copies_that_a_package_carries_inside_itself_are_not_installed(tmp_path, make_lock):
    """setuptools puts such a folder on the path, where its copies would hide what is installed."""
    lock = make_lock("tiny 1.0", "tiny-helper 1.0")
    interpreter = building.build(tmp_path / "environment", PYTHON, lock)
    (site,) = tmp_path.glob("environment/lib/*/site-packages")
    for name in ("tiny_helper", "carried"):
        (site / f"tiny/_vendor/{name}-0.1.dist-info").mkdir(parents=True)
        metadata = site / f"tiny/_vendor/{name}-0.1.dist-info/METADATA"
        metadata.write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 0.1\n")
    (site / "tiny.pth").write_text(f"{site}/tiny/_vendor\n")
    assert building.look_inside(interpreter)[1] == {"tiny": "1.0", "tiny-helper": "1.0"}


def test_a_build_minds_neither_the_shell_that_it_is_called_from_nor_settings_of_uv(
    tmp_path, make_lock, lines, monkeypatch
):
    lock = make_lock("tiny 1.0")
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "stray-1.0.dist-info").mkdir(parents=True)
    (elsewhere / "stray-1.0.dist-info" / "METADATA").write_text("Name: stray\nVersion: 1.0\n")
    (tmp_path / "constraints.txt").write_text(lines["tiny 2.0"])
    settings = {
        "PYTHONPATH": elsewhere,
        "VIRTUAL_ENV": elsewhere,
        "UV_CONSTRAINT": tmp_path / "constraints.txt",
        "UV_EXCLUDE_NEWER": "2001-01-01",
        "UV_PYTHON": "3.99",
        "UV_SYSTEM_PYTHON": "1",
        "UV_VENV_SEED": "1",
        "UV_WORKING_DIR": elsewhere,
    }
    for variable, value in settings.items():
        monkeypatch.setenv(variable, str(value))
    monkeypatch.chdir(tmp_path)
    interpreter = building.build(Path("environment"), PYTHON, Path("tiny.lock"))
    assert building.check(interpreter, lock)[1] == {"tiny": "1.0"}


def test_a_build_behind_a_proxy_that_is_not_there_names_it(tmp_path, make_lock, monkeypatch):
    with ThreadingHTTPServer(("127.0.0.1", 0), SimpleHTTPRequestHandler) as server:
        closed = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setenv("PIP_INDEX_URL", "http://index.invalid")
    monkeypatch.setenv("http_proxy", closed)
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")  # three by default, 8 s
    with pytest.raises(
        locks.BuildError, match=r"not installed; .* the proxies in (\w+, )*http_proxy"
    ):
        building.build(tmp_path / "environment", PYTHON, make_lock("tiny 1.0"))


# Each would change or refuse a build, or the compilation of a lock, if uv were given it.
STRAY = {
    "UV_BUILD_CONSTRAINT": "{folder}/absent.txt",
    "UV_CONFIG_FILE": "{folder}/absent.toml",
    "UV_CONSTRAINT": "{folder}/tiny-1.txt",
    "UV_EXCLUDE": "{folder}/tiny.txt",
    "UV_EXCLUDE_NEWER": "2001-01-01",
    "UV_EXCLUDE_NEWER_PACKAGE": "tiny=2001-01-01",
    "UV_NO_BINARY": "1",
    "UV_NO_BINARY_PACKAGE": "tiny",
    "UV_OVERRIDE": "{folder}/tiny-1.txt",
    "UV_PROJECT": "{folder}/absent",
    "UV_RESOLUTION": "lowest",
    "UV_TORCH_BACKEND": "cpu",
    "UV_WORKING_DIR": "{folder}/absent",
}


@pytest.fixture(params=STRAY)
def stray(request, tmp_path, monkeypatch):
    """A variable for uv that somebody has set for another project."""
    (tmp_path / "tiny.txt").write_text("tiny\n")
    (tmp_path / "tiny-1.txt").write_text("tiny==1.0\n")
    monkeypatch.setenv(request.param, STRAY[request.param].format(folder=tmp_path))


def test_no_stray_variable_of_uv_changes_or_refuses_a_build(tmp_path, make_lock, stray):
    lock = make_lock("tiny 2.0")
    interpreter = building.build(tmp_path / "environment", PYTHON, lock)
    assert building.check(interpreter, lock)[1] == {"tiny": "2.0"}


def test_no_stray_variable_of_uv_changes_what_a_lock_is_compiled_to(tmp_path, lines, stray):
    locks.compile_lock(tmp_path, "-", tmp_path / "compiled.lock", pins="tiny\n")
    assert locks.locked_versions(tmp_path / "compiled.lock") == {"tiny": "2.0"}


@pytest.mark.parametrize("place", ["uv.toml", "config/uv/uv.toml"])
def test_configuration_files_of_uv_change_neither_builds_nor_locks(
    tmp_path, make_lock, monkeypatch, place
):
    monkeypatch.chdir(tmp_path)  # `config` is the user's, see the fixture of the index
    Path(place).parent.mkdir(parents=True, exist_ok=True)
    Path(place).write_text(
        'exclude-newer = "2001-01-01T00:00:00Z"\nconstraint-dependencies = ["tiny<2"]\n'
        '[pip]\nno-binary = [":all:"]\nresolution = "lowest"\n'
    )
    lock = make_lock("tiny 2.0")
    interpreter = building.build(tmp_path / "environment", PYTHON, lock)
    assert building.check(interpreter, lock)[1] == {"tiny": "2.0"}
    locks.compile_lock(tmp_path, "-", tmp_path / "compiled.lock", pins="tiny\n")
    assert locks.locked_versions(tmp_path / "compiled.lock") == {"tiny": "2.0"}


@pytest.mark.parametrize("folder", ["with space", "with:colon", "réseau, {{d}} 'x'"])
def test_a_folder_may_have_any_name(tmp_path, make_lock, monkeypatch, folder):
    lock = make_lock("tiny 1.0")
    (tmp_path / folder).mkdir()
    monkeypatch.chdir(tmp_path / folder)
    interpreter = building.build(Path("environment"), PYTHON, lock)
    assert building.check(interpreter, lock)[1] == {"tiny": "1.0"}
    building.try_import(interpreter, "tiny", {})
    prefix = subprocess.check_output([*interpreter, "-c", "import sys; print(sys.prefix)"])
    assert Path(prefix.decode().strip()) == Path("environment").absolute()


def test_what_an_interrupted_build_left_is_wiped(tmp_path, make_lock):
    building.build(tmp_path / "environment", PYTHON, make_lock("tiny 1.0", "tiny-helper 1.0"))
    (tmp_path / "environment" / "bin" / "python").unlink()
    (tmp_path / "environment" / "rest").touch()
    lock = make_lock("tiny 2.0")
    interpreter = building.build(tmp_path / "environment", PYTHON, lock)
    assert building.check(interpreter, lock)[1] == {"tiny": "2.0"}
    assert not (tmp_path / "environment" / "rest").exists()


def test_a_package_that_differs_from_the_lock_is_named(tmp_path, make_lock):
    built = make_lock("tiny 1.0", "tiny-helper 1.0")
    interpreter = building.build(tmp_path / "environment", PYTHON, built)
    with pytest.raises(locks.BuildError) as error:
        building.check(interpreter, make_lock("tiny 2.0", "broken 1.0"))
    for difference in (
        "broken (locked: 1.0, installed: no)",
        "tiny (locked: 2.0, installed: 1.0)",
        "tiny-helper (locked: no, installed: 1.0)",
    ):
        assert difference in str(error.value)


def test_a_package_with_another_hash_is_refused(tmp_path, make_lock, capfd):
    lock = make_lock("tiny 1.0")
    lock.write_text(lock.read_text()[:-65] + "0" * 64 + "\n")
    with pytest.raises(locks.BuildError, match=r"tiny\.lock were not installed"):
        building.build(tmp_path / "environment", PYTHON, lock)
    assert "Hash mismatch for `tiny==1.0`" in capfd.readouterr().err


def test_a_package_without_a_hash_is_refused(tmp_path, make_lock):
    lock = make_lock("tiny 1.0")
    lock.write_text("tiny==1.0\n")
    with pytest.raises(locks.BuildError, match=r"tiny\.lock were not installed"):
        building.build(tmp_path / "environment", PYTHON, lock)


def test_a_machine_without_the_right_python_is_told_how_to_get_it(tmp_path, make_lock, monkeypatch):
    monkeypatch.setenv("UV_PYTHON_DOWNLOADS", "never")
    with pytest.raises(locks.BuildError, match=r"apt install python3\.99.*pyenv.*conda"):
        building.build(tmp_path / "environment", "3.99", make_lock("tiny 1.0"))


def test_a_package_that_cannot_be_imported_is_told_before_anything_is_clocked(tmp_path, make_lock):
    lock = make_lock("tiny 1.0", "broken 1.0", "crashing 1.0")
    interpreter = building.build(tmp_path / "environment", PYTHON, lock)
    building.try_import(interpreter, "tiny", {})
    with pytest.raises(locks.BuildError, match=r"broken .*libtiny\.so\.0.*environments\.md"):
        building.try_import(interpreter, "broken", {})
    with pytest.raises(locks.BuildError, match=r"crashing .*exit status 4"):
        building.try_import(interpreter, "crashing", {})


# ---- The rule --------------------------------------------------------


SNAKEFILE = """
import sys
sys.path.insert(0, {scripts!r})
from pathlib import Path
from types import SimpleNamespace
from evenhand.environments import deployments

ENVS, CODE, DEPLOYMENT = "envs", {code!r}, deployments.choose([], "environment")
JOBS = SimpleNamespace(image_file=lambda wildcards: [])
config["image_prefix"] = "evenhand-"

def code_of(program):
    return []

def apptainer_args(wildcards, input):
    return ""

include: "workflow/rules/environments.smk"
"""


def run_snakemake(folder: Path) -> subprocess.CompletedProcess:
    """Ask for the receipt of the environment numpy-cpu."""
    rules = folder / "workflow/rules"
    rules.mkdir(parents=True, exist_ok=True)
    shutil.copy(ROOT / "workflow/rules/environments.smk", rules)
    code = {"code": str(ROOT / "workflow"), "scripts": str(ROOT / "workflow/scripts")}
    (folder / "Snakefile").write_text(SNAKEFILE.format(**code))
    receipt = "results/environments/numpy-cpu.json"
    command = [sys.executable, "-m", "snakemake", "--cores", "1", receipt]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True)


def test_only_a_whole_environment_has_a_receipt(tmp_path, make_lock, lines):
    envs = tmp_path / "envs"
    envs.mkdir()
    pins = ["tiny==1.0", "tiny-helper==1.0"]
    dependencies = [f"python={PYTHON}.*", "pip", {"pip": pins}]
    (envs / "numpy-cpu.yaml").write_text(yaml.safe_dump({"dependencies": dependencies}))
    lock, receipt = envs / "numpy-cpu.lock", tmp_path / "results/environments/numpy-cpu.json"

    lock.write_text(lines["tiny 1.0"] + "tiny-helper==1.0 --hash=sha256:" + "0" * 64 + "\n")
    assert run_snakemake(tmp_path).returncode == 1
    assert "tiny-helper" in (tmp_path / "logs/environment/numpy-cpu.log").read_text()
    assert not receipt.exists()

    lock.write_text(lines["tiny 1.0"] + lines["tiny-helper 1.0"])
    assert run_snakemake(tmp_path).returncode == 0
    told = json.loads(receipt.read_text())
    assert told["bytes"] > 0 and told["seconds"] > 0
    assert told["libc"] == " ".join(platform.libc_ver())
    assert told | {"bytes": 0, "seconds": 0, "python": "", "libc": ""} == {
        "framework": "numpy",
        "device": "cpu",
        "deployment": "virtual environment",
        "image": None,
        "base": None,
        "libc": "",
        "python": "",
        "packages": {"tiny": "1.0", "tiny-helper": "1.0"},
        "lock_sha256": hashlib.sha256(lock.read_bytes()).hexdigest(),
        "bytes": 0,
        "seconds": 0,
    }


# ---- Settings of pip -------------------------------------------------


def test_settings_of_pip_are_found_in_its_order(tmp_path, monkeypatch):
    monkeypatch.delenv("PIP_INDEX_URL", raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / "pip.conf"))
    (tmp_path / "pip.conf").write_text("[global]\nindex-url = http://from.the/file\n")
    assert pip_setting("index-url") == "http://from.the/file"
    monkeypatch.setenv("PIP_INDEX_URL", "http://from.the/variable")
    assert pip_setting("index-url") == "http://from.the/variable"
    assert pip_setting("no-such-setting") is None


def test_an_index_that_uv_is_configured_for_goes_before_pip_s(monkeypatch):
    monkeypatch.setenv("PIP_INDEX_URL", "http://of.pip/simple")
    monkeypatch.delenv("UV_INDEX_URL", raising=False)
    monkeypatch.delenv("UV_DEFAULT_INDEX", raising=False)
    assert uv.settings()[0]["UV_DEFAULT_INDEX"] == "http://of.pip/simple"
    monkeypatch.setenv("UV_DEFAULT_INDEX", "http://of.uv/simple")
    assert uv.settings()[0]["UV_DEFAULT_INDEX"] == "http://of.uv/simple"


PIP = {
    "index-url": "https://a.b/simple",
    "extra-index-url": "https://c.d/simple\nhttps://e.f/simple",
    "find-links": "/ /no/such/folder https://g.h/wheels",
    "no-index": "false",
    "cert": "/etc/certificates.pem",
    "trusted-host": "a.b c.d:8080",
}


@pytest.mark.fast
def test_what_pip_is_told_about_sources_uv_is_told():
    assert uv.translated(PIP, {}) == (
        {
            "UV_DEFAULT_INDEX": "https://a.b/simple",
            "UV_EXTRA_INDEX_URL": "https://c.d/simple https://e.f/simple",
            "UV_INDEX_STRATEGY": "unsafe-best-match",
            "UV_FIND_LINKS": "/,https://g.h/wheels",
            "SSL_CERT_FILE": "/etc/certificates.pem",
            "UV_INSECURE_HOST": "a.b c.d:8080",
        },
        [],
    )
    assert uv.translated({"no-index": "True"}, {}) == ({}, ["--no-index"])
    assert uv.translated({}, {}) == ({}, [])


@pytest.mark.fast
def test_where_uv_has_a_setting_of_its_own_pip_s_does_not_count():
    own = ("UV_INDEX_URL", "UV_INDEX", "UV_FIND_LINKS", "SSL_CERT_FILE", "UV_INSECURE_HOST")
    assert uv.translated(PIP | {"no-index": "1"}, dict.fromkeys(own, "mine")) == ({}, [])


def test_a_build_takes_wheels_from_a_folder_where_pip_is_told_so(tmp_path, make_lock, monkeypatch):
    """As on a machine without a network: no index, and a folder of wheels."""
    lock = make_lock("tiny 1.0", "tiny-helper 1.0")
    monkeypatch.delenv("PIP_INDEX_URL")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / "pip.conf"))
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    for wheel in tmp_path.glob("simple/*/*.whl"):
        shutil.copy(wheel, wheels)
    (tmp_path / "pip.conf").write_text(f"[install]\nno-index = yes\nfind-links = {wheels}\n")
    interpreter = building.build(tmp_path / "environment", PYTHON, lock)
    assert building.check(interpreter, lock)[1] == {"tiny": "1.0", "tiny-helper": "1.0"}


@pytest.fixture
def second_index(tmp_path, lines, monkeypatch):
    """A further index, of pip alone, that has one of the two versions; that version's line."""
    folder = tmp_path / "second" / "tiny"
    line = write_wheel(folder, "tiny", "1.5", "")
    write_wheel(folder, "tiny", "2.0", "second = True\n")  # another file under the same name
    links = "".join(f'<a href="{wheel.name}">{wheel.name}</a>' for wheel in folder.glob("*.whl"))
    (folder / "index.html").write_text(f"<!DOCTYPE html><html><body>{links}</body></html>")
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", folder.parent.as_uri())
    return line


def test_a_build_takes_each_package_from_the_index_that_has_it(
    tmp_path, make_lock, lines, second_index
):
    lock = make_lock("tiny-helper 1.0")
    lock.write_text(lock.read_text() + second_index)
    interpreter = building.build(tmp_path / "environment", PYTHON, lock)
    assert building.check(interpreter, lock)[1] == {"tiny": "1.5", "tiny-helper": "1.0"}
    lock = make_lock("tiny 1.0")  # which only the first has, after the second in order
    interpreter = building.build(tmp_path / "environment", PYTHON, lock)
    assert building.check(interpreter, lock)[1] == {"tiny": "1.0"}


@pytest.mark.parametrize(
    "variable", ["PIP_EXTRA_INDEX_URL", "UV_EXTRA_INDEX_URL", "UV_INDEX", "UV_FIND_LINKS"]
)
def test_a_lock_has_the_hashes_of_the_main_index_alone(
    tmp_path, lines, second_index, monkeypatch, variable
):
    address = os.environ["PIP_EXTRA_INDEX_URL"]
    monkeypatch.delenv("PIP_EXTRA_INDEX_URL")
    monkeypatch.setenv(variable, f"{address}/tiny" if variable == "UV_FIND_LINKS" else address)
    locks.compile_lock(tmp_path, "-", tmp_path / "compiled.lock", pins="tiny\n")
    text = (tmp_path / "compiled.lock").read_text()
    assert re.findall("--hash=(.*)", text) == re.findall("--hash=(.*)", lines["tiny 2.0"])
    assert "://" not in text


# ---- Versions --------------------------------------------------------

ENVIRONMENT = """\
# Why these.
channels:
  - conda-forge
dependencies:
  - python=3.11.*
  - pip
  - pip:
      - tiny==2.0 # the newest
      - tiny-helper==1.0 # what it needs
"""


@pytest.fixture
def tiny(tmp_path, lines):
    """A project with one framework, `tiny`, and its environment."""
    root = tmp_path / "project"
    for folder in ("envs", "workflow/frameworks"):
        (root / folder).mkdir(parents=True)
    (root / "workflow/frameworks/tiny.yaml").write_text("label: Tiny\ncolor: '#123456'\n")
    (root / "envs/tiny-cpu.yaml").write_text(ENVIRONMENT)
    locks.compile_environment(root, root / "envs/tiny-cpu.yaml", ())
    return root


def left(root: Path) -> list[str]:
    return sorted(path.name for path in (root / "envs").iterdir())


def test_another_version_is_the_same_environment_with_another_pin(tiny, lines):
    written = versions.write("tiny@1", "cpu", root=tiny)
    assert list(map(str, written)) == ["envs/tiny@1-cpu.yaml", "envs/tiny@1-cpu.lock"]
    environment = (tiny / written[0]).read_text()
    pins = ENVIRONMENT.partition("channels:")[2].replace("tiny==2.0 # the newest", "tiny==1.0")
    assert environment.partition("channels:")[2] == pins, "what did not change keeps its reason"
    hashes = sorted(line.split()[-1] for line in (lines["tiny 1.0"], lines["tiny-helper 1.0"]))
    assert sorted(re.findall(r"--hash=\S+", (tiny / written[1]).read_text())) == hashes
    assert locks.check_pins(*(tiny / path for path in written)) == ("3.11", "tiny")


def compiled(tiny: Path, pin: str, instead: str) -> Path:
    """The environment after it was compiled with another pin, which counts as the package's own."""
    environment = tiny / "envs/tiny-cpu.yaml"
    environment.write_text(ENVIRONMENT.replace(pin, instead))
    locks.compile_environment(tiny, environment, ())
    assert locks.RESOLVED not in environment.read_text(), "a package is pinned twice"
    assert locks.check_pins(environment, environment.with_suffix(".lock")) == ("3.11", "tiny")
    return environment


def test_an_extra_of_a_package_is_pinned_and_kept_by_another_version(tiny):
    compiled(tiny, "tiny==2.0", "tiny[all]==2.0")
    written = versions.write("tiny@1", "cpu", root=tiny)
    assert "- tiny[all]==1.0\n" in (tiny / written[0]).read_text()
    assert locks.check_pins(*(tiny / path for path in written)) == ("3.11", "tiny")


def test_a_package_may_be_spelled_as_its_page_has_it(tiny):
    environment = compiled(tiny, "tiny-helper==1.0", "Tiny_Helper==1.0")
    assert list(locks.pin_lines(environment)) == ["tiny", "tiny-helper"]


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("==2.0", ">=2", "`tiny>=2` is no exact pin, as in mylib==1.2.3"),
        ("==2.0", "==2.*", r"`tiny==2\.\*` is no exact pin, as in mylib==1.2.3"),
        ("  - python=3.11.*\n", "", r"it must name one `python=3\.11\.\*`, and end with what pip"),
        (
            "- pip:",
            "- pips:",
            r"it must name one `python=3\.11\.\*`, and end with what pip installs",
        ),
        ("dependencies:", "needs:", r"it must name one `python=3\.11\.\*`, and end with what pip"),
        ("channels:", "- channels:", "it is no YAML"),
    ],
)
def test_an_environment_file_that_cannot_be_used_is_refused_in_one_line(tiny, old, new, why):
    environment = tiny / "envs/tiny-cpu.yaml"
    environment.write_text(ENVIRONMENT.replace(old, new))
    why = rf"^tiny-cpu\.yaml: {why}[^\n]*$"
    with pytest.raises(locks.BuildError, match=why):
        locks.check_pins(environment, environment.with_suffix(".lock"))
    before = environment.read_text()
    with pytest.raises(locks.BuildError, match=why):
        locks.compile_environment(tiny, environment, ())
    assert environment.read_text() == before


def test_other_versions_beside_it_can_be_asked_for(tiny, lines):
    versions.write("tiny@1.0", "cpu", ["broken==1.0"], root=tiny)
    _, pins = locks.requested((tiny / "envs/tiny@1.0-cpu.yaml").read_text())
    assert pins == ["tiny==1.0", "tiny-helper==1.0", "broken==1.0"]


@pytest.mark.parametrize(
    ("name", "device", "others", "said"),
    [
        ("tiny", "cpu", [], "NAME: `tiny` is not FRAMEWORK@VERSION, as in mylib@1.2"),
        ("tiny@new", "cpu", [], "NAME: `tiny@new` is not FRAMEWORK@VERSION"),
        ("tiny@1+cpu", "cpu", [], "NAME: `tiny@1+cpu` is not FRAMEWORK@VERSION"),
        ("tinny@1", "cpu", [], "NAME: unknown name `tinny`; did you mean `tiny`?"),
        ("tiny@1", "cuda", [], "tiny has no environment for `cuda` (tiny-cuda.yaml)"),
        ("tiny@1", "cpu", ["two words"], "--with: `two words` is no requirement"),
        ("tiny@1", "cpu", ["tiny==2.0"], "--with: the version of tiny is that of NAME, 1"),
    ],
)
def test_a_version_that_cannot_be_asked_for_is_refused_in_one_line(
    tiny, name, device, others, said
):
    with pytest.raises(Refused) as refusal:
        versions.write(name, device, others, root=tiny)
    assert said in str(refusal.value) and "\n" not in str(refusal.value)
    assert left(tiny) == ["tiny-cpu.lock", "tiny-cpu.yaml"]


def test_a_version_that_no_index_has_leaves_nothing(tiny):
    with pytest.raises(locks.BuildError, match="was not compiled"):
        versions.write("tiny@7", "cpu", root=tiny)
    assert left(tiny) == ["tiny-cpu.lock", "tiny-cpu.yaml"]


def test_an_environment_that_is_there_is_not_overwritten(tiny):
    versions.write("tiny@1", "cpu", root=tiny)
    before = (tiny / "envs/tiny@1-cpu.yaml").read_text()
    with pytest.raises(Refused, match=r"there is already tiny@1-cpu\.yaml"):
        versions.write("tiny@1", "cpu", ["broken"], root=tiny)
    assert (tiny / "envs/tiny@1-cpu.yaml").read_text() == before


@pytest.mark.parametrize(("asked", "fits"), [("1", True), ("1.0", True), ("2", False), ("", True)])
def test_the_pin_of_a_version_is_one_of_that_version(tiny, asked, fits):
    environment = tiny / f"envs/tiny{asked and '@'}{asked}-cpu.yaml"
    environment.write_text(ENVIRONMENT.replace("2.0 # the newest", "1.0"))
    locks.compile_environment(tiny, environment, ())
    if fits:
        locks.check_pins(environment, environment.with_suffix(".lock"))
    else:
        with pytest.raises(locks.BuildError, match=r"pins tiny==1\.0, which is no 2"):
            locks.check_pins(environment, environment.with_suffix(".lock"))
