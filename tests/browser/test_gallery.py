"""The gallery: which cells it shows in which order, compared with the table of cells, and what one can do there."""

import io
import re
from urllib.parse import parse_qs, unquote

import cv2
import numpy as np
import pandas as pd
import pytest
from helpers.browser import LAPTOP

READ = "#page[data-cells=all]"
SETTLED = "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"
TILES = """() => [...document.querySelectorAll(".gallery-list .tile:not([hidden])")]
    .sort((a, b) => a.getAttribute("aria-posinset") - b.getAttribute("aria-posinset"))
    .map(tile => tile.getAttribute("href"))"""
CHOSEN = 2
"""The class that is looked at; its threshold in the made-up run is 0.34."""


@pytest.fixture
def gallery(viewer):
    """Opens the gallery with a state and waits until all cells are read."""

    def opens(state: str = ""):
        page = viewer.open(f"/gallery?{state}")
        page.wait_for_selector(READ)
        page.evaluate(SETTLED)
        return page

    return opens


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


ORDERS = {
    "confident": lambda c: by(c, whole(c[f"p{CHOSEN}"]), ascending=False),
    "uncertain": lambda c: by(c, away(c, CHOSEN)),
    "disagree": lambda c: by(of_class(c), whole(of_class(c).disagree), ascending=False),
    "random": lambda c: by(of_class(c), of_class(c).order),
    "unlike": lambda c: by(of_class(c)[of_class(c).unlike.notna()], of_class(c).unlike.dropna(), ascending=False),
    "missed": lambda c: by(lost(c), whole(lost(c)[f"p{CHOSEN}"])),
    "wrong": lambda c: by(wrong(c), whole(wrong(c)[f"p{CHOSEN}"]), ascending=False),
}


def of_class(cells):
    return cells[top(cells) == CHOSEN]


def lost(cells):
    return cells[true(cells, CHOSEN) & ~says(cells, CHOSEN)]


def wrong(cells):
    return cells[(cells.truth >= 0) & ~true(cells, CHOSEN) & says(cells, CHOSEN)]


FILTERS = {
    "": lambda c: c,
    "ds=holdout": lambda c: c[c.dataset == "holdout"],
    "m.well=B02&m.antibody=HPA000101": lambda c: c[(c.well == "B02") & (c.antibody == "HPA000101")],
    "id=T001_": lambda c: c[c.ID.str.contains("t001_")],
    "quality=0.6": lambda c: c[(c.quality * 255).round() >= round(0.6 * 255)],
    "border=no&picture=1": lambda c: c[~c.touches_border & (c.picture > 0)],
    "border=only": lambda c: c[c.touches_border],
    "top=4": lambda c: c[top(c) == 4],
    "called=5": lambda c: c[(c.calls >= 0) & (c.calls.to_numpy() >> 5 & 1).astype(bool)],
    "true=6": lambda c: c[true(c, 6)],
    "unlike=1.5": lambda c: c[c.unlike >= 1.5],
}


@pytest.mark.parametrize(
    ("order", "chosen"),
    [(order, "") for order in ORDERS] + [("confident", one) for one in FILTERS if one] + [("random", "ds=test&border=no")],
)
def test_cells_and_their_order(gallery, made_up, order, chosen):
    filters = {**FILTERS, "ds=test&border=no": lambda c: c[(c.dataset == "test") & ~c.touches_border]}
    cells = made_up.cells.reset_index(drop=True)
    expected = places(ORDERS[order](filters[chosen](cells)))
    page = gallery(f"class={CHOSEN}&order={order}&{chosen}")
    seen = shown(page)
    assert page.locator(".gallery-head .count").inner_text() == f"{len(expected)} of {len(cells)} cells"
    assert seen == expected[: len(seen)]
    assert len(seen) == min(len(expected), len(seen) or 1)


def test_any_class_is_ordered_by_the_most_probable_one(gallery, made_up):
    cells = made_up.cells.reset_index(drop=True)
    seen = shown(gallery())
    assert seen == places(by(cells, whole(scores(cells).max(axis=1)), ascending=False))[: len(seen)]


