"""Build a virtual environment from its lock; look into any environment, and describe it."""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from evenhand.core import axes
from evenhand.core.identity import Competitor
from evenhand.core.proxies import named_proxies
from evenhand.core.words import last_line
from evenhand.environments.locks import BuildError, canonical, differences, locked_versions
from evenhand.environments.uv import run_uv
from toolbox.record import sha256

# Isolated (-I): neither PYTHONPATH nor the user's own site-packages count as installed.
LOOK_INSIDE = """
import importlib.metadata, json, platform, site
# Not all that is on the path: a package may have put copies there that it carries inside itself.
found = importlib.metadata.distributions(path=site.getsitepackages())
# Those with a name: pip may leave a nameless rest of a package that conda had installed.
packages = {d.name: d.version for d in found if d.name}
print(json.dumps([platform.python_version(), packages, " ".join(platform.libc_ver())]))
"""

# Not what begins with an underscore: a wheel may bring such a module that cannot be imported.
TRY_IMPORT = """
import importlib, importlib.metadata, os, sys
os.environ.update(pair.split("=", 1) for pair in sys.argv[2:])
for module, packages in importlib.metadata.packages_distributions().items():
    if sys.argv[1] in packages and not module.startswith("_"):
        importlib.import_module(module)
"""


@dataclass(frozen=True)
class Made:
    """An environment that has been made, or was found made.

    `interpreter` is the command that starts its Python, `deployment` and `image` are as its receipt
    names them, `bytes` is what it takes on disk, `base` the digest of the image that its own was
    built from.
    """

    interpreter: Sequence[str | Path]
    deployment: str
    bytes: int
    image: str | None = None
    base: str | None = None
    built_now: bool = False


def build(folder: Path, python: str, lock: Path) -> list[Path]:
    """Build a virtual environment with exactly the lock's packages; return its interpreter.

    What an earlier, interrupted build left in the folder is wiped. No package runs code of its own
    while it is installed (wheels only). Bytecode is compiled here, or the first timed run would
    do it.
    """
    own = "{}.{}".format(*sys.version_info)
    if run_uv("venv", "--clear", "--python", sys.executable if own == python else python, folder):
        raise BuildError(
            f"No environment with Python {python} could be made; uv says why above. If it neither "
            f"found nor could fetch a Python {python}: install one from your system (Debian, "
            f"Ubuntu: apt install python{python}), with pyenv or with conda, see that "
            f"`python{python}` starts it, and run again.{named_proxies()}"
        )
    interpreter = folder / "bin" / "python"
    sync = "pip sync --require-hashes --no-build --compile-bytecode".split()
    if run_uv(*sync, "--python", interpreter, lock):
        why = f"uv says why above.{named_proxies()}"
        raise BuildError(f"The packages of {lock.name} were not installed; {why}")
    return [interpreter]


def look_inside(interpreter: Sequence[str | Path]) -> tuple[str, dict[str, str], str]:
    """The version of a Python, name and version of every package that it has, and its C library."""
    look = subprocess.run([*interpreter, "-I", "-c", LOOK_INSIDE], capture_output=True, text=True)
    if look.returncode:
        why = last_line(look.stderr, look.returncode)
        raise BuildError(f"The environment's Python does not start: {why}")
    version, packages, libc = json.loads(look.stdout)
    packages = {canonical(name): packages[name] for name in sorted(packages, key=canonical)}
    return version, packages, libc


def check(interpreter: Sequence[str | Path], lock: Path) -> tuple[str, dict[str, str], str]:
    """What `look_inside` finds, if it is what the lock says."""
    version, installed, libc = look_inside(interpreter)
    locked = locked_versions(lock)
    if wrong := differences(locked, installed):
        raise BuildError(f"The environment is not what {lock.name} says: {'; '.join(wrong)}.")
    return version, {name: installed[name] for name in locked}, libc


def try_import(
    interpreter: Sequence[str | Path], package: str, variables: Mapping[str, str]
) -> None:
    """Import a package: a missing system library is to be reported now, not by a timed run.

    `variables`: those of the environment that its processes get.
    """
    settings = [f"{name}={value}" for name, value in variables.items()]
    command = [*interpreter, "-I", "-c", TRY_IMPORT, package, *settings]
    trial = subprocess.run(command, stderr=subprocess.PIPE, text=True)
    if trial.returncode:
        why = last_line(trial.stderr, trial.returncode)  # a crash on too old a processor is silent
        raise BuildError(
            f"{package} is installed but cannot be imported: {why}. If it is a library (lib*.so) "
            f"of the system that is missing, docs/environments.md tells where to get it."
        )


def size_on_disk(folder: Path) -> int:
    """Bytes that a folder takes; files that uv shares with its cache are counted, once each."""
    files = {(s.st_dev, s.st_ino): s.st_blocks for s in (p.lstat() for p in folder.rglob("*"))}
    return 512 * sum(files.values())


def receipt(made: Made, python: str, package: str, lock: Path) -> dict:
    """What an environment holds, if that is what its lock says and the package can be imported.

    `python` ("3.11") and `package`, the framework's, are what its YAML file requests. The import is
    left out for a GPU: only a machine with its driver can tell.
    """
    version, packages, libc = check(made.interpreter, lock)
    if not version.startswith(f"{python}."):
        environment = lock.with_suffix(".yaml").name
        raise BuildError(f"{environment} requests Python {python}, not {version}.")
    competitor = Competitor.parse(lock.stem)
    if not axes.device(competitor.device)["gpu"]:
        try_import(made.interpreter, package, axes.framework(competitor.framework)["variables"])
    return {
        "framework": competitor.framework,
        "device": competitor.device,
        "deployment": made.deployment,
        "image": made.image,
        "base": made.base,
        "libc": libc,
        "python": version,
        "packages": packages,
        "lock_sha256": sha256(lock),
        "bytes": made.bytes,
    }
