"""What a training whose backbone is frozen cannot do: it sees features of whole fields, computed once."""

from collections.abc import Callable, Iterator

from puzzlecell.config.training import TrainingSettings


def frozen_problems(
    place: str, settings: TrainingSettings, cells: bool, written_in: Callable[[list], str]
) -> Iterator[str]:
    """Settings of a stage with a frozen backbone that it cannot follow.

    place: of the stage in the configuration. cells: whether it is of the kind `cells`. written_in: place of the layer
    of settings that has the setting at a location.
    """
    if cells:
        yield (
            f"{written_in(['network', 'frozen'])}.network.frozen: found true, expected false for {place}: features are "
            f"stored for whole fields, not of crops of cells; set {place}.training.network.frozen: false"
        )
        return
    frozen = f"{place} has a frozen backbone (network.frozen)"
    if settings.puzzle.pieces:
        yield (
            f"{written_in(['puzzle', 'pieces'])}.puzzle.pieces: found {settings.puzzle.pieces}, expected 0: {frozen} "
            "and learns from features of whole fields, without a second pass over tiles"
        )
    if settings.augmentation != "none":
        found = settings.augmentation if isinstance(settings.augmentation, str) else "settings of its own"
        yield (
            f"{written_in(['augmentation'])}.augmentation: found {found}, expected none: {frozen}, and its features "
            "are computed once; features.flip and features.rotate say in which views"
        )
