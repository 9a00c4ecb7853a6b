"""A copy of the project with a tiny configuration, run once from raw fields to submission."""

import pytest
from helpers.project import Project, fresh_project


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the tests that share the finished project in one process of pytest-xdist."""
    for item in items:
        if "finished" in item.fixturenames:
            item.add_marker(pytest.mark.xdist_group("finished"))


@pytest.fixture
def fresh(tmp_path) -> "Project":
    """The project before its first run, a new copy for each test."""
    return fresh_project(tmp_path / "project")


@pytest.fixture(scope="session")
def finished(tmp_path_factory) -> Project:
    """The tiny project after its first run, without a target. Tests that change anything work on a copy."""
    project = fresh_project(tmp_path_factory.mktemp("tiny") / "project")
    done = project.run()
    assert done.returncode == 0, done.stdout[-6000:]
    (project.folder / "first_run.txt").write_text(done.stdout)
    return project


@pytest.fixture
def changed(finished, tmp_path) -> Project:
    """A copy of the finished project that a test may change."""
    return finished.copy(tmp_path / "project")
