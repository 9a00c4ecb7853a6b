"""Which class activation maps are made, and what their pictures show."""

import cv2
import numpy as np
import pytest
from helpers.inference_data import CLASSES, write_network
from helpers.view_data import add_cams, shard_view, write_view_shard

from puzzlecell.config.cams import CamSettings, cam_problems
from puzzlecell.config.steps import Step1Settings
from puzzlecell.data.store import ShardReader
from puzzlecell.errors import UserError
from puzzlecell.viewer.cams import shown_classes, write_cams
from puzzlecell.viewer.cells import ShardCells
from puzzlecell.viewer.map_pictures import BAR, GAP, SIDE, map_picture, picture_path


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return add_cams(write_view_shard(tmp_path_factory.mktemp("shard")))


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return write_network(tmp_path_factory.mktemp("model") / "m.safetensors", weight=8)


def made(folder, files, model, fields=None, **cams):
    path = folder / "000.h5"
    rules = shard_view(files).rules
    write_cams(
        path,
        folder / "000",
        files=files,
        # One for each member of step 1.
        models=[model, model],
        rules=rules,
        settings=CamSettings(**cams),
        step1=Step1Settings(),
        fields=fields,
    )
    return ShardReader([path]), sorted(file.name for file in (folder / "000").iterdir())


def test_chosen_fields_and_classes_have_maps_and_pictures(tmp_path, files, model):
    maps, names = made(tmp_path, files, model, fields=["field3", "field1"], classes=("b", "Negative"))
    assert maps.ids == ["field3", "field1"]
    assert maps.column("chosen").tolist() == [[0, 1, 0, 1]] * 2
    assert names == [
        f"field{n}.{index} {name}.png" for n in (1, 3) for index, name in (("01", "b"), ("03", "Negative"))
    ]


def test_by_default_each_field_has_the_classes_that_its_cells_show(tmp_path, files, model):
    maps, names = made(tmp_path, files, model)
    view = shard_view(files)
    table, values = view.cells.table, view.cells.probabilities
    expected = {}
    for field_id in view.ids:
        own = values[table["ID"] == field_id]
        called = {index for row in own for index in range(4) if row[index] >= 0.5}
        expected[field_id] = sorted(called | {int(row.argmax()) for row in own})
    # One of the fields has no cells.
    assert [] in expected.values()
    assert len({len(classes) for classes in expected.values()}) > 1
    assert {
        name: np.flatnonzero(row).tolist() for name, row in zip(maps.ids, maps.column("chosen"), strict=True)
    } == (expected)
    assert len(names) == sum(map(len, expected.values()))


def test_fields_that_are_not_stored_are_named(tmp_path, files, model):
    with pytest.raises(UserError, match=r"cams.fields: elsewhere not in .*000.h5"):
        made(tmp_path, files, model, fields=["field1", "elsewhere"])


def test_calls_count_in_place_of_one_half(files):
    table = shard_view(files).cells.table.iloc[:2].assign(ID="f")
    values = np.array([[0.9, 0.6, 0, 0], [0, 0, 0, 0]])
    called = np.array([[False, False, False, True], [False, False, True, False]])

    def shown(said):
        return shown_classes(ShardCells(table, values, None, said, values[None]), ["f", "g"])

    assert shown(called)["f"].tolist() == [True, False, True, True]
    assert shown(None)["f"].tolist() == [True, True, False, False]
    assert not shown(None)["g"].any()
    # They are only read.
    assert called.sum() == 2


def test_a_picture_shows_the_field_beside_its_map_in_the_proportions_of_the_field():
    image = np.full((64, 64, 4), 90, np.uint8)
    labels = np.zeros((32, 32), np.uint16)
    activation = np.zeros((4, 4), np.float32)
    activation[:, 3] = 1
    picture = map_picture(image, labels, labels, activation, shape=(50, 100))
    height, width = SIDE // 2, SIDE
    assert picture.shape == (height, 2 * width + 2 * GAP + BAR, 3)
    field, under = picture[:, :width], picture[:, width + GAP : 2 * width + GAP]
    assert np.ptp(field) == np.ptp(field[0, 0])
    # On the left, the map is 0: nothing but grey. On the right, it is 1: the brightest colour.
    assert np.ptp(under[:, : width // 2].astype(int), axis=2).max() == 0
    assert under[:, -40:, 2].max() < under[:, -40:, 0].min() - 20
    bar = picture[:, -BAR:].astype(int).sum(axis=2)[:, 0]
    assert (np.diff(bar) <= 0).all()
    assert bar[0] > 650 > 20 > bar[-1]


@pytest.mark.parametrize(
    ("field_id", "name", "expected"),
    [
        ("A01_1", "Golgi apparatus", "A01_1.07 Golgi apparatus.png"),
        ("A01", "../../x\\y:<b>", "A01.07 ______x_y__b_.png"),
        ("é", "Zytoplasmaübergang und noch viel mehr", "é.07 Zytoplasma_bergang und noch vi.png"),
    ],
)
def test_names_of_pictures_are_safe(tmp_path, field_id, name, expected):
    assert picture_path(tmp_path, field_id, 7, name) == tmp_path / expected
    assert len(picture_path(tmp_path, "x" * 200, 30, "y" * 300).name) < 255


def test_unknown_names_are_told_with_the_nearest():
    settings = CamSettings(classes=("Negativ",), datasets=("tset",), fields={"tset": ("a",)})
    assert cam_problems(settings, CLASSES, ["test", "train"]) == [
        "cams.classes: no class 'Negativ'; did you mean Negative?",
        "cams.datasets: no data set 'tset'; did you mean test?",
        "cams.fields: no data set 'tset'; did you mean test?",
    ]
    with pytest.raises(ValueError, match="fields: other is not one of the datasets"):
        CamSettings(datasets=("test",), fields={"other": ("a",)})


def test_pictures_can_be_read(tmp_path, files, model):
    _, names = made(tmp_path, files, model, fields=["field0"], classes=("a",))
    picture = cv2.imread(str(tmp_path / "000" / names[0]))
    assert picture.shape == (SIDE, 2 * SIDE + 2 * GAP + BAR, 3)
