"""The page of samples: shares, intervals and entropies of groups, against pandas."""

import re
from urllib.parse import quote

import numpy as np
import pandas as pd
import pytest
from playwright.sync_api import Page
from scipy.stats import binomtest

from puzzlecell.scoring.variability import binary_entropy, class_entropy

STATE = "() => puzzlecell.route.parse().state"
GROUP = re.compile("^(.+)_[0-9]+$")


def shown(cells: pd.DataFrame, classes: int, basis: str) -> np.ndarray:
    """Classes (n, C) bool that cells show."""
    values = cells[[f"p{c}" for c in range(classes)]].to_numpy()
    if basis == "top":
        return values.argmax(1)[:, None] == np.arange(classes)
    if basis == "called":
        return (cells.calls.to_numpy()[:, None] >> np.arange(classes)) & 1 > 0
    calibrated = cells[[f"calibrated{c}" for c in range(classes)]].to_numpy()
    return np.where(np.isnan(calibrated), values, calibrated) >= 0.5


def groups_of(made_up, dataset: str, by: str, quality: float = 0.5) -> dict[str, pd.DataFrame]:
    """Name -> cells of sufficient quality."""
    cells = made_up.cells[
        (made_up.cells.dataset == dataset) & (made_up.cells.quality * 255 >= round(quality * 255))
    ]
    keys = cells.ID.map(lambda text: GROUP.search(text)[1]) if by == "folds.group" else cells[by]
    return {name: members.reset_index(drop=True) for name, members in cells.groupby(keys)}


def listed(page: Page) -> dict[str, list[str]]:
    """Name -> the other texts of its row, as far as rows are in sight."""
    rows = [row.locator(".sample-main > *").all_inner_texts() for row in page.locator(".sample-row").all()]
    return {row[0]: row[1:] for row in rows}


@pytest.mark.parametrize(
    ("dataset", "by", "basis"),
    [
        ("test", "well", "top"),
        ("test", "antibody", "called"),
        ("test", "folds.group", "half"),
        ("holdout", "folds.group", "half"),
        ("holdout", "ID", "top"),
    ],
)
def test_shares_and_entropies_are_those_of_pandas(viewer, made_up, dataset, by, basis):
    classes = len(made_up.classes)
    groups = groups_of(made_up, dataset, by)
    name, cells = max(groups.items(), key=lambda item: len(item[1]))
    page = viewer.open(f"/samples?ds={dataset}&by={by}&basis={basis}&name={quote(name)}")
    for group, texts in listed(page).items():
        shows = shown(groups[group], classes, basis) if group in groups else np.zeros((0, classes), bool)
        assert int(texts[1]) == len(shows)
        if shows.any():
            most = shows.sum(0).argmax()
            assert texts[2] == f"{most} {made_up.classes[most]}"
            assert texts[3:] == [f"{shows.mean(0)[most]:.2f}", f"{class_entropy(shows.mean(0)[None])[0]:.2f}"]

    panel = page.locator(".sample-panel")
    assert panel.locator(".sample-measured").count() == 0
    shows = shown(cells, classes, basis)
    count, share = shows.sum(0), shows.mean(0)
    expected = {}
    for c in sorted(np.flatnonzero(count), key=lambda c: (-share[c], c)):
        low, high = binomtest(int(count[c]), len(cells)).proportion_ci(method="wilson")
        # A digit is rounded in the browser and here.
        expected[int(c)] = [share[c], low, high, binary_entropy(share[[c]])[0]]
    rows = panel.locator(".shares tr[data-class]")
    assert [int(row.get_attribute("data-class")) for row in rows.all()] == list(expected)
    for row, values in zip(rows.all(), expected.values(), strict=True):
        numbers = [
            float(text) for text in re.findall(r"\d+\.\d+", " ".join(row.locator("td").all_inner_texts()))
        ]
        assert numbers == pytest.approx(values, abs=5.1e-3)
    low, high = map(float, re.findall(r"\d+\.\d+", panel.locator(".entropy-interval").inner_text()))
    random = np.random.default_rng(0)
    draws = random.multinomial(len(cells), np.full(len(cells), 1 / len(cells)), 4000) @ shows
    # The page draws 500 times: its 2.5 % lie between 1 % and 5 % of many draws. It rounds to two digits.
    ends = np.quantile(class_entropy(draws), [0.01, 0.05, 0.95, 0.99])
    assert ends[0] - 0.006 <= low <= ends[1] + 0.006
    assert ends[2] - 0.006 <= high <= ends[3] + 0.006
    viewer.shot(f"samples-{dataset}-{by}")


def test_cells_side_by_side_are_the_most_probable_ones(viewer, made_up):
    name, cells = next(iter(groups_of(made_up, "test", "well").items()))
    page = viewer.open(f"/samples?ds=test&by=well&name={name}")
    shows = shown(cells, len(made_up.classes), "top")
    c = int(shows.sum(0).argmax())
    members = cells[shows[:, c]].assign(there=lambda table: table.picture > 0)
    members = members.sort_values(["there", f"p{c}"], ascending=False, kind="stable").head(12)
    strip = page.get_by_role("region", name=made_up.classes[c], exact=True)
    links = strip.locator("a")
    titles = [link.get_attribute("title") for link in links.all()]
    assert titles == [
        f"Cell {cell.cell} of {cell.ID}: {made_up.classes[c]} {getattr(cell, f'p{c}'):.2f}"
        for cell in members.itertuples()
    ]
    links.first.click()
    page.wait_for_selector(f".cell-panel[data-cell='{members.cell.iloc[0]}']")
    assert page.locator(".field-name").inner_text() == members.ID.iloc[0]


