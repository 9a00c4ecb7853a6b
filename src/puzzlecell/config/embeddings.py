"""Settings of the embeddings of cells."""

from collections.abc import Sequence
from typing import Literal

from pydantic import Field, field_validator

from puzzlecell.config.base import MAX_SEED, NO_EFFECT, Section
from puzzlecell.config.messages import nearest

Method = Literal["pca", "umap"]


class UmapSettings(Section):
    """How UMAP lays out cells."""

    neighbours: int = Field(
        15,
        ge=2,
        le=500,
        description="Neighbours of each cell that are kept near it; many show the whole better.",
    )
    min_distance: float = Field(
        0.1, ge=0, lt=1, description="Smallest distance between points; small values show tight groups."
    )


class EmbeddingSettings(Section):
    """Embeddings of cells: what each network makes of a cell before it classifies it, float16.

    They are made on request, by the target `embeddings`, with pictures of them; with `keep`, by every run that writes
    AnnData files, too. A pass of one network over all fields or cells is made for them, see
    [embeddings](encoders.md#embeddings-of-cells).
    """

    keep: bool = Field(
        False,
        description="Whether the AnnData files have the embeddings (`obsm`), so that every run that writes these files "
        "makes them. false: AnnData files have those that were asked for by the target `embeddings`.",
        json_schema_extra=NO_EFFECT,
    )
    members: tuple[str, ...] | None = Field(
        None,
        description="Members of the ensemble whose embeddings are made, each as `<model>.<stage>`. null: all of them, "
        "except tables.",
        json_schema_extra=NO_EFFECT,
    )
    pictures: tuple[Method, ...] = Field(
        ("pca",),
        description="Pictures that the target `embeddings` makes of each data set and member: `pca` (principal "
        'components) and `umap`, which needs `pip install "puzzlecell[umap]"`.',
        json_schema_extra=NO_EFFECT,
    )
    sample: int = Field(
        20_000,
        ge=3,
        le=1_000_000,
        description="Cells of a data set that a picture is made of, drawn at random if there are more, so that memory "
        "does not grow with the data set.",
    )
    seed: int = Field(0, ge=0, le=MAX_SEED, description="Random seed of the drawn cells and of UMAP.")
    umap: UmapSettings = UmapSettings()

    @field_validator("members", "pictures")
    @classmethod
    def _once(cls, names: tuple[str, ...] | None) -> tuple[str, ...] | None:
        twice = [name for name in dict.fromkeys(names or ()) if (names or ()).count(name) > 1]
        if twice:
            raise ValueError(f"{', '.join(twice)} is named twice")
        return names


def embedding_problems(settings: EmbeddingSettings, stages: Sequence[tuple[str, str]]) -> list[str]:
    """Members of the section that are not among `stages`, the members (model, stage) that have embeddings."""
    known = [f"{model}.{stage}" for model, stage in stages]
    return [
        f"embeddings.members: {name!r} is no member of the ensemble that has embeddings{nearest(name, known)}"
        for name in settings.members or ()
        if name not in known
    ]
