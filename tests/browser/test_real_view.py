"""The view of a real run, as tiny as the others: what its pages say is what its tables say."""

import re
from urllib.parse import parse_qs, urlsplit

import pandas as pd
import pytest


@pytest.fixture(scope="session")
def run_view(finished):
    """The finished tiny project, with its view."""
    done = finished.run("view")
    assert done.returncode == 0, done.stdout[-4000:]
    return finished


def test_pages_of_a_run_show_its_numbers(run_view, open_view):
    cells = pd.read_parquet(run_view.folder / "results/cells/test.parquet")
    names = pd.read_csv(run_view.folder / "config/classes.csv")["name"]
    viewer = open_view(run_view.folder / "results/view")
    for place in ("/", "/samples", "/quality", "/grade", "/field"):
        page = viewer.open(place)
        assert page.locator("#page").get_attribute("data-ready") == "yes", place
        assert page.locator("#page .problem").filter(has_text=re.compile(r"\S")).count() == 0, place

    number = 5
    page = viewer.open(f"/gallery?class={number}&ds=test")
    page.get_by_text(f"{len(cells)} of", exact=False).first.wait_for()
    tile = page.locator(".tile:visible").first
    best = cells.sort_values(f"p{number:02d}", ascending=False, kind="stable").iloc[0]
    # A quantum of the view's numbers, and three decimals.
    shown = float(tile.locator(".number").first.inner_text())
    assert abs(shown - best[f"p{number:02d}"]) < 0.0005 + 1 / 65535
    tile.press("Enter")
    page.wait_for_selector("#page[data-page=field][data-ready]", state="attached")
    state = {key: value[0] for key, value in parse_qs(urlsplit(urlsplit(page.url).fragment).query).items()}
    row = cells[(cells["ID"] == state["id"]) & (cells["cell"] == int(state["cell"]))].iloc[0]
    assert abs(row[f"p{number:02d}"] - best[f"p{number:02d}"]) <= 1 / 65535
    for index, name in enumerate(names):
        line = page.locator(f'.cell-panel table:not(.members *) tr[data-class="{index}"]')
        assert line.count() == 1, name
        assert f"{index} {name}" in line.inner_text()
        told = float(re.search(r"\d\.\d{3}", line.inner_text()).group())
        assert abs(told - row[f"p{index:02d}"]) < 0.0005 + 1 / 65535, name
    viewer.shot("field-of-a-run")
