import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from puzzlecell.config.ensemble import PRESETS, EnsembleSettings, ImageFusion
from puzzlecell.data.tables import probability_columns
from puzzlecell.ensemble.combine import ensemble_cells, mean_table
from puzzlecell.errors import UserError

MEMBER = {"model": "m", "stage": "s", "step": 1}
PLAIN = {"max_classes": "all"}


def settings(**values):
    return EnsembleSettings(members=[MEMBER], **{**PLAIN, **values})


def cell_table():
    return pd.DataFrame(
        {
            "ID": ["x", "x", "x", "y"],
            "cell": [1, 2, 5, 1],
            "border_quality": [1.0, 0.5, 0.01, 1.0],
            "outlier_quality": [1.0, 1.0, 1.0, 0.001],
        }
    )


def table(values, cells=None):
    cells = cell_table()[["ID", "cell"]] if cells is None else cells
    return pd.concat([cells, pd.DataFrame(np.array(values), columns=probability_columns(3))], axis=1)


FIRST = [[0.2, 0.4, 0.1], [0.6, 0.0, 0.3], [0.8, 0.2, 0.5], [0.1, 0.9, 0.7]]
SECOND = [[0.4, 0.2, 0.3], [0.2, 0.8, 0.1], [0.0, 0.6, 0.5], [0.3, 0.1, 0.9]]
IMAGES = pd.DataFrame([["y", 0.5, 0.4, 0.3], ["x", 0.9, 0.1, 0.2]], columns=["ID", *probability_columns(3)])


def result(members, images=None, negative=2, **values):
    answer = ensemble_cells(cell_table(), members, images, settings(**values), negative=negative)
    pd.testing.assert_frame_equal(answer[cell_table().columns.tolist()], cell_table())
    return answer[probability_columns(3)].to_numpy()


def test_weights_need_not_sum_to_one():
    expected = (3 * np.array(FIRST) + np.array(SECOND)) / 4
    for factor in (1, 0.25, 10):
        found = result([(table(FIRST), 3 * factor), (table(SECOND), factor)])
        np.testing.assert_allclose(found, expected, atol=1e-7)
    assert found.dtype == np.float32


def test_rows_are_matched_by_cell_and_a_repeated_member_counts_twice():
    shuffled = table(SECOND).sample(frac=1, random_state=1)
    found = result([(table(FIRST), 1), (shuffled, 1), (shuffled, 1)])
    np.testing.assert_allclose(found, (np.array(FIRST) + 2 * np.array(SECOND)) / 3, atol=1e-7)
    np.testing.assert_allclose(result([(table(FIRST), 0.3)] * 3), FIRST, atol=1e-7)


def test_product_is_the_weighted_geometric_mean():
    found = result([(table(FIRST), 1), (table(SECOND), 3)], combine="product")
    first, second = np.maximum(FIRST, 1e-7), np.maximum(SECOND, 1e-7)
    np.testing.assert_allclose(found, (first * second**3) ** 0.25, rtol=1e-5)


def test_fusion_with_the_valid_cells_of_the_field():
    """Cells 1 and 2 of field x are valid, cell 5 is not; field y has no valid cell, so its only cell counts."""
    values = np.array(FIRST)
    found = result([(table(FIRST), 1)], image_fusion={"weight": 0.7, "except_classes": [1]})
    mean = np.stack([(values[0] + values[1]) / 2] * 3 + [values[3]])
    expected = 0.7 * values + 0.3 * mean
    expected[:, 1] = values[:, 1]
    np.testing.assert_allclose(found, expected, atol=1e-7)
    all_valid = result([(table(FIRST), 1)], image_fusion={"weight": 0.7, "valid_quality": 0.0})
    np.testing.assert_allclose(all_valid[0], 0.7 * values[0] + 0.3 * values[:3].mean(axis=0), atol=1e-7)


