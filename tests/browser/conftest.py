"""Chromium, and views of made-up runs in it."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

# Only `make env` with the extra "dev" brings it.
pytest.importorskip("playwright")

from helpers.browser import Viewer, install, started, viewing
from helpers.made_up_view import HOSTILE_CLASSES, HOSTILE_IDS, MadeUpView, hostile, write_view
from playwright.sync_api import Browser, Page

HERE = Path(__file__).parent


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of this folder."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Chromium without network. It ends with this folder's tests: Playwright occupies the event loop of the thread."""
    problem = install()
    if problem:
        pytest.skip(problem)
    with started() as running:
        yield running


@pytest.fixture(scope="session")
def made_up(tmp_path_factory) -> MadeUpView:
    """A view of a small made-up run and the table of its cells. Tests that change files copy the folder."""
    return write_view(tmp_path_factory.mktemp("view") / "view")


@pytest.fixture(scope="session")
def hostile_view(tmp_path_factory) -> MadeUpView:
    """A view whose IDs, class names and metadata try to get into the page as HTML."""
    folder = tmp_path_factory.mktemp("hostile") / "view"
    return write_view(folder, hostile(), HOSTILE_CLASSES, HOSTILE_IDS)


@pytest.fixture
def view_folder(made_up) -> Path:
    """The folder of the made-up view; a test module may replace this fixture by another folder."""
    return made_up.folder


@pytest.fixture
def copied_view(view_folder, tmp_path) -> Path:
    """A copy of the view that a test may change."""
    return shutil.copytree(view_folder, tmp_path / "view")


@pytest.fixture
def open_view(browser) -> Iterator[Callable[..., Viewer]]:
    """Opens any view folder: `open_view(folder, viewport=..., color_scheme="dark")`; problems fail the test."""
    opened, contexts = [], []

    def opens(folder: Path, **options) -> Viewer:
        context = viewing(browser, folder, **options)
        contexts.append(context)
        opened.append(context.__enter__())
        return opened[-1]

    yield opens
    problems = [problem for viewer in opened for problem in viewer.problems]
    for context in contexts:
        context.__exit__(None, None, None)
    assert not problems, "\n".join(problems)


@pytest.fixture
def viewer(open_view, view_folder) -> Viewer:
    """The made-up view in a browser: `viewer.open("/gallery?class=3")` returns the Playwright page when it is ready.

    Every error on the console, error of a script, failed request or request that is not for a file fails the test.
    """
    return open_view(view_folder)


@pytest.fixture
def page(viewer) -> Page:
    """The Playwright page of `viewer`, at the first page of the view."""
    return viewer.open("/")
