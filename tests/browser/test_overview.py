"""The overview: its numbers are those of the results."""

import shutil

import numpy as np
import pytest
from helpers.made_up_results import SCORED, add_results, truth, values


@pytest.fixture(scope="module")
def results(made_up, tmp_path_factory):
    return add_results(shutil.copytree(made_up.folder, tmp_path_factory.mktemp("overview") / "view"), made_up)


@pytest.fixture
def view_folder(results):
    return results.folder


def texts(page, selector):
    return page.locator(selector).all_inner_texts()


def svg_texts(page, selector):
    return page.locator(selector).all_text_contents()


def test_cells_per_class_and_scores_are_those_of_the_results(viewer, results, made_up):
    page = viewer.open(f"/?ds={SCORED}")
    cells = made_up.cells[made_up.cells.dataset == SCORED]
    probable = np.bincount(values(cells, len(made_up.classes)).argmax(1), minlength=len(made_up.classes))
    true = results.table("classes.csv")["cells"]
    found = svg_texts(page, ".classes .chart .value")
    assert found == [f"{p:,} / {t:,}" for p, t in zip(probable, true, strict=True)]
    score = results.table("score.csv")
    assert svg_texts(page, ".score .chart .value") == [f"{ap:.3f}" for ap in score["mean_ap"]]
    title = page.locator(".score .chart g > title").last.text_content()
    last = score.iloc[-1]
    assert f"95 % interval {last['low']:.3f} to {last['high']:.3f}" in title
    # Every number says what it is.
    assert page.locator("#page .number:not([title])").count() == 0


def test_another_data_set_is_kept_in_the_address(viewer, results, made_up):
    page = viewer.open("/")
    called = results.table("test.parquet")["calls"].str.split("|").explode().value_counts()
    page.get_by_label("Data set").select_option("test")
    expected = [f"{called.get(name, 0):,}" for name in made_up.classes]
    assert svg_texts(page, ".classes .chart .value") == expected
    page.get_by_label("Data set").select_option(SCORED)
    assert page.url.endswith(f"#/?ds={SCORED}")
    viewer.reload()
    assert page.locator("#overview-dataset").input_value() == SCORED


def test_the_score_on_graded_cells_tells_the_random_queue_from_all(viewer, results, made_up):
    page = viewer.open("/?ds=test")
    table = results.table("graded.csv")
    for queue in ("all", "random"):
        row = table[(table["class"] == "mean") & (table["queue"] == queue)].iloc[0]
        shown = [f"{row[name]:.3f}" for name in ("ap", "low", "high", "auc", "auc_low", "auc_high")]
        assert texts(page, f".graded [data-queue={queue}] .number") == [str(row["cells"]), *shown]
    page.get_by_label("Data set").select_option(SCORED)
    assert page.locator(".graded").count() == 0


def test_a_class_leads_to_its_cells_by_keyboard(viewer, made_up):
    page = viewer.open("/?ds=test")
    page.locator(".classes .chart a").nth(3).focus()
    page.keyboard.press("Enter")
    page.wait_for_selector("#page[data-page=gallery][data-cells=all]")
    assert "ds=test" in page.url and "class=3" in page.url
    assert page.get_by_label("Class", exact=True).first.input_value() == "3"


def test_warnings_come_first_and_texts_stay_texts(viewer):
    page = viewer.open("/")
    first = page.locator("#page > *").first
    assert first.get_attribute("aria-label") == "Warnings"
    assert "7 warnings" in first.inner_text()
    assert first.locator(":scope > ul > li").count() == 4
    assert "2 more about whole data sets" in first.inner_text()
    first.locator("summary").last.click()
    assert "a <i>field</i>" in first.inner_text()
    assert "<b>torn</b>: not a PNG" in page.locator(".rejected").inner_text()
    assert page.locator("#page i, #page b").count() == 0


def test_no_warnings_file_is_said(open_view, results, tmp_path):
    folder = shutil.copytree(results.folder, tmp_path / "view")
    (folder / "data/warnings.js").unlink()
    viewer = open_view(folder)
    page = viewer.open("/")
    assert "warnings of this run are not shown" in page.locator(".problem").inner_text()
    assert page.locator(".classes").count() == 1
    # The browser itself reports the missing file.
    assert viewer.problems and all("ERR_FILE_NOT_FOUND" in problem for problem in viewer.problems)
    viewer.problems.clear()


@pytest.mark.parametrize("viewport", [(1366, 768), (1920, 1080)])
def test_first_screen_tells_the_story(open_view, results, viewport):
    viewer = open_view(results.folder, viewport={"width": viewport[0], "height": viewport[1]})
    page = viewer.open(f"/?ds={SCORED}")
    for selector in (".keyfigures", ".score .chart", ".next", ".classes .chart"):
        box = page.locator(selector).bounding_box()
        assert box["y"] + box["height"] <= viewport[1], selector
    assert page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")


def test_hostile_names_stay_texts(open_view, hostile_view, tmp_path):
    results = add_results(shutil.copytree(hostile_view.folder, tmp_path / "view"), hostile_view)
    viewer = open_view(results.folder)
    names = viewer.open("/").locator(".classes .chart title").all_text_contents()
    assert len(names) == len(hostile_view.classes)
    page = viewer.open(f"/quality?ds={SCORED}")
    assert [name.strip() for name in texts(page, ".multiple .name")] == [
        name.strip() for name in hostile_view.classes
    ]
    assert page.evaluate("() => window.hacked") is None
    assert truth(hostile_view.cells, 1).shape[1] == 1
