"""The strict reading of IDX files, and the rules download and prepare as Snakemake runs them."""

import hashlib
import json
import struct
import zipfile

import numpy as np
import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from evenhand.data import idx
from support import checkouts
from support.digits import idx_folder

IMAGE, CLASSES = (28, 28), 10
NAMES = ["train_images", "train_labels", "test_images", "test_labels"]
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
        idx.write_idx(path, items)
    return paths


@pytest.mark.fast
def test_an_idx_file_is_laid_out_as_its_specification_says(tmp_path):
    idx.write_idx(tmp_path / "images", np.full((2, 28, 28), 7, np.uint8))
    assert (tmp_path / "images").read_bytes() == (
        bytes([0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 28, 0, 0, 0, 28]) + 2 * 28 * 28 * b"\7"
    )


@pytest.mark.fast
def test_the_first_images_of_a_set_are_read(pair):
    images, labels = idx.read_set(*pair, 15, IMAGE, CLASSES)
    expected_images, expected_labels = digits(20)
    np.testing.assert_array_equal(images, expected_images[:15])
    np.testing.assert_array_equal(labels, expected_labels[:15])
    assert images.dtype == labels.dtype == np.uint8


@pytest.mark.fast
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
@pytest.mark.fast
def test_a_bad_image_file_is_refused(header, body, complaint, pair):
    pair[0].write_bytes(struct.pack(f">{len(header)}I", *header) + bytes(body))
    with pytest.raises(ValueError, match=f"{pair[0]}: {complaint}"):
        idx.read_set(*pair, 1, IMAGE, CLASSES)


@pytest.mark.fast
def test_a_label_above_nine_is_refused(pair):
    labels = digits(20)[1]
    labels[13] = 10
    idx.write_idx(pair[1], labels)
    with pytest.raises(ValueError, match=f"{pair[1]}: .* from 0 to 9, found 10 at position 13"):
        idx.read_set(*pair, 1, IMAGE, CLASSES)


@pytest.mark.fast
def test_as_many_labels_as_images_are_demanded(pair):
    idx.write_idx(pair[1], digits(19)[1])
    with pytest.raises(ValueError, match=f"{pair[1]}: expected 20 labels, .* found 19"):
        idx.read_set(*pair, 1, IMAGE, CLASSES)


@pytest.mark.fast
def test_more_images_than_there_are_cannot_be_asked_for(pair):
    with pytest.raises(ValueError, match=f"{pair[0]}: expected at least the 21 .* found 20"):
        idx.read_set(*pair, 21, IMAGE, CLASSES)


@pytest.mark.fast
@pytest.mark.parametrize(("image", "classes"), [((9, 12), 4), ((32, 32), 256)])
def test_images_of_other_sizes_and_classes_are_read_and_held_to_them(image, classes, tmp_path):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (classes, *image), np.uint8)
    labels = np.arange(classes, dtype=np.uint8)
    idx.write_idx(tmp_path / "images", images)
    idx.write_idx(tmp_path / "labels", labels)
    paths = tmp_path / "images", tmp_path / "labels"
    found = idx.read_set(*paths, classes, image, classes)
    np.testing.assert_array_equal(found[0], images)
    np.testing.assert_array_equal(found[1], labels)
    with pytest.raises(ValueError, match=f"from 0 to {classes - 2}, found {classes - 1} at"):
        idx.read_set(*paths, classes, image, classes - 1)
    with pytest.raises(ValueError, match="expected items of"):
        idx.read_set(*paths, classes, image[::-1] if image[0] != image[1] else IMAGE, classes)


words = st.sampled_from([0x801, 0x803, 0, 1, 2, 10, 28, 2**31, 2**32 - 1]) | st.integers(
    0, 2**32 - 1
)


