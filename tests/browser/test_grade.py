"""The page to grade: what people press is what training reads."""

import csv
import io
import json
import shutil

import numpy as np
import pandas as pd
import pytest
from helpers.made_up_shard import HEIGHT, WIDTH

from puzzlecell.config.grades import GradeSettings
from puzzlecell.data.store import ShardReader, write_shard
from puzzlecell.teaching.grades import read_grades
from puzzlecell.teaching.placing import place

SEEN = "#page[data-seen=yes]"
MASK = 256
HEADER = "ID,cell,y,x,class,grade,annotator,area_px,centroid_y,centroid_x,queue"


@pytest.fixture(scope="module")
def graded_view(made_up, tmp_path_factory):
    """The made-up view with what the page to grade knows of a run."""
    folder = shutil.copytree(made_up.folder, tmp_path_factory.mktemp("grade") / "view")
    with_grading(folder)
    return folder


def with_grading(folder):
    run = folder / "data/run.js"
    text = run.read_text()
    assert '"grading":{}' in text
    grading = json.dumps({"identity": "made up", "mask_size": MASK})
    run.write_text(text.replace('"grading":{}', f'"grading":{grading}'))


@pytest.fixture
def view_folder(graded_view):
    return graded_view


def opened(viewer, state, name="ann"):
    page = viewer.open(f"/grade?{state}")
    if page.locator(".grade-who").count():
        page.keyboard.type(name)
        page.keyboard.press("Enter")
    page.wait_for_selector(SEEN)
    return page


def test_the_name_is_shown_when_there_is_one(viewer):
    page = viewer.open("/grade?ds=test&class=4")
    assert not page.get_by_text("Name", exact=True).is_visible()
    assert page.get_by_text("Name", exact=True).count() == 1
    page = opened(viewer, "ds=test&class=4", name="ann b")
    assert page.get_by_label("Name").inner_text() == "ann b"


def shown(page):
    """ID and number of the cell that is shown."""
    field_id, number = page.locator(".grade-cell").get_attribute("data-cell").split("\n")
    return field_id, int(number)


def turned(page, act):
    """Do what brings another cell, and wait until it is seen."""
    turn = int(page.locator("#page").get_attribute("data-turn"))
    act()
    page.wait_for_selector(f'{SEEN}[data-turn="{turn + 1}"]')


def press(page, keys):
    """Press keys, each when the cell is seen; return the cells that were shown before each."""
    found = []
    for key in keys:
        found.append(shown(page))
        turned(page, lambda key=key: page.keyboard.press(key))
    return found


def row_of(made_up, cell):
    """The cell of the data set `test` with an ID and a number."""
    cells = made_up.cells
    return cells[(cells["dataset"] == "test") & (cells["ID"] == cell[0]) & (cells["cell"] == cell[1])].iloc[0]


def exported(page):
    with page.expect_download() as download:
        page.click(".grade-export")
    assert download.value.suggested_filename == "cell_labels.csv"
    return download.value.path().read_bytes().decode()


def masks(folder, cells):
    """Masks of the fields of cells, each cell a disc of its area around its centroid."""
    ids = cells["ID"].unique().tolist()
    y, x = (np.indices((MASK, MASK)) + 0.5) * np.array([HEIGHT, WIDTH])[:, None, None] / MASK - 0.5
    images = np.zeros((len(ids), MASK, MASK), np.uint16)
    for row in cells.itertuples():
        disc = (y - row.centroid_y) ** 2 + (x - row.centroid_x) ** 2 <= 0.8 * row.area_px / np.pi
        images[ids.index(row.ID)][disc] = row.cell
    sizes = {"height": np.full(len(ids), HEIGHT), "width": np.full(len(ids), WIDTH)}
    write_shard(folder / "masks.h5", ids, {"cells": images, **sizes}, {})
    return ShardReader([folder / "masks.h5"])


