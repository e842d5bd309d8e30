"""The strict reading of IDX files, and the rules download and prepare as Snakemake runs them."""

import json
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import prepare
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

ROOT = Path(__file__).parents[1]
FILES = [
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
]


def digits(count, seed=0):
    """Made-up images (count, 28, 28) and labels (count,), uint8."""
    generator = np.random.default_rng(seed)
    images = generator.integers(0, 256, (count, 28, 28), np.uint8)
    return images, generator.integers(0, 10, count, np.uint8)


@pytest.fixture
def pair(tmp_path):
    """Paths of a valid set of 20 images and labels."""
    paths = tmp_path / "images", tmp_path / "labels"
    for path, items in zip(paths, digits(20), strict=True):
        prepare.write_idx(path, items)
    return paths


def test_an_idx_file_is_laid_out_as_its_specification_says(tmp_path):
    prepare.write_idx(tmp_path / "images", np.full((2, 28, 28), 7, np.uint8))
    assert (tmp_path / "images").read_bytes() == (
        bytes([0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 28, 0, 0, 0, 28]) + 2 * 28 * 28 * b"\7"
    )


def test_the_first_images_of_a_set_are_read(pair):
    images, labels = prepare.read_set(*pair, 15)
    expected_images, expected_labels = digits(20)
    np.testing.assert_array_equal(images, expected_images[:15])
    np.testing.assert_array_equal(labels, expected_labels[:15])
    assert images.dtype == labels.dtype == np.uint8


@pytest.mark.parametrize(
    "header, body, complaint",
    [
        ((0x803, 2, 28, 28), 1567, "expected 1584 bytes for 2 items, found 1583"),
        ((0x803, 2, 28, 28), 1569, "expected 1584 bytes for 2 items, found 1585"),
        ((0x801, 2, 28, 28), 1568, "expected magic number 0x0803, found 0x0801"),
        ((0x903, 2, 28, 28), 1568, "expected magic number 0x0803, found 0x0903"),
        ((0x3080000, 2, 28, 28), 1568, "expected magic number 0x0803, found 0x3080000"),
        ((0x803, 2, 32, 32), 2048, r"expected items of \(28, 28\), found \(32, 32\)"),
        ((0x803, 2**32 - 1, 28, 28), 1568, "expected 3367254359296 bytes"),
        ((0x803, 2**32 - 1, 2**32 - 1, 2**32 - 1), 1568, r"expected items of \(28, 28\)"),
        ((0x803, 2, 28), 0, "expected a header of 16 bytes, found 12"),
        ((), 0, "expected a header of 16 bytes, found 0"),
    ],
)
def test_a_bad_image_file_is_refused(header, body, complaint, pair):
    pair[0].write_bytes(struct.pack(f">{len(header)}I", *header) + bytes(body))
    with pytest.raises(ValueError, match=f"{pair[0]}: {complaint}"):
        prepare.read_set(*pair, 1)


def test_a_label_above_nine_is_refused(pair):
    labels = digits(20)[1]
    labels[13] = 10
    prepare.write_idx(pair[1], labels)
    with pytest.raises(ValueError, match=f"{pair[1]}: .* from 0 to 9, found 10 at position 13"):
        prepare.read_set(*pair, 1)


def test_as_many_labels_as_images_are_demanded(pair):
    prepare.write_idx(pair[1], digits(19)[1])
    with pytest.raises(ValueError, match=f"{pair[1]}: expected 20 labels, .* found 19"):
        prepare.read_set(*pair, 1)


def test_more_images_than_there_are_cannot_be_asked_for(pair):
    with pytest.raises(ValueError, match=f"{pair[0]}: expected at least the 21 .* found 20"):
        prepare.read_set(*pair, 21)


words = st.sampled_from([0x801, 0x803, 0, 1, 2, 10, 28, 2**31, 2**32 - 1]) | st.integers(
    0, 2**32 - 1
)