def test_numbers_of_a_tile_are_those_of_the_cell(gallery, made_up):
    page = gallery(f"class={CHOSEN}&ds=test")
    cells = made_up.cells.set_index(["dataset", "ID", "cell"])
    for tile in page.locator(".gallery-list .tile:not([hidden])").all()[:6]:
        cell = cells.loc[place(tile.get_attribute("href"))]
        name = made_up.classes[CHOSEN]
        said = tile.get_by_title(f"Probability of {name}: mean of the ensemble", exact=True).inner_text()
        assert said == f"{cell[f'p{CHOSEN}']:.3f}"
        assert tile.get_by_title(f"Calibrated probability of {name}", exact=True).inner_text() == f"cal {cell[f'calibrated{CHOSEN}']:.2f}"
        assert tile.get_by_title(f"Called {name}", exact=True).count() == (int(cell.calls) >> CHOSEN & 1)


def test_a_click_opens_the_cell_and_back_leads_to_it(gallery):
    page = gallery(f"class={CHOSEN}")
    wanted = shown(page)[4]
    page.locator(f".gallery-list .tile[aria-posinset='5']").click()
    page.wait_for_url(re.compile("#/field"))
    assert place(page.url) == wanted
    page.go_back()
    page.wait_for_selector(".gallery-list .tile[aria-selected=true]")
    assert place(page.locator(".tile[aria-selected=true]").get_attribute("href")) == wanted


def test_keys_alone_choose_move_and_open(gallery):
    page = gallery()
    page.locator("body").click(position={"x": 500, "y": 5})
    page.keyboard.press("]")
    assert page.locator("select[aria-label=Class]").input_value() == "0"
    focus = "document.activeElement.getAttribute('role') === 'listbox'"
    for _ in range(60):
        if page.evaluate(focus):
            break
        page.keyboard.press("Tab")
    assert page.evaluate(focus), "the list is not reached by the tabulator"
    for key in ("ArrowRight", "ArrowRight", "ArrowDown", "ArrowLeft"):
        page.keyboard.press(key)
    active = page.evaluate("document.getElementById(document.activeElement.getAttribute('aria-activedescendant')).href")
    columns = page.evaluate("""() => { const tops = [...document.querySelectorAll('.tile:not([hidden])')]
        .map(t => Math.round(t.getBoundingClientRect().top)); return tops.filter(t => t === Math.min(...tops)).length; }""")
    # The first key goes to the first cell.
    assert place(active) == shown(page)[columns]
    page.keyboard.press("?")
    assert "outlines on or off" in page.locator("dialog[open]").inner_text()
    page.keyboard.press("Escape")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("#/field"))
    assert place(page.url) == place(active)


def picture(locator) -> np.ndarray:
    """What is seen of an element: (h, w, 3) BGR."""
    return cv2.imdecode(np.frombuffer(locator.screenshot(), np.uint8), cv2.IMREAD_COLOR).astype(int)


def test_channels_change_what_is_seen(gallery):
    page = gallery(f"class={CHOSEN}&picture=1")
    canvas = page.locator(".gallery-list .tile[aria-posinset='1'] canvas")
    page.wait_for_timeout(300)
    middle = np.s_[40:-40, 40:-40]
    mixed = picture(canvas)[middle]
    boxes = {name: page.locator(f"[data-channel={name}]") for name in ("red", "green", "blue", "yellow")}
    boxes["blue"].uncheck()
    without_blue = picture(canvas)[middle]
    # Yellow is red and green: blue comes from its own channel only.
    assert without_blue[..., 0].max() <= 2 < mixed[..., 0].mean()
    boxes["red"].uncheck()
    boxes["yellow"].uncheck()
    green = picture(canvas)[middle]
    assert np.ptp(green, axis=-1).max() <= 6, "a single channel is grey"
    page.get_by_label("Weight of green").fill("0.5")
    np.testing.assert_allclose(picture(canvas)[middle], green / 2, atol=3)
    assert "ch=-1_0.5_-1_-1" in unquote(page.evaluate("puzzlecell.route.link('/gallery', {})"))
    boxes["green"].uncheck()
    assert picture(canvas)[middle].max() <= 2
    page.get_by_role("button", name="Reset").click()
    np.testing.assert_allclose(picture(canvas)[middle], mixed, atol=2)


def test_the_address_leads_back_to_the_same_view(gallery, viewer):
    page = gallery()
    page.get_by_label("Class", exact=True).select_option("Nucleoli")
    page.get_by_label("Order", exact=True).select_option("uncertain")
    page.get_by_role("button", name="small").click()
    page.get_by_role("button", name="Outlines").click()
    page.get_by_label("well").select_option("B02")
    page.locator("[data-channel=yellow]").uncheck()
    page.wait_for_timeout(300)
    address, cells = page.url, shown(page)
    page.evaluate("localStorage.clear()")
    again = viewer.context.new_page()
    again.goto(address)
    again.wait_for_selector(READ)
    again.evaluate(SETTLED)
    assert shown(again) == cells
    assert again.get_by_role("button", name="Outlines").get_attribute("aria-pressed") == "true"
    assert not again.locator("[data-channel=yellow]").is_checked()
    assert again.get_by_label("well").input_value() == "B02"


