"""Data sets that look wrong, on tables written by hand."""

import logging

import numpy as np
import pandas as pd
import pytest

from puzzlecell.config.plausibility import PlausibilitySettings
from puzzlecell.data.field_summary import contrast, read_summary, summarise
from puzzlecell.data.pixel_sizes import PixelSizes
from puzzlecell.data.plausibility import (
    Finding,
    ImplausibleError,
    check,
    dataset_findings,
    field_findings,
    warn,
)
from puzzlecell.data.store import write_shard
from puzzlecell.data.tables import write_parquet

SETTINGS = PlausibilitySettings()
SIDE = 100
REASON = "no nucleus stands out"


def area(diameter):
    return round(np.pi / 4 * diameter**2)


def stored(ids, dark=None, white=255):
    """Fields of 100 pixels with contrast in all channels, except for those in `dark`: ID -> channels."""
    table = pd.DataFrame(
        {
            "height": SIDE,
            "width": SIDE,
            "white": white,
            "red": 90,
            "green": 4,
            "blue": 90,
            "yellow": 90,
        },
        index=pd.Index(ids, name="ID"),
    )
    for field_id, channels in (dark or {}).items():
        table.loc[field_id, channels] = 3
    return table


def cells(rows):
    """A cell table from (ID, diameter of the nucleus in pixels) with boxes inside the field."""
    table = pd.DataFrame(
        [(field_id, area(width)) for field_id, width in rows], columns=["ID", "nucleus_area_px"]
    )
    return table.assign(y0=0, x0=0, y1=SIDE, x1=SIDE - 1)


def summary(rows=(), empty=(), *, um=0.5, name="test", **given):
    ids = list(dict.fromkeys([*(field_id for field_id, _ in rows), *empty]))
    return summarise(
        name, PixelSizes(um), stored(ids, **given), [(cells(rows), dict.fromkeys(empty, REASON))]
    )


def texts(findings):
    return [finding.what for finding in findings]


def test_a_plausible_data_set_has_no_findings():
    found = summary([("a", 20), ("a", 30), ("b", 25), ("c", 13)], dark={})
    assert field_findings(found, SETTINGS) == dataset_findings(found, SETTINGS) == []
    check(found, SETTINGS)


def test_the_summary_of_a_field():
    found = summary([("a", 20), ("a", 30), ("a", 70), ("b", 0), ("b", 24)], empty=["c"])
    assert found.fields["segmented"].all()
    assert found.fields["reason"].tolist() == ["", "", REASON]
    np.testing.assert_allclose(found.fields["nucleus_px"], [30, 24, np.nan], rtol=0.01)
    np.testing.assert_allclose(np.sort(found.nuclei_px), [20, 24, 30, 70], rtol=0.01)
    unsegmented = summarise("test", PixelSizes(0.5), stored(["a"]))
    assert not unsegmented.fields["segmented"].any()
    assert field_findings(unsegmented, SETTINGS) == dataset_findings(unsegmented, SETTINGS) == []


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"empty": ["f"]}, f"no cell: {REASON}"),
        ({"rows": [("f", 6), ("f", 7), ("f", 30)]}, "the median nucleus is 3.48 um wide, expected 4 to 45"),
        ({"rows": [("f", 92)]}, "the median nucleus is 46 um wide, expected 4 to 45"),
        (
            {"rows": [("f", 20)], "dark": {"f": ["red", "green"]}},
            "the red channel is nearly constant: 3 of 255 grey levels from its darkest to its brightest pixel; "
            "the green channel is nearly constant: 3 of 255 grey levels from its darkest to its brightest pixel",
        ),
    ],
)
def test_findings_about_a_field(given, expected):
    found = summary(**{"rows": (), **given})
    good = summary([("g", 20)])
    assert field_findings(found, SETTINGS) == [Finding("test", "f", expected)]
    assert field_findings(good, SETTINGS) == []


