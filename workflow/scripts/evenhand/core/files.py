"""JSON files as an interrupted run may have left them."""

import json
from collections.abc import Sequence
from pathlib import Path


def read_json(path: Path, keys: Sequence[str] = ()) -> dict | None:
    """The object in a JSON file.

    None where there is no file, an empty or truncated one, or one that lacks one of the keys.
    """
    try:
        content = json.loads(path.read_text())
    except (OSError, ValueError):
        return None
    whole = isinstance(content, dict) and all(key in content for key in keys)
    return content if whole else None