@pytest.mark.parametrize("queue", ["uncertain", "disagree", "rare", "random"])
def test_queues_begin_with_the_right_cells(viewer, made_up, queue):
    cells = made_up.cells[made_up.cells["dataset"] == "test"]
    pictured = cells[cells["picture"] > 0]
    values = np.round(pictured["p4"] * 65535).astype(int)
    if queue == "uncertain":
        threshold = round(json.loads(run_text(viewer))["thresholds"][4] * 65535)
        key = (np.round(pictured["calibrated4"] * 65535) - threshold).abs()
    elif queue == "disagree":
        top = pictured[[f"p{c}" for c in range(12)]].to_numpy().argmax(axis=1)
        steps = [pictured[[f"step{step}_{c}" for c in range(12)]].to_numpy() for step in (1, 2)]
        key = pd.Series(-np.abs(steps[0] - steps[1]).max(axis=1), pictured.index)[top == 4]
        pictured = pictured[top == 4]
    elif queue == "rare":
        key = -values
    else:
        sample = cells[(cells["picked"] & 16) > 0]
        # Up to the last place of the shard that has come least far.
        limit = sample.groupby("shard")["order"].max().min()
        pictured = sample[sample["order"] <= limit]
        key = pictured["order"]
    first = pictured.assign(key=key).sort_values("key", kind="stable")[["ID", "cell"]].head(4)
    page = opened(viewer, f"ds=test&class=4&queue={queue}")
    found = press(page, "123")
    assert [*found, shown(page)] == list(first.itertuples(index=False, name=None))


def run_text(viewer):
    text = (viewer.folder / "data/run.js").read_text()
    return text[text.index("{") : text.rindex("}") + 1]


def test_grades_go_from_the_keyboard_to_the_masks(viewer, made_up, tmp_path):
    page = opened(viewer, "ds=test&class=4&queue=uncertain")
    graded = list(zip(press(page, "51"), (5, 1), strict=True))
    # Another class of other cells, in the random sample.
    turned(page, page.get_by_label("Random", exact=True).check)
    turned(page, lambda: page.get_by_label("Class", exact=True).select_option("10"))
    random = list(zip(press(page, "42"), (4, 2), strict=True))
    text = exported(page)
    assert text.splitlines()[0] == HEADER
    assert page.locator(".grade-stage").is_visible()
    table = tmp_path / "cell_labels.csv"
    table.write_text(text)
    grades = read_grades(table, made_up.classes)
    cells = made_up.cells[made_up.cells["dataset"] == "test"]
    placed = place(grades, cells, masks(tmp_path, cells), GradeSettings())
    assert sorted((row.grade.ID, row.cell, row.grade.index, row.grade.grade) for row in placed) == sorted(
        [(*cell, 4, value) for cell, value in graded] + [(*cell, 10, value) for cell, value in random]
    )
    assert {row.what for row in placed} == {""}
    assert all(grade.y is not None and grade.area_px is not None for grade in grades)
    assert {(grade.index, grade.queue, grade.annotator) for grade in grades} == {
        (4, "uncertain", "ann"),
        (10, "random", "ann"),
    }


def test_undo_skip_and_going_on(viewer):
    page = opened(viewer, "ds=test&class=2&queue=rare")
    first, second = press(page, "50")
    third = shown(page)
    turned(page, lambda: page.keyboard.press("u"))
    assert shown(page) == second
    turned(page, lambda: page.keyboard.press("Control+z"))
    assert shown(page) == first
    assert press(page, "3") == [first]
    assert press(page, "0") == [second]
    assert shown(page) == third
    # The browser has kept the grade; the skipped cell comes again.
    page = viewer.open("/")
    page = opened(viewer, "ds=test&class=2&queue=rare")
    assert shown(page) == second
    assert [line.split(",")[5] for line in exported(page).splitlines()] == ["grade", "3"]


def test_cells_of_other_queues_count_in_the_sample_when_their_turn_comes(viewer):
    page = opened(viewer, "ds=test&class=5&queue=random")
    first, second = press(page, "0")[0], shown(page)
    viewer.open("/")
    # The first cell of the sample is graded by a link from elsewhere.
    page = opened(viewer, f"ds=test&class=5&queue=rare&id={first[0]}&cell={first[1]}")
    assert press(page, "4") == [first]
    rows = list(csv.DictReader(io.StringIO(exported(page))))
    assert [(row["ID"], row["queue"]) for row in rows] == [(first[0], "")]
    turned(page, page.get_by_label("Random", exact=True).check)
    assert shown(page) == second
    rows = list(csv.DictReader(io.StringIO(exported(page))))
    assert [(row["ID"], row["queue"]) for row in rows] == [(first[0], "random")]


