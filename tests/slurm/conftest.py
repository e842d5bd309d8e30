import os

import pytest
from cluster import Cluster, absent
from project import Project, prepared


@pytest.fixture(scope="session")
def cluster(tmp_path_factory):
    """Slurm on this machine. Where it cannot be had the tests are skipped; in CI they fail."""
    if reason := absent():
        (pytest.fail if os.environ.get("CI") else pytest.skip)(f"no Slurm for the tests: {reason}")
    cluster = Cluster(tmp_path_factory.mktemp("slurm"))
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()


@pytest.fixture(scope="session")
def template(tmp_path_factory) -> Project:
    return prepared(tmp_path_factory.mktemp("template"))


@pytest.fixture
def project(cluster, template, tmp_path) -> Project:
    """A prepared project of a test's own, on an idle cluster."""
    yield template.copy(tmp_path / "project", cluster.env)
    cluster("scancel", "--user", "root")
    cluster.until(lambda: not cluster.jobs("RUNNING", "PENDING", "COMPLETING"), "no job is left")