@pytest.mark.fast
@given(
    header=st.lists(words, max_size=5).map(lambda w: struct.pack(f">{len(w)}I", *w)),
    body=st.binary(max_size=40) | st.integers(0, 3).map(lambda n: bytes(784 * n)),
    item=st.sampled_from([IMAGE, idx.LABEL]),
)
@example(header=struct.pack(">4I", 0x803, 3, 28, 28), body=bytes(3 * 784), item=IMAGE)
@example(header=struct.pack(">2I", 0x801, 4), body=b"\0\1\2\3", item=idx.LABEL)
@pytest.mark.fast
def test_hostile_bytes_are_parsed_exactly_or_refused_by_name(header, body, item, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / "hostile"
    path.write_bytes(header + body)
    try:
        items = idx.read_idx(path, item)
    except ValueError as error:
        assert str(error).startswith(f"{path}: expected ")
    else:
        copy = path.with_name("copy")
        idx.write_idx(copy, items)
        assert copy.read_bytes() == header + body


# ---- The rules -------------------------------------------------------------------------------


@pytest.fixture
def workflow(tmp_path):
    """A checkout with a folder `own` of 60 and 20 made-up digits, and how to prepare them there."""
    folder = checkouts.checkout(tmp_path / "evenhand")
    (folder / "own").mkdir()
    arrays = (*digits(60, seed=1), *digits(20, seed=2))
    for name, items in zip(FILES, arrays, strict=True):
        idx.write_idx(folder / "own" / name, items)

    def run(train_images=60, test_images=20, fails=False):
        data = {"folder": "own", "train_images": train_images, "test_images": test_images}
        prepare(folder, "mnist", data, fails=fails)
        return folder

    return run


def prepare(folder, dataset, data, fails=False):
    """Prepare this data set by a checkout's workflow, with the configuration's `data`."""
    file = folder / "config/config.yaml"
    scenarios = {"baseline": {"dataset": dataset, "batch_size": 10}}
    config = yaml.safe_load(file.read_text()) | {"data": data, "scenarios": scenarios}
    file.write_text(yaml.safe_dump(config))
    checkouts.snakemake(folder, f"results/data/{dataset}/images.npz", fails=fails)


def facts(folder, dataset="mnist"):
    return json.loads((folder / f"results/data/{dataset}/facts.json").read_text())


def test_the_users_own_digits_are_packed_for_toolbox_and_torchvision(workflow):
    results = workflow(train_images=50) / "results/data/mnist"
    (train_images, train_labels), (test_images, test_labels) = (
        digits(60, seed=1),
        digits(20, seed=2),
    )
    expected = [train_images[:50], train_labels[:50], test_images, test_labels]
    with np.load(results / "images.npz") as packed:
        assert packed.files == NAMES
        for name, items in zip(NAMES, expected, strict=True):
            np.testing.assert_array_equal(packed[name], items)
            assert packed[name].dtype == np.uint8
    for name, items in zip(FILES, expected, strict=True):
        found = idx.read_idx(results / "MNIST/raw" / name, items.shape[1:])
        np.testing.assert_array_equal(found, items)
    with zipfile.ZipFile(results / "images.npz") as archive:
        # No entry tells when it was written: the same digits give the same bytes.
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_the_facts_tell_made_up_digits_from_the_data_sets_own(workflow):
    assert facts(workflow(train_images=50)) == {
        "dataset": "mnist",
        "label": "MNIST",
        "original": False,
        "train_images": 50,
        "test_images": 20,
        "image": [28, 28],
        "classes": 10,
    }


def test_asking_for_too_many_images_fails_and_says_so_in_the_log(workflow):
    folder = workflow(train_images=61, fails=True)
    said = (folder / "logs/prepare/mnist.log").read_text()
    assert said == (
        "results/data/mnist/raw/train-images-idx3-ubyte: expected at least the 61 images "
        "that the config asks for, found 60\n"
    )


def test_a_folder_that_lacks_a_file_fails_and_says_so_in_the_log(workflow, tmp_path):
    (tmp_path / "evenhand/own" / FILES[2]).unlink()
    folder = workflow(fails=True)
    said = (folder / "logs/download/mnist.log").read_text()
    assert said == f"own: expected {FILES[2]} or {FILES[2]}.gz, found neither\n"


def test_a_change_in_the_users_folder_is_seen(workflow):
    folder = workflow()
    idx.write_idx(folder / "own" / FILES[0], digits(60, seed=3)[0])
    workflow()
    with np.load(folder / "results/data/mnist/images.npz") as packed:
        np.testing.assert_array_equal(packed["train_images"], digits(60, seed=3)[0])


def test_a_data_set_is_a_file_whatever_its_images_and_classes(tmp_path):
    folder = checkouts.checkout(tmp_path / "evenhand")
    own = idx_folder(folder / "bars", 300, 100, image=(12, 9), classes=4)
    content = yaml.safe_load((folder / "workflow/datasets/mnist.yaml").read_text())
    content |= {"label": "Bars", "image": [12, 9], "classes": 4}
    for file, name in zip(content["files"].values(), FILES, strict=True):
        data = (own / name).read_bytes()
        file["name"] = name.replace("-idx", ".bars")
        (own / name).rename(own / file["name"])
        file |= {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    (folder / "workflow/datasets/bars.yaml").write_text(yaml.safe_dump(content))

    prepare(folder, "bars", {"folder": str(own)})
    assert facts(folder, "bars") == {
        "dataset": "bars",
        "label": "Bars",
        "original": True,
        "train_images": 300,
        "test_images": 100,
        "image": [12, 9],
        "classes": 4,
    }
    checkouts.snakemake(folder, "results/reference/baseline/0.npz", "--config", "tracks=[tutorial]")
    with np.load(folder / "results/protocol/baseline/0.npz") as protocol:
        assert protocol["w1"].shape[1] == 9 * 12
        assert protocol["w2"].shape[0] == 4
    with np.load(folder / "results/reference/baseline/0.npz") as reference:
        assert reference["test_accuracy"][-1] > 0.9
