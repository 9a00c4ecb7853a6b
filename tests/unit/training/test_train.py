import numpy as np
import pandas as pd
import pytest
import torch
from helpers.training_data import CLASSES, STATEFUL, assert_equal, make_run, silent, weights

from puzzlecell.data.store import ShardReader, write_shard
from puzzlecell.data.tables import write_csv
from puzzlecell.inference.out_of_fold import held_out_fields
from puzzlecell.network.cam_network import load_network
from puzzlecell.network.network_file import read_network_file
from puzzlecell.training import steps
from puzzlecell.training.checkpoint import load_state
from puzzlecell.training.run import TrainingError, training_table
from puzzlecell.training.train import train


def test_outputs_of_a_training(training_fields, uninterrupted):
    _, table = training_fields
    assert sorted(path.name for path in uninterrupted.iterdir()) == [
        "curves.png",
        "history.csv",
        "history.csv.checksum",
        "model.safetensors",
        "oof.csv",
        "oof.csv.checksum",
    ]
    history = pd.read_csv(uninterrupted / "history.csv")
    assert history["epoch"].tolist() == [1, 2, 3]
    for total in ("train_", ""):
        whole = history[f"{total}full"] + history[f"{total}tiles"] + 0.5 * history[f"{total}consistency"]
        # Float32 sums in a different order.
        np.testing.assert_allclose(history[f"{total}loss"], whole, rtol=1e-5)
    predictions = pd.read_csv(uninterrupted / "oof.csv", dtype={"Label": str})
    assert predictions.columns.tolist() == ["ID", "Label", "p00", "p01", "p02"]
    held_out = table[table["fold"] == 1]
    assert predictions["ID"].tolist() == held_out["ID"].tolist()
    expected = ["|".join(str(c) for c in range(3) if row[c]) for row in held_out[CLASSES].to_numpy()]
    assert predictions["Label"].tolist() == expected


def test_the_saved_network_gives_the_held_out_predictions_and_records_its_epoch(
    training_fields, uninterrupted
):
    store, _ = training_fields
    path = uninterrupted / "model.safetensors"
    history = pd.read_csv(uninterrupted / "history.csv")
    assert read_network_file(path)["epoch"] == history.loc[history["loss"].idxmin(), "epoch"]
    predictions = pd.read_csv(uninterrupted / "oof.csv", index_col="ID")
    network, reader = load_network(path), ShardReader([store])
    for field_id in predictions.index[:3]:
        image = torch.from_numpy(reader.read(field_id)).permute(2, 0, 1)[None]
        with torch.no_grad():
            found = network(image)[0].sigmoid()[0].numpy()
        # oof.csv has six digits.
        np.testing.assert_allclose(predictions.loc[field_id, ["p00", "p01", "p02"]], found, atol=2e-6)


def test_the_same_seed_gives_the_same_weights_with_any_number_of_workers(
    training_fields, uninterrupted, tmp_path
):
    train(make_run(*training_fields, tmp_path, {**STATEFUL, "compute": {"workers": 2}}), silent)
    assert_equal(tmp_path, uninterrupted)


def test_another_seed_gives_other_weights(training_fields, uninterrupted, tmp_path):
    train(make_run(*training_fields, tmp_path, {**STATEFUL, "seed": 1}), silent)
    assert not torch.equal(
        weights(tmp_path)["classifier.weight"], weights(uninterrupted)["classifier.weight"]
    )


def test_non_finite_weights_are_not_saved(training_fields, tmp_path, monkeypatch):
    make_step, made = steps.train_step, []

    def spoil_the_fifth_step(session, *given):
        losses = make_step(session, *given)
        made.append(losses)
        if len(made) == 5:
            with torch.no_grad():
                session.network.classifier.weight.fill_(np.inf)
        return losses

    monkeypatch.setattr(steps, "train_step", spoil_the_fifth_step)
    # A state is saved after every step.
    run = make_run(*training_fields, tmp_path, {"save_minutes": 1e-9})
    with pytest.raises(
        TrainingError, match="epoch 2, step 2: weights are no longer finite; the last good state"
    ):
        train(run, silent)
    assert not (tmp_path / "model.safetensors").exists()
    state, _ = load_state(tmp_path / "last.ckpt", run.fingerprint)
    assert (state["epoch"], state["step"]) == (1, 1)
    assert all(torch.isfinite(weight).all() for weight in state["network"].values())


