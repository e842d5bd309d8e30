"""The four files of a data set, as its file in workflow/datasets lists them."""

import gzip
import hashlib
import io
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

GZIP_OVERHEAD = 1024  # bytes that a .gz file may be longer than what it holds


class File(NamedTuple):
    """One of a data set's files, uncompressed."""

    name: str  # as mirrors, and a user's own folder, have it
    bytes: int
    sha256: str | None = None
    gz_sha256: str | None = None  # of the .gz, for whose content none may be known

    def is_original(self, data: bytes) -> bool:
        """Whether these are known to be its bytes."""
        return hashlib.sha256(data).hexdigest() == self.sha256


def files(listed: Mapping[str, Mapping]) -> dict[str, File]:
    """The `files` of a data set: train_images, train_labels, test_images, test_labels."""
    return {key: File(**file) for key, file in listed.items()}


def own_file(folder: Path, name: str) -> Path | None:
    """A file in the user's own folder, .gz or not, or None if it is not there."""
    return next((p for p in (folder / name, folder / f"{name}.gz") if p.is_file()), None)


def own_folder(folder: str | None, dataset: str) -> Path | None:
    """The user's own folder of a data set: within the one given that of its name, if any."""
    if folder is None:
        return None
    within = Path(folder, dataset)
    return within if within.is_dir() else Path(folder)


def own_files(folder: Path | None, listed: Mapping[str, Mapping]) -> list[str]:
    """The paths of a data set's files in the user's own folder, as far as they are there."""
    if folder is None:
        return []
    found = [own_file(folder, file.name) for file in files(listed).values()]
    return [str(path) for path in found if path]


def read_bounded(stream: io.BufferedIOBase, limit: int) -> bytes:
    """All of a stream; ValueError if it holds more than `limit` bytes."""
    data = stream.read(limit + 1)
    if len(data) > limit:
        raise ValueError(f"expected at most {limit} bytes, found more")
    return data


def gunzip(data: bytes, limit: int) -> bytes:
    """The content of a .gz file; ValueError if it is none, or holds more than `limit` bytes."""
    try:
        if not data:  # in which Python sees a whole file
            raise EOFError("empty")
        return read_bounded(gzip.GzipFile(fileobj=io.BytesIO(data)), limit)
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(
            f"expected a whole gzip file, found {len(data)} bytes "
            f"that begin with {data[:16]!r} ({error})"
        ) from error


def read_own_file(folder: Path, file: File) -> bytes:
    """A file's bytes from the user's own folder, .gz or not.

    FileNotFoundError if it is not there, ValueError if it holds more than the data set's own.
    """
    path = own_file(folder, file.name)
    if path is None:
        raise FileNotFoundError(f"{folder}: expected {file.name} or {file.name}.gz, found neither")
    try:
        with path.open("rb") as stream:
            data = read_bounded(stream, file.bytes + GZIP_OVERHEAD)
        return gunzip(data, file.bytes) if path.suffix == ".gz" else data
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
