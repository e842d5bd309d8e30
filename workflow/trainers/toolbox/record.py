"""Records: written whole or not at all, and sealed. Standard library alone."""

import hashlib
import json
import os
from pathlib import Path


def sealed(record: dict) -> dict:
    """The record with `seal`, the SHA-256 of its canonical JSON without the seal.

    A seal shows that a record was changed after it was written; it is no signature, and anybody
    who can write a record can seal one.
    """
    content = {key: value for key, value in record.items() if key != "seal"}
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return content | {"seal": hashlib.sha256(canonical.encode()).hexdigest()}


def is_sealed(record: dict) -> bool:
    """Whether the record is what its seal was made for."""
    return "seal" in record and sealed(record)["seal"] == record["seal"]


def sha256(path: str | os.PathLike) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write(path: str | os.PathLike, content: dict) -> None:
    """Write JSON so that a reader sees the whole file or none."""
    part = Path(f"{path}.part")
    part.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n")
    os.replace(part, path)