def test_import_goes_on_and_reports_conflicts(open_view, view_folder, made_up, tmp_path):
    one = open_view(view_folder)
    page = opened(one, "ds=test&class=3&queue=rare")
    first, second = press(page, "51")
    third = shown(page)
    text = exported(page)
    lines = text.splitlines()
    # Another grade for the second cell, a cell that has changed its area, a class that nobody knows.
    changed = next(line for line in lines[1:] if f"{second[0]},{second[1]}," in line)
    parts = changed.split(",")
    parts[5] = "4"
    moved = [*changed.split(",")]
    moved[7], moved[1] = "99999", "1"
    (tmp_path / "first.csv").write_text(text)
    other = "\r\n".join(
        [
            "\ufeff" + HEADER,
            ",".join(parts),
            ",".join(moved),
            changed.replace(made_up.classes[3], "Cytosole"),
            "",
        ]
    )
    (tmp_path / "second.csv").write_text(other)
    # Another browser goes on with the file of the first.
    two = open_view(view_folder)
    page = opened(two, "ds=test&class=3&queue=rare")
    assert shown(page) == first
    page.set_input_files(".grade-import", tmp_path / "first.csv")
    page.get_by_text("first.csv: 2 grades taken over, 0 were here already.").wait_for()
    page.wait_for_selector(SEEN)
    assert shown(page) == third
    page.set_input_files(".grade-import", tmp_path / "second.csv")
    report = page.locator(".grade-report")
    report.get_by_text("1 lines cannot be used").wait_for()
    said = report.inner_text()
    assert 'line 4: class "Cytosole" is no class of this view' in said
    assert "1 grades are of cells that test does not have in this view" in said
    assert f"cell {second[1]} of {second[0]}, {made_up.classes[3]}, ann: 1 here, 4 in the file" in said
    page.get_by_role("button", name="Take those of the file instead").click()
    grades = {
        (row["ID"], int(row["cell"])): row["grade"] for row in csv.DictReader(io.StringIO(exported(page)))
    }
    assert grades == {first: "5", second: "4"}


def test_the_probability_is_hidden_until_the_cell_is_graded(viewer, made_up):
    page = opened(viewer, "ds=test&class=4&queue=rare")
    cell = press(page, "5")[0]
    row = row_of(made_up, cell)
    assert page.locator(".grade-chance").inner_text() == ""
    assert f"the run says {row['p4']:.3f}" in page.locator(".grade-last").inner_text()
    row = row_of(made_up, shown(page))
    page.get_by_label("show the probability before grading").check()
    assert page.locator(".grade-chance").inner_text() == f"probability {row['p4']:.3f}"


def test_leaving_with_grades_that_are_not_exported_warns(viewer):
    page = opened(viewer, "ds=test&class=6&queue=rare")
    asked = []
    page.on("dialog", lambda dialog: (asked.append(dialog.type), dialog.accept()))
    press(page, "5")
    page.reload()
    assert asked == ["beforeunload"]
    page.wait_for_selector(SEEN)
    exported(page)
    page.reload()
    assert asked == ["beforeunload"]


def test_a_storage_that_cannot_be_written_is_said(open_view, view_folder):
    viewer = open_view(view_folder)
    viewer.page.add_init_script(
        "Storage.prototype.setItem = () => { throw new DOMException('', 'QuotaExceededError'); };"
    )
    page = opened(viewer, "ds=test&class=6&queue=rare")
    cell = press(page, "5")[0]
    page.get_by_text("The grades are not stored: the storage of this browser is full").wait_for()
    assert f"{cell[0]},{cell[1]}," in exported(page)


def test_hostile_names_come_out_as_they_are(open_view, hostile_view, tmp_path):
    # The data set of one shard: the others share their hostile IDs.
    folder = shutil.copytree(hostile_view.folder, tmp_path / "view")
    with_grading(folder)
    viewer = open_view(folder)
    graded = set()
    for index in range(len(hostile_view.classes)):
        page = opened(viewer, f"ds=holdout&class={index}&queue=uncertain", '=A"n,n')
        graded |= {(*cell, hostile_view.classes[index]) for cell in press(page, "5")}
    text = exported(page)
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert {(row["ID"], int(row["cell"]), row["class"]) for row in rows} == graded
    assert {row["annotator"] for row in rows} == {'=A"n,n'}
    (tmp_path / "again.csv").write_text(text, newline="")
    page.set_input_files(".grade-import", tmp_path / "again.csv")
    page.get_by_text(f"again.csv: 0 grades taken over, {len(graded)} were here already.").wait_for()
    assert page.evaluate("window.hacked") is None


def test_two_windows_share_the_grades(viewer):
    page = opened(viewer, "ds=test&class=7&queue=rare")
    first = shown(page)
    other = viewer.context.new_page()
    other.goto(page.url)
    other.wait_for_selector(SEEN)
    assert shown(other) == first
    # The window learns that its cell has been graded in the other one, and goes on.
    turned(page, lambda: press(other, "4"))
    second = shown(page)
    assert second == shown(other) != first
    assert press(page, "2") == [second]
    exported_grades = {
        (row["ID"], int(row["cell"])): row["grade"] for row in csv.DictReader(io.StringIO(exported(page)))
    }
    assert exported_grades == {first: "4", second: "2"}
