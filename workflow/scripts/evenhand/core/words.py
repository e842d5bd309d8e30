"""What several rooms write alike."""

import re

COLORS = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")  # escape codes, as for a terminal


def times(ratio: float) -> str:
    """A ratio; of two rounds that disagree an interval may span many powers of ten."""
    if 0.01 <= ratio < 1000:
        return f"{ratio:.3f}" if ratio < 0.1 else f"{ratio:.2f}"
    return f"{ratio:.1e}"


def last_line(said: str, status: int) -> str:
    """Why a program failed: the last line that it said, or else its exit status.

    `said` is its standard error, which may be for a terminal: Apptainer switches the color off
    behind its last word.
    """
    lines = [line.strip() for line in COLORS.sub("", said).splitlines()]
    return next(filter(None, reversed(lines)), f"exit status {status}")
