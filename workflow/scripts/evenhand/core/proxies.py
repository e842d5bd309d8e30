"""What an error of a transfer says of the user's proxies."""

import os


def named_proxies() -> str:
    """A further sentence: which variables name proxies, not what they hold; empty if none does."""
    kinds = ("http_proxy", "https_proxy", "all_proxy")
    names = sorted(name for name, value in os.environ.items() if value and name.lower() in kinds)
    return f" Transfers go through the proxies in {', '.join(names)}." if names else ""
