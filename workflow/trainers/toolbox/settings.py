"""What a trainer is asked, as a value and as a command line: the one place that knows its flags.

Standard library alone: the workflow writes these flags, the trainer's process reads them.
"""

import argparse
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path


@dataclass(frozen=True)
class Settings:
    """What one training is asked to do; the defaults are those of the tutorial."""

    data: Path  # the folder that `prepare` wrote
    protocol: Path | None = None  # initial weights and batch order; None: the trainer's own
    device: str = "cpu"
    dtype: str = "float32"
    seed: int = 0
    epochs: int = 5
    batch_size: int = 128
    learning_rate: float = 0.1
    layers: tuple[int, ...] = (784, 256, 10)  # sizes, from inputs to classes
    pixel_mean: float = 0.13
    pixel_std: float = 0.31
    loader_workers: int = 4

    @classmethod
    def of(cls, training: Mapping, **others) -> "Settings":
        """Those of a scenario's training, whose other keys do not concern the trainer."""
        names = {field.name for field in fields(cls)}
        given = {name: value for name, value in training.items() if name in names}
        return cls(**given | others)

    def flags(self) -> list[str]:
        """The command line that says the same."""
        flags = []
        for field in fields(self):
            value = getattr(self, field.name)
            if value is not None:
                values = value if isinstance(value, (list, tuple)) else [value]
                flags += [f"--{field.name.replace('_', '-')}", *map(str, values)]
        return flags


def parser() -> argparse.ArgumentParser:
    """A parser of these flags."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, required=True, help="folder of prepared data")
    parser.add_argument("--protocol", type=Path, help="initial weights and batch order")
    parser.add_argument("--device", help="as a file in workflow/devices is called")
    parser.add_argument("--dtype", choices=["float32", "float64"])
    parser.add_argument("--seed", type=int)
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--batch-size", type=int)
    parser.add_argument("--learning-rate", type=float)
    parser.add_argument("--layers", type=int, nargs="+", help="sizes, from inputs to classes")
    parser.add_argument("--pixel-mean", type=float)
    parser.add_argument("--pixel-std", type=float)
    parser.add_argument("--loader-workers", type=int)
    usual = {field.name: field.default for field in fields(Settings) if field.name != "data"}
    parser.set_defaults(**usual)
    return parser