@pytest.mark.parametrize("missing", [None, "y0", "x0", "y1", "x1"])
def test_a_cell_that_touches_all_four_borders(missing):
    table = cells([("a", 20), ("b", 20)])
    table.loc[0, ["y0", "x0", "y1", "x1"]] = [0, 0, SIDE, SIDE]
    if missing is not None:
        table.loc[0, missing] = 50
    found = summarise("test", PixelSizes(0.5), stored(["a", "b"]), [(table, {})])
    expected = [Finding("test", "a", "a cell touches all four borders")] if missing is None else []
    assert field_findings(found, SETTINGS) == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (
            {"rows": [("f1", 40)], "empty": ["f2", "f3"], "um": 0.16, "name": "mine"},
            f"2 of 3 fields have no cell ({REASON}); datasets.mine.pixel_size_um may be wrong: it is 0.16, and the "
            "median nucleus found is 40 pixels wide, so 0.37 would make it 15 um wide",
        ),
        (
            {"empty": ["f1", "f2"], "um": None},
            f"2 of 2 fields have no cell ({REASON}); datasets.test.pixel_size_um may be wrong: it is 0.08, the default",
        ),
        ({"rows": [("f1", 20)], "empty": ["f2"]}, None),
        (
            {"rows": [("f1", 20), ("f1", 70), ("f2", 66)]},
            "the median nucleus is 33 um wide, expected 6 to 30 (plausibility.nucleus_um); "
            "datasets.test.pixel_size_um may be wrong: it is 0.5, and the median nucleus found is 66 pixels wide, "
            "so 0.23 would make it 15 um wide",
        ),
        (
            # Small cells of one field hide the large ones of the others in the median of all.
            {"rows": [*[("f1", 20)] * 9, ("f2", 100), ("f3", 100)]},
            "in 2 of 3 fields the nuclei have an impossible size; datasets.test.pixel_size_um may be wrong: it is 0.5, "
            "and the median nucleus found is 20 pixels wide, so 0.75 would make it 15 um wide",
        ),
        (
            {"rows": [("f1", 20), ("f2", 20)], "dark": {"f1": ["yellow"], "f2": ["yellow"]}},
            "in 2 of 2 fields the yellow channel is nearly constant: at most 3 of 255 grey levels from its darkest to "
            "its brightest pixel",
        ),
        (
            {"rows": [("f1", 20)], "dark": {"f1": ["green"]}, "white": 65535},
            "in 1 of 1 fields the green channel is nearly constant: at most 3 of 255 grey levels from its darkest to "
            "its brightest pixel; 16-bit intensities are divided by 65535: if the files have fewer bits, set "
            "ingest.intensity",
        ),
        (
            # With percentiles, or a depth of 12 bits, nothing is divided by 65535.
            {"rows": [("f1", 20)], "dark": {"f1": ["green"]}, "white": 4095},
            "in 1 of 1 fields the green channel is nearly constant: at most 3 of 255 grey levels from its darkest to "
            "its brightest pixel",
        ),
    ],
)
def test_findings_about_a_data_set(given, expected):
    found = summary(**{"rows": (), **given})
    assert texts(dataset_findings(found, SETTINGS)) == ([] if expected is None else [expected])


def test_without_blue_the_pixel_size_is_not_to_blame():
    found = summary(empty=["a", "b"], dark={"a": ["blue"], "b": ["blue"]})
    first, second = texts(dataset_findings(found, SETTINGS))
    assert (
        first == f"2 of 2 fields have no cell ({REASON}); their blue channel, the nuclei, is nearly constant"
    )
    assert second.startswith("in 2 of 2 fields the blue channel is nearly constant")


@pytest.mark.parametrize(
    ("given", "total", "fails"),
    [
        ({"empty": list("abcd")}, 5, True),
        ({"empty": list("abc")}, 4, False),
        ({"rows": [(name, 120) for name in "abcd"]}, 5, True),
        ({"rows": [(name, 20) for name in "abcd"], "dark": {name: ["green"] for name in "abcd"}}, 5, True),
        ({"rows": [(name, 20) for name in "abcd"], "dark": {name: ["blue"] for name in "abcd"}}, 5, True),
        (
            {"rows": [(name, 20) for name in "abcd"], "dark": {name: ["red", "yellow"] for name in "abcd"}},
            5,
            False,
        ),
    ],
)
def test_too_many_implausible_fields_are_an_error(given, total, fails):
    rows = [*given.get("rows", ()), ("good", 20)]
    found = summary(**{**given, "rows": rows})
    assert len(found.fields) == total
    check(found, SETTINGS, min_fields=total + 1)
    check(found, PlausibilitySettings(max_implausible=1))
    if not fails:
        check(found, SETTINGS, min_fields=total)
        return
    with pytest.raises(ImplausibleError, match=f"data set test: 4 of {total} fields look wrong") as raised:
        check(found, SETTINGS, min_fields=total)
    assert "plausibility.max_implausible: 1" in str(raised.value)


def test_the_error_names_the_likely_cause():
    with pytest.raises(
        ImplausibleError, match=r"datasets\.test\.pixel_size_um may be wrong: it is 0\.08, the default"
    ):
        check(summary(empty=["a", "b"], um=None), SETTINGS)
    mixed = summary([("b", 100)], empty=["a"], dark={})
    with pytest.raises(ImplausibleError, match="no cell in 1 of 2 fields: a"):
        check(mixed, SETTINGS.model_copy(update={"nucleus_um": (4.0, 60.0), "max_implausible": 0.4}))


