"""Parse four IDX files strictly, take the first images of each set, and pack them.

The arrays go into one .npz for the toolbox, and again into IDX files, which torchvision reads.
The format, from http://yann.lecun.com/exdb/mnist/: big-endian 32-bit integers, first the magic
number (0x0800 for unsigned bytes, plus the number of dimensions), then the length of each
dimension; then the bytes.
"""

import math
import struct
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from evenhand.data.files import File

LABEL = ()  # the dimensions of a label


def read_idx(path: Path, item: tuple[int, ...]) -> np.ndarray:
    """The items of an IDX file of unsigned bytes, as an array (count, *item); see `items`."""
    return items(path, path.read_bytes(), item)


def items(path: Path, data: bytes, item: tuple[int, ...]) -> np.ndarray:
    """The items in the bytes of such a file.

    `item`: the dimensions of one, rows and columns of an image or LABEL.

    ValueError if the file is anything but a header and exactly the bytes that it announces.
    """
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


def read_set(
    images_path: Path, labels_path: Path, count: int, image: tuple[int, int], classes: int
) -> tuple[np.ndarray, np.ndarray]:
    """The first `count` images (count, *image) and labels (count,) of a set, both uint8.

    `image`: rows and columns. ValueError if the two files do not fit each other, hold fewer, or
    hold other images or classes.
    """
    images, labels = read_idx(images_path, image), read_idx(labels_path, LABEL)
    if len(images) != len(labels):
        raise ValueError(
            f"{labels_path}: expected {len(images)} labels, as many as {images_path} has images, "
            f"found {len(labels)}"
        )
    if (wrong := np.flatnonzero(labels >= classes)).size:
        raise ValueError(
            f"{labels_path}: expected labels from 0 to {classes - 1}, "
            f"found {labels[wrong[0]]} at position {wrong[0]}"
        )
    if len(images) < count:
        raise ValueError(
            f"{images_path}: expected at least the {count} images that the config asks for, "
            f"found {len(images)}"
        )
    return images[:count], labels[:count]


def read_sets(
    paths: Mapping[str, Path], counts: Mapping[str, int], image: tuple[int, int], classes: int
) -> dict[str, np.ndarray]:
    """The first `counts` items of both sets: {train,test}_{images,labels}; ValueError as above."""
    arrays = {}
    for part, count in counts.items():
        keys = f"{part}_images", f"{part}_labels"
        items = read_set(*(paths[key] for key in keys), count, image, classes)
        arrays |= dict(zip(keys, items, strict=True))
    return arrays


def pack(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write the arrays as one .npz: neither compressed nor dated, so equal images, equal bytes."""
    np.savez(path, **arrays)


def are_original(paths: Mapping[str, Path], files: Mapping[str, File], checked: bool) -> bool:
    """Whether all four files are known to be the data set's own.

    `checked`: they were when they were downloaded, and none else would have been taken.
    """
    return checked or all(file.is_original(paths[key].read_bytes()) for key, file in files.items())


def facts(arrays: Mapping[str, np.ndarray], classes: int, original: bool) -> dict:
    """What the report says of the data: whose they are, how many, and of which size."""
    return {
        "original": original,
        "train_images": len(arrays["train_images"]),
        "test_images": len(arrays["test_images"]),
        "image": list(arrays["train_images"].shape[1:]),
        "classes": classes,
    }
