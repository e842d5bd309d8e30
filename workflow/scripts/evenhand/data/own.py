"""The file in workflow/datasets that describes a folder of one's own IDX files."""

import copy
import hashlib
import re
import struct
from pathlib import Path

import numpy as np
import yaml

from evenhand.core import axes
from evenhand.core.schemas import ROOT, Refused, completed
from evenhand.data import idx
from evenhand.data.files import gunzip

LARGEST = 2**32  # bytes of a file, uncompressed
# How the four files are told apart by their names, whatever else is in these.
PARTS = {"train": "train", "test": "test|t10k"}
KINDS = ("images", "labels")


def write(name: str, folder: Path, facts: dict[str, str], root: Path = ROOT) -> Path:
    """Write the file of a data set whose four IDX files, .gz or not, lie in a folder.

    Its path, seen from the root. `facts`: `label`, `source`, `license` and `shows`, each in words.
    Sizes, classes, digests, and the mean and standard deviation of the training pixels, scaled to
    0..1, are those of the files. Refused, in one line, if something is missing or does not fit, or
    if there is such a file already.
    """
    path = axes.path("dataset", name, root)
    if not re.fullmatch("[a-z0-9][a-z0-9-]*", name):
        raise Refused(f"NAME: `{name}` is no name: small letters, digits and hyphens only")
    if path.exists():
        raise Refused(f"nothing written, since there is already {path.relative_to(root)}")
    keys = [(part, kind) for part in PARTS for kind in KINDS]
    found = {f"{part}_{kind}": _find(folder, part, kind) for part, kind in keys}
    contents = {key: _content(file) for key, file in found.items()}
    image = _image(found["train_images"], contents["train_images"])
    arrays = {}
    for key, content in contents.items():
        item = image if key.endswith("images") else idx.LABEL
        try:
            arrays[key] = idx.items(found[key], content, item)
        except ValueError as error:
            raise Refused(str(error)) from None
    for part in PARTS:
        if len(arrays[f"{part}_images"]) != len(arrays[f"{part}_labels"]):
            raise Refused(f"{folder}: not as many labels as images in its {part} part")
        if not len(arrays[f"{part}_images"]):
            raise Refused(f"{folder}: no image in its {part} part")
    pixels = arrays["train_images"] / np.float32(255)
    labels = np.concatenate([arrays["train_labels"], arrays["test_labels"]])
    described = {
        "label": facts["label"],
        "source": facts["source"],
        "license": facts["license"],
        "shows": {"en": facts["shows"]},
        "image": list(image),
        "classes": max(2, int(labels.max()) + 1),
        "pixel_mean": round(float(pixels.mean(dtype=float)), 4),
        "pixel_std": round(float(pixels.std(dtype=float)), 4),
        "mirrors": [f"folder:{folder.resolve()}"],
        "files": {
            key: {
                "name": found[key].name.removesuffix(".gz"),
                "bytes": len(content),
                "sha256": hashlib.sha256(content).hexdigest(),
            }
            for key, content in contents.items()
        },
    }
    completed(copy.deepcopy(described), "dataset")  # or Refused
    about = "# Described by workflow/schemas/dataset.schema.yaml; made by new_dataset.py.\n"
    path.write_text(about + yaml.safe_dump(described, sort_keys=False, allow_unicode=True))
    return path.relative_to(root)


def _find(folder: Path, part: str, kind: str) -> Path:
    """The one file of a folder whose name says which part and kind it is."""
    if not folder.is_dir():
        raise Refused(f"FOLDER: `{folder}` is not a folder")
    form = re.compile(rf"(?:^|[^a-z])(?:{PARTS[part]})[^a-z]+{kind}(?![a-z])")
    found = [file for file in sorted(folder.iterdir()) if form.search(file.name)]
    if len(found) != 1:
        names = ", ".join(file.name for file in found) or "none"
        like = f"{PARTS[part].partition('|')[0]}-{kind}"
        raise Refused(f"{folder}: one file with {like} in its name is needed; there is {names}")
    return found[0]


def _content(file: Path) -> bytes:
    """A file's bytes, uncompressed."""
    try:
        data = file.read_bytes()
        return gunzip(data, LARGEST) if file.suffix == ".gz" else data
    except (OSError, ValueError) as error:
        raise Refused(f"{file}: {error}") from None


def _image(file: Path, content: bytes) -> tuple[int, int]:
    """Rows and columns of the images of an IDX file, by its header."""
    if len(content) < 16:
        raise Refused(f"{file}: expected a header of 16 bytes, found {len(content)}")
    return struct.unpack_from(">2I", content, 8)
