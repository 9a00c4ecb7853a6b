"""The page of a field: what it shows of a cell, by mouse and by keyboard, against the table of the made-up run."""

import base64
import json
import re
from urllib.parse import quote

import cv2
import numpy as np
import pandas as pd
import pytest
from helpers.browser import Viewer
from playwright.sync_api import Locator, Page

from puzzlecell.formats.class_colours import HUES, css_colours

DRAWN = ".field-stage[data-outlined][data-pixels]"
STATE = "() => puzzlecell.route.parse().state"
# Outlines are on a canvas of their own, which has no picture on it, so its pixels can be read.
LINES = """() => {
  const canvas = document.querySelector(".field-lines");
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  return [canvas.height, canvas.width, Array.from(data.filter((_, i) => i % 4 === 3))];
}"""
SETTLED = "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"
LINK = "() => location.href.replace(/#.*/s, '') + puzzlecell.route.link('/field', puzzlecell.route.parse().state)"
STYLES = """async ({ place, mode, index }) => {
  const field = await puzzlecell.fields.find(place.ds, place.id, place.sh);
  const shapes = puzzlecell.fields.rows(field).map(row => ({ row }));
  const styled = puzzlecell.fieldOutlines.styled(shapes, field.chunk, mode, index);
  return styled.map(({ label, dash }) => [label, dash.length]);
}"""


def field_of(made_up, dataset: str, number: int = 0) -> pd.DataFrame:
    """Cells of a data set's field, counted among those that have at least three cells."""
    cells = made_up.cells[made_up.cells.dataset == dataset]
    counts = cells.groupby("ID", sort=False).size()
    return cells[counts.index[counts >= 3][number] == cells.ID].reset_index(drop=True)


def opened(viewer: Viewer, cells: pd.DataFrame, **state) -> Page:
    """The page of the field of these cells, drawn."""
    keys = {"ds": cells.dataset[0], "id": cells.ID[0], **state}
    page = viewer.open("/field?" + "&".join(f"{key}={quote(str(value))}" for key, value in keys.items()))
    page.wait_for_selector(DRAWN)
    return page


def centre_on_screen(page: Page, cell: pd.Series) -> tuple[float, float]:
    """Where the centroid of a cell is in the window while the whole field is shown."""
    box = page.locator(".field-stage").bounding_box()
    zoom = min(box["width"] / cell.field_width, box["height"] / cell.field_height)
    x = box["x"] + box["width"] / 2 + (cell.centroid_x - cell.field_width / 2) * zoom
    return x, box["y"] + box["height"] / 2 + (cell.centroid_y - cell.field_height / 2) * zoom


def rows_of(table: Locator) -> dict[int, list[str]]:
    """Class -> the numbers in its row of a table of probabilities."""
    return {
        int(row.get_attribute("data-class")): row.locator("td .number").all_inner_texts()
        for row in table.locator("tr[data-class]").all()
    }


@pytest.mark.parametrize("dataset", ["test", "holdout"])
def test_a_click_shows_the_numbers_of_that_cell(viewer, made_up, dataset):
    cells = field_of(made_up, dataset)
    page = opened(viewer, cells)
    kinds = ["p", "calibrated", "step1_", "step2_"] if dataset == "test" else ["p", "step1_", "step2_"]
    for _, cell in cells.iterrows():
        page.mouse.click(*centre_on_screen(page, cell))
        panel = page.locator(f".cell-panel[data-cell='{cell.cell}']")
        panel.locator("details.members").wait_for()
        shown = rows_of(panel.locator(".probabilities").first)
        falling = sorted(range(len(made_up.classes)), key=lambda c: (-cell[f"p{c}"], c))
        assert list(shown) == falling
        assert shown == {c: [f"{cell[kind + str(c)]:.3f}" for kind in kinds] for c in falling}
        marks = {
            word: {c for c in falling if word in " ".join(_marks(panel, c))} for word in ("called", "true")
        }
        assert marks["called"] == ({c for c in falling if cell.calls >> c & 1} if cell.calls >= 0 else set())
        assert marks["true"] == ({c for c in falling if cell.truth >> c & 1} if cell.truth >= 0 else set())
        facts = panel.locator(".facts").inner_text()
        assert f"{cell.area_px} px = {cell.area_px * 0.32**2:.1f} \u00b5m²" in facts
        assert f"{cell.x1 - cell.x0} x {cell.y1 - cell.y0} px" in facts
        if cell.truth >= 0:
            word = "✓ right" if cell.truth >> falling[0] & 1 else "✗ wrong"
            assert word in panel.locator(".verdict").inner_text()
    viewer.shot(f"field-{dataset}")


