"""The files that begin a new framework: its environment, what is known of it, and a trainer."""

import keyword
import re
from collections.abc import Sequence
from pathlib import Path
from string import Template

import numpy as np
import yaml
from matplotlib import colormaps
from matplotlib.colors import to_hex, to_rgb
from packaging.version import InvalidVersion, Version

from evenhand.core import axes
from evenhand.core.schemas import ROOT, Refused, suggestion
from evenhand.environments import locks

TEMPLATES = Path(__file__).parent / "templates"
DEVICE = "cpu"  # unless another is asked for
TOOLBOX = "envs/numpy-cpu.yaml"  # pins what the toolbox needs, and nothing else
NVML = "nvidia-ml-py"  # what the launcher needs besides on a GPU, as environments for one pin it
LABEL_LENGTH = 23  # keeps the trainer's first line within its 72 columns

GRAY = "#808080"  # what figures show without a framework


def write(name: str, package: str, label: str, device: str, root: Path = ROOT) -> list[Path]:
    """Write the files of a framework, all or none, and return their paths, seen from the root.

    Arguments as in `contents`. Refused, in one line, if they cannot be used or a file is there.
    """
    files = contents(name, package, label, device, root)
    if there := [str(path) for path in files if (root / path).exists()]:
        raise Refused(f"nothing written, since there is already: {', '.join(there)}")
    begun = []
    try:
        for path, content in files.items():
            with (root / path).open("x", encoding="utf-8") as file:
                begun.append(path)
                file.write(content)
    except BaseException:
        for path in begun:
            (root / path).unlink()
        raise
    return begun


def contents(name: str, package: str, label: str, device: str, root: Path) -> dict[Path, str]:
    """What each file of a framework holds, by its path seen from the root.

    `package`: the pin of its package, as in `mylib==1.2.3`. `label`: its name in the report.
    """
    module = re.fullmatch("[a-z][a-z0-9_]*", name) and not keyword.iskeyword(name)
    if not module or yaml.safe_load(name) != name:  # YAML reads `on`, say, as true
        raise Refused(
            f"NAME: `{name}` cannot name a framework: small letters, digits and underscores, a "
            "letter first, and no word of Python or YAML"
        )
    if device not in axes.names("device", root):
        raise Refused(f"--device: {suggestion(device, axes.names('device', root))}")
    plain = label.isascii() and label.isprintable() and not set(label) & {'"', "\\"}
    if not plain or label != label.strip() or not 0 < len(label) <= LABEL_LENGTH:
        raise Refused(
            f"--label: {label!r} is not 1 to {LABEL_LENGTH} ASCII characters, with no quotation "
            "mark, no backslash and no space at either end"
        )
    package, python = pin(package), locks.requested((root / TOOLBOX).read_text())[0]
    others = [axes.framework(other, root)["color"] for other in axes.names("framework", root)]
    values = {
        "name": name,
        "prefix": name.upper(),
        "label": label,
        "label_in_yaml": yaml.safe_dump({"label": label}).strip(),
        "color": new_color([*others, GRAY]),
        "python": python,
        "package": package,
        "toolbox": "\n".join(toolbox_pins(package, device, root)),
    }
    templates = {
        Path(f"envs/{name}-{device}.yaml"): "environment.yaml.txt",
        axes.path("framework", name, Path()): "framework.yaml.txt",
        axes.trainer(gated_track(), name, Path()): "trainer.py.txt",
    }
    return {
        path: Template((TEMPLATES / template).read_text(encoding="utf-8")).substitute(values)
        for path, template in templates.items()
    }


def gated_track() -> str:
    """The track that the trainer's template is for: the first that is proved step by step."""
    return next(name for name in axes.names("track") if axes.track(name)["proof"] == "gate")


def next_steps(name: str, device: str) -> str:
    """What to do with the files, as commands."""
    track = gated_track()
    trainer = axes.trainer(track, name, Path())
    environment = f"results/environments/{name}-{device}"
    devices = f" 'devices=[{device}]'" if device != DEVICE else ""
    config = f"--config 'frameworks=[numpy, {name}]' 'tracks=[{track}]'{devices}"
    on_device = f" --device {device}" if device != DEVICE else ""
    return f"""\
1. Lock what it needs, and build its environment:
     python workflow/scripts/lock.py
     snakemake --cores 4 {environment}.json {config}
2. Fill in {trainer}, and after each section:
     python workflow/scripts/check.py {trainer} --python {environment}/bin/python{on_device}
3. Say in {axes.path("framework", name, Path())} what is true of it, and compare:
     snakemake --cores 4 {config} rounds=1
"""


# ---- Pins ------------------------------------------------------------


def pin(text: str) -> str:
    """The pin as a lock spells it; Refused if it is not one version of one package."""
    form = re.fullmatch(r"([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)==(\S+)", text)
    try:
        if not form:
            raise InvalidVersion
        return f"{locks.canonical(form[1])}=={Version(form[2])}"
    except InvalidVersion:
        raise Refused(f"--package: `{text}` is not PACKAGE==VERSION, as in mylib==1.2.3") from None


def toolbox_pins(package: str, device: str, root: Path) -> list[str]:
    """Lines that pin, with a reason, what the toolbox needs on a device.

    They come from other environments. What the framework pins itself is left out.
    """
    lines = {}
    for environment in sorted(root.glob(f"envs/*-{device}.yaml")):
        lines |= {name: line for name, line in locks.pin_lines(environment).items() if name == NVML}
    lines |= locks.pin_lines(root / TOOLBOX)
    lines.pop(locks.canonical(package.split("==")[0]), None)
    return [lines[name] for name in sorted(lines)]


# ---- Color -----------------------------------------------------------


def new_color(taken: Sequence[str]) -> str:
    """Of matplotlib's twenty qualitative colors the farthest from its nearest among those taken."""
    others = np.array(list(map(to_rgb, taken)))
    colors = colormaps["tab20"].colors
    return to_hex(max(colors, key=lambda color: np.linalg.norm(others - color, axis=1).min()))
