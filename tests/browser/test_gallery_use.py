"""What one does in the gallery: choose, move, open, change channels, scroll; and what it says of damaged files."""

import re
from urllib.parse import unquote

import numpy as np
import pytest
from helpers.browser import LAPTOP
from helpers.gallery import CHOSEN, FRAMES, by, picture, place, places, read, settle, shown, whole

ACTIVE = "document.getElementById(document.activeElement.getAttribute('aria-activedescendant')).href"
NUMBERS = """() => [...document.querySelectorAll("#many .tile:not([hidden])")]
    .map(tile => Number(tile.textContent)).sort((a, b) => a - b)"""
MANY = """() => {
  const { h } = puzzlecell.dom;
  const list = puzzlecell.tiles({ label: "many", make: () => h("div", { class: "tile" }), clear() {},
    fill: (tile, index) => { tile.textContent = index; }, onactive() {}, onopen() {} });
  list.element.id = "many";
  list.element.style.cssText = "position: fixed; inset: 0; width: 430px; height: 600px; z-index: 99; background: gray";
  document.body.append(list.element);
  list.set(5_000_000, 100, 100, 0);
  list.element.focus();
}"""
"""A list of five million tiles, four in a row."""


@pytest.fixture
def gallery(viewer):
    """Opens the gallery with a state and waits until all cells are read."""
    return lambda state="": read(viewer, state)


def test_a_click_opens_the_cell_and_back_leads_to_it(gallery):
    page = gallery(f"class={CHOSEN}")
    wanted = shown(page)[4]
    page.locator(".gallery-list .tile[aria-posinset='5']").click()
    page.wait_for_url(re.compile("#/field"))
    assert place(page.url) == wanted
    page.go_back()
    page.wait_for_selector(".gallery-list .tile[aria-selected=true]")
    assert place(page.locator(".tile[aria-selected=true]").get_attribute("href")) == wanted


def test_keys_alone_choose_move_and_open(gallery):
    page = gallery()
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
    page.evaluate(FRAMES)
    active = page.evaluate(ACTIVE)
    tiles = page.locator(".gallery-list .tile:not([hidden])").all()
    tops = [round(tile.bounding_box()["y"]) for tile in tiles]
    # The first key goes to the first cell, the next ones to the right, down and left.
    assert place(active) == shown(page)[tops.count(min(tops))]
    page.keyboard.press("?")
    assert "outlines on or off" in page.locator("dialog[open]").inner_text()
    page.keyboard.press("Escape")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("#/field"))
    assert place(page.url) == place(active)


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
    settle(again)
    assert shown(again) == cells
    assert again.get_by_role("button", name="Outlines").get_attribute("aria-pressed") == "true"
    assert not again.locator("[data-channel=yellow]").is_checked()
    assert again.get_by_label("well").input_value() == "B02"


def test_only_the_tiles_in_sight_exist(gallery, made_up):
    page = gallery(f"class={CHOSEN}&size=2")
    cells = made_up.cells.reset_index(drop=True)
    expected = places(by(cells, whole(cells[f"p{CHOSEN}"]), ascending=False))
    page.locator(".gallery-list").focus()
    seen = []
    for _ in range(40):
        seen += [one for one in shown(page) if one not in seen]
        assert page.locator(".gallery-list .tile").count() <= 24
        page.mouse.move(800, 400)
        page.mouse.wheel(0, 400)
        page.evaluate(FRAMES)
        page.wait_for_timeout(30)
    assert sorted(seen) == sorted(expected)
    page.keyboard.press("End")
    page.evaluate(FRAMES)
    assert shown(page)[-1] == expected[-1]
    assert place(page.locator(".tile[aria-selected=true]").get_attribute("href")) == expected[-1]


def test_lists_that_are_higher_than_browsers_allow(gallery):
    """Five million tiles: 125 million pixels at four in a row."""
    page = gallery()
    page.evaluate(MANY)

    def first() -> int:
        page.evaluate(FRAMES)
        return page.evaluate(NUMBERS)[0]

    assert first() == 0
    page.mouse.move(200, 300)
    page.mouse.wheel(0, 250)
    page.wait_for_timeout(300)
    assert first() == 8, "two rows and a half below"
    page.keyboard.press("End")
    page.evaluate(FRAMES)
    assert page.evaluate(NUMBERS)[-1] == 4_999_999
    page.keyboard.press("ArrowUp")
    page.evaluate(FRAMES)
    assert page.evaluate("document.querySelector('#many [aria-selected=true]').textContent") == "4999995"
    page.locator("#many").evaluate(
        "list => { list.scrollTop = (list.scrollHeight - list.clientHeight) / 2; }"
    )
    page.wait_for_timeout(300)
    assert abs(first() - 2_500_000) < 5000
    page.keyboard.press("Home")
    assert first() == 0


def test_hostile_names_are_text(open_view, hostile_view):
    viewer = open_view(hostile_view.folder)
    page = viewer.open("/gallery?size=2")
    settle(page)
    options = page.locator("select[aria-label=Class] option").evaluate_all(
        "all => all.map(one => one.textContent)"
    )
    assert options[1:] == list(hostile_view.classes)
    for name in hostile_view.cells.ID.unique()[:4]:
        page.locator("input[placeholder='part of ID']").fill(name)
        page.evaluate(FRAMES)
        assert {one[1] for one in shown(page)} == {name}
        assert name in page.locator(".gallery-list .tile:not([hidden])").first.inner_text()
    page.keyboard.press("Escape")
    assert page.evaluate("window.hacked") is None
    assert page.locator("#page img, #page script").count() == 0


@pytest.mark.parametrize("damage", ["missing", "cut short", "other number of cells"])
def test_a_damaged_chunk_is_named_and_the_rest_is_usable(open_view, copied_view, made_up, damage):
    chunk = copied_view / "data/test/000/cells.js"
    text = chunk.read_text()
    if damage == "missing":
        chunk.unlink()
    elif damage == "cut short":
        chunk.write_text(text[: len(text) // 2])
    else:
        other = (copied_view / "data/test/001/cells.js").read_text()
        chunk.write_text(other.replace("test/001/cells", "test/000/cells"))
    viewer = open_view(copied_view)
    page = viewer.open(f"/gallery?class={CHOSEN}")
    settle(page)
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
    root = page.locator("html")
    assert root.evaluate("root => root.scrollWidth - innerWidth") <= 0
    assert root.evaluate("root => root.scrollHeight - innerHeight") <= 0