def test_groups_are_sorted_searched_and_compared(viewer, made_up):
    groups = groups_of(made_up, "test", "ID")
    page = viewer.open("/samples?ds=test&by=ID")
    page.locator(".sample-heads [data-column=cells]").click()
    counts = [int(texts[1]) for texts in listed(page).values()]
    assert counts == sorted(counts, reverse=True) and max(counts) == max(map(len, groups.values()))
    page.get_by_placeholder("part of a name").fill("001_")
    assert (
        all("001_" in name for name in listed(page))
        and "of" in page.locator(".samples-left [role=status]").inner_text()
    )

    # By keyboard: the first group, then the second one beside it.
    first = page.locator(".sample-main").first
    first.focus()
    page.keyboard.press("Enter")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Shift+Enter")
    names = list(listed(page))[:2]
    panels = page.locator(".sample-panel")
    assert [panel.get_attribute("data-name") for panel in panels.all()] == names
    state = page.evaluate(STATE)
    assert (state["name"], state["other"], state["sort"], state["text"]) == (*names, "cells", "001_")
    # The address is written a moment later.
    page.wait_for_url(re.compile("other="))
    again = viewer.reload()
    assert [panel.get_attribute("data-name") for panel in again.locator(".sample-panel").all()] == names


def test_numbers_of_variability_are_shown_where_they_are_known(copied_view, open_view, made_up):
    name = made_up.classes[4]
    columns = {
        "level": ["well", "well", "field"],
        "name": ["B01", "B01", "test000_0"],
        "class": ["all", name, "all"],
        "cells": [17, 17, 5],
        "mean_probability": [None, 0.61, None],
        "share": [None, 0.625, None],
        "share_low": [None, 0.41, None],
        "share_high": [None, 0.83, None],
        "entropy": [1.75, 0.954, 0.5],
        "entropy_low": [1.5, 0.66, 0.25],
        "entropy_high": [1.9, 0.99, 0.75],
        "p_value": [None, 0.0123, None],
        "varies": ["", "yes", ""],
    }
    text = (copied_view / "data/run.js").read_text()
    (copied_view / "data/run.js").write_text(
        text + "puzzlecell.run.summary.variability = " + pd.Series({"test": columns}).to_json() + ";\n"
    )
    viewer = open_view(copied_view)
    page = viewer.open("/samples?ds=test&by=well&name=B01&other=B02")
    panel = page.locator(".sample-panel[data-name=B01]")
    measured = panel.locator(".sample-measured")
    assert "17 cells" in measured.inner_text() and "1.75 bits (1.50 \u2013 1.90)" in measured.inner_text()
    row = measured.locator(".shares tr[data-class='4']").inner_text().split()
    assert {"0.625", "0.41", "0.83", "0.95", "0.0123", "yes"} <= set(row)
    # Two panels beside each other on a laptop hold all columns.
    assert panel.evaluate("panel => panel.scrollWidth <= panel.clientWidth")
    # What is chosen on the page decides on the list, the shares above and the cells below, not on what was measured.
    said = measured.inner_text()
    for basis in ("top", "half"):
        page.get_by_label("Cells show").select_option(basis)
        entropy = page.locator(".sample-row[data-name=B01] .number").nth(3).inner_text()
        assert panel.locator(".sample-numbers").first.locator(".entropy").inner_text() == entropy
        shares = panel.locator(".shares").first.locator("tbody tr")
        strips = panel.locator(".strip h4 .faint").all_inner_texts()
        assert shares.count() == len(strips)
        assert measured.inner_text() == said
    # Groups that the table does not have are computed alone.
    assert page.locator(".sample-panel[data-name=B02] .sample-measured").count() == 0


LONG_LIST = """() => {
  const { h } = puzzlecell.dom;
  const list = puzzlecell.virtualList({
    height: 30, label: "long", row: index => h("div", {}, h("button", {}, `row ${index}`)),
  });
  list.element.style.height = "300px";
  document.body.append(list.element);
  list.show(50000);
  list.focus(40000);
  return [list.element.querySelectorAll("button").length, document.activeElement.textContent];
}"""


def test_only_rows_in_sight_exist(viewer):
    page = viewer.open("/samples")
    count, focused = page.evaluate(LONG_LIST)
    assert count <= 30 and focused == "row 40000"


def test_hostile_groups_stay_text(open_view, hostile_view):
    viewer = open_view(hostile_view.folder)
    dataset = hostile_view.cells.dataset.iloc[0]
    for by in ("ID", "well", "antibody"):
        page = viewer.open(f"/samples?ds={dataset}&by={by}")
        page.locator(".sample-main").first.click()
        page.wait_for_selector(".sample-panel")
        assert page.evaluate("() => window.hacked") is None
    assert set(listed(page)) == set(hostile_view.cells.antibody.dropna())