def test_only_the_tiles_in_sight_exist(gallery, made_up):
    page = gallery(f"class={CHOSEN}&size=2")
    expected = places(by(made_up.cells.reset_index(drop=True), whole(made_up.cells.reset_index(drop=True)[f"p{CHOSEN}"]),
                         ascending=False))
    page.locator(".gallery-list").focus()
    seen = []
    for _ in range(40):
        seen += [one for one in shown(page) if one not in seen]
        assert page.locator(".gallery-list .tile").count() <= 24
        page.mouse.move(800, 400)
        page.mouse.wheel(0, 400)
        page.evaluate(SETTLED)
        page.wait_for_timeout(30)
    assert sorted(seen) == sorted(expected)
    page.keyboard.press("End")
    page.evaluate(SETTLED)
    assert shown(page)[-1] == expected[-1]
    assert place(page.locator(".tile[aria-selected=true]").get_attribute("href")) == expected[-1]


def test_lists_that_are_higher_than_browsers_allow(gallery):
    """Five million tiles: 125 million pixels at four in a row."""
    page = gallery()
    page.evaluate("""() => {
      const { h } = puzzlecell.dom;
      const list = puzzlecell.tiles({ label: "many", make: () => h("div", { class: "tile" }), clear() {},
        fill: (tile, index) => { tile.textContent = index; }, onactive() {}, onopen() {} });
      list.element.id = "many";
      list.element.style.cssText = "position: fixed; inset: 0; width: 430px; height: 600px; z-index: 99; background: gray";
      document.body.append(list.element);
      list.set(5_000_000, 100, 100, 0);
      list.element.focus();
    }""")
    numbers = "() => [...document.querySelectorAll('#many .tile:not([hidden])')].map(t => +t.textContent).sort((a, b) => a - b)"

    def first() -> int:
        page.evaluate(SETTLED)
        return page.evaluate(numbers)[0]

    assert first() == 0
    page.mouse.move(200, 300)
    page.mouse.wheel(0, 250)
    page.wait_for_timeout(300)
    assert first() == 8, "two rows and a half below"
    page.keyboard.press("End")
    page.evaluate(SETTLED)
    assert page.evaluate(numbers)[-1] == 4_999_999
    page.keyboard.press("ArrowUp")
    page.evaluate(SETTLED)
    assert page.evaluate("document.querySelector('#many [aria-selected=true]').textContent") == "4999995"
    page.evaluate("() => { const e = document.getElementById('many'); e.scrollTop = (e.scrollHeight - e.clientHeight) / 2; }")
    page.wait_for_timeout(300)
    assert abs(first() - 2_500_000) < 5000
    page.keyboard.press("Home")
    assert first() == 0


def test_export_has_all_numbers_in_the_order_shown(gallery, made_up):
    page = gallery(f"class={CHOSEN}&m.well=B02")
    with page.expect_download() as download:
        page.get_by_role("button", name="Save as CSV").click()
    written = pd.read_csv(download.value.path())
    cells = made_up.cells.reset_index(drop=True)
    cells = cells[cells.well == "B02"]
    expected = by(cells, whole(cells[f"p{CHOSEN}"]), ascending=False).reset_index(drop=True)
    assert download.value.suggested_filename == "cells.csv"
    assert places(written) == places(expected)
    for c, name in enumerate(made_up.classes):
        np.testing.assert_allclose(written[f"probability {name}"], expected[f"p{c}"], atol=5.1e-7)
        np.testing.assert_allclose(written[f"calibrated {name}"], expected[f"calibrated{c}"], atol=5.1e-7)
    assert list(written.most_probable) == [made_up.classes[c] for c in top(expected)]
    names = [
        "uncertain" if calls >> 31 else "|".join(name for c, name in enumerate(made_up.classes) if calls >> c & 1)
        for calls in expected.calls
    ]
    assert list(written.called) == names
    assert list(written.antibody) == list(expected.antibody)
    assert list(written.touches_border.astype(bool)) == list(expected.touches_border)
    np.testing.assert_allclose(written.unlike, expected.unlike, rtol=1e-6)
    np.testing.assert_array_equal(written[["area_px", "nucleus_area_px"]], expected[["area_px", "nucleus_area_px"]])


