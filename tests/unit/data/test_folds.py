import numpy as np
import pandas as pd
import pytest

from puzzlecell.config.datasets import FoldSettings
from puzzlecell.data.folds import FoldError, assign_folds, fold_problems, split_fields, ungrouped


def random_labels(count, prefix="f", classes=6, seed=0):
    hot = (np.random.default_rng(seed).random((count, classes)) < 0.25).astype(np.uint8)
    hot[hot.sum(axis=1) == 0, 0] = 1
    return pd.DataFrame(hot, index=pd.Index([f"{prefix}{n}" for n in range(count)], name="ID"))


def test_folds_are_balanced_in_every_class():
    labels = random_labels(400)
    folds = split_fields(labels, 4, 2020)
    assert sorted(folds.unique()) == [1, 2, 3, 4]
    counts = labels.groupby(folds).sum()
    np.testing.assert_allclose(counts, labels.sum().to_numpy() / 4 * np.ones((4, 1)), atol=2)


def test_equal_seeds_give_equal_folds_and_others_do_not():
    labels = random_labels(100)
    assert split_fields(labels, 4, 1).equals(split_fields(labels, 4, 1))
    assert not split_fields(labels, 4, 1).equals(split_fields(labels, 4, 2))


def test_the_split_equals_iterative_stratification():
    from iterstrat.ml_stratifiers import MultilabelStratifiedKFold

    labels = random_labels(60)
    folds = split_fields(labels, 3, 7)
    splitter = MultilabelStratifiedKFold(n_splits=3, shuffle=True, random_state=7)
    for number, (_, held_out) in enumerate(splitter.split(labels.to_numpy(), labels.to_numpy()), start=1):
        assert set(folds.index[folds == number]) == set(labels.index[held_out])


def test_additional_data_leaves_the_first_split_unchanged():
    train, more = random_labels(80), random_labels(40, "g", seed=1)
    before = assign_folds({"train": train}, {}, FoldSettings(count=4))
    after = assign_folds({"train": train}, {"more": more}, FoldSettings(count=4))
    pd.testing.assert_frame_equal(after.iloc[:80], before)
    alone = split_fields(more, 4, 2020)
    assert after.iloc[80:]["fold"].tolist() == alone.tolist()
    assert after["dataset"].tolist() == ["train"] * 80 + ["more"] * 40


def test_several_training_sets_are_split_together_in_their_order():
    first, second = random_labels(30), random_labels(30, "g", seed=1)
    together = assign_folds({"a": first, "b": second}, {}, FoldSettings(count=3, seed=5))
    assert together["fold"].tolist() == split_fields(pd.concat([first, second]), 3, 5).tolist()
    assert together["dataset"].tolist() == ["a"] * 30 + ["b"] * 30


def test_fields_of_one_well_stay_together():
    labels = random_labels(120)
    labels.index = pd.Index([f"{n // 4}_A1_{n % 4}" for n in range(120)], name="ID")
    grouped = split_fields(labels, 4, 2020, group=r"^(.+)_\d+$")
    wells = grouped.groupby(labels.index.str.replace(r"_\d+$", "", regex=True)).nunique()
    assert (wells == 1).all()
    ungrouped = split_fields(labels, 4, 2020)
    assert (ungrouped.groupby(labels.index.str.replace(r"_\d+$", "", regex=True)).nunique() > 1).any()


def test_too_few_fields():
    with pytest.raises(FoldError, match="2 fields cannot be split into 4 folds"):
        split_fields(random_labels(2), 4, 0)


WELLS = [f"{well}_{number}" for well in ("A1", "A2", "B1", "B2") for number in (1, 2)]


