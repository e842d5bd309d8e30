"""What every program of a rule begins with."""

import sys


def log_to(path: str) -> None:
    """Send what the program prints, errors included, to the rule's log, line by line."""
    sys.stderr = sys.stdout = open(path, "w", buffering=1)
