"""What the user's pip is configured to do, for what else fetches packages."""

import ast
import subprocess
import sys


def pip_settings() -> dict[str, str]:
    """What the user's pip is configured to, by variable or file; empty without a pip."""
    listing = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True
    )
    lines = dict(line.split("=", 1) for line in listing.stdout.splitlines())
    settings = {}
    for level in ("global.", "install.", ":env:."):  # pip's order: a later one replaces an earlier
        settings |= {
            key.removeprefix(level): ast.literal_eval(value)
            for key, value in lines.items()
            if key.startswith(level)
        }
    return settings


def pip_setting(name: str) -> str | None:
    """One of them, None if it is not set."""
    return pip_settings().get(name)
