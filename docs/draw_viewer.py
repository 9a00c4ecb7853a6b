"""Pictures of the viewer for the documents: docs/viewer*.jpg.

Run: python docs/draw_viewer.py results/view   (after the default run; needs Chromium)
"""

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "tests"))

from helpers.browser import LAPTOP, started, viewing  # noqa: E402

SHOTS = {
    "viewer.jpg": "/gallery?class=5&ds=test",
    "viewer-overview.jpg": "/",
    "viewer-field.jpg": "/field?ds=test&id=sim_test_A1_1&cell=3",
    "viewer-quality.jpg": "/quality",
}


def main(view: str) -> None:
    """Take the pictures of a view."""
    with started() as browser, viewing(browser, Path(view).resolve(), viewport=LAPTOP) as viewer:
        for name, place in SHOTS.items():
            page = viewer.open(place)
            # Pictures are decoded after the page is there.
            page.wait_for_timeout(1500)
            page.screenshot(path=HERE / name, type="jpeg", quality=82)
        if viewer.problems:
            sys.exit("\n".join(viewer.problems))


if __name__ == "__main__":
    main(sys.argv[1])
