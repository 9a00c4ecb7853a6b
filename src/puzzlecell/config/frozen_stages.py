"""Stages with a frozen backbone: where its weights come from, and which stage's features are used."""

import json

from puzzlecell.config.results import Deciding, deciding
from puzzlecell.config.training import TrainingSettings
from puzzlecell.config.workflow import Configuration

Names = tuple[str, str]
"""Names of a model and of one of its stages."""


def frozen_stages(settings: Configuration) -> list[Names]:
    """Stages that are trained with a frozen backbone."""
    return [
        (model, stage)
        for model, given in settings.models.items()
        for stage in given.stages
        if _is_frozen(settings, model, stage)
    ]


def encoder_stage(settings: Configuration, model: str, stage: str) -> str:
    """Stage with the same backbone that does not start from a stage with a frozen one; often the stage itself."""
    start = settings.models[model].stages[stage].start
    while start is not None and _is_frozen(settings, model, start):
        stage, start = start, settings.models[model].stages[start].start
    return stage


def encoder_start(settings: Configuration, model: str, stage: str) -> str | None:
    """Stage of the same model that the frozen backbone's weights come from, so that each fold has its own backbone.

    None if all folds share one.
    """
    return settings.models[model].stages[encoder_stage(settings, model, stage)].start


def feature_settings(settings: Configuration, model: str, stage: str) -> TrainingSettings:
    """Settings for computing the features of a stage: its field size and views, and its backbone's own settings."""
    own = settings.stage_training(model, stage)
    of_encoder = settings.stage_training(model, encoder_stage(settings, model, stage))
    return of_encoder.model_copy(update={"input": own.input, "features": own.features})


def features(settings: Configuration, model: str, stage: str) -> Deciding:
    """Settings that the features of a stage depend on, besides the stored fields and files of weights.

    Random weights depend on the seed.
    """
    training, start = feature_settings(settings, model, stage), encoder_start(settings, model, stage)
    of_training = deciding(training, "training")
    used = ["network.backbone", "network.output_stride", "network.stride_by", "input.field_size"]
    if start is None:
        used += ["network.pretrained", *(["seed"] if training.network.pretrained is False else [])]
    found = {f"training.{key}": of_training[f"training.{key}"] for key in used}
    found |= deciding(training.features, "training.features")
    return {**found, "start": json.dumps(start and [model, start])}


def features_of(settings: Configuration, model: str, stage: str) -> Names:
    """The first stage, of all models, with the features of a stage, so that equal ones are computed once."""
    wanted = features(settings, model, stage)
    return next(names for names in frozen_stages(settings) if features(settings, *names) == wanted)


def _is_frozen(settings: Configuration, model: str, stage: str) -> bool:
    given = settings.models[model].stages[stage]
    return given.checkpoints is None and settings.stage_training(model, stage).network.frozen