def test_product_with_the_image_is_the_geometric_mean():
    fusion = {"source": "image", "how": "product", "weight": 0.5}
    mean = (np.array(FIRST) + np.array(SECOND)) / 2
    found = result([(table(FIRST), 1), (table(SECOND), 1)], IMAGES, image_fusion=fusion)
    of_field = IMAGES.set_index("ID").loc[cell_table()["ID"]].to_numpy()
    np.testing.assert_allclose(found, np.sqrt(mean * of_field), atol=1e-6)
    with pytest.raises(ValueError, match="image probabilities are required"):
        result([(table(FIRST), 1)], None, image_fusion=fusion)
    with pytest.raises(ValueError, match="1 fields, such as x"):
        result([(table(FIRST), 1)], IMAGES.iloc[:1], image_fusion=fusion)


def test_fusion_with_the_image_by_mean():
    found = result([(table(FIRST), 1)], IMAGES, image_fusion={"source": "image", "weight": 0.9})
    np.testing.assert_allclose(
        found[3], 0.9 * np.array(FIRST[3]) + 0.1 * np.array([0.5, 0.4, 0.3]), atol=1e-7
    )


def test_negative():
    members = [(table(FIRST), 1), (table(SECOND), 1)]
    first, second = np.array(FIRST)[:, :2], np.array(SECOND)[:, :2]
    mean = (first + second) / 2
    np.testing.assert_allclose(negative_of(members, "own"), (np.array(FIRST) + SECOND)[:, 2] / 2)
    np.testing.assert_allclose(negative_of(members, "one_minus_max"), 1 - mean.max(axis=1), atol=1e-7)
    least = np.minimum((1 - first).min(axis=1), (1 - second).min(axis=1))
    np.testing.assert_allclose(negative_of(members, "min_complement"), least, atol=1e-7)
    with pytest.raises(ValueError, match="names no negative class"):
        ensemble_cells(cell_table(), members, None, settings(negative="one_minus_max"), negative=None)


def negative_of(members, how):
    answer = ensemble_cells(cell_table(), members, None, settings(negative=how), negative=2)
    return answer["p02"].to_numpy()


def two(**values):
    """Settings of two members, the first of step 1 and the second of step 2."""
    members = [{**MEMBER, **values.pop("first", {})}, {**MEMBER, "step": 2, **values.pop("second", {})}]
    return EnsembleSettings(members=members, **{**PLAIN, **values})


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        # Neither the product nor the field: (3 x first + second) / 4.
        ({"negative": "mean"}, [0.15, 0.25, 0.5, 0.75]),
        ({"negative": "step2"}, [0.3, 0.1, 0.5, 0.9]),
        ({"negative": "mean", "second": {"classes": {2: 9}}}, [0.25, 0.15, 0.5, 0.85]),
        ({"negative": "step2", "first": {"classes": {0: 0}}}, [0.3, 0.1, 0.5, 0.9]),
        # A member without a say in class 1 has none in the highest other class either.
        ({"negative": "min_complement", "second": {"classes": {1: 0}}}, [0.6, 0.4, 0.2, 0.1]),
    ],
)
def test_negative_of_the_members_alone(chosen, expected):
    fusion = {"source": "image", "how": "product", "weight": 0.5}
    answer = ensemble_cells(
        cell_table(),
        [(table(FIRST), 3), (table(SECOND), 1)],
        IMAGES,
        two(combine="product", image_fusion=fusion, **chosen),
        negative=2,
    )
    np.testing.assert_allclose(answer["p02"], expected, atol=1e-7)


