"""Folders of one's own IDX files, described as data sets: any size of image, any classes."""

import gzip
import re
import subprocess
import sys

import numpy as np
import pytest

from evenhand.core import axes
from evenhand.core.schemas import ROOT, Refused
from evenhand.data import own
from support import digits

pytestmark = pytest.mark.fast

FACTS = {"label": "Bars", "source": "made up", "license": "none", "shows": "bright bars"}
IMAGE, CLASSES = (14, 11), 5


@pytest.fixture
def folder(tmp_path):
    """Four files, one of them compressed, as EMNIST names them."""
    made = digits.idx_folder(tmp_path / "mine", 60, 20, image=IMAGE, classes=CLASSES)
    for file in list(made.iterdir()):
        file.rename(made / f"emnist-bars-{file.name.replace('t10k', 'test')}")
    plain = made / "emnist-bars-train-images-idx3-ubyte"
    plain.with_name(f"{plain.name}.gz").write_bytes(gzip.compress(plain.read_bytes()))
    plain.unlink()
    (made / "readme.txt").write_text("train, test, images, labels")
    return made


@pytest.fixture
def root(tmp_path):
    """A project without data sets."""
    (tmp_path / "project/workflow/datasets").mkdir(parents=True)
    return tmp_path / "project"


def test_a_folder_is_described_by_what_its_files_hold(folder, root):
    assert str(own.write("bars", folder, FACTS, root)) == "workflow/datasets/bars.yaml"
    found = axes.dataset("bars", root)
    assert (found["image"], found["classes"], found["label"]) == (list(IMAGE), CLASSES, "Bars")
    images = digits.digits(60, 1, IMAGE, CLASSES)[0] / 255
    assert found["pixel_mean"] == pytest.approx(images.mean(), abs=1e-4)
    assert found["pixel_std"] == pytest.approx(images.std(), abs=1e-4)
    assert found["mirrors"] == [f"folder:{folder}"]
    assert found["files"]["train_images"]["name"] == "emnist-bars-train-images-idx3-ubyte"
    assert [axes.image_count("bars", part, root) for part in ("train", "test")] == [60, 20]


def test_a_file_that_is_there_is_not_overwritten(folder, root):
    own.write("bars", folder, FACTS, root)
    with pytest.raises(Refused, match=r"there is already workflow/datasets/bars\.yaml"):
        own.write("bars", folder, FACTS, root)


def labels_lack_one(folder):
    file = folder / "emnist-bars-test-labels-idx1-ubyte"
    file.write_bytes(digits.idx(np.zeros(19, np.uint8)))


def constant(folder):
    file = folder / "emnist-bars-train-images-idx3-ubyte.gz"
    file.write_bytes(gzip.compress(digits.idx(np.full((60, *IMAGE), 7, np.uint8))))


def empty(folder):
    for kind, shape in (("images-idx3", (0, *IMAGE)), ("labels-idx1", (0,))):
        file = folder / f"emnist-bars-test-{kind}-ubyte"
        file.write_bytes(digits.idx(np.zeros(shape, np.uint8)))


@pytest.mark.parametrize(
    ("name", "spoil", "said"),
    [
        ("Bars", lambda f: None, "NAME: `Bars` is no name"),
        ("bars", lambda f: f.rename(f.with_name("other")), "mine` is not a folder"),
        (
            "bars",
            lambda f: (f / "emnist-bars-test-labels-idx1-ubyte").unlink(),
            "one file with test-labels in its name is needed; there is none",
        ),
        (
            "bars",
            lambda f: (f / "my-test-labels").touch(),
            "there is emnist-bars-test-labels-idx1-ubyte, my-test-labels",
        ),
        ("bars", constant, "pixel_std: 0.0 is less than or equal"),
        ("bars", empty, "no image in its test part"),
        ("bars", labels_lack_one, "not as many labels as images in its test part"),
        (
            "bars",
            lambda f: (f / "emnist-bars-test-images-idx3-ubyte").write_bytes(b"<html>"),
            "test-images-idx3-ubyte: expected a header of 16 bytes, found 6",
        ),
        (
            "bars",
            lambda f: (f / "emnist-bars-train-images-idx3-ubyte.gz").write_bytes(b"no gzip"),
            "train-images-idx3-ubyte.gz: expected a whole gzip file",
        ),
    ],
)
def test_what_is_no_data_set_is_refused_in_one_line(folder, root, name, spoil, said):
    spoil(folder)
    with pytest.raises(Refused, match=re.escape(said)) as refusal:
        own.write(name, folder, FACTS, root)
    assert "\n" not in str(refusal.value)
    assert not list((root / "workflow/datasets").iterdir())


def test_the_command_says_what_it_wrote_or_why_not(tmp_path):
    program = [sys.executable, ROOT / "workflow/scripts/new_dataset.py", "mine", tmp_path / "none"]
    done = subprocess.run(program, capture_output=True, text=True)
    assert done.returncode == 2 and done.stderr.endswith("is not a folder\n") and not done.stdout
