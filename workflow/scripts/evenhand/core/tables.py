"""Tables as files: CSV, which people read too, or Parquet where there are many runs.

The file's ending says which. Both read alike, so whoever reads a table need not know.
"""

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
    text = table.to_csv(index=False)
    if path.suffix == ".parquet":
        # by way of CSV, so that types and the last bit of each number are those that it gives
        _read_csv(StringIO(text)).to_parquet(path, index=False)
    else:
        path.write_text(text)
    for other in ENDINGS - {path.suffix}:
        path.with_suffix(other).unlink(missing_ok=True)


def _read_csv(source) -> pd.DataFrame:
    # read as a whole, so that a column has one type; outliers are rounds such as "1;3", or one
    return pd.read_csv(source, low_memory=False, dtype={"outliers": str})