def test_hostile_names_are_text(open_view, hostile_view):
    viewer = open_view(hostile_view.folder)
    page = viewer.open("/gallery?size=2")
    page.wait_for_selector(READ)
    page.evaluate(SETTLED)
    options = page.locator("select[aria-label=Class] option").evaluate_all("all => all.map(one => one.textContent)")
    assert options[1:] == list(hostile_view.classes)
    for name in hostile_view.cells.ID.unique()[:4]:
        page.locator("input[placeholder='part of an ID']").fill(name)
        page.evaluate(SETTLED)
        assert {one[1] for one in shown(page)} == {name}
        assert name in page.locator(".gallery-list .tile:not([hidden])").first.inner_text()
    page.keyboard.press("Escape")
    assert page.evaluate("window.hacked") is None
    assert page.locator("#page img, #page script").count() == 0


def test_formulas_are_written_as_text_unless_wanted(open_view, hostile_view):
    viewer = open_view(hostile_view.folder)
    page = viewer.open("/gallery?id=%3D1%2B1")
    page.wait_for_selector(READ)
    texts = []
    for safe in (True, False):
        page.get_by_label("apostrophe before texts").set_checked(safe)
        with page.expect_download() as download:
            page.get_by_role("button", name="Save as CSV").click()
        texts.append(pd.read_csv(io.BytesIO(open(download.value.path(), "rb").read())))
    assert set(texts[0].ID) == {"'=1+1"}
    assert set(texts[1].ID) == {"=1+1"}
    assert [name.removeprefix("probability ") for name in texts[1].columns if name.startswith("probability ")] == list(
        hostile_view.classes
    )


@pytest.mark.parametrize("damage", ["missing", "cut short", "other number of cells"])
def test_a_damaged_chunk_is_named_and_the_rest_is_usable(open_view, copied_view, made_up, damage):
    chunk = copied_view / "data/test/000/cells.js"
    text = chunk.read_text()
    if damage == "missing":
        chunk.unlink()
    elif damage == "cut short":
        chunk.write_text(text[: len(text) // 2])
    else:
        chunk.write_text((copied_view / "data/test/001/cells.js").read_text().replace("test/001/cells", "test/000/cells"))
    viewer = open_view(copied_view)
    page = viewer.open(f"/gallery?class={CHOSEN}")
    page.wait_for_selector(READ)
    page.evaluate(SETTLED)
    assert "data/test/000/cells.js" in page.locator("#page .problem").inner_text()
    cells = made_up.cells.reset_index(drop=True)
    rest = cells[(cells.dataset != "test") | (cells.shard != "000")]
    seen = shown(page)
    assert seen == places(by(rest, whole(rest[f"p{CHOSEN}"]), ascending=False))[: len(seen)]
    if damage == "missing":
        viewer.forgive("cells.js", "ERR_FILE_NOT_FOUND")
    elif damage == "cut short":
        viewer.forgive("Invalid or unexpected token")


def test_a_missing_sheet_is_named_on_its_cells(open_view, copied_view):
    sheet = copied_view / "data/test/000/sheet-0000.webp"
    sheet.unlink()
    viewer = open_view(copied_view)
    page = viewer.open("/gallery?ds=test&picture=1")
    note = page.locator(".tile .note:not([hidden])", has_text="sheet-0000.webp").first
    note.wait_for()
    assert "cannot be read" in note.inner_text()
    viewer.forgive("sheet-0000.webp", "ERR_FILE_NOT_FOUND")


def test_cells_without_a_picture_show_their_outline_and_say_why(gallery, made_up):
    page = gallery(f"class={CHOSEN}")
    note = page.locator(".tile .note:not([hidden])").first
    note.wait_for()
    assert "no picture" in note.inner_text()
    assert "puzzlecell view --serve" in note.get_attribute("title")
    tile = note.locator("xpath=ancestor::a")
    cell = made_up.cells.set_index(["dataset", "ID", "cell"]).loc[place(tile.get_attribute("href"))]
    assert cell.picture == 0
    assert picture(tile.locator("canvas"))[60:].max() > 200, "its outline is drawn"


def test_all_of_it_fits_a_laptop_screen(gallery):
    page = gallery(f"class={CHOSEN}")
    assert page.viewport_size == LAPTOP
    overflow = "[document.documentElement.scrollWidth - innerWidth, document.documentElement.scrollHeight - innerHeight]"
    assert max(page.evaluate(overflow)) <= 0