def _marks(panel: Locator, index: int) -> list[str]:
    return panel.locator(f"tr[data-class='{index}'] .mark").all_inner_texts()


def test_members_are_shown_side_by_side(viewer, made_up):
    cells = field_of(made_up, "test")
    page = opened(viewer, cells, cell=cells.cell[0])
    page.locator("details.members summary").click()
    names = page.locator(".members thead th").all_inner_texts()
    assert names == ["Class", "step 1, lite0 stage2", "step 1, lite0 stage3", "step 2, lite0 stage3"]
    first = page.locator(".members thead th").nth(1).get_attribute("title")
    assert "mean over the folds" in first
    # Their mean over the members of step 1 is what the table above says.
    for row in page.locator(".members tbody tr").all():
        index = int(row.locator("th").inner_text().split()[0])
        one, two, three = map(float, row.locator("td").all_inner_texts())
        assert (one + two) / 2 == pytest.approx(cells[f"step1_{index}"][0], abs=1.1e-3)
        assert three == pytest.approx(cells[f"step2_{index}"][0], abs=6e-4)


def test_outlines_lie_where_the_shapes_are(viewer, made_up):
    cells = field_of(made_up, "test")
    page = opened(viewer, cells, labels=0)
    page.evaluate(SETTLED)
    height, width, values = page.evaluate(LINES)
    alpha = np.array(values, np.uint8).reshape(height, width)
    zoom = min(width / cells.field_width[0], height / cells.field_height[0])
    offset = np.array([width - cells.field_width[0] * zoom, height - cells.field_height[0] * zoom]) / 2
    expected = np.zeros((height, width), np.uint8)
    for kind in ("cell", "nucleus"):
        for ring in _rings(made_up, cells, kind):
            points = np.round((ring * zoom + offset - 0.5) * 16).astype(np.int32)
            cv2.polylines(expected, [points], isClosed=True, color=255, shift=4)
    # Uncertain ones are dashed, but have a dark line below, as all outlines of cells have.
    near = cv2.dilate((alpha > 0).astype(np.uint8), np.ones((3, 3)))
    dashed = cells.calls[0] >= 0
    assert (near[expected > 0] > 0).mean() > (0.8 if dashed else 0.99)
    around = cv2.dilate(expected, np.ones((9, 9)))
    assert not alpha[around == 0].any()


def _rings(made_up, cells: pd.DataFrame, kind: str) -> list[np.ndarray]:
    """Outlines (k, 2) of the cells in raw pixels, from the file."""
    folder = made_up.folder / "data" / cells.dataset[0] / cells.shard[0]
    content = json.loads(re.match(r".*?,(\{.*\})\);\n", (folder / "shapes.js").read_text(), re.S)[1])
    types = {"u16": np.uint16, "u32": np.uint32}
    read = {
        key: np.frombuffer(base64.b64decode(text), types[name])
        for key, (name, text) in content["columns"].items()
    }
    xy = read[f"{kind}_xy"].reshape(-1, 2) / content["scale"]
    of_shard = made_up.cells[
        (made_up.cells.dataset == cells.dataset[0]) & (made_up.cells.shard == cells.shard[0])
    ]
    rows = np.flatnonzero(cells.ID[0] == of_shard.ID)
    starts = read[f"{kind}_points"]
    return [xy[starts[row] : starts[row + 1]] for row in rows]


def test_keys_move_between_cells_and_fields(viewer, made_up):
    cells = field_of(made_up, "test")
    page = opened(viewer, cells, cell=cells.cell[0])
    panel = page.locator(".cell-panel")

    def press(key: str) -> int:
        page.keyboard.press(key)
        return int(panel.get_attribute("data-cell"))

    assert [press("."), press("."), press(",")] == [cells.cell[1], cells.cell[2], cells.cell[1]]
    start = cells[cells.cell == cells.cell[1]].iloc[0]
    after = cells[cells.cell == press("ArrowLeft")].iloc[0]
    assert after.centroid_x < start.centroid_x
    assert press("ArrowRight") == start.cell
    # The button of the chosen cell in the list says so.
    assert page.locator(".cell-list [aria-current]").inner_text().split()[0] == str(start.cell)

    ids = list(dict.fromkeys(made_up.cells[made_up.cells.dataset == "test"].ID))
    page.keyboard.press("n")
    page.wait_for_function("id => document.querySelector('.field-name').textContent !== id", arg=cells.ID[0])
    following = page.locator(".field-name").inner_text()
    assert page.locator(".cell-panel").count() == 0
    page.keyboard.press("p")
    page.wait_for_function("id => document.querySelector('.field-name').textContent === id", arg=cells.ID[0])
    # Fields without cells are fields, too.
    assert following in ids or made_up.cells[following == made_up.cells.ID].empty
    page.keyboard.press("?")
    assert "next field" in page.locator("dialog.keys").inner_text()


