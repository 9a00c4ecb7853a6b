import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file
from training_data import CLASSES, make_run, write_fields

from puzzlecell import session
from puzzlecell.config.training import ComputeSettings, InputSettings, NetworkSettings
from puzzlecell.network import build_network, load_network, read_metadata
from puzzlecell.session import laid_out
from puzzlecell.store import ShardReader
from puzzlecell.training import TrainingError, train

# Everything that has a state of its own: running mean, plateau, dropped features, accumulated gradients.
STATEFUL = {
    "network": {"drop_rate": 0.2},
    "ema": {"decay": 0.9},
    "schedule": {"kind": "plateau", "patience": 0, "warmup_epochs": 0.5},
    "optimiser": {"accumulate": 2, "clip_norm": 1.0},
    "augmentation": "reference",
    "epochs": 3,
}
STEPS = 3


def silent(done, total, text=""):
    """No progress."""


@pytest.fixture(scope="module")
def fields(tmp_path_factory):
    return write_fields(tmp_path_factory.mktemp("fields"))


@pytest.fixture(scope="module")
def uninterrupted(fields, tmp_path_factory):
    output = tmp_path_factory.mktemp("uninterrupted")
    train(make_run(*fields, output, STATEFUL), silent)
    return output


def weights(output: Path) -> dict[str, torch.Tensor]:
    return load_file(output / "model.safetensors")


def assert_equal(found: Path, expected: Path) -> None:
    """The same weights and history to the bit, but for the time it took."""
    left, right = weights(found), weights(expected)
    assert left.keys() == right.keys()
    assert all(torch.equal(left[name], right[name]) for name in left)
    times = ["seconds", "fields_per_s"]
    histories = [pd.read_csv(folder / "history.csv").drop(columns=times) for folder in (found, expected)]
    pd.testing.assert_frame_equal(*histories, check_exact=True)
    assert (found / "oof.csv").read_bytes() == (expected / "oof.csv").read_bytes()


def test_outputs_of_a_training(fields, uninterrupted):
    _, table = fields
    assert sorted(path.name for path in uninterrupted.iterdir()) == [
        "curves.png",
        "history.csv",
        "model.safetensors",
        "oof.csv",
    ]
    history = pd.read_csv(uninterrupted / "history.csv")
    assert history["epoch"].tolist() == [1, 2, 3]
    for total in ("train_", ""):
        whole = history[f"{total}full"] + history[f"{total}tiles"] + 0.5 * history[f"{total}consistency"]
        # Sums of float32 in another order.
        np.testing.assert_allclose(history[f"{total}loss"], whole, rtol=1e-5)
    predictions = pd.read_csv(uninterrupted / "oof.csv", dtype={"Label": str})
    assert predictions.columns.tolist() == ["ID", "Label", "p00", "p01", "p02"]
    held_out = table[table["fold"] == 1]
    assert predictions["ID"].tolist() == held_out["ID"].tolist()
    expected = ["|".join(str(c) for c in range(3) if row[c]) for row in held_out[CLASSES].to_numpy()]
    assert predictions["Label"].tolist() == expected


def test_saved_network_gives_the_held_out_predictions_and_says_its_epoch(fields, uninterrupted):
    store, _ = fields
    path = uninterrupted / "model.safetensors"
    history = pd.read_csv(uninterrupted / "history.csv")
    assert read_metadata(path)["epoch"] == history.loc[history["loss"].idxmin(), "epoch"]
    predictions = pd.read_csv(uninterrupted / "oof.csv", index_col="ID")
    network, reader = load_network(path), ShardReader([store])
    for field_id in predictions.index[:3]:
        image = torch.from_numpy(reader.read(field_id)).permute(2, 0, 1)[None]
        with torch.no_grad():
            found = network(image)[0].sigmoid()[0].numpy()
        # oof.csv has six digits.
        np.testing.assert_allclose(predictions.loc[field_id, ["p00", "p01", "p02"]], found, atol=2e-6)


def test_the_same_seed_gives_the_same_weights_with_any_number_of_workers(fields, uninterrupted, tmp_path):
    train(make_run(*fields, tmp_path, {**STATEFUL, "compute": {"workers": 2}}), silent)
    assert_equal(tmp_path, uninterrupted)


