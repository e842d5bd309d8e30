"""Build one framework's environment from its lock, then look inside.

Whatever built an environment, `check` holds what its interpreter really has against a lock.
"""

import ast
import hashlib
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import yaml

# Variables of the user's uv that would change what is built, or refuse it. Those that say where
# packages come from and how they are kept (index, cache, link mode, ...) are the user's to set.
DECIDED_BY_THE_LOCK = {"UV_CONSTRAINT", "UV_EXCLUDE_NEWER", "UV_TORCH_BACKEND", "UV_VENV_SEED"}

# Isolated (-I): neither PYTHONPATH nor the user's own site-packages count as installed.
LOOK_INSIDE = """
import importlib.metadata, json, platform
packages = {d.metadata["Name"]: d.version for d in importlib.metadata.distributions()}
print(json.dumps([platform.python_version(), packages]))
"""

TRY_IMPORT = """
import importlib, importlib.metadata, sys
modules = importlib.metadata.packages_distributions()
for module in [module for module, packages in modules.items() if sys.argv[1] in packages]:
    importlib.import_module(module)
"""


class BuildError(Exception):
    """The environment could not be built, or is not what its lock says."""


def asked(environment: str) -> tuple[str, list[str]]:
    """What the text of a conda environment file asks for: Python ("3.11") and the pins for pip."""
    dependencies = yaml.safe_load(environment)["dependencies"]
    (python,) = (d for d in dependencies if str(d).startswith("python="))
    return python.removeprefix("python=").removesuffix(".*"), dependencies[-1]["pip"]


def canonical(name: str) -> str:
    """A package's name as indexes spell it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def locked_versions(lock: Path) -> dict[str, str]:
    """Name and version of every package in a lock."""
    return dict(re.findall(r"^([a-z0-9-]+)==([^\s;]+)", lock.read_text(), flags=re.MULTILINE))


def look_inside(interpreter: Path) -> tuple[str, dict[str, str]]:
    """The version of a Python, and name and version of every package that it has."""
    answer = subprocess.check_output([interpreter, "-I", "-c", LOOK_INSIDE], text=True)
    version, packages = json.loads(answer)
    return version, {canonical(name): packages[name] for name in sorted(packages, key=canonical)}


def differences(locked: dict[str, str], installed: dict[str, str]) -> list[str]:
    """One phrase for each package that is missing, is there in excess or has another version."""
    return [
        f"{name} (locked: {locked.get(name, 'no')}, installed: {installed.get(name, 'no')})"
        for name in sorted(locked.keys() | installed.keys())
        if locked.get(name) != installed.get(name)
    ]


def pip_setting(name: str) -> str | None:
    """What the user's pip is configured to, by variable or file; None if not, or without a pip."""
    listing = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True
    )
    settings = dict(line.split("=", 1) for line in listing.stdout.splitlines())
    for level in (":env:", "install", "global"):  # the order in which pip itself decides
        if (value := settings.get(f"{level}.{name}")) is not None:
            return ast.literal_eval(value)
    return None


def uv_variables() -> dict[str, str]:
    """The variables for uv: the user's, with pip's index and certificates where uv has none."""
    variables = {k: v for k, v in os.environ.items() if k not in DECIDED_BY_THE_LOCK}
    if not variables.keys() & {"UV_DEFAULT_INDEX", "UV_INDEX_URL"}:
        if index := pip_setting("index-url"):
            variables["UV_DEFAULT_INDEX"] = index
    if "SSL_CERT_FILE" not in variables:
        if certificates := pip_setting("cert"):
            variables["SSL_CERT_FILE"] = certificates
    return variables | {"UV_NO_PROGRESS": "1"}


def run_uv(*arguments: str | Path, **options) -> int:
    """Run uv, its words going to standard error; return its exit status."""
    from uv import find_uv_bin  # here, since who only looks inside needs no uv

    return subprocess.run(
        [find_uv_bin(), *arguments],
        env=uv_variables(),
        stdout=sys.stderr,
        stderr=sys.stderr,
        **options,
    ).returncode


def build(folder: Path, python: str, lock: Path) -> Path:
    """Build a virtual environment with exactly the lock's packages; return its interpreter.

    What an earlier, interrupted build left in the folder is wiped. No package runs code of its own
    while it is installed (wheels only). Bytecode is compiled here, or the first clocked run would
    do it.
    """
    folder, lock = folder.absolute(), lock.absolute()  # the user's uv may change the folder
    own = "{}.{}".format(*sys.version_info)
    if run_uv("venv", "--clear", "--python", sys.executable if own == python else python, folder):
        raise BuildError(
            f"No environment with Python {python} could be made; uv says why above. If it neither "
            f"found nor could fetch a Python {python}: install one from your system (Debian, "
            f"Ubuntu: apt install python{python}), with pyenv or with conda, see that "
            f"`python{python}` starts it, and run again."
        )
    interpreter = folder / "bin" / "python"
    sync = "pip sync --require-hashes --no-build --compile-bytecode --python".split()
    if run_uv(*sync, interpreter, lock):
        raise BuildError(f"The packages of {lock.name} were not installed; uv says why above.")
    return interpreter


def check(interpreter: Path, lock: Path) -> tuple[str, dict[str, str]]:
    """What `look_inside` finds, if it is what the lock says."""
    version, installed = look_inside(interpreter)
    if wrong := differences(locked_versions(lock), installed):
        raise BuildError(f"{interpreter} is not what {lock.name} says: {'; '.join(wrong)}.")
    return version, installed


def try_import(interpreter: Path, package: str) -> None:
    """Import a package: a library that the system lacks is to be told now, not by a clocked run."""
    trial = subprocess.run(
        [interpreter, "-I", "-c", TRY_IMPORT, package], stderr=subprocess.PIPE, text=True
    )
    if trial.returncode:
        status = f"exit status {trial.returncode}"  # a crash, on too old a processor say, is silent
        raise BuildError(
            f"{package} is installed in {interpreter} but cannot be imported: "
            f"{(trial.stderr.strip() or status).splitlines()[-1]}. If it is a library (lib*.so) of "
            f"the system that is missing, docs/environments.md tells where to get it."
        )


def size_on_disk(folder: Path) -> int:
    """Bytes that a folder takes; files that uv shares with its cache are counted, once each."""
    files = {(s.st_dev, s.st_ino): s.st_blocks for s in (p.lstat() for p in folder.rglob("*"))}
    return 512 * sum(files.values())


if __name__ == "__main__":
    sys.stderr = sys.stdout = open(snakemake.log[0], "w", buffering=1)
    folder, lock = Path(snakemake.params.folder), Path(snakemake.input.lock)
    python, pins = asked(Path(snakemake.input.yaml).read_text())
    begin = time.monotonic()
    try:
        interpreter = build(folder, python, lock)
        version, packages = check(interpreter, lock)
        if snakemake.wildcards.device != "cuda":  # there only a machine with its driver can tell
            try_import(interpreter, pins[0].partition("==")[0])
    except BuildError as error:
        sys.exit(str(error))
    receipt = {
        "framework": snakemake.wildcards.framework,
        "device": snakemake.wildcards.device,
        "deployment": "virtual environment",
        "python": version,
        "packages": packages,
        "lock_sha256": hashlib.sha256(lock.read_bytes()).hexdigest(),
        "bytes": size_on_disk(folder),
        "seconds": round(time.monotonic() - begin, 3),
    }
    Path(snakemake.output.receipt).write_text(json.dumps(receipt, indent=2) + "\n")
