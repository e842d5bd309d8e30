"""What tests of several rooms share: environments and runs that are made once a session."""

from pathlib import Path

import pytest
from xdist.scheduler import LoadScopeScheduling

from support import deployments
from support.checkouts import ON_CPU, checkout, snakemake


class ByFolder(LoadScopeScheduling):
    """Hands a process the tests of a folder, which share what takes long to make.

    Of the longest folders it hands out each file: otherwise one process would do them all, and the
    other wait.
    """

    BY_FILE = ("report", "whole")

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        folder = file.rpartition("/")[0]
        return file if folder.endswith(self.BY_FILE) else folder


def pytest_xdist_make_scheduler(config, log):
    return ByFolder(config, log)


@pytest.fixture(scope="session")
def environments(tmp_path_factory) -> Path:
    """The folder of all environments for processors, built once a session by the workflow."""
    folder = checkout(tmp_path_factory.mktemp("environments") / "evenhand", frameworks=ON_CPU)
    snakemake(folder, *(f"results/environments/{framework}-cpu.json" for framework in ON_CPU))
    return folder / "results/environments"


@pytest.fixture(scope="session")
def in_virtual_environments(tmp_path_factory) -> Path:
    """A checkout after the runs that those of other deployments are held against."""
    folder = deployments.small(tmp_path_factory.mktemp("in_virtual_environments") / "evenhand")
    snakemake(folder, *deployments.RECORDS)
    return folder
