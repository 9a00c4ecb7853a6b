"""Which members a class trusts: the candidates, and the settings of the ensemble that express a choice among them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import yaml

from puzzlecell.config.ensemble import EnsembleMember, EnsembleSettings, ImageFusion

CONFIGURED = "configured"
"""Name of the candidate that leaves a class as the configuration has it."""


@dataclass(frozen=True)
class Candidate:
    """Members that a class may trust.

    members: their numbers from 0; None for the weights that are configured. cell: weight of the cell's own probability
    against that of its field; None as it is configured.
    """

    members: frozenset[int] | None = None
    cell: float | None = None


def candidates(settings: EnsembleSettings, *, images: bool) -> dict[str, Candidate]:
    """Return the candidates by name, `configured` first.

    They are all members, those of each step, and each member, as far as these differ; each with the field, where the
    configuration combines the cell with it, and without; and the field alone. images: whether there are probabilities
    of whole fields, which the field alone needs unless the field is configured as the mean of its cells.
    """
    sets: dict[frozenset[int], str] = {frozenset(range(len(settings.members))): "all members"}
    for step in dict.fromkeys(member.step for member in settings.members):
        of_step = frozenset(number for number, member in enumerate(settings.members) if member.step == step)
        sets.setdefault(of_step, f"step {step}")
    for number, member in enumerate(settings.members):
        sets.setdefault(frozenset([number]), f"{member.model}.{member.stage} step {member.step}")
    found = {CONFIGURED: Candidate()}
    for members, name in sets.items():
        found[name] = Candidate(members, 1.0)
        if settings.image_fusion is not None:
            found[f"{name}, with the field"] = Candidate(members)
    if images or (settings.image_fusion is not None and settings.image_fusion.source == "cells"):
        found["field"] = Candidate(cell=0.0)
    return found


def trusting(settings: EnsembleSettings, choice: Mapping[int, Candidate]) -> EnsembleSettings:
    """Settings of the ensemble in which each class, by its index, trusts the members of a candidate."""
    members = [dict(member.classes) for member in settings.members]
    fusion = settings.image_fusion
    for index, candidate in choice.items():
        if candidate.members is not None:
            for number, classes in enumerate(members):
                classes.pop(index, None)
                if number not in candidate.members:
                    classes[index] = 0.0
        fusion = _with_weight(fusion, index, candidate.cell)
    return settings.model_copy(
        update={
            "members": tuple(
                member.model_copy(update={"classes": classes})
                for member, classes in zip(settings.members, members, strict=True)
            ),
            "image_fusion": fusion,
        }
    )


def _with_weight(fusion: ImageFusion | None, index: int, cell: float | None) -> ImageFusion | None:
    """Combination with the field in which the cell of one class has this weight; None as it is."""
    if cell is None or (cell == 1 and (fusion is None or index in fusion.except_classes)):
        return fusion
    given = fusion or ImageFusion(source="image", how="mean", weight=1)
    return given.model_copy(
        update={
            "except_classes": tuple(excepted for excepted in given.except_classes if excepted != index),
            "class_weights": {**given.class_weights, index: cell},
        }
    )


def overlay_text(settings: EnsembleSettings, names: Sequence[str]) -> str:
    """The members and the combination with the field as YAML, with classes by name, to be added to a configuration."""
    section: dict[str, object] = {"members": [_member(member, names) for member in settings.members]}
    fusion = settings.image_fusion
    if fusion is not None:
        section["image_fusion"] = {
            **fusion.model_dump(mode="json"),
            "except_classes": [names[int(index)] for index in fusion.except_classes],
            "class_weights": _named(fusion.class_weights, names),
        }
    return yaml.safe_dump({"ensemble": section}, sort_keys=False, allow_unicode=True, width=120)


def _member(member: EnsembleMember, names: Sequence[str]) -> dict[str, object]:
    found = member.model_dump(mode="json", exclude={"classes"})
    return {**found, "classes": _named(member.classes, names)} if member.classes else found


def _named(values: Mapping[int | str, float], names: Sequence[str]) -> dict[str, float]:
    return {names[int(index)]: values[index] for index in sorted(values, key=int)}