def test_another_seed_gives_other_weights(fields, uninterrupted, tmp_path):
    train(make_run(*fields, tmp_path, {**STATEFUL, "seed": 1}), silent)
    assert not torch.equal(
        weights(tmp_path)["classifier.weight"], weights(uninterrupted)["classifier.weight"]
    )


@pytest.mark.parametrize(
    ("number", "step"),
    [
        (signal.SIGTERM, 1),
        (signal.SIGTERM, STEPS),
        (signal.SIGINT, STEPS + 1),
        (signal.SIGTERM, 3 * STEPS),
    ],
)
def test_a_stopped_training_resumes_as_if_it_never_stopped(fields, uninterrupted, tmp_path, step, number):
    """In the first epoch, at its end, in the second, and after the last step of all."""
    sent = []

    def stop(done, total, text=""):
        if done == step and not text and not sent:
            sent.append(done)
            os.kill(os.getpid(), number)

    run = make_run(*fields, tmp_path, STATEFUL)
    with pytest.raises(SystemExit) as stopped:
        train(run, stop)
    assert stopped.value.code == 128 + number
    assert (tmp_path / "last.ckpt").is_file()
    assert not (tmp_path / "model.safetensors").exists()
    done_again = []
    train(run, lambda done, total, text="": done_again.append(done))
    assert min(done_again) > step or step % STEPS == 0
    assert_equal(tmp_path, uninterrupted)


SIGNALLED = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, {tests!r})
import pandas as pd
from training_data import make_run
from puzzlecell.training import train
import test_training

def send(done, total, text=""):
    if done == {step}:
        os.killpg(0, {number})