def test_a_job_ends_with_few_warnings(caplog):
    many = [f"empty{number}" for number in range(4)]
    warn(summary([(f"f{n}", 20) for n in range(6)] + [("big", 120)], empty=many), SETTINGS)
    (line,) = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert line == (
        "test: no cell in 4 of 11 fields: empty0, empty1, empty2 and 1 more; "
        "nuclei of an impossible size in 1 of 11 fields: big"
    )
    caplog.clear()
    warn(summary([("f", 20)], empty=many), SETTINGS)
    assert len(caplog.messages) == 1
    assert caplog.messages[0].startswith("test: 4 of 5 fields have no cell")
    caplog.clear()
    warn(summary([("f", 20)]), SETTINGS)
    warn(summarise("test", PixelSizes(0.5), stored([])), SETTINGS)
    assert not caplog.messages


def test_the_contrast_of_a_channel():
    image = np.full((5, 6, 4), 7, np.uint8)
    image[2, 3] = (7, 9, 255, 0)
    assert contrast(image).tolist() == [0, 2, 248, 7]


def test_pixel_sizes_of_single_fields_count():
    table = stored(["a", "b", "c"]).assign(pixel_size_um=[0.5, 0.25, np.nan])
    rows = cells([("a", 30), ("b", 60), ("c", 15)])
    found = summarise("test", PixelSizes(None, {"c": 1.0}), table, [(rows, {})])
    assert found.fields["pixel_um"].tolist() == [0.5, 0.25, 1.0]
    np.testing.assert_allclose(found.nuclei_um, [15, 15, 15], rtol=0.01)
    assert field_findings(found, SETTINGS) == dataset_findings(found, SETTINGS) == []


@pytest.mark.parametrize(
    ("stated", "metadata", "expected"),
    [
        (PixelSizes(0.5), [0.5, 0.515, np.nan], None),
        (PixelSizes(), [0.5, 0.8, 0.1], None),
        (
            PixelSizes(0.5),
            [0.5, 0.3, 0.53],
            "the metadata of the images of 2 of 3 fields gives another pixel size, such as 0.3 um for b, but "
            "datasets.test.pixel_size_um says 0.5, which is used",
        ),
        (
            PixelSizes(0.3, {"a": 0.6}),
            [0.3, 0.3, 0.3],
            "the metadata of the images of 1 of 3 fields gives another pixel size, such as 0.3 um for a, but "
            "pixel_size_um in the table of images of test says 0.6, which is used",
        ),
    ],
)
def test_metadata_that_contradicts_what_is_stated_is_a_finding(stated, metadata, expected):
    found = summarise("test", stated, stored(["a", "b", "c"]).assign(pixel_size_um=metadata))
    assert texts(dataset_findings(found, SETTINGS)) == ([expected] if expected else [])


def test_a_channel_that_does_not_exist_is_no_finding_of_each_field():
    table = stored(["a", "b", "c"]).assign(yellow=0)
    found = summarise("test", PixelSizes(0.5), table)
    assert field_findings(found, SETTINGS) == []
    assert texts(dataset_findings(found, SETTINGS))[0].startswith("in 3 of 3 fields the yellow channel")
    table.loc["a", "yellow"] = 90
    found = summarise("test", PixelSizes(0.5), table)
    assert [finding.ID for finding in field_findings(found, SETTINGS)] == ["b", "c"]


def test_summaries_are_read_from_files(tmp_path):
    for shard, ids in (("000", ["a", "b"]), ("001", ["c"])):
        levels = np.full((len(ids), 4), 90, np.uint8)
        sizes = {"height": np.full(len(ids), SIDE), "width": np.full(len(ids), SIDE)}
        white = np.full((len(ids), 4), [1, 2, 4095, 3], np.float32)
        write_shard(tmp_path / f"{shard}.h5", ids, {**sizes, "high": white, "contrast": levels}, {})
    table = cells([("a", 20)])
    table.attrs = {"no_cells": {"b": REASON}}
    write_parquet(tmp_path / "000.parquet", table)
    stores = [tmp_path / "000.h5", tmp_path / "001.h5"]
    found = read_summary("test", PixelSizes(0.5), stores, [tmp_path / "000.parquet"])
    assert found.fields.index.tolist() == ["a", "b", "c"]
    assert found.fields["segmented"].tolist() == [True, True, False]
    assert found.fields["white"].tolist() == [4095] * 3
    assert field_findings(found, SETTINGS) == [Finding("test", "b", f"no cell: {REASON}")]