def test_other_classes_are_suppressed_by_negative_as_it_is_read():
    """Negative is 1 - max of the others before they are suppressed; the quality comes afterwards."""
    chosen = settings(negative="one_minus_max", border_quality=True, suppress_by_negative=2)
    answer = ensemble_cells(cell_table(), [(table(FIRST), 1)], None, chosen, negative=2)
    others = np.array(FIRST)[:, :2]
    highest = others.max(axis=1, keepdims=True)
    expected = np.concatenate([others * highest**2, 1 - highest], axis=1)
    border = cell_table()["border_quality"].to_numpy()[:, None]
    np.testing.assert_allclose(answer[probability_columns(3)], expected * border, rtol=1e-6)
    with pytest.raises(ValueError, match=r"suppress_by_negative is 2\.0, but the configuration names no neg"):
        ensemble_cells(
            cell_table(), [(table(FIRST), 1)], None, settings(suppress_by_negative=2), negative=None
        )


@pytest.mark.parametrize("combine", ["mean", "product"])
def test_members_have_weights_of_single_classes(combine):
    """Class 0 is of the second member alone, class 1 is weighted 3 : 1, class 2 as without weights of classes."""
    chosen = two(combine=combine, first={"classes": {0: 0, 1: 3}})
    members = [(table(FIRST), 1), (table(SECOND), 1)]
    found = ensemble_cells(cell_table(), members, None, chosen, negative=2)
    equal = ensemble_cells(cell_table(), members, None, two(combine=combine), negative=2)
    first, second = np.maximum(FIRST, 1e-7), np.maximum(SECOND, 1e-7)
    mean = (3 * first + second) / 4 if combine == "mean" else (first**3 * second) ** 0.25
    np.testing.assert_allclose(found["p00"], second[:, 0], atol=1e-6)
    np.testing.assert_allclose(found["p01"], mean[:, 1], atol=1e-6)
    np.testing.assert_allclose(found["p02"], equal["p02"], atol=1e-7)


@pytest.mark.parametrize("how", ["mean", "product"])
def test_the_field_has_weights_of_single_classes(how):
    """The cell alone in class 0, the field alone in class 1, half of each in class 2."""
    fusion = {"source": "image", "how": how, "weight": 0.5, "class_weights": {0: 1, 1: 0}}
    found = result([(table(FIRST), 1)], IMAGES, image_fusion=fusion)
    of_field = IMAGES.set_index("ID").loc[cell_table()["ID"]].to_numpy()
    half = (np.array(FIRST) + of_field) / 2 if how == "mean" else np.sqrt(np.array(FIRST) * of_field)
    expected = np.stack([np.array(FIRST)[:, 0], of_field[:, 1], half[:, 2]], axis=1)
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_settings_of_members_must_be_those_of_the_tables():
    for chosen in (two(first={"classes": {0: 0}}), two(negative="step2")):
        with pytest.raises(ValueError, match="1 tables of members, but the settings name 2"):
            ensemble_cells(cell_table(), [(table(FIRST), 1)], None, chosen, negative=2)
    members = [(table(FIRST), 1), (table(SECOND), 1)]
    silent = two(negative="step2", second={"classes": {2: 0}})
    with pytest.raises(UserError, match="no member of step 2 has a weight for Negative"):
        ensemble_cells(cell_table(), members, None, silent, negative=2)


def test_quality_multiplies():
    values = np.array(FIRST)
    border = cell_table()["border_quality"].to_numpy()[:, None]
    outlier = cell_table()["outlier_quality"].to_numpy()[:, None]
    member = [(table(FIRST), 1)]
    np.testing.assert_allclose(result(member, border_quality=True), values * border, rtol=1e-6)
    np.testing.assert_allclose(result(member, outlier_quality=True), values * outlier, rtol=1e-6)
    with pytest.raises(ValueError, match="no such column"):
        ensemble_cells(
            cell_table().drop(columns="border_quality"),
            member,
            None,
            settings(border_quality=True),
            negative=2,
        )


def test_number_of_classes_per_field_is_limited():
    found = result([(table(FIRST), 1)], max_classes=1)
    np.testing.assert_allclose(found, [[0.2, 0, 0], [0.6, 0, 0], [0.8, 0, 0], [0, 0.9, 0]], atol=1e-7)
    assert (result([(table(FIRST), 1)], max_classes=2)[:3, 1] == 0).all()


