"""Make one framework's environment in the way that is asked for, look inside, and leave a receipt.

A virtual environment is built here, from its lock. Conda's is there already, and active; images
are built by containers/build.py. Whatever built it, `check` holds what is there against the lock.
"""

import argparse
import ast
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import container
import yaml

sys.path.append(str(Path(__file__).parents[1] / "trainers"))

from toolbox.record import sha256, write

# Conda's pip brings these along; no lock names them.
INSTALLERS = {"pip", "setuptools", "wheel"}

# Variables of the user's uv that would change what is built, or refuse it. Those that say where
# packages come from and how they are kept (index, cache, link mode, ...) are the user's to set.
DECIDED_BY_THE_LOCK = {"UV_CONSTRAINT", "UV_EXCLUDE_NEWER", "UV_TORCH_BACKEND", "UV_VENV_SEED"}

# Isolated (-I): neither PYTHONPATH nor the user's own site-packages count as installed.
LOOK_INSIDE = """
import importlib.metadata, json, platform
# Those with a name: pip may leave a nameless rest of a package that conda had installed.
packages = {d.name: d.version for d in importlib.metadata.distributions() if d.name}
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


def look_inside(interpreter: list) -> tuple[str, dict[str, str]]:
    """The version of a Python, and name and version of every package that it has.

    An interpreter is the command that starts it, here and in what follows.
    """
    look = subprocess.run([*interpreter, "-I", "-c", LOOK_INSIDE], capture_output=True, text=True)
    if look.returncode:
        why = look.stderr.strip().splitlines()[-1:] or [f"exit status {look.returncode}"]
        raise BuildError(f"The environment's Python does not start: {why[0]}")
    version, packages = json.loads(look.stdout)
    return version, {canonical(name): packages[name] for name in sorted(packages, key=canonical)}


def differences(
    locked: dict[str, str], others: dict[str, str], what: str = "installed"
) -> list[str]:
    """One phrase for each package that is missing, is there in excess or has another version."""
    return [
        f"{name} (locked: {locked.get(name, 'no')}, {what}: {others.get(name, 'no')})"
        for name in sorted(locked.keys() | (others.keys() - INSTALLERS))
        if locked.get(name) != others.get(name)
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


def build(folder: Path, python: str, lock: Path) -> list:
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
    return [interpreter]


def check_pins(environment: Path, lock: Path) -> tuple[str, str]:
    """The Python and the package that an environment is for, if its file and its lock agree."""
    python, pins = asked(environment.read_text())
    if not lock.exists():
        raise BuildError(f"{lock} is missing. This makes it: python workflow/scripts/lock.py")
    pinned = dict(pin.split("==") for pin in pins)
    if wrong := differences(locked_versions(lock), pinned, "pinned"):
        raise BuildError(
            f"{environment.name} and {lock.name} are at odds: {'; '.join(wrong)}. "
            "Compile the lock again: python workflow/scripts/lock.py"
        )
    return python, next(iter(pinned))


def check(interpreter: list, lock: Path) -> tuple[str, dict[str, str]]:
    """What `look_inside` finds, if it is what the lock says."""
    version, installed = look_inside(interpreter)
    locked = locked_versions(lock)
    if wrong := differences(locked, installed):
        raise BuildError(f"The environment is not what {lock.name} says: {'; '.join(wrong)}.")
    return version, {name: installed[name] for name in locked}


def try_import(interpreter: list, package: str) -> None:
    """Import a package: a library that the system lacks is to be told now, not by a clocked run."""
    trial = subprocess.run(
        [*interpreter, "-I", "-c", TRY_IMPORT, package], stderr=subprocess.PIPE, text=True
    )
    if trial.returncode:
        status = f"exit status {trial.returncode}"  # a crash, on too old a processor say, is silent
        raise BuildError(
            f"{package} is installed but cannot be imported: "
            f"{(trial.stderr.strip() or status).splitlines()[-1]}. If it is a library (lib*.so) of "
            f"the system that is missing, docs/environments.md tells where to get it."
        )


def size_on_disk(folder: Path) -> int:
    """Bytes that a folder takes; files that uv shares with its cache are counted, once each."""
    files = {(s.st_dev, s.st_ino): s.st_blocks for s in (p.lstat() for p in folder.rglob("*"))}
    return 512 * sum(files.values())


def check_image(deployment: str, lock: Path, image_prefix: str, sif: Path) -> None:
    """Raise if an environment is to be an image and that is not there."""
    if deployment == "docker":
        container.find_image(image_prefix, lock)
    if deployment == "apptainer" and not sif.exists():
        raise BuildError(
            f"The image {sif} is missing. Where Apptainer is installed this makes it: "
            f"python containers/build.py --archive {sif.parent} {lock.stem}"
        )


def make(args: argparse.Namespace, python: str, lock: Path) -> tuple[list, str, str | None, int]:
    """Make an environment, or find the one that has been made.

    Returned are its interpreter, the way it is deployed, its image's digest, and its bytes on disk.
    """
    inside = container.python_of(lock.stem)
    if args.deployment == "virtual environment":
        folder = args.receipt.with_suffix("")
        return build(folder, python, lock), args.deployment, None, size_on_disk(folder)
    if args.deployment == "conda":
        return ["python"], args.deployment, None, size_on_disk(Path(os.environ["CONDA_PREFIX"]))
    if args.deployment == "workflow image":
        folder = Path(inside).parents[1]
        if not folder.exists():
            raise BuildError(f"The image that this runs in has no environment {lock.stem}.")
        return [inside], args.deployment, None, size_on_disk(folder)
    if args.deployment == "apptainer":
        digest = f"sha256:{sha256(args.sif)}"
        start = [container.apptainer(), "exec", args.sif, inside]
        return start, args.deployment, digest, args.sif.stat().st_size
    engine, digest, size = container.find_image(args.image_prefix, lock)
    return [*container.command(engine, digest), inside], engine, digest, size


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--environment", type=Path, required=True, help="its YAML file")
    parser.add_argument("--lock", type=Path, required=True, help="its lock")
    parser.add_argument("--deployment", required=True, help="the way, as settings.py names it")
    parser.add_argument("--image-prefix", help="how the names of images begin")
    parser.add_argument("--sif", type=Path, help="the image for Apptainer")
    parser.add_argument("--receipt", type=Path, required=True, help="where the receipt goes")
    args = parser.parse_args(argv)
    begin = time.monotonic()
    try:
        python, package = check_pins(args.environment, args.lock)
        check_image(args.deployment, args.lock, args.image_prefix, args.sif)
        interpreter, deployment, image, size = make(args, python, args.lock)
        version, packages = check(interpreter, args.lock)
        if not version.startswith(f"{python}."):
            raise BuildError(f"{args.environment.name} asks for Python {python}, not {version}.")
        if not args.lock.stem.endswith("-cuda"):  # there only a machine with its driver can tell
            try_import(interpreter, package)
    except (BuildError, container.ContainerError) as error:
        sys.exit(str(error))
    framework, _, device = args.lock.stem.rpartition("-")
    built_here = deployment == "virtual environment"
    receipt = {
        "framework": framework,
        "device": device,
        "deployment": deployment,
        "image": image,
        "python": version,
        "packages": packages,
        "lock_sha256": sha256(args.lock),
        "bytes": size,
        "seconds": round(time.monotonic() - begin, 3) if built_here else None,
    }
    write(args.receipt, receipt)


if __name__ == "__main__":
    main(sys.argv[1:])
