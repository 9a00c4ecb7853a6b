import pandas as pd
import pytest
from helpers.inference_data import write_data, write_network
from helpers.scores import score_cells

from puzzlecell.config.ensemble import EnsembleSettings
from puzzlecell.config.score import ScoreSettings
from puzzlecell.config.steps import Step1Settings, Step2Settings
from puzzlecell.data.rle import encode_cells
from puzzlecell.data.store import ShardReader
from puzzlecell.data.submission_file import read_submission
from puzzlecell.data.tables import write_parquet
from puzzlecell.ensemble.combine import ensemble_cells, mean_table
from puzzlecell.inference.step1 import step1_tables
from puzzlecell.inference.step2 import step2_table
from puzzlecell.scoring.ablation import (
    ALL_VIEWS,
    AblationData,
    ablation_table,
    ensemble_changes,
    step1_changes,
    step2_changes,
)

ENSEMBLE = EnsembleSettings(
    members=[{"model": "m", "stage": stage, "step": step} for stage in ("a", "b") for step in (1, 2)]
)
SCORE = ScoreSettings(bootstrap=10)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ablation")
    store, masks = write_data(folder, 4)
    reader, rows, cells = ShardReader([masks]), [], []
    for number, field_id in enumerate(reader.ids):
        texts = encode_cells(reader.read(field_id, "cells"), 192, 192)
        rows.append((field_id, 192, 192, " ".join(f"{(number + n) % 3} 1 {t}" for n, t in texts.items())))
        cells += [(field_id, n, 1.0, 1.0) for n in texts]
    columns = ["ID", "ImageWidth", "ImageHeight", "PredictionString"]
    pd.DataFrame(rows, columns=columns).to_csv(folder / "truth.csv", index=False)
    table = pd.DataFrame(cells, columns=["ID", "cell", "border_quality", "outlier_quality"])
    write_parquet(folder / "cells.parquet", table)
    models = {
        ("m", stage): [
            write_network(folder / f"{stage}{fold}.safetensors", seed) for fold, seed in enumerate(seeds)
        ]
        for stage, seeds in {"a": (1, 2), "b": (3, 4)}.items()
    }
    return AblationData(store, masks, [folder / "cells.parquet"], folder / "truth.csv", models, 3)


@pytest.fixture(scope="module")
def made(data):
    seen = []
    table = ablation_table(
        data, Step1Settings(), Step2Settings(), ENSEMBLE, SCORE, progress=lambda *n: seen.append(n)
    )
    return table, seen


def test_changes_differ_from_the_settings_and_from_each_other():
    for found, settings in (
        (step1_changes(Step1Settings()), Step1Settings()),
        (step2_changes(Step2Settings(mask="none")), Step2Settings(mask="none")),
        (ensemble_changes(ENSEMBLE, 3), ENSEMBLE),
    ):
        values = [settings, *found.values()]
        assert all(one != other for n, one in enumerate(values) for other in values[:n])
    assert "mask others" in step2_changes(Step2Settings(mask="none"))
    assert {
        "only step 1",
        "image_fusion image product 0.5",
        "negative one_minus_max",
        "negative mean",
        "suppress_by_negative 0.5",
    } <= set(ensemble_changes(ENSEMBLE, 3))
    trusting = EnsembleSettings(
        members=[{**ENSEMBLE.members[0].model_dump(), "classes": {0: 0}}, ENSEMBLE.members[1]],
        negative="step2",
    )
    found = ensemble_changes(trusting, 3)
    assert not any(member.classes for member in found["members without class weights"].members)
    assert found["only step 1"].negative == "own"
    assert found["only step 2"].negative == "step2"
    one = EnsembleSettings(members=[{"model": "m", "stage": "a", "step": 1}])
    assert "negative step2" not in ensemble_changes(one, 3)
    assert not any("negative" in name for name in ensemble_changes(ENSEMBLE, None))


def test_rows_equal_scores_computed_separately(data, made):
    table, seen = made
    assert seen[-1][0] == seen[-1][1] == len(seen)
    assert not table.duplicated(["prediction", "change", "tta"]).any()
    plain = table[(table["change"] == "")]
    assert plain[~plain["tta"]]["prediction"].tolist() == ["broadcast", "step1", "step2", "ensemble"]
    assert plain[plain["tta"]]["prediction"].tolist() == ["broadcast", "step1", "step2", "ensemble"]

    reader, truth = ShardReader([data.masks]), read_submission(data.truth)
    cells = pd.read_parquet(data.cells[0])
    for change, tta, settings in (
        ("", False, Step1Settings()),
        ("", True, Step1Settings(tta=ALL_VIEWS)),
        ("average scores", False, Step1Settings(average="scores")),
    ):
        members = [
            (step1_tables(data.store, data.masks, models, settings, negative=3)[0], 1)
            for models in data.models.values()
        ]
        only = EnsembleSettings(members=[m for m in ENSEMBLE.members if m.step == 1], max_classes="all")
        answer = ensemble_cells(cells, members, None, only, negative=3)
        expected = score_cells(answer, lambda i: reader.read(i, "cells"), truth, SCORE)
        row = table[(table["prediction"] == "step1") & (table["change"] == change) & (table["tta"] == tta)]
        assert row["mean_ap"].tolist() == [pytest.approx(expected.mean, abs=1e-9)]
        assert row["low"].tolist() == [pytest.approx(expected.low, abs=1e-9)]


def test_a_changed_step_changes_the_ensemble(data, made):
    table, _ = made
    cells, reader = pd.read_parquet(data.cells[0]), ShardReader([data.masks])
    steps, images = {}, []
    for key, models in data.models.items():
        steps[key, 1], image = step1_tables(data.store, data.masks, models, Step1Settings(), negative=3)
        images.append((image, 1))
        steps[key, 2] = step2_table(data.store, data.masks, models, Step2Settings(scale="enlarged"))
    members = [(steps[(m.model, m.stage), m.step], m.weight) for m in ENSEMBLE.members]
    answer = ensemble_cells(cells, members, mean_table(images), ENSEMBLE, negative=3)
    expected = score_cells(answer, lambda i: reader.read(i, "cells"), read_submission(data.truth), SCORE)
    row = table[(table["prediction"] == "ensemble") & (table["change"] == "step2 scale enlarged")]
    assert row["mean_ap"].tolist() == [pytest.approx(expected.mean, abs=1e-9)]
    unchanged = table[(table["prediction"] == "ensemble") & (table["change"] == "") & ~table["tta"]]
    assert row["mean_ap"].item() != unchanged["mean_ap"].item()