@pytest.mark.parametrize(
    ("train", "additional", "settings", "expected"),
    [
        ({"a": WELLS}, {}, {"count": 8}, []),
        ({"a": WELLS}, {}, {"count": 4, "group": r"^(.+)_"}, []),
        # The sets of `train` are split together, those of `additional` on their own.
        ({"a": WELLS[:4], "b": WELLS[4:]}, {}, {"count": 8}, []),
        ({"a": WELLS}, {"b": ["x"]}, {"count": 2}, ["data set b: 1 field cannot be split into 2 folds"]),
        (
            {"a": WELLS[:2], "b": WELLS[4:5]},
            {},
            {"count": 4},
            ["data set a and b: 3 fields cannot be split into 4 folds; lower folds.count or add fields"],
        ),
        (
            {"a": WELLS},
            {"b": ["x1", "x2"]},
            {"count": 5, "group": r"^(.+)_"},
            [
                "data set a: 4 groups cannot be split into 5 folds; lower folds.count or change folds.group",
                "data set b: 2 groups cannot be split into 5 folds",
            ],
        ),
        (
            {"a": WELLS},
            {"b": ["x"]},
            {"count": 2, "group": r"^(\d+)$"},
            [
                r"folds.group: ^(\d+)$ is found in none of the 8 IDs of a, such as A1_1; correct it, or set it to null",
                "data set b: 1 ",
            ],
        ),
        # IDs of another kind in an additional set do not help the training set.
        (
            {"a": WELLS},
            {"b": ["1", "2", "3"]},
            {"count": 2, "group": r"^(\d+)$"},
            [r"folds.group: ^(\d+)$ is found in none of the 8 IDs of a"],
        ),
        # An optional capture group that takes no part in the match.
        (
            {"a": WELLS},
            {},
            {"count": 2, "group": r"_(x)?"},
            ["folds.group: _(x)? is found in none of the 8 IDs of a"],
        ),
        (
            {"a": WELLS},
            {},
            {"count": 2, "group": r"(_)\d"},
            [r"folds.group: (_)\d puts all 8 fields of a into one group, '_': an ID is A1_1;"],
        ),
        ({"a": WELLS}, {}, {"count": 2, "group": ""}, ["puts all 8 fields of a into one group, ''"]),
    ],
)
def test_splits_that_cannot_work_are_known_before(train, additional, settings, expected):
    problems = fold_problems(train, additional, FoldSettings(**settings))
    assert len(problems) == len(expected)
    assert all(text in problem for text, problem in zip(expected, problems, strict=True))


def test_ids_without_a_group_are_counted():
    datasets = {"a": WELLS, "b": ["A3_1", "odd", "other"]}
    assert ungrouped(datasets, r"^(.+)_") == [
        "data set b: folds.group is not found in 2 IDs, such as odd; each of these fields is split on its own"
    ]
    assert ungrouped(datasets, None) == []


SAME = {f"f{n}": [f"content {n % 40}"] for n in (3, 43, 83, 7, 47)}


def test_fields_with_the_same_images_are_in_one_fold_and_the_others_stay_balanced():
    labels = random_labels(400)
    folds = split_fields(labels, 4, 2020, together=SAME)
    assert folds[["f3", "f43", "f83"]].nunique() == folds[["f7", "f47"]].nunique() == 1
    assert split_fields(labels, 4, 2020)[["f3", "f43", "f83", "f7", "f47"]].nunique() > 1
    counts = labels.groupby(folds).sum()
    np.testing.assert_allclose(counts, labels.sum().to_numpy() / 4 * np.ones((4, 1)), atol=4)


def test_contents_that_occur_once_change_no_fold():
    labels = random_labels(100)
    pd.testing.assert_series_equal(
        split_fields(labels, 4, 1), split_fields(labels, 4, 1, together={"f1": ["a"], "f2": ["b"]})
    )


def test_groups_that_share_an_image_are_one_group():
    labels = random_labels(40)
    labels.index = pd.Index([f"w{n // 4}_{n % 4}" for n in range(40)], name="ID")
    together = {"w0_1": ["x"], "w5_2": ["z", "x"], "w5_3": ["y"], "w7_0": ["y"]}
    folds = split_fields(labels, 4, 2020, group=r"^(w\d+)_", together=together)
    assert folds[folds.index.str.match("w[057]_")].nunique() == 1
    assert folds.groupby(folds.index.str[:2]).nunique().max() == 1


@pytest.mark.parametrize("new", [0, 1, 30])
def test_a_field_of_an_additional_set_joins_the_fold_of_the_same_image(new):
    train, more = random_labels(40), random_labels(10 + new, "g", seed=1)
    together = {f"{set_}{n}": [str(n)] for n in range(10) for set_ in "gf"}
    folds = assign_folds({"train": train}, {"more": more}, FoldSettings(count=4), together).set_index("ID")[
        "fold"
    ]
    assert folds[[f"g{n}" for n in range(10)]].tolist() == folds[[f"f{n}" for n in range(10)]].tolist()
    assert folds[train.index].equals(split_fields(train, 4, 2020).rename("fold"))
    assert folds.between(1, 4).all()
