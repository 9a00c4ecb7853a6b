"""Which cells the gallery shows, in which order and with which numbers: compared with the table of cells."""

import numpy as np
import pandas as pd
import pytest
from helpers.gallery import (
    CHOSEN,
    away,
    by,
    place,
    places,
    read,
    says,
    scores,
    settle,
    shown,
    top,
    true,
    whole,
)


@pytest.fixture
def gallery(viewer):
    """Opens the gallery with a state and waits until all cells are read."""
    return lambda state="": read(viewer, state)


ORDERS = {
    "confident": lambda c: by(c, whole(c[f"p{CHOSEN}"]), ascending=False),
    "uncertain": lambda c: by(c, away(c, CHOSEN)),
    "disagree": lambda c: by(of_class(c), whole(of_class(c).disagree), ascending=False),
    "random": lambda c: by(of_class(c), of_class(c).order),
    "unlike": lambda c: by(
        of_class(c)[of_class(c).unlike.notna()], of_class(c).unlike.dropna(), ascending=False
    ),
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
    [(order, "") for order in ORDERS]
    + [("confident", one) for one in FILTERS]
    + [("random", "ds=test&border=no")],
)
def test_cells_and_their_order(gallery, made_up, order, chosen):
    filters = {
        **FILTERS,
        "": lambda c: c,
        "ds=test&border=no": lambda c: c[(c.dataset == "test") & ~c.touches_border],
    }
    cells = made_up.cells.reset_index(drop=True)
    expected = places(ORDERS[order](filters[chosen](cells)))
    page = gallery(f"class={CHOSEN}&order={order}&{chosen}")
    seen = shown(page)
    assert page.locator(".gallery-head .count").inner_text() == f"{len(expected)} of {len(cells)} cells"
    assert seen == expected[: len(seen)]
    assert bool(seen) == bool(expected)


def test_a_class_that_is_never_called_is_most_uncertain_at_a_half(copied_view, open_view, made_up):
    run = copied_view / "data/run.js"
    run.write_text(run.read_text() + f"puzzlecell.run.thresholds[{CHOSEN}] = null;\n")
    cells = made_up.cells.reset_index(drop=True)
    cells = cells[cells.dataset == "test"]
    expected = places(by(cells, (whole(cells[f"calibrated{CHOSEN}"]) - 32768).abs()))
    seen = shown(read(open_view(copied_view), f"class={CHOSEN}&order=uncertain&ds=test"))
    assert seen and seen == expected[: len(seen)]


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
        said = tile.get_by_title(f"Calibrated probability of {name}", exact=True).inner_text()
        assert said == f"cal {cell[f'calibrated{CHOSEN}']:.2f}"
        assert tile.get_by_title(f"Called {name}", exact=True).count() == (int(cell.calls) >> CHOSEN & 1)


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
        "uncertain"
        if calls >> 31
        else "|".join(name for c, name in enumerate(made_up.classes) if calls >> c & 1)
        for calls in expected.calls
    ]
    assert list(written.called) == names
    assert list(written.antibody) == list(expected.antibody)
    assert list(written.touches_border.astype(bool)) == list(expected.touches_border)
    np.testing.assert_allclose(written.unlike, expected.unlike, rtol=1e-6)
    np.testing.assert_array_equal(
        written[["area_px", "nucleus_area_px"]], expected[["area_px", "nucleus_area_px"]]
    )


def test_formulas_are_written_as_text_unless_wanted(open_view, hostile_view):
    viewer = open_view(hostile_view.folder)
    page = viewer.open("/gallery?id=%3D1%2B1")
    settle(page)
    texts = []
    for safe in (True, False):
        page.get_by_label("apostrophe before texts").set_checked(safe)
        with page.expect_download() as download:
            page.get_by_role("button", name="Save as CSV").click()
        texts.append(pd.read_csv(download.value.path()))
    assert set(texts[0].ID) == {"'=1+1"}
    assert set(texts[1].ID) == {"=1+1"}
    assert [
        name.removeprefix("probability ") for name in texts[1].columns if name.startswith("probability ")
    ] == list(hostile_view.classes)
