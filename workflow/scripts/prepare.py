"""Parse the four IDX files strictly, take the first images of each set, and pack them.

The arrays go into one .npz for the toolbox, and again into IDX files, which torchvision reads.
The format, from http://yann.lecun.com/exdb/mnist/: big-endian 32-bit integers, first the magic
number (0x0800 for unsigned bytes, plus the number of dimensions), then the length of each
dimension; then the bytes.
"""

import math
import struct
import sys
from pathlib import Path

import numpy as np

IMAGE = (28, 28)  # pixels
LABEL = ()
CLASSES = 10


def read_idx(path: Path, item: tuple[int, ...]) -> np.ndarray:
    """The items of an IDX file of unsigned bytes, as an array (count, *item).

    ValueError if the file is anything but a header and exactly the bytes that it announces.
    """
    data = path.read_bytes()
    header = struct.Struct(f">{2 + len(item)}I")
    if len(data) < header.size:
        raise ValueError(f"{path}: expected a header of {header.size} bytes, found {len(data)}")
    magic, count, *dimensions = header.unpack_from(data)
    expected_magic = 0x0801 + len(item)
    if magic != expected_magic:
        raise ValueError(f"{path}: expected magic number {expected_magic:#06x}, found {magic:#06x}")
    if tuple(dimensions) != item:
        raise ValueError(f"{path}: expected items of {item}, found {tuple(dimensions)}")
    length = header.size + count * math.prod(item)
    if len(data) != length:
        raise ValueError(
            f"{path}: expected {length} bytes for {count} items, found {len(data)} bytes"
        )
    return np.frombuffer(data, np.uint8, offset=header.size).reshape(count, *item)


def write_idx(path: Path, items: np.ndarray) -> None:
    """Write an array of unsigned bytes as an IDX file."""
    header = struct.pack(f">{1 + items.ndim}I", 0x0800 + items.ndim, *items.shape)
    path.write_bytes(header + items.tobytes())


def read_set(images_path: Path, labels_path: Path, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The first `count` images (count, 28, 28) and labels (count,) of a set, both uint8.

    ValueError if the two files do not fit each other or hold fewer.
    """
    images, labels = read_idx(images_path, IMAGE), read_idx(labels_path, LABEL)
    if len(images) != len(labels):
        raise ValueError(
            f"{labels_path}: expected {len(images)} labels, as many as {images_path} has images, "
            f"found {len(labels)}"
        )
    if (wrong := np.flatnonzero(labels >= CLASSES)).size:
        raise ValueError(
            f"{labels_path}: expected labels from 0 to {CLASSES - 1}, "
            f"found {labels[wrong[0]]} at position {wrong[0]}"
        )
    if len(images) < count:
        raise ValueError(
            f"{images_path}: expected at least the {count} images that the config asks for, "
            f"found {len(images)}"
        )
    return images[:count], labels[:count]


if __name__ == "__main__":
    sys.stderr = sys.stdout = open(snakemake.log[0], "w", buffering=1)
    paths = [Path(path) for path in snakemake.input]
    try:
        train = read_set(*paths[:2], snakemake.params.train_images)
        test = read_set(*paths[2:], snakemake.params.test_images)
    except ValueError as error:
        sys.exit(str(error))
    names = ["train_images", "train_labels", "test_images", "test_labels"]
    # Not compressed and without time stamps: the same digits give the same bytes.
    np.savez(snakemake.output.arrays, **dict(zip(names, train + test, strict=True)))
    for path, items in zip(snakemake.output.idx, train + test, strict=True):
        write_idx(Path(path), items)
    print(f"Packed {len(train[0])} training and {len(test[0])} test images.")
