"""The quality page: its numbers are those of the score and of the cells, and its pictures lead to their cells."""

import shutil
from urllib.parse import parse_qs

import numpy as np
import pytest
from helpers.made_up_results import SCORED, add_results, truth, values


@pytest.fixture(scope="module")
def results(made_up, tmp_path_factory):
    return add_results(shutil.copytree(made_up.folder, tmp_path_factory.mktemp("quality") / "view"), made_up)


@pytest.fixture
def view_folder(results):
    return results.folder


@pytest.fixture
def page(viewer):
    return viewer.open(f"/quality?ds={SCORED}")


def address(page):
    return {key: value[0] for key, value in parse_qs(page.url.partition("?")[2]).items()}


def test_average_precisions_are_those_of_the_score(page, results, made_up):
    scores = results.table("classes.csv")
    assert page.locator(".multiple .number").all_inner_texts() == [f"AP {ap:.3f}" for ap in scores["ap"]]
    # The weakest class is shown first.
    weakest = int(scores["ap"].idxmin())
    assert page.locator(".large").get_attribute("data-class") == str(weakest)
    assert f"{scores['ap'][weakest]:.4f}" in page.locator(".large .numbers").inner_text()


def test_a_class_is_chosen_by_keyboard_and_kept_in_the_address(page, viewer, results, made_up):
    page.locator(".multiple").nth(5).focus()
    page.keyboard.press("Enter")
    shown = page.locator(".large")
    assert shown.get_attribute("data-class") == "5"
    row = results.table("classes.csv").iloc[5]
    assert shown.locator("dd").all_inner_texts() == [
        f"{row['ap']:.4f}",
        f"{row['low']:.3f} to {row['high']:.3f}",
        f"{row['cells']:,}",
        f"{row['detections']:,}",
        f"{row['true']:,}",
    ]
    before = shown.inner_html()
    viewer.reload()
    assert page.locator(".large").inner_html() == before
    assert address(page)["class"] == "5"


def test_misses_are_counted_and_shown(page, results, made_up):
    scores = results.table("classes.csv")
    reasons = ["found", "no_cell", "poor_mask", "wrong_class", "ranked_low"]
    rows = page.locator(".reasons tbody tr")
    for c in range(len(made_up.classes)):
        assert rows.nth(c).locator("td").all_inner_texts()[:5] == [
            str(scores[reason][c]) for reason in reasons
        ]
    c = int(scores["ranked_low"].idxmax())
    page.locator(f'button[data-class="{c}"][data-reason=ranked_low]').click()
    page.locator(".miss").first.wait_for()
    cells = made_up.cells[made_up.cells.dataset == SCORED]
    shown = truth(cells, len(made_up.classes))[:, c] & (cells.truth >= 0).to_numpy()
    expected = cells[shown & (values(cells, len(made_up.classes))[:, c] < 0.5)]
    found = [
        (tile.get_attribute("data-id"), int(tile.get_attribute("data-cell")))
        for tile in page.locator(".miss").all()
    ]
    assert found == list(zip(expected.ID, expected.cell, strict=True))
    top = made_up.classes[int(values(expected.iloc[:1], len(made_up.classes)).argmax())]
    assert f"most probable: {top}" in page.locator(".miss").first.get_attribute("title")
    page.locator(".miss").first.click()
    page.wait_for_selector("#page[data-page=field][data-ready]")
    state = address(page)
    assert (state["ds"], state["id"], int(state["cell"])) == (SCORED, *found[0])


def test_a_part_that_is_missing_is_said_beside_the_missed_cells(results, open_view, tmp_path):
    folder = shutil.copytree(results.folder, tmp_path / "view")
    (folder / "data/test/001/cells.js").unlink()
    viewer = open_view(folder)
    page = viewer.open(f"/quality?ds={SCORED}&class=2&reason=no_cell")
    page.locator("[role=alert]", has_text="data/test/001/cells.js cannot be read").wait_for()
    assert page.locator(".miss").count() == 1
    viewer.forgive("ERR_FILE_NOT_FOUND")


def test_a_true_cell_without_a_segmented_one_is_a_place_in_its_field(page):
    page.locator('button[data-class="2"][data-reason=no_cell]').click()
    tile = page.locator(".miss")
    tile.wait_for()
    # The middle of its box (y 10 to 90, x 20 to 120).
    assert "mark=70.0%2C50.0" in tile.get_attribute("href")
    assert "overlaps no segmented cell" in tile.get_attribute("title")
    assert tile.locator(".truebox").count() == 1


