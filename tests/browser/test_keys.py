"""The keys of docs/viewer.md are those that "?" lists."""

import re

import pytest
from helpers.paths import ROOT

TEXT = (ROOT / "docs/viewer.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| (.+?) \| (.+) \|$", TEXT.split("\n## Keys\n")[1].split("\n## ")[0], re.MULTILINE)
WORDS = {
    "`1` to `5`": set("12345"),
    "arrows": set("←→↑↓"),
    "up and down": set("↑↓"),
    "Enter": {"Enter"},
    "space": {"space"},
}
PAGES = {
    "Overview": "/",
    "Gallery": "/gallery",
    "Field": "/field?ds=test&id=test000_1",
    "Samples": "/samples",
    "Quality": "/quality",
    "Grade": "/grade",
}
# "=" is "+" without Shift; "?" and Escape are keys of the list itself, and Escape also one of the field.
UNNAMED = {"=", "?", "Escape"}


def documented(name: str) -> set[str]:
    text = " ".join(keys for pages, keys in ROWS if name in pages.split(", "))
    named = [keys for word, keys in WORDS.items() if word in text]
    return set(re.findall("`(.)`", text)).union(*named)


@pytest.mark.parametrize("name", PAGES)
def test_keys_are_documented(viewer, name):
    page = viewer.open(PAGES[name])
    # The page to grade starts in a field of text, which takes "?" as a letter.
    page.get_by_role("button", name="Keys").click()
    shown = set(page.locator("dialog.keys kbd").all_inner_texts())
    assert shown - UNNAMED == documented(name)
