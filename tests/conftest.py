"""A copy of the project with a tiny configuration, run once from raw fields to submission."""

from pathlib import Path

import pytest
from helpers.made_once import made_once
from helpers.project import Project, fresh_project


@pytest.fixture
def fresh(tmp_path) -> Project:
    """The project before its first run, a new copy for each test."""
    return fresh_project(tmp_path / "project")


@pytest.fixture(scope="session")
def finished(tmp_path_factory) -> Project:
    """The tiny project after its first run, without a target. Tests that change anything work on a copy."""

    def run(folder: Path) -> None:
        project = fresh_project(folder / "project")
        done = project.run()
        assert done.returncode == 0, done.stdout[-6000:]
        (project.folder / "first_run.txt").write_text(done.stdout)

    made = Project(made_once(tmp_path_factory, "tiny", run) / "project")
    # Even a dry run writes into the folder.
    return made.copy(tmp_path_factory.mktemp("tiny") / "project")


@pytest.fixture
def changed(finished, tmp_path) -> Project:
    """A copy of the finished project that a test may change."""
    return finished.copy(tmp_path / "project")
