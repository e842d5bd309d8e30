from pathlib import Path

import pytest

from support.checkouts import checkout, snakemake


@pytest.fixture(scope="session")
def finished(tmp_path_factory, environments) -> Path:
    """A checkout after the main job."""
    folder = checkout(tmp_path_factory.mktemp("workflow") / "evenhand", environments)
    snakemake(folder)
    return folder