changes = {{**test_training.STATEFUL, "save_minutes": {minutes}, "compute": {{"workers": 1}}}}
train(make_run(Path({store!r}), pd.read_csv({table!r}), Path({output!r}), changes), send)
"""


@pytest.mark.parametrize(("number", "minutes"), [(signal.SIGKILL, 1e-9), (signal.SIGTERM, None)])
def test_a_signal_to_all_processes_of_a_training(fields, uninterrupted, tmp_path, number, minutes):
    """Killed, it goes on from the step saved last; terminated, worker processes too, from where it was."""
    store, table = fields
    step = STEPS + 2
    table.to_csv(tmp_path / "table.csv", index=False)
    output = tmp_path / "out"
    script = SIGNALLED.format(
        tests=str(Path(__file__).parent),
        step=step,
        number=int(number),
        minutes=minutes,
        store=str(store),
        table=str(tmp_path / "table.csv"),
        output=str(output),
    )
    ended = subprocess.run([sys.executable, "-c", script], check=False, start_new_session=True)
    assert ended.returncode == {signal.SIGKILL: -9, signal.SIGTERM: 143}[number]
    done = []
    train(make_run(store, table, output, STATEFUL), lambda now, total, text="": done.append(now))
    assert min(done) == step + (number == signal.SIGTERM)
    assert_equal(output, uninterrupted)


def stop_after(step):
    def stop(done, total, text=""):
        if done == step and not text:
            os.kill(os.getpid(), signal.SIGTERM)

    return stop


def test_a_changed_fingerprint_starts_afresh_and_says_so(fields, uninterrupted, tmp_path, caplog):
    with pytest.raises(SystemExit):
        train(make_run(*fields, tmp_path, {**STATEFUL, "seed": 1}, fingerprint="old"), stop_after(4))
    caplog.set_level("INFO")
    train(make_run(*fields, tmp_path, STATEFUL, fingerprint="new"), silent)
    assert "starting afresh: configuration, inputs or code changed" in caplog.text
    assert_equal(tmp_path, uninterrupted)


def test_the_state_may_lie_elsewhere(fields, tmp_path):
    run = make_run(*fields, tmp_path / "out", state_folder=tmp_path / "state")
    with pytest.raises(SystemExit):
        train(run, stop_after(4))
    assert {path.name for path in (tmp_path / "state").iterdir()} == {"last.ckpt", "best-1.safetensors"}
    train(run, silent)
    assert not list((tmp_path / "state").iterdir())
    assert (tmp_path / "out" / "model.safetensors").is_file()


def test_a_loss_that_is_no_number_stops_with_the_fields_and_keeps_the_last_good_state(fields, tmp_path):
    store, table = fields
    run = make_run(store, table, tmp_path, {"optimiser": {"learning_rate": 1e18, "name": "sgd"}, "epochs": 9})
    with pytest.raises(TrainingError) as error:
        train(run, silent)
    message = str(error.value)
    assert "the loss is not a finite number" in message or "no longer finite numbers" in message
    assert not (tmp_path / "model.safetensors").exists()
    for kept in tmp_path.glob("last.ckpt"):
        state = torch.load(kept, weights_only=True)["state"]
        assert all(torch.isfinite(weight).all() for weight in state["network"].values())


def test_a_field_that_spoils_the_loss_is_named(fields, tmp_path, monkeypatch):
    from puzzlecell.dataset import TrainingFields

    read = TrainingFields.__getitem__

    def spoilt(self, place):
        image, labels, row = read(self, place)
        return (image, labels * np.nan, row) if place[:2] == (1, 5) else (image, labels, row)

    monkeypatch.setattr(TrainingFields, "__getitem__", spoilt)
    with pytest.raises(TrainingError, match=r"epoch 2, step 2: .* Fields of the batch: f\d\d") as error:
        train(make_run(*fields, tmp_path), silent)
    named = str(error.value).split("Fields of the batch: ")[1].split(". ")[0].split(", ")
    assert len(named) == 4
    assert set(named) <= set(fields[1].loc[fields[1]["fold"] == 2, "ID"])
    assert (tmp_path / "last.ckpt").is_file()


def test_a_stage_starts_from_its_parent(fields, uninterrupted, tmp_path):
    parent = uninterrupted / "model.safetensors"
    changes = {"optimiser": {"learning_rate": 1e-12}, "epochs": 1}
    train(make_run(*fields, tmp_path, changes, init_from=parent), silent)
    for name, tensor in weights(tmp_path).items():
        if name.endswith("weight"):
            torch.testing.assert_close(tensor, weights(uninterrupted)[name], atol=1e-6, rtol=0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"network": {"output_stride": 32}}, "does not fit test_resnet at 32")],
)
def test_a_parent_of_another_network_is_an_error(fields, uninterrupted, tmp_path, changes, message):
    changes = {**changes, "input": {"crop_size": 64}}
    run = make_run(*fields, tmp_path, changes, init_from=uninterrupted / "model.safetensors")
    with pytest.raises(ValueError, match=message):
        train(run, silent)


def test_faults_of_the_table_are_named_together(fields, tmp_path):
    store, table = fields
    doubled = pd.concat([table, table.iloc[:1]])
    doubled.loc[:, "fold"] = 2
    with pytest.raises(TrainingError, match="given twice: f00; fold 1 holds 0 of 25 fields; folds are 2"):
        train(make_run(store, doubled, tmp_path), silent)
    with pytest.raises(TrainingError, match="1 fields of the table are not stored, such as absent"):
        train(make_run(store, table.assign(ID=["absent", *table["ID"][1:]]), tmp_path), silent)


def test_fields_that_are_stored_too_small_are_an_error_at_once(fields, tmp_path):
    done = []
    run = make_run(*fields, tmp_path, {"input": {"field_size": 128}})
    with pytest.raises(ValueError, match="128"):
        train(run, lambda now, total, text="": done.append(now))
    assert not done


@pytest.mark.parametrize(
    ("changes", "column", "check"),
    [
        ({"puzzle": {"pieces": 0}}, "train_tiles", lambda values: (values == 0).all()),
        ({"puzzle": {"validate_tiles": False}}, "tiles", lambda values: (values == 0).all()),
        ({"samples_per_epoch": 5, "epochs": 3}, "epoch", lambda values: len(values) == 3),
        (
            {"loss": {"gamma": 2, "gamma_ramp": 1.0}, "epochs": 4},
            "gamma",
            lambda values: np.allclose(values, [2 * 2 / 11, 2 * 5 / 11, 2 * 8 / 11, 2]),
        ),
        (
            {"early_stop": 2, "epochs": 9, "optimiser": {"learning_rate": 1e-12}, "best_metric": "f1_macro"},
            "epoch",
            lambda values: len(values) == 3,
        ),
    ],
)
def test_settings_act(fields, tmp_path, changes, column, check):
    train(make_run(*fields, tmp_path, changes), silent)
    assert check(pd.read_csv(tmp_path / "history.csv")[column])


@pytest.mark.parametrize("precision", ["bf16", "float32"])
def test_precision_acts_on_what_the_backbone_computes_in(fields, tmp_path, precision):
    seen = []
    hook = torch.nn.modules.module.register_module_forward_hook(
        lambda module, given, out: seen.append(out.dtype) if isinstance(module, torch.nn.Conv2d) else None
    )
    try:
        train(make_run(*fields, tmp_path, {"compute": {"precision": precision}, "epochs": 1}), silent)
    finally:
        hook.remove()
    assert seen[-1] == {"bf16": torch.bfloat16, "float32": torch.float32}[precision]
    assert all(tensor.dtype in (torch.float32, torch.int64) for tensor in weights(tmp_path).values())


def test_compiling_acts(fields, tmp_path, monkeypatch):
    compiled = []
    monkeypatch.setattr(torch, "compile", lambda module: compiled.append(module) or module)
    train(make_run(*fields, tmp_path, {"compute": {"compile": True}, "epochs": 1}), silent)
    assert [type(module).__name__ for module in compiled] == ["PuzzleNetwork"]


@pytest.mark.parametrize("channels_last", [True, False])
def test_order_in_memory_acts(channels_last):
    settings = ComputeSettings(channels_last=channels_last)
    network = laid_out(
        build_network(NetworkSettings(backbone="test_resnet", pretrained=False), InputSettings(), CLASSES),
        settings,
        1,
    )
    weight = network.backbone.layer1[0].conv2.weight
    assert weight.is_contiguous(memory_format=torch.channels_last) is channels_last


@pytest.mark.parametrize(("world", "shared"), [(1, False), (2, True)])
def test_batch_statistics_are_shared_between_several_processes_alone(world, shared):
    network = build_network(
        NetworkSettings(backbone="test_resnet", pretrained=False), InputSettings(), CLASSES
    )
    network = laid_out(network, ComputeSettings(sync_batchnorm=True), world)
    assert any(isinstance(module, torch.nn.SyncBatchNorm) for module in network.modules()) is shared


@pytest.mark.parametrize(("keep", "calls"), [(True, 1), (False, 0)])
def test_keeping_memory_acts(fields, tmp_path, monkeypatch, keep, calls):
    called = []
    monkeypatch.setattr(session, "keep_freed_memory", lambda: called.append(True))
    train(make_run(*fields, tmp_path, {"compute": {"keep_memory": keep}, "epochs": 1}), silent)
    assert len(called) == calls


def test_number_of_processes(fields, tmp_path):
    gpus = {"compute": {"gpus": 3}}
    assert make_run(*fields, tmp_path, gpus).world == 1
    assert make_run(*fields, tmp_path, gpus, device="cuda").world == 3
    assert make_run(*fields, tmp_path, gpus, devices=2).world == 2


def test_events_are_written_if_asked_for(fields, tmp_path):
    events = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    state = tmp_path / "state"
    train(make_run(*fields, tmp_path / "out", {"tensorboard": True}, state_folder=state), silent)
    found = events.EventAccumulator(str(state / "events")).Reload()
    history = pd.read_csv(tmp_path / "out" / "history.csv")
    assert [event.step for event in found.Scalars("loss")] == [1, 2]
    np.testing.assert_allclose([event.value for event in found.Scalars("map")], history["map"], rtol=1e-6)


def test_events_without_the_package_say_what_to_install(fields, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(ImportError, match=r"pip install \"puzzlecell\[tensorboard\]\""):
        train(make_run(*fields, tmp_path, {"tensorboard": True}), silent)


def test_fp16_needs_a_gpu(fields, tmp_path):
    with pytest.raises(TrainingError, match="fp16 needs a GPU"):
        train(make_run(*fields, tmp_path, {"compute": {"precision": "fp16"}}), silent)


def test_training_learns(fields, tmp_path):
    changes = {
        "epochs": 16,
        "optimiser": {"learning_rate": 3e-3},
        "schedule": {"kind": "one-cycle", "warmup_epochs": 2},
    }
    train(make_run(*fields, tmp_path, changes), silent)
    history = pd.read_csv(tmp_path / "history.csv")
    assert history["train_full"].iloc[-2:].mean() < 0.8 * history["train_full"].iloc[0]
    assert history["map"].iloc[-1] > history["map"].iloc[0]
