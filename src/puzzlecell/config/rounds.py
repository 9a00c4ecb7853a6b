"""Stages with several rounds become several stages, each of which learns from the one before."""

from collections.abc import Iterator

from puzzlecell.config.cell_stage import Teacher
from puzzlecell.config.cell_stage_checks import round_names
from puzzlecell.config.models import ModelSettings, StageSettings


def with_rounds(models: dict[str, ModelSettings]) -> dict[str, ModelSettings]:
    """Models in which every stage has one round, the earlier rounds being stages of their own.

    The first round learns from the teachers that the configuration names, each later one from step 2 of the round
    before. All start from the same weights. The last one has the name of the stage.
    """
    return {
        name: model.model_copy(
            update={
                "stages": dict(
                    part for stage, given in model.stages.items() for part in _rounds(stage, given)
                )
            }
        )
        for name, model in models.items()
    }


def _rounds(name: str, stage: StageSettings) -> Iterator[tuple[str, StageSettings]]:
    if stage.rounds == 1 or stage.checkpoints is not None:
        yield name, stage
        return
    teachers = stage.learns_from
    for each in [*round_names(name, stage.rounds), name]:
        yield each, stage.model_copy(update={"rounds": 1, "learns_from": teachers})
        teachers = (Teacher(stage=each, step=2),)
