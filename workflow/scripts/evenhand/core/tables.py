"""Tables as files: CSV, which people read too, or Parquet where there are many runs.

The file's ending says which. Both read alike, so whoever reads a table need not know.
"""

import csv
from collections.abc import Iterable
from io import StringIO
from pathlib import Path

import pandas as pd

ENDINGS = {".csv", ".parquet"}


def read_table(path: str | Path) -> pd.DataFrame:
    """The table in a file of either form."""
    if Path(path).suffix == ".parquet":
        return pd.read_parquet(path)
    return _read_csv(path)


def write_table(table: pd.DataFrame, path: str | Path) -> None:
    """Write a table in the form that the path's ending asks for.

    The same table in the other form, of a comparison that was smaller or larger then, is removed:
    it would pass for today's.
    """
    path = Path(path)
    if path.suffix == ".parquet":
        # by way of CSV, so that types and the last bit of each number are those that it gives
        as_read(table).to_parquet(path, index=False)
    else:
        table.to_csv(path, index=False)
    for other in ENDINGS - {path.suffix}:
        path.with_suffix(other).unlink(missing_ok=True)


def as_read(table: pd.DataFrame) -> pd.DataFrame:
    """A table as it will be read from its file."""
    return _read_csv(StringIO(table.to_csv(index=False)))


def cells(table: pd.DataFrame) -> pd.DataFrame:
    """The text of each cell, as it stands in a CSV file of the table."""
    return _cells(StringIO(table.to_csv(index=False)))


def read_cells(path: str | Path) -> pd.DataFrame:
    """The same of the table in a file of either form; OSError or ValueError if it holds none."""
    if Path(path).suffix == ".parquet":
        return cells(pd.read_parquet(path))
    with open(path, newline="", encoding="utf-8") as file:
        return _cells(file)


def _cells(lines: Iterable[str]) -> pd.DataFrame:
    try:
        header, *rows = list(csv.reader(lines, strict=True)) or [[]]
    except csv.Error as error:
        raise ValueError(str(error)) from None
    for number, row in enumerate(rows, 2):
        if len(row) != len(header):
            raise ValueError(f"line {number} has {len(row)} cells, the header {len(header)}")
    if len(set(header)) < len(header) or not header:
        raise ValueError("its header is empty or names a column twice")
    return pd.DataFrame(rows, columns=header, dtype=str)


def _read_csv(source) -> pd.DataFrame:
    # read as a whole, so that a column has one type; outliers are rounds such as "1;3", or one
    return pd.read_csv(source, low_memory=False, dtype={"outliers": str})
