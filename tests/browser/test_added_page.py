"""The page of docs/extending.md works as it stands there."""

import re
from pathlib import Path

from helpers.made_up_view import MadeUpView

TEXT = (Path(__file__).parents[2] / "docs/extending.md").read_text(encoding="utf-8")


def test_the_example_of_a_page_runs_as_shown(open_view, copied_view, made_up: MadeUpView):
    name, script = re.search(
        r"`src/puzzlecell/viewer/page/js/(\w+\.js)`:\n\n```js\n(.+?)```\n", TEXT, re.DOTALL
    ).groups()
    (copied_view / "js" / name).write_text(script, encoding="utf-8")
    index = copied_view / "index.html"
    start = '<script src="js/start.js">'
    page_text = index.read_text(encoding="utf-8")
    assert page_text.count(start) == 1
    index.write_text(
        page_text.replace(start, f'<script src="js/{name}"></script>\n{start}'), encoding="utf-8"
    )
    page = open_view(copied_view).open("/masks")
    shown = [float(text) for text in page.locator("#page li .number").all_inner_texts()]
    expected = made_up.cells.groupby("dataset", sort=False)["quality"].mean()
    assert len(shown) == len(expected)
    assert all(abs(one - other) < 0.001 for one, other in zip(shown, expected, strict=True))
    assert page.get_by_role("link", name="Masks").count() == 1
