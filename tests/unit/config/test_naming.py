"""Names of image files in the configuration."""

import re

import pytest

from puzzlecell.config.datasets import DatasetSettings
from puzzlecell.config.naming import expression, filled, folder_expressions, group_names

NAMES = {"red": "er", "green": "er2", "blue": "dapi"}


def dataset(**given):
    return DatasetSettings(role="test", **given)


@pytest.mark.parametrize(
    ("pattern", "path", "expected"),
    [
        ("{ID}_{channel}.png", "a_b_dapi.png", {"ID": "a_b", "channel": "dapi"}),
        ("{ID}_{channel}.png", "a_dapi.PNG", None),
        ("{ID}_{channel}.png", "a_red.png", None),
        ("{ID}_{channel}*.tif", "a_er2.tif", {"ID": "a", "channel": "er2"}),
        ("{ID}.{channel}", "a.b.er", {"ID": "a.b", "channel": "er"}),
        ("{ID}.{channel}", "axer", None),
        ("{p}/{w}_{p}_{channel}.tif", "P1/A1_P1_er.tif", {"p": "P1", "w": "A1", "channel": "er"}),
        ("{p}/{w}_{p}_{channel}.tif", "P1/A1_P2_er.tif", None),
        (
            "{w,[A-P][0-9]{2}}{s,[0-9]+}_{channel}.tif",
            "B033_er.tif",
            {"w": "B03", "s": "3", "channel": "er"},
        ),
        ("{w,[A-P][0-9]{2}}{s,[0-9]+}_{channel}.tif", "Q033_er.tif", None),
        ("{w, x|y }_{channel}.tif", "z_er.tif", None),
        ("x*/{ID}_{channel}.tif", "x/y/a_er.tif", None),
    ],
)
def test_a_pattern_matches_whole_paths(pattern, path, expected):
    found = re.fullmatch(expression(pattern, NAMES), path)
    assert (found and found.groupdict()) == expected


def test_the_parts_of_a_pattern():
    pattern = "{plate,P[0-9]{1,2}}/x.{well}/{well}_{channel}*.tif"
    assert group_names(pattern) == ["plate", "well", "channel"]
    assert filled(pattern, str.upper) == "PLATE/x.WELL/WELL_CHANNEL*.tif"
    outer, inner = (re.compile(text).fullmatch for text in folder_expressions(pattern))
    assert outer("P12")
    assert not outer("P123")
    assert inner("x.A1")
    assert not inner("xyA1")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"naming": "{ID}_{channel"}, "opening brace that is never closed"),
        ({"naming": "{ID}}_{channel}"}, "closing brace without"),
        ({"naming": "{I D}_{channel}"}, r"a group \{I D\}; expected a name"),
        ({"naming": "{ID,[}_{channel}"}, "is not a regular expression: unterminated"),
        ({"naming": "{ID,(?i)a+}_{channel}"}, "is not a regular expression: global flags not at the start"),
        ({"naming": "{ID,(a)}_{channel}"}, "no slash and no groups"),
        ({"naming": "{ID,a/b}_{channel}"}, "no slash and no groups"),
        ({"naming": "{ID}_{channel,x}"}, "takes no regular expression"),
        ({"naming": "/data/{ID}_{channel}.png"}, "must be a path below the folder of images"),
        ({"naming": "../{ID}_{channel}.png"}, "must be a path below"),
        ({"naming": "{ID}//{channel}.png"}, "must be a path below"),
        ({"naming": "{channel}.png"}, "no group that tells the fields apart"),
        (
            {"naming": "{ID}.tif"},
            r"channels.red: naming '\{ID\}.tif' has no group \{channel\}; say which channel",
        ),
        ({"ID": "{well}"}, r"but naming has a group \{ID\}; remove one"),
        ({"naming": "{well}_{site}_{channel}.png", "ID": "{wel}"}, r"groups of naming: \{well\}, \{site\}"),
        ({"naming": "{well}_{channel}.png", "ID": "fixed"}, "must be made of groups"),
        ({"naming": "{well}_{channel}.png", "ID": "{well}*"}, "must be made of groups"),
        ({"channels": {"red": 1}}, "so a name is expected"),
        ({"channels": {"red": True}}, "found True; expected a name in the files, a number"),
        ({"channels": {"red": -1}}, "found -1; expected a name"),
        ({"channels": {"red": {}}}, "give a name, a page, a channel or same_as"),
        ({"channels": {"red": {"name": "x", "same_as": "blue"}}}, "same_as and name exclude each other"),
        ({"channels": {"yellow": "red"}}, "the same image as red; if this is meant, write {same_as: red}"),
        (
            {"channels": {"yellow": {"name": "red", "page": 0}}},
            "channels.yellow: a page or a channel of the file of red, for which none is named",
        ),
        ({"channels": {"yellow": {"same_as": "yellow"}}}, "yellow has no image of its own"),
        ({"channels": {"red": None, "yellow": {"same_as": "red"}}}, "red has no image of its own"),
        ({"channels": dict.fromkeys(("red", "green", "blue", "yellow"))}, "no channel has an image"),
        ({"images": "a.csv", "naming": "{ID}_{channel}.png"}, "naming: images is a table"),
        (
            {"simulate": {"fields": 2}, "channels": {"red": "tub"}},
            "channels: simulated fields have their own",
        ),
    ],
)
def test_names_that_cannot_work_are_refused(given, message):
    with pytest.raises(ValueError, match=message):
        dataset(**given)


def test_where_files_are():
    assert dataset().files("x").__dict__ == {
        "folder": "data/x",
        "images": "data/x/images",
        "table": "data/x/images.csv",
        "labels": "data/x/labels.csv",
        "truth": "data/x/truth.csv",
        "cell_labels": "data/x/cell_labels.csv",
    }
    folder, table = dataset(images="/plates/7", path="d").files("x"), dataset(images="l.CSV").files("x")
    assert (folder.images, folder.table, folder.labels) == ("/plates/7", None, "d/labels.csv")
    assert (table.images, table.table) == ("data/x/images", "l.CSV")


def test_channels_are_names_numbers_places_or_black():
    given = dataset(
        naming="{ID}.tif",
        channels={"red": 0, "green": {"page": 2}, "blue": {"same_as": "red"}, "yellow": None},
    )
    red, green, blue, yellow = given.layout.channels
    assert (red.channel, red.page, green.page, green.channel, blue.same_as, yellow) == (
        0,
        None,
        2,
        None,
        "red",
        None,
    )
    assert dataset(channels={"green": "prot"}).layout.names == {
        "red": "red",
        "green": "prot",
        "blue": "blue",
        "yellow": "yellow",
    }
