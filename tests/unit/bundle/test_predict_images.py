"""How `puzzlecell predict` understands names, tables and pixel sizes of somebody's images."""

import shlex

import cv2
import numpy as np
import pytest
import tifffile
import yaml
from helpers.own_images import prepared, write_images, write_table, write_tiffs

from puzzlecell.cli.own_images import own_images
from puzzlecell.config.workflow import load_configuration
from puzzlecell.data.raw_files import CHANNELS
from puzzlecell.errors import UserError

WORDS = ("tubulin", "protein", "dapi", "er")


@pytest.mark.parametrize(
    ("words", "given", "entry", "shown"),
    [
        # Names that tell by themselves.
        (
            WORDS,
            {},
            {"naming": "{ID}_{channel}.tif", "channels": dict(zip(CHANNELS, WORDS, strict=True))},
            "red: tubulin, green: protein, blue: dapi, yellow: er (found by looking at the files)",
        ),
        (
            ("1", "2", "3"),
            {"naming": "{well}_{channel}.tif", "channels": "red=1,green=2,blue=3,yellow=zero"},
            {
                "naming": "{well}_{channel}.tif",
                "channels": {"red": "1", "green": "2", "blue": "3", "yellow": None},
            },
            "{well}_{channel}.tif; red: 1, green: 2, blue: 3, yellow: black (as given)",
        ),
        (
            ("tubulin", "protein", "dapi"),
            {"naming": "{row,[A-H]}{column}_{channel}.tif", "id_form": "{column}{row}"}
            | {"channels": "red=tubulin,green=protein,blue=dapi,yellow=same:red"},
            {
                "naming": "{row,[A-H]}{column}_{channel}.tif",
                "ID": "{column}{row}",
                "channels": {
                    "red": "tubulin",
                    "green": "protein",
                    "blue": "dapi",
                    "yellow": {"same_as": "red"},
                },
            },
            "yellow: the images of red (as given)",
        ),
    ],
)
def test_images_of_other_names(tmp_path, bundle, *, words, given, entry, shown):
    prediction = prepared(tmp_path, bundle, write_tiffs(tmp_path / "mine", words), **given)
    found = yaml.safe_load(prediction.configuration.read_text())["datasets"]["images"]
    assert found.pop("images") == str(tmp_path / "mine")
    assert found == {"role": "test", **entry, "pixel_size_um": 0.5, "shards": 1}
    load_configuration(yaml.safe_load(prediction.configuration.read_text()), tmp_path / "out")
    assert shown in prediction.found[1]
    missing = [text for text in prediction.warnings if text.startswith("channel ")]
    assert len(missing) == (len(words) < 4)


@pytest.mark.parametrize(
    ("words", "options", "expected"),
    [
        # Dyes, a missing stain and numbers are for a person to judge; the options say what would be used.
        (
            ("af555", "af488", "dapi", "af647"),
            {},
            "--naming '{ID}_{channel}.tif' --channels red=af555,green=af488,blue=dapi,yellow=af647",
        ),
        (
            ("tubulin", "protein", "dapi"),
            {},
            "--naming '{ID}_{channel}.tif' --channels red=tubulin,green=protein,blue=dapi,yellow=zero",
        ),
        (
            ("w1", "w2", "w3", "w4"),
            {"channels": "blue=w1"},
            "--naming '{ID}_{channel}.tif' --channels red=DECIDE,green=DECIDE,blue=w1,yellow=DECIDE",
        ),
        (
            ("w1", "w2", "w3", "w4"),
            {"channels": "blue=page:1"},
            "--naming '{ID}_{channel}.tif' --channels red=DECIDE,green=DECIDE,blue=page:1,yellow=DECIDE",
        ),
    ],
)
def test_what_is_not_clear_is_asked(tmp_path, bundle, *, words, options, expected):
    folder = write_tiffs(tmp_path / "mine", words)
    with pytest.raises(UserError, match="not clear which image is what") as error:
        prepared(tmp_path, bundle, folder, **options)
    assert f"    {expected}" in str(error.value).splitlines()
    assert not (tmp_path / "out").exists()
    if "DECIDE" not in expected:
        _, naming, _, channels = shlex.split(expected)
        prepared(tmp_path, bundle, folder, naming=naming, channels=channels)


