import pytest
from pydantic import ValidationError

from puzzlecell.config.augmentation import AugmentationSettings
from puzzlecell.config.training import TrainingSettings, merged, resolved


def test_defaults_are_the_published_recipe():
    settings = TrainingSettings()
    assert settings.network.backbone == "seresnext50_32x4d"
    assert (settings.input.field_size, settings.input.crop_size) == (512, 384)
    assert (settings.batch_size, settings.epochs, settings.seed, settings.best_metric) == (
        36,
        48,
        2020,
        "loss",
    )
    assert (settings.loss.alpha, settings.loss.beta, settings.loss.gamma, settings.puzzle.pieces) == (
        1,
        1,
        0.5,
        4,
    )
    assert (settings.optimiser.name, settings.optimiser.learning_rate) == ("adam", 3e-4)
    assert settings.optimiser.betas == (0.9, 0.999)
    schedule = settings.schedule
    assert (schedule.kind, schedule.factor, schedule.patience, schedule.floor) == ("plateau", 0.3, 8, 1e-6)
    assert (settings.sampler.kind, settings.sampler.cap_rank) == ("capped", 3)
    assert settings.augmentation == "reference"


def test_stage_overrides_model_overrides_defaults():
    settings = resolved(
        {"loss": {"gamma": 0.5, "alpha": 2}, "epochs": 9},
        {"network": {"backbone": "resnet18"}, "loss": {"gamma": 1}},
        {"loss": {"gamma": 0.25}},
    )
    assert (settings.loss.gamma, settings.loss.alpha, settings.epochs) == (0.25, 2, 9)
    assert settings.network.backbone == "resnet18"


def test_a_name_replaces_settings_and_null_removes_them():
    settings = resolved(
        {"augmentation": {"blur": {"p": 0}}, "ema": {"decay": 0.9}}, {"augmentation": "light", "ema": None}
    )
    assert settings.augmentation == "light"
    assert settings.ema is None


def test_merging_does_not_change_its_inputs():
    first, second = {"a": {"b": 1}}, {"a": {"c": 2}}
    assert merged(first, second) == {"a": {"b": 1, "c": 2}}
    assert (first, second) == ({"a": {"b": 1}}, {"a": {"c": 2}})


def test_custom_augmentation_starts_from_the_reference():
    settings = resolved({"augmentation": {"blur": {"p": 0.1}}})
    assert isinstance(settings.augmentation, AugmentationSettings)
    assert (settings.augmentation.blur.p, settings.augmentation.noise.p) == (0.1, 0.5)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"epoch": 3}, "epoch\n.*not permitted"),
        ({"loss": {"gama": 3}}, "loss.gama\n.*not permitted"),
        ({"input": {"crop_size": 100}}, "input.crop_size: 100 is not divisible by 64 .*nearest is 128"),
        ({"input": {"field_size": 500}}, "input.field_size: 500 is not divisible by 64 .*nearest is 512"),
        ({"input": {"field_size": 256}}, "crop_size: 384 is more than input.field_size 256"),
        ({"optimiser": {"accumulate": 5}}, "accumulate: 5 does not divide batch_size 36"),
        ({"loss": {"alpha": 0, "beta": 0}}, "nothing would be learnt"),
        ({"loss": {"alpha": 0}, "puzzle": {"pieces": 0}}, "nothing would be learnt"),
        ({"schedule": {"warmup_epochs": 48}}, "warmup_epochs: 48 leaves nothing of epochs 48"),
        ({"puzzle": {"pieces": 5}}, "puzzle.pieces"),
        ({"sampler": {"clip": (2, 1)}}, "0 < least <= greatest"),
        ({"augmentation": {"blur": {"median_kernel": (2, 4)}}}, "sides must be odd"),
        ({"augmentation": {"tone": {"gamma": (120, 80)}}}, "runs backwards"),
        (
            {"augmentation": {"tone": {"gamma_weight": 0, "brightness_contrast_weight": 0}}},
            "all weights are 0",
        ),
        ({"augmentation": "heavy"}, "augmentation"),
    ],
)
def test_problems_are_named(values, message):
    with pytest.raises(ValidationError, match=f"(?s){message}"):
        TrainingSettings(**values)


def test_several_problems_are_reported_in_one_message():
    with pytest.raises(ValidationError) as error:
        TrainingSettings(input={"crop_size": 100}, optimiser={"accumulate": 5})
    assert "crop_size" in str(error.value)
    assert "accumulate" in str(error.value)


def test_sizes_may_be_odd_without_tiles():
    settings = {
        "puzzle": {"pieces": 0},
        "network": {"output_stride": 8},
        "input": {"field_size": 200, "crop_size": 104},
    }
    assert TrainingSettings(**settings).input.crop_size == 104


def test_every_key_has_a_description():
    def undescribed(model, place=""):
        for name, field in model.model_fields.items():
            kinds = [
                kind
                for kind in (field.annotation, *getattr(field.annotation, "__args__", ()))
                if hasattr(kind, "model_fields")
            ]
            if not kinds and not field.description:
                yield f"{place}{name}"
            for kind in kinds:
                yield from undescribed(kind, f"{place}{name}.")

    assert list(undescribed(TrainingSettings)) == []
