"""Made-up digits: small, easy to learn, and in MNIST's format."""

import struct
from pathlib import Path

import numpy as np


def digits(
    count: int, seed: int = 0, image: tuple[int, int] = (28, 28), classes: int = 10
) -> tuple[np.ndarray, np.ndarray]:
    """Images (count, *image) uint8 and labels (count,) uint8: a bar per class, and noise.

    `image`: rows, 8 more than classes at least, and columns, 9 at least.
    """
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, count).astype(np.uint8)
    images = rng.integers(0, 90, (count, *image))
    for picture, label in zip(images, labels, strict=True):
        top = 4 + int(label) * (image[0] - 8) // classes
        picture[top : top + 3, 4:-4] += 120
    return images.astype(np.uint8), labels


def idx(array: np.ndarray) -> bytes:
    """The array as an IDX file."""
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()


def idx_folder(folder: Path, train: int, test: int, **kind) -> Path:
    """The four files of a data set of these sizes; `kind` as for `digits`."""
    folder.mkdir(parents=True, exist_ok=True)
    for part, count, seed in (("train", train, 1), ("t10k", test, 2)):
        images, labels = digits(count, seed, **kind)
        (folder / f"{part}-images-idx3-ubyte").write_bytes(idx(images))
        (folder / f"{part}-labels-idx1-ubyte").write_bytes(idx(labels))
    return folder


def packed(folder: Path, train: int, test: int, **kind) -> Path:
    """A folder with what `prepare` packs of such a data set, for the toolbox; the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    train_set, test_set = digits(train, 1, **kind), digits(test, 2, **kind)
    np.savez(
        folder / "images.npz",
        train_images=train_set[0],
        train_labels=train_set[1],
        test_images=test_set[0],
        test_labels=test_set[1],
    )
    return folder
