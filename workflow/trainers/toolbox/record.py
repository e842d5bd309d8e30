"""The record that a run leaves: a typed value, written whole or not at all, and sealed.

Standard library alone. workflow/schemas/record.schema.yaml describes every field.
"""

import dataclasses
import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path

SCHEMA = 1


class NotARecord(ValueError):
    """A file or value does not hold what a record has; the message says what."""


@dataclass(frozen=True)
class Requested:
    """What a run was asked to do."""

    track: str
    scenario: str
    round: int
    framework: str
    device: str
    threads: int | str  # a number, or "default"
    dtype: str
    seed: int
    epochs: int
    batch_size: int
    learning_rate: float  # rounded to float32
    layers: list[int]  # sizes, from inputs to classes
    pixel_mean: float
    pixel_std: float
    loader_workers: int
    train_images: int
    test_images: int

    @property
    def competitor(self) -> str:
        """The name of its framework on its device, which is that of its environment."""
        return f"{self.framework}-{self.device}"


@dataclass(frozen=True)
class Environment:
    """What ran it."""

    deployment: str
    image: str | None
    lock_sha256: str
    trainer_sha256: str
    toolbox_sha256: dict[str, str]
    machine: dict
    gpu: dict | None
    variables: dict[str, str]
    load_before: list[float]
    load_after: list[float]
    python: str
    packages: dict[str, str]
    data_sha256: str
    protocol_sha256: str | None
    threads: dict[str, int | None]
    pools: list[dict]
    device: str


@dataclass(frozen=True)
class Epoch:
    """What was measured of one epoch; seconds, losses in nats."""

    epoch: int
    begin: float  # since the start of the process
    seconds: float
    wait_seconds: float | None
    steps: int
    images: int
    average_loss: float
    test_loss: float
    test_accuracy: float

    @property
    def end(self) -> float:
        return self.begin + self.seconds


@dataclass(frozen=True)
class Measured:
    """What was measured; seconds of a monotonic clock, bytes."""

    started: str
    seconds: float
    gpu: dict | None
    losses_sha256: str
    peak_memory_bytes: int
    user_seconds: float
    system_seconds: float
    phases: dict[str, float | None]
    epochs: list[Epoch]


@dataclass(frozen=True)
class Record:
    """One run: what was requested, what ran it, what was measured."""

    id: str
    round_id: str
    requested: Requested
    environment: Environment
    measured: Measured

    @classmethod
    def from_dict(cls, content: dict) -> "Record":
        """The record in the content of a JSON file; NotARecord if a field is missing or unknown."""
        content = {key: value for key, value in content.items() if key not in ("schema", "seal")}
        try:
            measured = content["measured"]
            epochs = [Epoch(**epoch) for epoch in measured["epochs"]]
            return cls(
                **content
                | {
                    "requested": Requested(**content["requested"]),
                    "environment": Environment(**content["environment"]),
                    "measured": Measured(**measured | {"epochs": epochs}),
                }
            )
        except (KeyError, TypeError) as error:
            raise NotARecord(f"{type(error).__name__}: {error}") from None

    @classmethod
    def read(cls, path: str | os.PathLike) -> "Record":
        """The record in a file; NotARecord, or OSError, if there is none."""
        try:
            return cls.from_dict(json.loads(Path(path).read_text()))
        except (ValueError, AttributeError) as error:
            raise NotARecord(str(error)) from None

    def to_dict(self) -> dict:
        """The content of its JSON file, sealed."""
        return sealed({"schema": SCHEMA, **dataclasses.asdict(self)})

    def write(self, path: str | os.PathLike) -> None:
        write(path, self.to_dict())


def sealed(content: dict) -> dict:
    """The content with `seal`, the SHA-256 of its canonical JSON without the seal.

    A seal shows that a file was changed after it was written; it is no signature, and anybody
    who can write a record can seal one.
    """
    content = {key: value for key, value in content.items() if key != "seal"}
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return content | {"seal": hashlib.sha256(canonical.encode()).hexdigest()}


def is_sealed(content: dict) -> bool:
    """Whether the content is what its seal was made for."""
    return "seal" in content and sealed(content)["seal"] == content["seal"]


def sha256(path: str | os.PathLike) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write(path: str | os.PathLike, content: dict) -> None:
    """Write JSON so that a reader sees the whole file or none."""
    part = Path(f"{path}.part")
    part.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n")
    os.replace(part, path)