def test_fields_follow_each_other_across_shards(viewer, made_up):
    layout = next(layout for layout in made_up.layouts if layout.name == "test")
    last = f"{layout.name}000_{layout.fields - 1}"
    page = viewer.open(f"/field?ds=test&id={last}")
    page.get_by_role("button", name="Next field").click()
    page.wait_for_function("id => document.querySelector('.field-name').textContent !== id", arg=last)
    assert page.locator(".field-name").inner_text() == "test001_0"
    assert f"{layout.fields + 1} of {2 * layout.fields}" in page.locator(".field-tools").inner_text()
    # The way back of the browser leads to the field before.
    page.go_back()
    page.wait_for_function("id => document.querySelector('.field-name')?.textContent === id", arg=last)


def test_a_link_leads_back_to_exactly_this_view(viewer, open_view, made_up):
    cells = field_of(made_up, "test")
    page = opened(viewer, cells)
    x, y = centre_on_screen(page, cells.iloc[1])
    page.mouse.click(x, y)
    page.mouse.move(x + 20, y)
    page.mouse.wheel(0, -700)
    page.mouse.down()
    page.mouse.move(x - 30, y + 25, steps=4)
    page.mouse.up()
    page.locator(".cell-panel tr[data-class='2'] button").click()
    page.locator("[data-channel=green]").uncheck()
    page.keyboard.press("u")
    page.mouse.move(5, 5)
    page.evaluate(SETTLED)
    state, link = page.evaluate(STATE), page.evaluate(LINK)
    assert state["cell"] == str(cells.cell[1]) and state["class"] == "2" and float(state["z"]) > 1
    assert state["colour"] == "class" and state["nuclei"] == "0"

    other = open_view(made_up.folder).open(link.split("#")[1])
    other.wait_for_selector(DRAWN)
    other.evaluate(SETTLED)
    assert other.evaluate(STATE) | {"ch": ""} == state | {"ch": ""}
    assert other.evaluate(LINES) == page.evaluate(LINES)
    assert other.locator(".field-stage").screenshot() == page.locator(".field-stage").screenshot()
    assert not other.locator("[data-channel=green]").is_checked()


def test_channels_and_activation_maps_change_the_picture(viewer, made_up):
    cells = made_up.cells[made_up.cells.ID == "test000_0"].reset_index(drop=True)
    if cells.empty:
        cells = made_up.cells[made_up.cells.ID == "test000_1"].reset_index(drop=True)
    page = opened(viewer, cells)
    stage = page.locator(".field-stage")

    def seen() -> bytes:
        page.evaluate(SETTLED)
        return stage.screenshot()

    whole = seen()
    page.locator("[data-channel=red]").uncheck()
    page.locator("[data-channel=red]").blur()
    without_red = seen()
    page.locator(".field-maps button").first.click()
    page.wait_for_selector(".field-stage[data-cam='0']")
    with_map = seen()
    page.keyboard.press("a")
    page.wait_for_selector(".field-stage:not([data-cam])")
    assert len({whole, without_red, with_map}) == 3
    assert "cam=1" not in page.evaluate(LINK)
    viewer.shot("field-cam")


def test_how_maps_and_pictures_are_made_is_said_where_there_are_none(viewer, made_up):
    layout = next(layout for layout in made_up.layouts if layout.name == "holdout")
    bare = made_up.cells[f"holdout000_{layout.fields - 1}" == made_up.cells.ID].reset_index(drop=True)
    page = opened(viewer, bare)
    assert "snakemake cams" in page.locator(".cam-hint").inner_text()
    assert page.locator(DRAWN).get_attribute("data-pixels") in ("cells", "none")
    assert "puzzlecell view --serve" in page.locator(".picture-note").inner_text()


@pytest.mark.parametrize("dataset", ["test", "holdout"])
def test_outlines_tell_classes_without_colour(viewer, made_up, dataset):
    cells = field_of(made_up, dataset)
    page = opened(viewer, cells)
    place = {"ds": dataset, "id": cells.ID[0], "sh": cells.shard[0]}

    def styles(mode: str, index: int = 0) -> list:
        return page.evaluate(STYLES, {"place": place, "mode": mode, "index": index})

    tops = cells[[f"p{c}" for c in range(len(made_up.classes))]].to_numpy().argmax(1)
    assert [label for label, _ in styles("top")] == [str(top) for top in tops]
    shares = cells["p3"].to_numpy()
    percent = np.floor(100 * shares + 0.5).astype(int)
    assert styles("class", 3) == [
        [f"{value} %", 0 if share >= 0.5 else 2] for value, share in zip(percent, shares, strict=True)
    ]
    if dataset == "test":
        bits = [{c for c in range(12) if call >> c & 1} for call in cells.calls]
        labels = [
            set(map(int, label.split(" + "))) if label != "no call" else set()
            for label, _ in styles("called")
        ]
        assert labels == bits
        uncertain = cells.calls.to_numpy() >> 31
        assert [dash == 2 for _, dash in styles("top")] == list(uncertain == 1)
    else:
        expected = [
            "?" if truth < 0 else "✓" if truth >> top & 1 else "✗"
            for truth, top in zip(cells.truth, tops, strict=True)
        ]
        assert [label for label, _ in styles("right")] == expected


