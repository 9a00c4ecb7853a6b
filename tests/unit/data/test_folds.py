import numpy as np
import pandas as pd
import pytest

from puzzlecell.data.folds import assign_folds, split_fields


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
    before = assign_folds({"train": train}, {}, 4, 2020)
    after = assign_folds({"train": train}, {"more": more}, 4, 2020)
    pd.testing.assert_frame_equal(after.iloc[:80], before)
    alone = split_fields(more, 4, 2020)
    assert after.iloc[80:]["fold"].tolist() == alone.tolist()
    assert after["dataset"].tolist() == ["train"] * 80 + ["more"] * 40


def test_several_training_sets_are_split_together_in_their_order():
    first, second = random_labels(30), random_labels(30, "g", seed=1)
    together = assign_folds({"a": first, "b": second}, {}, 3, 5)
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
    with pytest.raises(ValueError, match="2 fields cannot be split into 4 folds"):
        split_fields(random_labels(2), 4, 0)