def test_a_field_with_a_non_finite_loss_is_named(training_fields, tmp_path, monkeypatch):
    from puzzlecell.training.dataloaders import TrainingFields

    read = TrainingFields.__getitem__

    def spoilt(self, place):
        sample = read(self, place)
        return sample._replace(labels=sample.labels * np.nan) if place[:2] == (1, 5) else sample

    monkeypatch.setattr(TrainingFields, "__getitem__", spoilt)
    with pytest.raises(TrainingError, match=r"epoch 2, step 2: .* Fields of the batch: f\d\d") as error:
        train(make_run(*training_fields, tmp_path), silent)
    named = str(error.value).split("Fields of the batch: ")[1].split(". ")[0].split(", ")
    assert len(named) == 4
    assert set(named) <= set(training_fields[1].loc[training_fields[1]["fold"] == 2, "ID"])
    assert (tmp_path / "last.ckpt").is_file()


def test_a_stage_starts_from_its_parent(training_fields, uninterrupted, tmp_path):
    parent = uninterrupted / "model.safetensors"
    changes = {"optimiser": {"learning_rate": 1e-12}, "epochs": 1}
    train(make_run(*training_fields, tmp_path, changes, init_from=parent), silent)
    for name, tensor in weights(tmp_path).items():
        if name.endswith("weight"):
            torch.testing.assert_close(tensor, weights(uninterrupted)[name], atol=1e-6, rtol=0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"network": {"output_stride": 32}}, "does not fit test_resnet at 32")],
)
def test_a_parent_of_another_network_is_an_error(training_fields, uninterrupted, tmp_path, changes, message):
    changes = {**changes, "input": {"crop_size": 64}}
    run = make_run(*training_fields, tmp_path, changes, init_from=uninterrupted / "model.safetensors")
    with pytest.raises(ValueError, match=message):
        train(run, silent)


def test_problems_of_the_table_are_reported_together(training_fields, tmp_path):
    store, table = training_fields
    doubled = pd.concat([table, table.iloc[:1]])
    doubled.loc[:, "fold"] = 2
    with pytest.raises(
        TrainingError, match="listed twice: f00; fold 1 holds 0 of 25 fields; existing folds: 2"
    ):
        train(make_run(store, doubled, tmp_path), silent)
    with pytest.raises(TrainingError, match="1 fields of the table are not in the store, e.g. absent"):
        train(make_run(store, table.assign(ID=["absent", *table["ID"][1:]]), tmp_path), silent)


def test_fields_that_are_stored_too_small_are_an_immediate_error(training_fields, tmp_path):
    done = []
    run = make_run(*training_fields, tmp_path, {"input": {"field_size": 128}})
    with pytest.raises(ValueError, match="128"):
        train(run, lambda now, total, text="": done.append(now))
    assert not done


def test_training_learns_the_classes(training_fields, tmp_path):
    changes = {
        "epochs": 16,
        "optimiser": {"learning_rate": 3e-3},
        "schedule": {"kind": "one-cycle", "warmup_epochs": 2},
    }
    train(make_run(*training_fields, tmp_path, changes), silent)
    history = pd.read_csv(tmp_path / "history.csv")
    assert history["train_full"].iloc[-2:].mean() < 0.8 * history["train_full"].iloc[0]
    assert history["map"].iloc[-1] > history["map"].iloc[0]


def test_fields_whose_ids_look_like_missing_values_are_trained_on(tmp_path):
    ids = ["NA", "null", "nan", "007", "1e5"]
    (tmp_path / "labels.csv").write_text("ID,Label\n" + "".join(f"{field_id},0\n" for field_id in ids))
    write_csv(tmp_path / "folds.csv", pd.DataFrame({"ID": ids, "dataset": "null", "fold": [1, 2, 1, 2, 1]}))
    write_shard(tmp_path / "000.h5", ids, {"images": np.zeros((5, 8, 8, 4), np.uint8)}, {})
    given = [tmp_path / "labels.csv"], tmp_path / "folds.csv", [tmp_path / "000.h5"]
    assert training_table(*given, ["a"])["ID"].tolist() == ids
    assert held_out_fields(given[1], ["null"], 1, given[2]) == ["NA", "nan", "1e5"]
    (tmp_path / "labels.csv").write_text("ID,Label\nNA,0\nnew,0\n")
    with pytest.raises(TrainingError, match=r"folds.csv: 1 labelled fields are in no fold, such as new"):
        training_table(*given, ["a"])