def test_a_marked_place_is_in_the_middle(viewer, made_up):
    cells = field_of(made_up, "holdout")
    page = opened(viewer, cells, mark="300.5,430", outlines=0)
    page.evaluate(SETTLED)
    height, width, values = page.evaluate(LINES)
    alpha = np.array(values, np.uint8).reshape(height, width)
    drawn = np.argwhere(alpha > 0)
    assert drawn.mean(0) == pytest.approx([height / 2, width / 2], abs=1)
    state = page.evaluate(STATE)
    assert (state["id"], state["mark"]) == (cells.ID[0], "300.5,430")


def test_unknown_places_are_said(viewer, made_up):
    page = viewer.open("/field?ds=test&id=nothing")
    assert "has no field “nothing”" in page.locator("[role=alert]").inner_text()
    page = viewer.open("/field?ds=absent")
    assert "no data set “absent”" in page.locator("[role=alert]").inner_text()
    cells = field_of(made_up, "test")
    page = opened(viewer, cells, cell=999)
    assert "no cell 999" in page.locator(".field-tools").inner_text()


def test_missing_predictions_of_steps_leave_the_rest_usable(copied_view, open_view, made_up):
    cells = field_of(made_up, "test")
    (copied_view / "data/test" / cells.shard[0] / "details.js").unlink()
    viewer = open_view(copied_view)
    page = opened(viewer, cells, cell=cells.cell[0])
    note = page.locator(".cell-panel p.faint").last
    note.wait_for()
    page.wait_for_function("() => document.querySelector('.cell-panel').textContent.includes('details.js')")
    assert page.locator(".probabilities tr[data-class]").count() == len(made_up.classes)
    viewer.forgive("ERR_FILE_NOT_FOUND")


def test_a_damaged_shard_leaves_the_fields_of_others_usable(copied_view, open_view, made_up):
    (copied_view / "data/test/000/cells.js").write_text("0;")
    viewer = open_view(copied_view)
    page = viewer.open("/field?ds=test&id=test001_3")
    assert page.locator(".field-name").inner_text() == "test001_3"
    said = page.locator(".field-trouble [role=alert]")
    assert "data/test/000/cells.js is damaged" in said.inner_text()
    page.locator(".field-search").fill("test000_3")
    page.keyboard.press("Enter")
    page.locator(".answer", has_text="data/test/000/cells.js is damaged").wait_for()
    page = viewer.open("/field?ds=test&id=test001_1")
    page.keyboard.press("p")
    page.keyboard.press("p")
    page.locator(".answer", has_text="This is the first field.").wait_for()
    assert said.count() == 1
    page = viewer.open("/field?ds=test&id=test000_3")
    assert "data/test/000/cells.js is damaged" in page.locator("[role=alert]").inner_text()
    viewer.forgive("data/test/000/cells.js is damaged")


def test_classes_have_the_colours_of_exported_files_and_patterns_where_hues_repeat(viewer, made_up):
    page = viewer.open("/field")
    found = page.evaluate("() => puzzlecell.run.classes.map((_, c) => puzzlecell.classStyle.ofClass(c))")
    assert [style["colour"] for style in found] == css_colours(made_up.classes, made_up.classes[-1])
    patterns = [style["dash"] for style in found]
    assert all(one != other for one, other in zip(patterns, patterns[len(HUES) :], strict=False))


def test_hostile_names_stay_text(open_view, hostile_view):
    viewer = open_view(hostile_view.folder)
    cells = hostile_view.cells
    for field_id in dict.fromkeys(cells[cells.dataset == cells.dataset.iloc[0]].ID.head(40)):
        first = cells[field_id == cells.ID].reset_index(drop=True).head(1)
        page = opened(viewer, first, sh=first.shard[0], cell=first.cell[0])
        assert page.locator(".field-name").inner_text().strip() == field_id.strip()
        assert page.evaluate("() => window.hacked") is None
    assert hostile_view.classes[0] in " ".join(page.locator(".cell-panel .class-name").all_text_contents())
