"""A SLURM cluster on this machine, and the tiny project for it."""

from collections.abc import Iterator

import pytest
from cluster_runs import TARGET, cluster_project
from helpers.project import Project
from slurm_cluster import Cluster, install


@pytest.fixture(scope="session")
def cluster(tmp_path_factory) -> Iterator[Cluster]:
    """A cluster of three nodes, for all tests."""
    problem = install()
    if problem:
        pytest.skip(problem)
    with Cluster(tmp_path_factory.mktemp("slurm")) as started:
        yield started


@pytest.fixture(scope="session")
def reference(tmp_path_factory) -> Project:
    """The project after a run on this machine."""
    project = cluster_project(tmp_path_factory.mktemp("local") / "project")
    done = project.run(TARGET, "--set-threads", "train=1", configuration="config/cluster.yaml")
    assert done.returncode == 0, done.stdout[-6000:]
    return project


@pytest.fixture
def project(tmp_path) -> Project:
    """The project before its first run."""
    return cluster_project(tmp_path / "project")
