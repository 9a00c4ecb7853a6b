"""What holds for every page: it opens, fits, can be read and used with the keyboard, and takes no text for HTML."""

from pathlib import Path

import pytest
from helpers import browser as browser_helpers
from helpers.browser import DESKTOP, LAPTOP, Viewer

CHECKS = Path(browser_helpers.__file__).with_name("page_checks.js").read_text(encoding="utf-8")
PLACES = {
    "overview": "/",
    "gallery": "/gallery?class=3",
    "field": "/field?ds=test&id=test000_1&cell=1",
    "samples": "/samples?by=antibody&name=HPA000100",
    "quality": "/quality",
    "grade": "/grade",
}
SCREENS = {"laptop": LAPTOP, "desktop": DESKTOP}


def checks(viewer: Viewer, place: str):
    page = viewer.open(place)
    page.evaluate(CHECKS)
    return page


def problems(page) -> list[str]:
    """What the page reports as a problem."""
    return [text for text in page.locator("#page .problem").all_inner_texts() if text]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("screen", SCREENS)
def test_every_page_opens_and_can_be_read(open_view, view_folder, screen, scheme):
    viewer = open_view(view_folder, viewport=SCREENS[screen], color_scheme=scheme)
    wrong = {}
    for name, place in PLACES.items():
        page = checks(viewer, place)
        page.wait_for_load_state()
        shown = page.locator("#page")
        found = {what: page.evaluate(f"pageChecks.{what}()") for what in ("faint", "wide", "nameless")}
        found["problems"] = problems(page)
        if (shown.get_attribute("data-page"), shown.get_attribute("data-ready")) != (name, "yes"):
            found["problems"].append(f"not shown, but {shown.get_attribute('data-page')}")
        wrong |= {f"{name}, {what}": texts for what, texts in found.items() if texts}
        viewer.shot(f"{name}-{screen}-{scheme}")
    assert not wrong, "\n".join(f"{what}: {texts}" for what, texts in wrong.items())


@pytest.mark.parametrize("name", PLACES)
def test_the_keyboard_reaches_every_part(viewer, name):
    page = checks(viewer, PLACES[name])
    # From the top of the page, wherever the focus was.
    page.evaluate(
        "document.body.tabIndex = -1; document.body.focus(); document.body.removeAttribute('tabindex')"
    )
    steps = []
    for _ in range(60):
        page.keyboard.press("Tab")
        steps.append(page.evaluate("pageChecks.focused()"))
        if steps[-1] is None:
            break
    reached = [step for step in steps if step]
    assert len({step["what"] for step in reached}) >= 4
    assert [step["what"] for step in reached if not step["seen"]] == []
    assert [step["what"] for step in reached if not step["ring"]] == []
    # The tabs of the pages come first.
    assert "Overview" in reached[0]["what"]
    page.keyboard.press("?")
    assert page.get_by_role("dialog").is_visible()
    page.keyboard.press("Escape")
    assert page.get_by_role("dialog").count() == 0 or not page.get_by_role("dialog").is_visible()


@pytest.mark.parametrize("name", PLACES)
def test_an_address_leads_back_to_the_same_view(viewer, name):
    page = viewer.open(PLACES[name])
    page.wait_for_timeout(300)
    address, texts = page.url, page.locator("#page").inner_text()
    viewer.reload()
    page.wait_for_timeout(300)
    assert (page.url, page.locator("#page").inner_text()) == (address, texts)


@pytest.mark.parametrize("name", PLACES)
def test_names_of_users_stay_texts(open_view, hostile_view, name):
    viewer = open_view(hostile_view.folder)
    viewer.page.on("dialog", lambda dialog: pytest.fail(f"a dialog: {dialog.message}"))
    place = PLACES[name]
    if name == "field":
        place = "/field?ds=test&id=%3Cimg%20src%3Dx%20onerror%3Dwindow.hacked%3D1%3E"
    elif name == "samples":
        place = "/samples?by=antibody&name=" + "%22%3E%3Cscript%3Ewindow.hacked%3D1%3C%2Fscript%3E"
    page = viewer.open(place)
    # Names are also in what opens on hovering and in lists that are filled late.
    for element in page.locator("#page button, #page select, #page a").all()[:15]:
        if element.is_visible():
            element.hover(force=True)
    page.wait_for_timeout(200)
    assert page.evaluate("window.hacked === undefined")
    assert page.locator("img[src=x], svg[onload], #page script, [onerror], [onmouseover]").count() == 0
    assert problems(page) == []
    if name in ("gallery", "field"):
        assert any(text in page.locator("#page").inner_text() for text in hostile_view.classes)
    viewer.shot(f"{name}-hostile")


@pytest.mark.parametrize("place", ["/gallery", "/samples?ds=test", "/grade?ds=test"])
def test_every_page_of_all_cells_says_which_part_is_missing(open_view, copied_view, place):
    (copied_view / "data/test/001/cells.js").unlink()
    viewer = open_view(copied_view)
    page = viewer.open(place)
    page.locator("[role=alert]", has_text="data/test/001/cells.js cannot be read").wait_for()
    viewer.forgive("ERR_FILE_NOT_FOUND")


DAMAGE = {
    "a shard is missing": ("data/test/001/cells.js", None, "/gallery"),
    "a shard is cut off": ("data/test/001/cells.js", lambda text: text[: len(text) // 2], "/gallery"),
    "details are missing": ("data/test/000/details.js", None, "/field?ds=test&id=test000_1&cell=1"),
    "outlines are damaged": (
        "data/test/000/shapes.js",
        lambda text: text[:-90],
        "/field?ds=test&id=test000_1&cell=1",
    ),
    "the run is missing": ("data/run.js", None, "/"),
}


@pytest.mark.parametrize("what", DAMAGE)
def test_a_file_that_is_missing_or_damaged_is_named(open_view, copied_view, what):
    path, change, place = DAMAGE[what]
    file = copied_view / path
    if change is None:
        file.unlink()
    else:
        file.write_text(change(file.read_text()))
    viewer = open_view(copied_view)
    page = viewer.open(place)
    page.get_by_text(path).first.wait_for()
    if what.startswith("a shard"):
        # The other shards are shown.
        page.get_by_text("holdout000_").first.wait_for()
    viewer.forgive(Path(path).name, "ERR_FILE_NOT_FOUND", "SyntaxError", "Unexpected", "Invalid")