def test_thresholds():
    found = result([(table(FIRST), 1)], threshold=0.5, class_thresholds={2: 0.05})
    expected = np.where(np.array(FIRST) >= [0.5, 0.5, 0.05], FIRST, 0)
    np.testing.assert_allclose(found, expected, atol=1e-7)


def test_adjustments_are_applied_in_order():
    """Fusion, then Negative as 1 - max of the fused values, then quality, which also scales Negative."""
    chosen = settings(
        image_fusion={"source": "image", "weight": 0.5},
        negative="one_minus_max",
        border_quality=True,
        threshold=0.2,
    )
    answer = ensemble_cells(cell_table(), [(table(FIRST), 1)], IMAGES, chosen, negative=2)
    found = answer[probability_columns(3)].to_numpy()
    fused = (np.array(FIRST) + IMAGES.set_index("ID").loc[cell_table()["ID"]].to_numpy()) / 2
    fused[:, 2] = 1 - fused[:, :2].max(axis=1)
    fused *= cell_table()["border_quality"].to_numpy()[:, None]
    np.testing.assert_allclose(found, np.where(fused >= 0.2, fused, 0), atol=1e-6)


def test_order_of_fields_does_not_matter():
    members = [(table(FIRST), 1), (table(SECOND), 2)]
    chosen = settings(image_fusion={}, negative="one_minus_max", border_quality=True, max_classes=2)
    one = ensemble_cells(cell_table(), members, None, chosen, negative=2)
    order = [3, 1, 0, 2]
    other = ensemble_cells(cell_table().iloc[order], members, None, chosen, negative=2)
    pd.testing.assert_frame_equal(one.iloc[order], other)


def test_an_empty_cell_table():
    nothing = cell_table().iloc[:0]
    answer = ensemble_cells(
        nothing, [(table(FIRST).iloc[:0], 1)], IMAGES, settings(image_fusion={}), negative=2
    )
    assert len(answer) == 0
    assert probability_columns(3) == list(answer.columns[-3:])


def test_mismatched_members_are_refused():
    with pytest.raises(
        ValueError, match=r"a member has 3 rows, but 4 are expected; 1 are missing, such as y cell 1"
    ):
        result([(table(FIRST).iloc[:3], 1)])
    more = pd.concat([table(FIRST), table(FIRST).iloc[:1].assign(cell=9)])
    with pytest.raises(ValueError, match="5 rows, but 4 are expected"):
        result([(more, 1)])
    with pytest.raises(ValueError, match="twice"):
        result([(pd.concat([table(FIRST), table(FIRST).iloc[:1]]), 1)])
    with pytest.raises(ValueError, match="2 classes"):
        result([(table(FIRST), 1), (table(SECOND).drop(columns="p02"), 1)])
    with pytest.raises(ValueError, match="at least one member"):
        result([])
    with pytest.raises(ValueError, match="class_thresholds names"):
        result([(table(FIRST), 1)], class_thresholds={3: 0.5})
    with pytest.raises(ValueError, match="except_classes names"):
        result([(table(FIRST), 1)], image_fusion={"except_classes": [18]})


def test_mean_of_image_tables():
    other = IMAGES.iloc[::-1].assign(p00=0.1)
    mean = mean_table([(IMAGES, 1), (other, 3)])
    assert mean["ID"].tolist() == ["y", "x"]
    np.testing.assert_allclose(mean["p00"], [(0.5 + 0.3) / 4, (0.9 + 0.3) / 4], atol=1e-7)


def test_presets_fill_missing_settings():
    crodoc = EnsembleSettings(preset="crodoc", members=[MEMBER])
    assert crodoc.image_fusion == ImageFusion(weight=0.7, except_classes=("Mitotic spindle", "Negative"))
    assert (crodoc.negative, crodoc.border_quality, crodoc.outlier_quality) == ("one_minus_max", True, True)
    changed = EnsembleSettings(preset="crodoc", members=[MEMBER], border_quality=False, image_fusion=None)
    assert (changed.border_quality, changed.image_fusion, changed.outlier_quality) == (False, None, True)
    mpware = EnsembleSettings(members=[MEMBER])
    assert mpware.preset == "mpware"
    assert {name: getattr(mpware, name) for name in PRESETS["mpware"]} == PRESETS["mpware"]
    assert EnsembleSettings(**changed.model_dump()) == changed


