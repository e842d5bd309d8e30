"""What tests of several rooms share: environments and runs that are made once a session."""

from pathlib import Path

import pytest

from evenhand.core import axes
from support import deployments
from support.checkouts import checkout, snakemake

# What takes minutes to make or is there only once; tests that use one of them run in one process,
# the longest first.
TOGETHER = ("environments", "cluster", "in_virtual_environments")


@pytest.hookimpl(tryfirst=True)  # before the plugin that reads the groups
def pytest_collection_modifyitems(items):
    """Divide the tests between processes: by what they share, the others by file."""
    groups = {}
    for item in items:
        shared = (name for name in TOGETHER if name in item.fixturenames)
        groups[item] = next(shared, item.nodeid.partition("::")[0])
        item.add_marker(pytest.mark.xdist_group(groups[item]))
    items.sort(key=lambda item: (*TOGETHER, groups[item]).index(groups[item]))


@pytest.fixture(scope="session")
def environments(tmp_path_factory) -> Path:
    """The folder of all frameworks' environments, built once a session by the workflow itself."""
    names = axes.names("framework")
    folder = checkout(tmp_path_factory.mktemp("environments") / "evenhand", frameworks=names)
    snakemake(folder, *(f"results/environments/{framework}-cpu.json" for framework in names))
    return folder / "results/environments"


@pytest.fixture(scope="session")
def in_virtual_environments(tmp_path_factory) -> Path:
    """A checkout after the runs that those of other deployments are held against."""
    folder = deployments.small(tmp_path_factory.mktemp("in_virtual_environments") / "evenhand")
    snakemake(folder, *deployments.RECORDS)
    return folder
