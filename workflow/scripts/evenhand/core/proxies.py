"""The user's proxies, by the variables that name them, and what an error of a transfer says."""

import os

PROXIES = ("http_proxy", "https_proxy", "all_proxy")


def proxies() -> list[str]:
    """The variables that are set and name proxies, or hosts that are reached without one."""
    kinds = (*PROXIES, "no_proxy")
    return sorted(name for name, value in os.environ.items() if value and name.lower() in kinds)


def named_proxies() -> str:
    """A further sentence: which variables name proxies, not what they hold; empty if none does."""
    names = [name for name in proxies() if name.lower() in PROXIES]
    return f" Transfers go through the proxies in {', '.join(names)}." if names else ""
