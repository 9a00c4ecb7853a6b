"""Naming patterns proposed for the file names of microscopes and public sources."""

import random

import pytest

from puzzlecell.propose.channel_words import meaning
from puzzlecell.propose.naming import UNDECIDED, propose_naming

GUID = "1B0A3F5C-00AA-11BB-22CC-333344445555"
RGBY = dict(zip(("red", "green", "blue", "yellow"), ("red", "green", "blue", "yellow"), strict=True))
NONE = dict.fromkeys(RGBY, UNDECIDED)
OPERA = "{row,r[0-9]+}{column,c[0-9]+}{site,f[0-9]+}{plane,p[0-9]+}-{channel}sk1fk1fl1.tiff"


def each(form, **values):
    """File names of all combinations."""
    names = [{}]
    for key, given in values.items():
        names = [{**name, key: value} for name in names for value in given]
    return [form.format(**name) for name in names]


def dyes(red, green, blue, yellow):
    return {"red": red, "green": green, "blue": blue, "yellow": yellow}


CASES = {
    "HPA 2021": (
        each("{i}_{c}.png", i=["5c27f04c-bb99-11e8-b2b9", "800_A6_1"], c=RGBY),
        ("{ID}_{channel}.png", None, RGBY, 2),
    ),
    "HPA atlas, single colours": (
        each("{i}_{c}.jpg", i=["1_A1_1", "1_A1_2"], c=RGBY),
        ("{ID}_{channel}.jpg", None, RGBY, 2),
    ),
    "HPA atlas, colour pictures": (
        each("{i}_blue_red_green.jpg", i=["1_A1_1", "1_A1_2"]),
        ("{ID}_blue_red_green.jpg", None, NONE, 2),
    ),
    "Opera": (
        each("Images/r{r}c0{c}f01p01-ch{n}sk1fk1fl1.tiff", r=["01", "02"], c=[1, 2], n=[1, 2, 3, 4]),
        (f"Images/{OPERA}", "{row}{column}{site}{plane}", NONE, 4),
    ),
    "Opera, plates in folders": (
        each("{p}/r01c0{c}f01p01-ch{n}sk1fk1fl1.tiff", p=["P1", "P2"], c=[1, 2], n=[1, 2]),
        (f"{{folder}}/{OPERA}", "{folder}_{row}{column}{site}{plane}", NONE, 4),
    ),
    "ImageXpress": (
        each("plate7_{w}_s{s}_w{n}{g}.tif", w=["A01", "B02"], s=[1, 2], n=[1, 2], g=[GUID]),
        ("plate7_{well,[A-P][0-9]+}_{site,s[0-9]+}_{channel}*.tif", "{well}_{site}", NONE, 4),
    ),
    "MetaMorph, with dyes": (
        each("Exp_{w}_{n}.TIF", w=["A01_s1", "B02_s1"], n=["w1DAPI", "w2FITC", "w3Cy3", "w4Cy5"]),
        ("{ID}_{channel}.TIF", None, dyes("w3Cy3", "w2FITC", "w1DAPI", "w4Cy5"), 2),
    ),
    "Cellomics": (
        each("AS_09125_{w}f0{f}d{d}.tif", w=["A01", "D03"], f=[0, 1], d=[0, 1, 2]),
        ("{ID}{channel}.tif", None, NONE, 4),
    ),
    "channel first": (
        each("Channel{c}-{w}-A-01.tif", c=[1, 2], w=["01", "02"]),
        ("{channel}-{ID}.tif", None, NONE, 2),
    ),
    "channels in folders": (
        each("{c}/{i}.tif", c=["DAPI", "tubulin", "GFP", "calreticulin"], i=["A_1", "A_2"]),
        ("{channel}/{ID}.tif", None, dyes("tubulin", "GFP", "DAPI", "calreticulin"), 2),
    ),
    "folders, spaces and dyes": (
        each("day{d}/img {i}-{c}.tif", d=[1, 2], i=[1, 2], c=["Hoechst", "Alexa488", "Alexa555", "Alexa647"]),
        ("{folder}/{name}-{channel}.tif", None, dyes("Alexa555", "Alexa488", "Hoechst", "Alexa647"), 4),
    ),
    "Leica": (
        each("Project_Series00{s}_ch0{c}.tif", s=[1, 2], c=[0, 1, 2, 3]),
        ("{ID}_{channel}.tif", None, NONE, 2),
    ),
    "three channels": (
        each("{i}_{c}.tif", i="abc", c=["dapi", "antibody", "tub"]),
        ("{ID}_{channel}.tif", None, dyes("tub", "antibody", "dapi", None), 3),
    ),
    "one field": (each("800_A6_1_{c}.png", c=RGBY), ("{ID}_{channel}.png", None, RGBY, 1)),
}


