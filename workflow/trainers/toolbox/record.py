"""The record that a run leaves: a typed value, written whole or not at all, and sealed.

Standard library alone. workflow/schemas/record.schema.yaml describes every field.
"""

import dataclasses
import hashlib
import json
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

SCHEMA = 4


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
    user_variables: list[str]  # those of them that the user's shell had set
    load_before: list[float]
    load_after: list[float]
    python: str
    packages: dict[str, str]
    data_sha256: str
    protocol_sha256: str | None
    threads: dict[str, int | None]
    pools: list[dict]
    device: str
    twins: list[str]


@dataclass(frozen=True)
class Epoch:
    """What was measured of one epoch; losses in nats."""

    epoch: int
    begin: float  # since the start of the process
    seconds: float  # by the launcher's clock, which counts
    trainer_seconds: float  # by the trainer's own
    # Of the processor, meanwhile: the trainer's process, its main thread, processes it started.
    processor_seconds: float
    main_thread_seconds: float
    helper_seconds: float
    helpers: int  # the most that were seen at work
    # Of the whole processor and the whole GPU, by their own counters; None where they do not tell.
    processor_joules: float | None
    gpu_joules: float | None
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
class Phase:
    """What one of the parts of a run took, by the launcher's clock; all of them are the whole."""

    seconds: float
    processor_seconds: float


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
    phases: dict[str, Phase | None]
    first_step_seconds: float | None
    left_running: int
    energy: dict[str, dict | None]  # what told it of the processor and the GPU, or why nothing did
    epochs: list[Epoch]
    weights: dict[str, dict]


@dataclass(frozen=True)
class Record:
    """One run: what was requested, what ran it, what was measured, and where it was.

    `where` has the true names of what the record otherwise knows by aliases, see `hidden`.
    """

    id: str
    round_id: str
    requested: Requested
    environment: Environment
    measured: Measured
    where_sha256: str
    where: dict | None = None

    @classmethod
    def from_dict(cls, content: dict) -> "Record":
        """The record in the content of a JSON file; NotARecord if a field is missing or unknown."""
        content = {key: value for key, value in content.items() if key not in ("schema", "seal")}
        try:
            measured = content["measured"]
            parts = {
                "epochs": [Epoch(**epoch) for epoch in measured["epochs"]],
                "phases": {
                    name: phase and Phase(**phase) for name, phase in measured["phases"].items()
                },
            }
            return cls(
                **content
                | {
                    "requested": Requested(**content["requested"]),
                    "environment": Environment(**content["environment"]),
                    "measured": Measured(**measured | parts),
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
        content = {"schema": SCHEMA, **dataclasses.asdict(self)}
        if self.where is None:
            del content["where"]
        return sealed(content)

    def write(self, path: str | os.PathLike) -> None:
        write(path, self.to_dict())


def hidden(where: dict) -> dict:
    """A block `where` with these names and a random salt, and `where_sha256`, its digest.

    The seal covers the digest and not the block, which can be taken out before a file is shared:
    the seal still holds, and without the salt nobody can try names until one fits the digest.
    """
    where = {"salt": secrets.token_hex(16), **where}
    return {"where": where, "where_sha256": digest(where)}


def sealed(content: dict) -> dict:
    """The content with `seal`, the digest of all of it but the seal and the block `where`.

    A seal shows that a file was changed after it was written; it is no signature, and anybody
    who can write a record can seal one.
    """
    covered = {key: value for key, value in content.items() if key not in ("seal", "where")}
    return content | {"seal": digest(covered)}


def is_sealed(content: dict) -> bool:
    """Whether the content is what its seal was made for, and so is its block `where`, if any."""
    where = content.get("where")
    return content.get("seal") == sealed(content)["seal"] and (
        where is None or digest(where) == content.get("where_sha256")
    )


def digest(content: dict) -> str:
    """SHA-256 of the canonical JSON, in hexadecimal."""
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def sha256(path: str | os.PathLike) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write(path: str | os.PathLike, content: dict) -> None:
    """Write JSON so that a reader sees the whole file or none."""
    write_whole(path, f"{json.dumps(content, indent=1, allow_nan=False)}\n".encode())


def write_whole(path: str | os.PathLike, content: bytes) -> None:
    """Write a file so that a reader sees the whole of it or none; a full disk leaves nothing."""
    part = Path(f"{path}.part")
    try:
        part.write_bytes(content)
        os.replace(part, path)
    except OSError:
        part.unlink(missing_ok=True)
        raise