@pytest.mark.parametrize(
    ("sizes", "given", "configured", "shown"),
    [
        (None, None, 0.5, "0.5 um, assumed: that of the training fields"),
        (("0.4", "0.4"), None, None, "0.4 um, from images.csv"),
        (("0.4", "0.5"), None, None, "0.4 to 0.5 um, from images.csv"),
        (("0.4", ""), 0.6, 0.6, "0.6 um, as given; 0.4 um for 1 fields in images.csv; the training"),
        (("0.4", ""), None, 0.5, "0.5 um, assumed"),
        (("0.4", "0.4"), 0.6, UserError, "--pixel-size: .*images.csv has a column pixel_size_um"),
    ],
)
def test_tables_of_images_and_their_pixel_sizes(tmp_path, bundle, *, sizes, given, configured, shown):
    folder = write_table(tmp_path / "mine", sizes)
    if configured is UserError:
        with pytest.raises(UserError, match=shown):
            prepared(tmp_path, bundle, folder, pixel_size_um=given)
        return
    for images in (folder, folder / "images.csv"):
        prediction = prepared(tmp_path, bundle, images, pixel_size_um=given)
        found = yaml.safe_load(prediction.configuration.read_text())["datasets"]["images"]
        assert found.get("pixel_size_um") == configured
        assert found["images"] == str(folder / "images.csv")
        assert "naming" not in found
        assert shown in prediction.found[2]
    # A pattern overrules the table.
    found = prepared(tmp_path, bundle, folder, naming="{ID}_{channel}.png").configuration.read_text()
    assert yaml.safe_load(found)["datasets"]["images"]["images"] == str(folder)


@pytest.mark.parametrize(
    ("given", "configured", "shown", "warnings"),
    [
        (
            None,
            0.25,
            "0.25 um, from the metadata of the images",
            ["scale: the networks see cells 2.0 times as large"],
        ),
        (
            0.5,
            0.5,
            "0.5 um, as given",
            ["pixel size: 0.5 um is given, but the metadata of the images says 0.25 um"],
        ),
    ],
)
def test_the_pixel_size_of_metadata(tmp_path, bundle, *, given, configured, shown, warnings):
    folder = write_tiffs(tmp_path / "mine", WORDS, um=0.25)
    prediction = prepared(tmp_path, bundle, folder, pixel_size_um=given)
    found = yaml.safe_load(prediction.configuration.read_text())["datasets"]["images"]
    assert found["pixel_size_um"] == configured
    assert shown in prediction.found[2]
    assert [text[: len(start)] for text, start in zip(prediction.warnings, warnings, strict=True)] == warnings
    if given is None:
        tifffile.imwrite(folder / "B2_dapi.tif", np.zeros((192, 192), np.uint8))
        for word in WORDS:
            tifffile.imwrite(folder / f"B2_{word}.tif", np.zeros((192, 192), np.uint8))
        with pytest.raises(UserError, match=r"--pixel-size: needed, .*such as field B2"):
            prepared(tmp_path, bundle, folder)


def test_images_left_out_and_results_inside_the_folder(tmp_path, bundle):
    """Images of other names are said, pictures among the results of an earlier run are no images."""
    folder = write_images(tmp_path / "mine")
    (folder / "overview.jpg").touch()
    prediction = prepared(tmp_path, bundle, folder)
    assert prediction.warnings == ["names: 1 images have other names and are left out: overview.jpg"]
    folder = write_tiffs(tmp_path / "tiffs", WORDS)
    (folder / "out").mkdir()
    cv2.imwrite(str(folder / "out/picture.png"), np.zeros((9, 9), np.uint8))
    found = own_images(folder, folder / "out", naming=None, id_form=None, channels=None)
    assert found.sources.ids == ("A1", "B2")