def test_confusion_is_a_cross_table_and_leads_to_the_cells(page, made_up):
    classes = len(made_up.classes)
    cells = made_up.cells[(made_up.cells.dataset == SCORED) & (made_up.cells.truth >= 0)]
    shows, top = truth(cells, classes), values(cells, classes).argmax(1)
    expected = np.zeros((classes, classes + 1), int)
    for true, taken in zip(shows, top, strict=True):
        for c in np.flatnonzero(true):
            expected[c, taken if taken == c or not true[taken] else classes] += 1
    rows = page.locator(".matrix tbody tr")
    found = [rows.nth(c).locator("td").all_inner_texts() for c in range(classes)]
    assert found == [[str(value) if value else "" for value in row] for row in expected]
    page.get_by_label("percent").check()
    share = round(100 * expected[0, 0] / expected[0].sum())
    assert rows.first.locator("td").first.inner_text() == str(share)
    rows.first.locator("td a").first.click()
    page.wait_for_selector("#page[data-page=gallery][data-cells=all]")
    assert address(page) == {"ds": SCORED, "true": "0", "top": "0"}


def test_a_number_of_the_confusion_leads_to_as_many_cells(page, made_up):
    classes = len(made_up.classes)
    cells = made_up.cells[(made_up.cells.dataset == SCORED) & (made_up.cells.truth >= 0)]
    shows, top = truth(cells, classes), values(cells, classes).argmax(1)
    taken = np.eye(classes, dtype=bool)[top]
    wrong, both = shows.T.astype(int) @ (taken & ~shows), shows.T.astype(int) @ (taken & shows)
    np.fill_diagonal(both, 0)
    # Some cells of the row and column show both classes: they are counted elsewhere.
    row, column = np.argwhere((wrong > 0) & (both > 0))[0]
    cell = page.locator(".matrix tbody tr").nth(row).locator("td").nth(column)
    assert cell.inner_text() == str(wrong[row, column])
    cell.locator("a").click()
    page.wait_for_selector("#page[data-page=gallery][data-cells=all]")
    assert page.locator(".gallery-head .count .number").first.inner_text() == str(wrong[row, column])
    # With a class, it would be those that are called for it, where the data set is calibrated.
    assert address(page) == {"ds": SCORED, "true": str(row), "top": str(column), "order": "wrong"}


@pytest.mark.parametrize("dataset", ["test", SCORED])
def test_segmentation_is_that_of_the_cells(viewer, made_up, dataset):
    page = viewer.open(f"/quality?ds={dataset}")
    cells = made_up.cells[made_up.cells.dataset == dataset]
    numbers = page.locator(".segmentation > p .number").all_inner_texts()
    assert numbers == [
        f"{len(cells):,}",
        f"{cells.ID.nunique():,}",
        "0",
        f"{int(cells.touches_border.sum()):,}",
    ]
    bars = page.locator(".histograms .chart").first.locator(".datum title").all_text_contents()
    assert (
        sum(int(text.split(": ")[1].split()[0]) for text in bars)
        <= (~cells.touches_border.astype(bool)).sum()
    )
    most = cells.groupby("ID").size().max()
    assert page.locator(".fields").last.locator("li .number").first.inner_text() == str(most)
    # Without ground truth there is nothing else but the calibration of the run.
    assert page.locator(".precision").count() == (dataset == SCORED)


@pytest.mark.parametrize("width", [1366, 1920])
def test_long_ids_leave_the_numbers_of_the_list_free(open_view, view_folder, width):
    """The number of an entry stands left of it, where an ID of the column before may not reach."""
    viewer = open_view(view_folder, viewport={"width": width, "height": 1000})
    page = viewer.open(f"/quality?ds={SCORED}")
    covered = page.evaluate(
        """(id) => [...document.querySelectorAll(".fields")].flatMap((list) => {
          for (const link of list.querySelectorAll("a")) link.textContent = id;
          const links = [...list.querySelectorAll("a")].flatMap((link) => [...link.getClientRects()]);
          return [...list.children].filter((entry) => {
            const { left, top } = entry.getBoundingClientRect();
            return links.some((link) => link.right > left - 22 && link.left < left
              && link.bottom > top + 3 && link.top < top + 14);
          }).map((entry) => entry.textContent);
        })""",
        "plate_20190307_experiment12_well_A01_site_1_of_9",
    )
    assert page.locator(".fields li").count() > 1
    assert covered == []


def test_calibration_before_and_after(page, results):
    page.get_by_label("Class of the calibration plot").select_option("1")
    marks = page.locator(".calibration .marker title").all_text_contents()
    table = results.table("reliability.csv")
    rows = table[table["class"] == results.content("run")["classes"][1]]
    assert len(marks) == len(rows)
    first = rows.iloc[0]
    assert f"mean probability of {first['predicted']:.3f}" in marks[0]
    assert "0.200 before, 0.050 after" in page.locator(".calibration").inner_text()
    assert address(page)["cal"] == "1"