def test_wrong_settings_are_refused():
    for wrong in (
        {"members": []},
        {"preset": "best"},
        {"threshold": 1.5},
        {"class_thresholds": {0: 2.0}},
        {"class_thresholds": {-1: 0.2}},
        {"members": [{**MEMBER, "weight": 0}]},
        {"members": [{**MEMBER, "step": 3}]},
        {"members": [{**MEMBER, "classes": {0: -1}}]},
        {"image_fusion": {"class_weights": {0: 1.5}}},
        {"negative": "step2"},
        {"suppress_by_negative": -1},
        {"treshold": 0.5},
    ):
        with pytest.raises(ValidationError):
            EnsembleSettings(**{"members": [MEMBER], **wrong})


def test_classes_may_be_given_by_name():
    names = ["a", "b", "Negative"]
    given = EnsembleSettings(
        members=[MEMBER], image_fusion={"except_classes": ["b", 0]}, class_thresholds={"a": 0.2, 1: 0.3}
    ).with_indices(names)
    assert given.image_fusion.except_classes == (1, 0)
    assert given.class_thresholds == {0: 0.2, 1: 0.3}
    weighted = EnsembleSettings(
        members=[{**MEMBER, "classes": {"b": 0}}, {**MEMBER, "step": 2, "classes": {2: 2}}],
        image_fusion={"class_weights": {"a": 0}},
    ).with_indices(names)
    assert [member.classes for member in weighted.members] == [{1: 0}, {2: 2}]
    assert weighted.image_fusion.class_weights == {0: 0}
    crodoc = EnsembleSettings(preset="crodoc", members=[MEMBER]).with_indices(names)
    assert crodoc.image_fusion.except_classes == (2,)
    wrong = EnsembleSettings(members=[MEMBER], image_fusion={"except_classes": ["Negativ", 3]})
    with pytest.raises(
        ValueError, match=r"no class 'Negativ'; did you mean Negative\?\n.*no class 3; indices are 0 to 2"
    ):
        wrong.with_indices(names)


@pytest.mark.parametrize(
    ("wrong", "expected"),
    [
        ({"members": [{**MEMBER, "classes": {"c": 0}}]}, r"members\.0\.classes: there is no class 'c'"),
        (
            {"members": [{**MEMBER, "classes": {"b": 0}}, {**MEMBER, "step": 2, "classes": {1: 0}}]},
            "members: all have the weight 0 for the class b",
        ),
        (
            {"image_fusion": {"class_weights": {"a": 0, 0: 1}}},
            r"image_fusion\.class_weights: class 0 \(a\) is given more than once",
        ),
        (
            {"image_fusion": {"class_weights": {"a": 0}, "except_classes": [0]}},
            "a is one of the except_classes, which have no weight",
        ),
    ],
)
def test_weights_of_classes_that_cannot_be(wrong, expected):
    with pytest.raises(ValueError, match=expected):
        EnsembleSettings(**{"members": [MEMBER], **wrong}).with_indices(["a", "b", "Negative"])


@pytest.mark.parametrize(("limit", "expected"), [("all", 3), ("all_but_one", 2), (1, 1)])
def test_named_class_limits_depend_on_the_number_of_classes(limit, expected):
    values = ensemble_cells(cell_table(), [(table(FIRST), 1)], None, settings(max_classes=limit), negative=2)
    field = values[values["ID"] == values["ID"].iloc[0]]
    assert np.count_nonzero(field[["p00", "p01", "p02"]].to_numpy().any(axis=0)) == expected
