"""The files of the pages: what would make them unsafe, or need a network or a server."""

import re

import pytest
from helpers.paths import ROOT

PAGE = ROOT / "src/puzzlecell/viewer/page"
SCRIPTS = sorted(PAGE.glob("js/*.js"))
STYLES = sorted(PAGE.glob("*.css"))
INDEX = (PAGE / "index.html").read_text(encoding="utf-8")
# Ways by which text becomes HTML or script.
UNSAFE = "|".join(
    [
        r"\b(innerHTML|outerHTML|insertAdjacentHTML|document\.write\w*|srcdoc|setHTML\w*)\b",
        r"\b(parseFromString|createContextualFragment|eval|new Function)\b|javascript:",
        r"set(Timeout|Interval)\(\s*[\"'`]",
    ]
)
# What a page opened from disk may not do, or what looks elsewhere.
ELSEWHERE = "|".join(
    [
        r"\b(fetch|XMLHttpRequest|WebSocket|EventSource|sendBeacon|importScripts|Worker|import)\s*\(",
        r"\bserviceWorker\b|^\s*(import|export)\b|https?://",
    ]
)
READS_PIXELS = r"\b(getImageData|toDataURL|toBlob)\b"
NAMESPACES = ("http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink")


def without_comments(text: str) -> str:
    return re.sub(r"(?m)^\s*//.*$|(?<=[;{}(),]) *// .*$|/\*(?s:.*?)\*/", "", text)


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
@pytest.mark.parametrize("pattern", [UNSAFE, ELSEWHERE, READS_PIXELS], ids=["unsafe", "elsewhere", "pixels"])
def test_scripts_avoid(path, pattern):
    text = without_comments(path.read_text(encoding="utf-8"))
    for namespace in NAMESPACES:
        text = text.replace(f'"{namespace}"', "")
    found = [match.group() for match in re.finditer(pattern, text, re.MULTILINE)]
    assert not found


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_each_script_is_strict_and_in_the_page_once(path):
    assert path.read_text(encoding="utf-8").startswith('"use strict";\n')
    assert INDEX.count(f'<script src="js/{path.name}"></script>') == 1


NOT_FILES = ("data/run.js", "data:,")
"""Not files of the page: what the run says, and the empty icon, without which browsers ask for one."""


def test_the_page_loads_what_is_there():
    named = re.findall(r'(?:src|href)="([^"]+)"', INDEX)
    assert [name for name in named if name not in NOT_FILES and not (PAGE / name).is_file()] == []
    assert {path.name for path in STYLES} == {name for name in named if name.endswith(".css")}
    # A script within the page, or an attribute with one, would need a weaker policy.
    assert "unsafe-eval" not in INDEX
    assert not re.search(r"<script>|\son\w+=", INDEX)
    assert "default-src 'none'" in INDEX


@pytest.mark.parametrize("path", STYLES, ids=lambda path: path.name)
def test_styles_load_nothing(path):
    assert not re.search(r"@import|url\((?!data:|#)|https?://", path.read_text(encoding="utf-8"))