@pytest.mark.parametrize("case", CASES)
def test_patterns(case):
    names, (naming, id_form, channels, fields) = CASES[case]
    random.Random(1).shuffle(names)
    found = propose_naming(names, several_channels=case == "HPA atlas, colour pictures")
    assert (found.naming, found.id_form, found.channels) == (naming, id_form, channels)
    assert len(found.files) == fields
    assert {name for files in found.files.values() for name in files.values()} == set(names)
    assert found.left_out == ()


def test_files_with_several_channels():
    found = propose_naming(["b.ome.tif", "a.ome.tif", "c.ome.tif"], several_channels=True)
    assert (found.naming, found.words, found.channels) == ("{ID}.ome.tif", (), NONE)
    assert found.files["a"] == {"": "a.ome.tif"}


@pytest.mark.parametrize(
    ("names", "question"),
    [
        (each("{i}_w{n}.tif", i="ab", n=[1, 2]), "which of w1, w2 is red, green, blue and yellow?"),
        (
            each("{i}_{n}.tif", i="abc", n=[1, 2, 3, 4]),
            "1, 2, 3, 4 may be channels, or something else such as sites",
        ),
        (each("{i}_{c}.tif", i="ab", c=["dapi", "Alexa488", "tub", "er"]), "Alexa488 is taken for green"),
        (
            each("{i}_{c}.tif", i="ab", c=["dapi", "prot", "tub"]),
            "no channel for yellow (endoplasmic reticulum)",
        ),
        (each("{i}_{c}.tif", i="ab", c=["dapi", "tub", "er"]), "there is nothing for green (the protein)?"),
        (each("{i}_{c}.tif", i="ab", c=["dapi", "hoechst", "prot"]), "dapi and hoechst could all be blue"),
        (each("{i}_{c}.png", i="ab", c=[*RGBY, "mask"]), "not used: mask"),
        (
            each("{i}_{c}.png", i="ab", c=RGBY)[:-1],
            "1 of 2 fields lack a channel; b has blue, green, red only",
        ),
        ([*each("{i}_{c}.png", i="ab", c=RGBY), "c_red.tif"], "images of several kinds"),
        ([*each("p_A01_s{s}_w{n}.tif", s=[1, 2], n=[1, 2]), "p_A01_s1_thumb_w1.tif"], "look like thumbnails"),
        (each("{i}_{c}.png", i=["a,b", "c"], c=RGBY), "1 IDs cannot be used: 'a,b' contains a comma"),
        (each("{i}_{c}.png", i=["a{1}", "c"], c=RGBY), "names contain braces"),
        (
            each("{d}/r01c01f01p0{p}-ch{n}sk1fk1fl1.tiff", d=["x"], p=[1, 2], n=[1, 2]),
            "several planes (p) of a field",
        ),
    ],
)
def test_what_the_names_do_not_tell_is_asked(names, question):
    assert any(question in asked for asked in propose_naming(names).questions), propose_naming(
        names
    ).questions


def test_clear_names_raise_no_question():
    assert propose_naming(each("{i}_{c}.png", i="ab", c=RGBY)).questions == ()


def test_a_folder_without_images():
    with pytest.raises(ValueError, match="no image among 2 files"):
        propose_naming(["a.txt", "b/c.csv"])


@pytest.mark.parametrize(
    ("word", "channel", "how"),
    [
        ("DAPI", "blue", "sure"),
        ("w1DAPI", "blue", "sure"),
        ("C02-tubulin", "red", "sure"),
        ("Alexa 488", "green", "dye"),
        ("ER", "yellow", "sure"),
        ("ch03", None, "numbered"),
        ("w1", None, "numbered"),
        ("b", None, "nothing"),
        ("7", None, "nothing"),
    ],
)
def test_words(word, channel, how):
    assert (meaning(word).channel, meaning(word).how) == (channel, how)
