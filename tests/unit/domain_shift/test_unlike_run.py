"""From training fields to the distances of other fields, with drawn fields and a network of a few layers."""

import json
import logging

import numpy as np
import pandas as pd
import pytest
from helpers.drawn_fields import SIDE, write_fold_table, write_world
from helpers.inference_data import write_network
from safetensors.numpy import save

from puzzlecell.config.plausibility import PlausibilitySettings
from puzzlecell.config.unlike import UnlikeSettings
from puzzlecell.data.store import ShardReader
from puzzlecell.data.tables import read_parquet
from puzzlecell.domain_shift.features import ASPECTS
from puzzlecell.domain_shift.look_file import LookError, look_problem, read_look, write_look
from puzzlecell.domain_shift.run import write_distances, write_training_look
from puzzlecell.errors import DamagedFileError, UserError
from puzzlecell.runtime.checksums import EMPTY_MARK, sealed

FIELDS = 120


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Folder with model.safetensors, and look.safetensors of 120 drawn training fields."""
    folder = tmp_path_factory.mktemp("made")
    model = write_network(folder / "model.safetensors", field_size=SIDE)
    train = write_world(folder / "train", FIELDS, 0)
    make_look(folder / "look.safetensors", train, model, folder)
    return folder


def make_look(path, train, model, folder, *, fold=1, settings=None, group=None):
    store, masks, table = train
    folds = write_fold_table(folder / "folds.csv", ShardReader([store]).ids, fold)
    write_training_look(
        path,
        store=[store],
        masks=[masks],
        cell_tables=[table],
        model=model,
        folds=folds,
        datasets=["train"],
        fold=1,
        group=group,
        settings=settings or UnlikeSettings(),
    )


def distances(made, folder, model=None, **kind):
    """Tables of cells and of fields of 40 drawn fields of another seed."""
    store, masks, table = write_world(folder, 40, 5, **kind)
    outputs = [folder / "000.parquet", folder / "000.images.parquet"]
    write_distances(
        *outputs,
        dataset="set",
        store=store,
        masks=masks,
        cell_table=table,
        model=model or made / "model.safetensors",
        look=made / "look.safetensors",
        plausibility=PlausibilitySettings(),
    )
    return [read_parquet(path) for path in outputs]


def test_fields_of_the_same_kind_pass(made, tmp_path, caplog):
    cells, fields = distances(made, tmp_path, empty=1)
    assert list(fields) == ["ID", "unlike_training", "unlike_in", *ASPECTS]
    assert list(cells) == ["ID", "cell", "unlike_training", "unlike_in", *ASPECTS]
    assert (fields["unlike_training"] > 1).mean() <= 0.05
    assert (cells["unlike_training"] > 1).mean() <= 0.05
    assert fields["unlike_training"].median() > 0.2, "a distance of 1 is not far away"
    assert fields.iloc[-1][["cell_size", "nucleus_size"]].isna().all(), "a field without cells has no sizes"
    np.testing.assert_array_equal(fields["unlike_training"], fields[list(ASPECTS)].max(axis=1))
    assert ((fields["unlike_training"] > 1) == (fields["unlike_in"] != "")).all()
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ({"red": 1.8}, "brighter red"),
        ({"red": 0.3}, "darker red"),
        ({"size": 1.4}, "larger cells"),
        ({"size": 0.6}, "smaller nuclei"),
    ],
)
def test_fields_of_another_kind_are_flagged_and_the_difference_is_named(made, tmp_path, caplog, kind, words):
    cells, fields = distances(made, tmp_path, **kind)
    assert (fields["unlike_training"] > 1).all()
    assert fields["unlike_in"].str.split("; ").map(set(words.split(", ")).issubset).all()
    assert (cells["unlike_training"] > 1).mean() > 0.5
    (warning,) = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert warning.startswith(
        "set: 40 of 40 fields look unlike the fields that the model was trained on (median"
    )
    assert words in warning


def test_the_file_keeps_everything_and_is_the_same_each_time(made, tmp_path):
    look = read_look(made / "look.safetensors")
    assert look.level == 0.99
    assert len(look.seen) == FIELDS
    assert set(look.fields) == set(look.cells) == set(ASPECTS)
    write_look(tmp_path / "look.safetensors", look)
    assert (tmp_path / "look.safetensors").read_bytes() == (made / "look.safetensors").read_bytes()
    red = look.fields["red"].typical
    assert (np.diff(red, axis=0) >= 0).all(), "quantiles over the training fields"
    assert (np.diff(red, axis=1) > 0).all(), "quantiles of the grey levels"


def test_another_network_is_refused_and_a_copy_is_not(made, tmp_path):
    other = write_network(tmp_path / "other.safetensors", seed=1, field_size=SIDE)
    with pytest.raises(
        LookError, match=r"look\.safetensors: made with another network than .*other\.safetensors"
    ):
        distances(made, tmp_path / "a", model=other)
    (tmp_path / "results/models/m/s/fold1").mkdir(parents=True)
    copy = write_network(tmp_path / "results/models/m/s/fold1/model.safetensors", field_size=SIDE)
    assert copy.read_bytes() != (made / "model.safetensors").read_bytes(), "it says where it is"
    distances(made, tmp_path / "b", model=copy)


@pytest.mark.parametrize("place", [0.001, 0.1, 0.5, 0.99])
@pytest.mark.parametrize(
    ("folder", "remedy"), [("results/look", "delete this file"), ("bundle", "get it again from the run")]
)
def test_a_damaged_file_is_refused(made, tmp_path, place, folder, remedy):
    content = bytearray((made / "look.safetensors").read_bytes())
    content[int(place * len(content))] ^= 1
    path = tmp_path / folder / "look.safetensors"
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    with pytest.raises(DamagedFileError, match=rf"look\.safetensors: damaged: .*{remedy}"):
        read_look(path)


@pytest.mark.parametrize("kept", [0, 5, 0.5, -1])
def test_a_cut_file_is_refused(made, tmp_path, kept):
    content = (made / "look.safetensors").read_bytes()
    (tmp_path / "look.safetensors").write_bytes(content[: int(kept * len(content)) if kept == 0.5 else kept])
    with pytest.raises(UserError, match=r"look\.safetensors: .*(cut off|damaged|empty)"):
        read_look(tmp_path / "look.safetensors")


def test_other_files_are_refused(made, tmp_path):
    foreign = sealed(save({"a": np.zeros(2)}, {"puzzlecell": json.dumps({"checksum": EMPTY_MARK})}))
    (tmp_path / "foreign.safetensors").write_bytes(foreign)
    for path in (tmp_path / "foreign.safetensors", made / "model.safetensors"):
        with pytest.raises(LookError, match=r"not a file of what training fields looked like"):
            read_look(path)
    with pytest.raises(LookError, match="there is no such"):
        read_look(tmp_path / "missing.safetensors")


def test_fields_are_chosen_by_their_ids_and_few_of_them_are_reported(made, tmp_path, caplog):
    model = made / "model.safetensors"
    train = write_world(tmp_path / "train", 30, 2)
    make_look(tmp_path / "look.safetensors", train, model, tmp_path, settings=UnlikeSettings(max_fields=10))
    assert len(read_look(tmp_path / "look.safetensors").seen) == 10
    assert "known from only 10 fields; unlike_training.level 0.99 needs 99" in caplog.text


@pytest.mark.parametrize(("fold", "group"), [(2, None), (1, "^(w)")])
def test_too_few_held_out_fields_or_groups_are_an_error(made, tmp_path, fold, group):
    train = write_world(tmp_path / "train", 4, 2)
    with pytest.raises(LookError, match="held out; expected at least 3"):
        make_look(
            tmp_path / "look.safetensors", train, made / "model.safetensors", tmp_path, fold=fold, group=group
        )


def test_training_fields_without_cells_are_an_error(made, tmp_path):
    train = write_world(tmp_path / "train", 20, 2, empty=20)
    with pytest.raises(LookError, match="0 of 20 held-out training fields have cells"):
        make_look(tmp_path / "look.safetensors", train, made / "model.safetensors", tmp_path)


def test_a_file_is_checked_before_a_run(made, tmp_path):
    other = write_network(tmp_path / "other.safetensors", seed=1, field_size=SIDE)
    look = made / "look.safetensors"
    assert look_problem(look, made / "model.safetensors") is None
    assert look_problem(look, None) is None
    assert "made with another network" in look_problem(look, other)
    assert "not a file of what training fields looked like" in look_problem(other, None)


def test_distances_are_the_same_for_each_field_on_its_own(made, tmp_path):
    """A field's distance depends on nothing else in its shard."""
    _, fields = distances(made, tmp_path)
    one = write_world(tmp_path / "one", 1, 5)
    outputs = [tmp_path / "one.parquet", tmp_path / "one.images.parquet"]
    write_distances(
        *outputs,
        dataset="set",
        store=one[0],
        masks=one[1],
        cell_table=one[2],
        model=made / "model.safetensors",
        look=made / "look.safetensors",
        plausibility=PlausibilitySettings(),
    )
    pd.testing.assert_frame_equal(read_parquet(outputs[1]), fields.iloc[:1], rtol=1e-4)
