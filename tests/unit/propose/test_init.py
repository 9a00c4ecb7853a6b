"""`puzzlecell init`: the proposed configuration and the contact sheet."""

from contextlib import chdir

import cv2
import numpy as np
import pytest
import tifffile
import yaml

from puzzlecell.cli.main import main
from puzzlecell.data.image_file import ImageError
from puzzlecell.propose.contact_sheet import TILE, SheetColumn, write_contact_sheet
from puzzlecell.propose.images import image_facts

CHANNELS = ("red", "green", "blue", "yellow")


@pytest.fixture
def folder(tmp_path):
    """Two fields of 40 x 30 pixels, whose channels differ in brightness."""
    (tmp_path / "my plate").mkdir()
    for field_id in ("a", "b"):
        for level, name in enumerate(CHANNELS, start=1):
            image = np.zeros((30, 40), np.uint8)
            image[5:20, 5 * level : 5 * level + 5] = 50 * level
            cv2.imwrite(str(tmp_path / "my plate" / f"{field_id}_{name}.png"), image)
    return tmp_path / "my plate"


def proposed(folder, output, capsys):
    assert main(["init", str(folder), "--output", str(output)]) == 0
    return yaml.safe_load((output / "config.yaml").read_text()), capsys.readouterr().out


def test_the_configuration_says_what_was_found(folder, tmp_path, capsys):
    found, shown = proposed(folder, tmp_path / "out", capsys)
    (name,) = found["datasets"]
    assert name == "my_plate"
    given = found["datasets"][name]
    assert given["role"] == "test"
    assert given["images"] == str(folder)
    assert given["naming"] == "{ID}_{channel}.png"
    assert given["channels"] == dict(zip(CHANNELS, CHANNELS, strict=True))
    # Nothing runs before these are known.
    assert given["pixel_size_um"] == "DECIDE"
    assert "DECIDE" in found["models"]["ready"]["stages"]["stage1"]["checkpoints"]
    assert "2 fields; the first image has 40 x 30 pixels, 8 bit" in shown
    assert "how large a pixel is" in shown


def test_channels_that_are_not_clear_are_left_to_decide(folder, tmp_path, capsys):
    for number, name in enumerate(CHANNELS, start=1):
        for field_id in ("a", "b"):
            (folder / f"{field_id}_{name}.png").rename(folder / f"{field_id}_w{number}.png")
    found, shown = proposed(folder, tmp_path / "out", capsys)
    assert found["datasets"]["my_plate"]["channels"] == dict.fromkeys(CHANNELS, "DECIDE")
    text = (tmp_path / "out/config.yaml").read_text()
    assert "DECIDE: nuclei; one of w1, w2, w3, w4, or null for a black channel" in text
    assert "which of w1, w2, w3, w4 is red" in shown
    sheet = cv2.imread(str(tmp_path / "out/contact_sheet.jpg"))
    # No composite of channels that are not known.
    assert sheet.shape[1] < 5 * TILE


def test_the_sheet_shows_each_channel_and_the_composite(tmp_path):
    images = []
    for place in range(3):
        image = np.zeros((100, 200), np.uint16)
        image[20:80, 40 * place + 20 : 40 * place + 40] = 1000 + place
        images.append(image)
    columns = [SheetColumn(name, name) for name in CHANNELS]
    write_contact_sheet(tmp_path / "sheet.png", columns, {"a": [*images, None], "ß": ["missing", *images]})
    sheet = cv2.cvtColor(cv2.imread(str(tmp_path / "sheet.png")), cv2.COLOR_BGR2RGB)
    top, left = 8 + 3 * 18 + 8, 8
    tiles = [sheet[top : top + TILE, left + n * (TILE + 8) : left + n * (TILE + 8) + TILE] for n in range(5)]
    for place in range(3):
        assert tiles[place][60, round((40 * place + 30) * TILE / 200)].tolist() == [255, 255, 255]
        assert tiles[place][60, 230].tolist() == [0, 0, 0]
        colour = [255 * (channel == place) for channel in range(3)]
        assert tiles[4][60, round((40 * place + 30) * TILE / 200)].tolist() == colour
    # A black channel is not shown as an image that is black.
    assert (tiles[3] == 40).all()


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["none"], "none: there is no such folder"),
        (["empty"], "empty: no image among its 1 files; expected PNG, TIFF or JPEG"),
        (["broken"], "the first image cannot be read: broken/a.png: "),
        (["my plate", "--output", "taken"], "taken/config.yaml: exists already and is not replaced"),
        (["my plate", "--output", "empty/a.txt"], "cannot be written: empty/a.txt is not a folder"),
    ],
)
def test_mistakes(folder, tmp_path, capsys, arguments, expected):
    for name in ("empty", "broken", "taken"):
        (tmp_path / name).mkdir()
    (tmp_path / "empty/a.txt").touch()
    (tmp_path / "broken/a.png").write_bytes(b"nothing")
    (tmp_path / "taken/config.yaml").write_text("own: 1\n")
    before = sorted(tmp_path.rglob("*"))
    with chdir(tmp_path):
        assert main(["init", *arguments]) == 1
    assert expected in capsys.readouterr().err
    assert sorted(tmp_path.rglob("*")) == before
    assert (tmp_path / "taken/config.yaml").read_text() == "own: 1\n"


def test_names_and_pixel_size_in_metadata_count(tmp_path, capsys):
    """Four channels in a file, named by their dyes, in another order than red, green, blue and yellow."""
    (tmp_path / "plate").mkdir()
    names = ["DAPI", "Alexa 488", "Alexa 555", "Alexa 647"]
    metadata = {"axes": "CYX", "Channel": {"Name": names}, "PhysicalSizeX": 0.16, "PhysicalSizeXUnit": "um"}
    metadata |= {"PhysicalSizeY": 0.16, "PhysicalSizeYUnit": "um"}
    image = np.arange(4 * 16 * 20, dtype=np.uint16).reshape(4, 16, 20)
    tifffile.imwrite(tmp_path / "plate/a.ome.tif", image, metadata=metadata, photometric="minisblack")
    found, shown = proposed(tmp_path / "plate", tmp_path / "out", capsys)
    given = found["datasets"]["plate"]
    assert given["naming"] == "{ID}.ome.tif"
    assert given["channels"] == {"red": 2, "green": 1, "blue": 0, "yellow": 3}
    assert "pixel_size_um" not in given
    assert "say 0.16 um" in (tmp_path / "out/config.yaml").read_text()
    assert "Alexa 647 is taken for yellow (endoplasmic reticulum), by its dye" in shown


def test_pages_and_stacks(tmp_path):
    image = np.zeros((3, 16, 20), np.uint8)
    with tifffile.TiffWriter(tmp_path / "pages.tif") as file:
        for page in image:
            file.write(page, photometric="minisblack", metadata=None)
    facts = image_facts(tmp_path / "pages.tif")
    assert (facts.channels, facts.pages, facts.names) == (3, True, ())
    tifffile.imwrite(tmp_path / "z.ome.tif", image, metadata={"axes": "ZYX"}, photometric="minisblack")
    with pytest.raises(ImageError, match="holds 3 planes along z"):
        image_facts(tmp_path / "z.ome.tif")
