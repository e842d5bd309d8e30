"""uv, with the sources of the user's pip, and nothing that would change what a lock decides."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from evenhand.core.pip import pip_settings

# The user's variables for uv that are kept, by how they begin: they say where packages and Pythons
# come from, how they are fetched and how they are stored. All others could change or refuse what is
# built (UV_OVERRIDE, UV_CONSTRAINT, UV_EXCLUDE_NEWER, UV_PROJECT, ...), and new ones come with
# every version of uv: they are left out, as are its configuration files.
KEPT = (
    *("UV_DEFAULT_INDEX", "UV_INDEX", "UV_EXTRA_INDEX_URL", "UV_FIND_LINKS", "UV_OFFLINE"),
    *("UV_INSECURE_HOST", "UV_NATIVE_TLS", "UV_SYSTEM_CERTS"),
    *("UV_KEYRING_PROVIDER", "UV_CREDENTIALS_DIR", "UV_GITHUB_TOKEN"),
    *("UV_S3_ENDPOINT_URL", "UV_GCS_ENDPOINT_URL", "UV_AZURE_ENDPOINT_URL", "UV_ASTRAL_MIRROR_URL"),
    *("UV_HTTP_", "UV_REQUEST_TIMEOUT", "UV_CONCURRENT_", "UV_LOCK_TIMEOUT", "UV_STACK_SIZE"),
    *("UV_CACHE_DIR", "UV_NO_CACHE", "UV_LINK_MODE", "UV_COMPILE_BYTECODE_TIMEOUT"),
    *("UV_PYTHON_DOWNLOADS", "UV_PYTHON_INSTALL_", "UV_PYTHON_CACHE_DIR", "UV_PYTHON_SEARCH_PATH"),
)
INDEXES = {"UV_DEFAULT_INDEX", "UV_INDEX_URL"}  # new name and old
FURTHER_INDEXES = {"UV_INDEX", "UV_EXTRA_INDEX_URL"}
FURTHER = {*FURTHER_INDEXES, "UV_FIND_LINKS"}
TRUE = {"1", "on", "t", "true", "y", "yes"}  # as pip reads it


def found_links(links: str) -> list[str]:
    """pip's find-links one by one, without folders that do not exist: pip ignores them, too."""
    expanded = [os.path.expanduser(link) for link in links.split()]
    return [link for link in expanded if ":" in link or os.path.exists(link)]


def translated(
    pip: Mapping[str, str], user: Mapping[str, str], main_index_alone: bool = False
) -> tuple[dict[str, str], list[str]]:
    """pip's settings of sources, as variables and options of uv.

    `user`: the user's own variables for uv, which go first. `main_index_alone`: leave out further
    indexes and folders, which may hold some of a package's files and not all.
    """
    variables, options = {}, []
    if "index-url" in pip and not user.keys() & INDEXES:
        variables["UV_DEFAULT_INDEX"] = pip["index-url"]
    if "trusted-host" in pip and "UV_INSECURE_HOST" not in user:
        variables["UV_INSECURE_HOST"] = " ".join(pip["trusted-host"].split())
    if "cert" in pip and "SSL_CERT_FILE" not in user:
        variables["SSL_CERT_FILE"] = pip["cert"]
    if main_index_alone:
        return variables, options
    if pip.get("no-index", "").lower() in TRUE and not user.keys() & (INDEXES | FURTHER_INDEXES):
        options.append("--no-index")  # for which uv has no variable
    if "extra-index-url" in pip and not user.keys() & FURTHER_INDEXES:
        variables["UV_EXTRA_INDEX_URL"] = " ".join(pip["extra-index-url"].split())
        # To pip all indexes are equal; uv would look no further than the first with the package.
        variables["UV_INDEX_STRATEGY"] = user.get("UV_INDEX_STRATEGY", "unsafe-best-match")
    if (links := found_links(pip.get("find-links", ""))) and "UV_FIND_LINKS" not in user:
        variables["UV_FIND_LINKS"] = ",".join(links)
    return variables, options


def settings(main_index_alone: bool = False) -> tuple[dict[str, str], list[str]]:
    """All environment variables for uv, and the options that go with every command."""
    user = {k: v for k, v in os.environ.items() if not k.startswith("UV_") or k.startswith(KEPT)}
    if main_index_alone:
        user = {k: v for k, v in user.items() if k not in FURTHER}
    variables, options = translated(pip_settings(), user, main_index_alone)
    return user | variables | {"UV_NO_PROGRESS": "1", "UV_NO_CONFIG": "1"}, options


def run_uv(*arguments: str | Path, main_index_alone: bool = False, **options) -> int:
    """Run uv, its words going to standard error; return its exit status.

    `main_index_alone` is as for `translated`; `options` are those of subprocess.run.
    """
    from uv import find_uv_bin  # here, since who only looks inside needs no uv

    variables, more = settings(main_index_alone)
    return subprocess.run(
        [find_uv_bin(), *arguments, *more],
        env=variables,
        stdout=sys.stderr,
        stderr=sys.stderr,
        **options,
    ).returncode
