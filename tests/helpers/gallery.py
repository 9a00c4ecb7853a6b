"""The gallery of a view: what is seen of it, and the same from the table of cells."""

import re
from urllib.parse import parse_qs

import cv2
import numpy as np
import pandas as pd
from playwright.sync_api import Locator, Page

READ = "#page[data-cells=all]"
FRAMES = "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"
TILES = """() => [...document.querySelectorAll(".gallery-list .tile:not([hidden])")]
    .sort((a, b) => a.getAttribute("aria-posinset") - b.getAttribute("aria-posinset"))
    .map(tile => tile.getAttribute("href"))"""
CHOSEN = 2
"""The class that is looked at; its threshold in the made-up run is 0.34."""


def read(viewer, state: str = "") -> Page:
    """Open the gallery with a state, such as `class=2&order=random`, and wait until all cells are read."""
    page = viewer.open(f"/gallery?{state}")
    settle(page)
    return page


def settle(page: Page) -> None:
    """Wait until all cells are read and what was done last is seen."""
    page.wait_for_selector(READ)
    page.evaluate(FRAMES)


def place(address: str) -> tuple[str, str, int]:
    """The data set, ID and cell of an address such as `...#/field?ds=test&id=a&cell=3`."""
    query = {key: values[0] for key, values in parse_qs(address.partition("?")[2]).items()}
    return query["ds"], query["id"], int(query["cell"])


def shown(page) -> list[tuple[str, str, int]]:
    """The cells whose tiles are in sight, in their order."""
    return [place(address) for address in page.evaluate(TILES)]


def places(cells: pd.DataFrame) -> list[tuple[str, str, int]]:
    """Cells of a table as `shown` gives them."""
    return list(cells[["dataset", "ID", "cell"]].itertuples(index=False, name=None))


def whole(values: pd.Series) -> pd.Series:
    """Probabilities as the files have them."""
    return (values * 65535).round().astype(int)


def by(cells: pd.DataFrame, key: pd.Series, *, ascending: bool = True) -> pd.DataFrame:
    """Cells sorted by a key; equal ones stay as they are."""
    return cells.loc[key.sort_values(ascending=ascending, kind="stable").index]


def scores(cells: pd.DataFrame) -> pd.DataFrame:
    """Probabilities of all classes, columns 0, 1 ..."""
    columns = [name for name in cells.columns if re.fullmatch(r"p\d+", name)]
    return cells[columns].set_axis(range(len(columns)), axis=1)


def top(cells: pd.DataFrame) -> pd.Series:
    """Most probable class."""
    return scores(cells).idxmax(axis=1)


def away(cells: pd.DataFrame, chosen: int) -> pd.Series:
    """Distance from the threshold of calls where calibrated, else from 0.5."""
    calibrated = (whole(cells[f"calibrated{chosen}"].fillna(0)) - round((0.3 + 0.02 * chosen) * 65535)).abs()
    plain = (whole(cells[f"p{chosen}"]) - 32768).abs()
    return calibrated.where(cells[f"calibrated{chosen}"].notna(), plain)


def true(cells: pd.DataFrame, chosen: int) -> pd.Series:
    """Whether a cell is known to show a class."""
    return (cells.truth >= 0) & (cells.truth.to_numpy() >> chosen & 1).astype(bool)


def says(cells: pd.DataFrame, chosen: int) -> pd.Series:
    """Whether the run says that a cell shows a class: called, or without calls most probable or at least 0.5."""
    called = (cells.calls.to_numpy() >> chosen & 1).astype(bool)
    plain = (top(cells) == chosen) | (whole(cells[f"p{chosen}"]) >= 32768)
    return pd.Series(np.where(cells.calls >= 0, called, plain), cells.index)


def picture(locator: Locator) -> np.ndarray:
    """What is seen of an element: (h, w, 3) BGR."""
    return cv2.imdecode(np.frombuffer(locator.screenshot(), np.uint8), cv2.IMREAD_COLOR).astype(int)