@given(
    header=st.lists(words, max_size=5).map(lambda w: struct.pack(f">{len(w)}I", *w)),
    body=st.binary(max_size=40) | st.integers(0, 3).map(lambda n: bytes(784 * n)),
    item=st.sampled_from([prepare.IMAGE, prepare.LABEL]),
)
@example(header=struct.pack(">4I", 0x803, 3, 28, 28), body=bytes(3 * 784), item=prepare.IMAGE)
@example(header=struct.pack(">2I", 0x801, 4), body=b"\0\1\2\3", item=prepare.LABEL)
def test_hostile_bytes_are_parsed_exactly_or_refused_by_name(header, body, item, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / "hostile"
    path.write_bytes(header + body)
    try:
        items = prepare.read_idx(path, item)
    except ValueError as error:
        assert str(error).startswith(f"{path}: expected ")
    else:
        copy = path.with_name("copy")
        prepare.write_idx(copy, items)
        assert copy.read_bytes() == header + body


# ---- The rules -------------------------------------------------------------------------------

SNAKEFILE = f"""
rule all:
    input:
        "results/data/mnist.npz",

include: "{ROOT}/workflow/rules/data.smk"
"""


@pytest.fixture
def workflow(tmp_path):
    """A workflow of the two rules alone, beside a folder of 60 and 20 made-up digits."""
    own = tmp_path / "own"
    own.mkdir()
    arrays = (*digits(60, seed=1), *digits(20, seed=2))
    for name, items in zip(FILES, arrays, strict=True):
        prepare.write_idx(own / name, items)
    (tmp_path / "Snakefile").write_text(SNAKEFILE)

    def run(train_images, test_images):
        settings = {"folder": "own", "train_images": train_images, "test_images": test_images}
        (tmp_path / "config.json").write_text(json.dumps({"data": settings}))
        return subprocess.run(
            [sys.executable, "-m", "snakemake", "--cores", "1", "--configfile", "config.json"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
        )

    return run


def test_the_users_own_digits_are_packed_for_toolbox_and_torchvision(workflow, tmp_path):
    done = workflow(train_images=50, test_images=20)
    assert done.returncode == 0, done.stderr
    (train_images, train_labels), (test_images, test_labels) = (
        digits(60, seed=1),
        digits(20, seed=2),
    )
    expected = [train_images[:50], train_labels[:50], test_images, test_labels]
    with np.load(tmp_path / "results/data/mnist.npz") as packed:
        names = ["train_images", "train_labels", "test_images", "test_labels"]
        assert packed.files == names
        for name, items in zip(names, expected, strict=True):
            np.testing.assert_array_equal(packed[name], items)
            assert packed[name].dtype == np.uint8
    for name, items in zip(FILES, expected, strict=True):
        found = prepare.read_idx(tmp_path / "results/data/MNIST/raw" / name, items.shape[1:])
        np.testing.assert_array_equal(found, items)
    with zipfile.ZipFile(tmp_path / "results/data/mnist.npz") as archive:
        # No entry tells when it was written: the same digits give the same bytes.
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_asking_for_too_many_images_fails_and_says_so_in_the_log(workflow, tmp_path):
    assert workflow(train_images=61, test_images=20).returncode != 0
    said = (tmp_path / "logs/prepare.log").read_text()
    assert said == (
        "results/data/raw/train-images-idx3-ubyte: expected at least the 61 images "
        "that the config asks for, found 60\n"
    )


def test_a_folder_that_lacks_a_file_fails_and_says_so_in_the_log(workflow, tmp_path):
    (tmp_path / "own" / FILES[2]).unlink()
    assert workflow(train_images=60, test_images=20).returncode != 0
    said = (tmp_path / "logs/download.log").read_text()
    assert said == f"own: expected {FILES[2]} or {FILES[2]}.gz, found neither\n"


def test_a_change_in_the_users_folder_is_seen(workflow, tmp_path):
    assert workflow(train_images=60, test_images=20).returncode == 0
    prepare.write_idx(tmp_path / "own" / FILES[0], digits(60, seed=3)[0])
    assert workflow(train_images=60, test_images=20).returncode == 0
    with np.load(tmp_path / "results/data/mnist.npz") as packed:
        np.testing.assert_array_equal(packed["train_images"], digits(60, seed=3)[0])
