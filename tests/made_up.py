"""Made-up digits: small, easy to learn, and in MNIST's format."""

import struct
from pathlib import Path

import numpy as np


def digits(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Images (count, 28, 28) uint8 and labels (count,) uint8: a bar per class, and noise."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 10, count).astype(np.uint8)
    images = rng.integers(0, 90, (count, 28, 28))
    for image, label in zip(images, labels, strict=True):
        image[2 * label + 4 : 2 * label + 7, 4:24] += 120
    return images.astype(np.uint8), labels


def idx(array: np.ndarray) -> bytes:
    """The array as an IDX file."""
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()


def idx_folder(folder: Path, train: int, test: int) -> Path:
    """The four files of a data set of these sizes."""
    folder.mkdir(parents=True, exist_ok=True)
    for part, count, seed in (("train", train, 1), ("t10k", test, 2)):
        images, labels = digits(count, seed)
        (folder / f"{part}-images-idx3-ubyte").write_bytes(idx(images))
        (folder / f"{part}-labels-idx1-ubyte").write_bytes(idx(labels))
    return folder


def packed(folder: Path, train: int, test: int) -> Path:
    """What `prepare` packs of such a data set."""
    folder.mkdir(parents=True, exist_ok=True)
    (train_images, train_labels), (test_images, test_labels) = digits(train, 1), digits(test, 2)
    np.savez(
        folder / "mnist.npz",
        train_images=train_images,
        train_labels=train_labels,
        test_images=test_images,
        test_labels=test_labels,
    )
    return folder
