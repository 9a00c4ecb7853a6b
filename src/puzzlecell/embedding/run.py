"""What the jobs do: a picture of the embeddings of a data set, and the places of the cells in it."""

import os
from collections.abc import Sequence

from puzzlecell.config.embeddings import EmbeddingSettings
from puzzlecell.data.tables import write_csv
from puzzlecell.embedding.picture import NO_CLASS, write_picture
from puzzlecell.embedding.projection import projected
from puzzlecell.embedding.sample import read_sample
from puzzlecell.formats.class_colours import class_colours
from puzzlecell.runtime.threads import limited_threads

AnyPath = str | os.PathLike


def write_embedding_picture(
    picture: AnyPath,
    table: AnyPath,
    *,
    embeddings: Sequence[AnyPath],
    answer: AnyPath,
    method: str,
    title: str,
    classes: Sequence[str],
    negative: str | None,
    settings: EmbeddingSettings,
    threads: int = 1,
) -> None:
    """Write a picture of the cells of a data set, and where they are in it: `ID, cell, x, y, class, probability`.

    embeddings: one file per shard. answer: table of cells with the probabilities of the ensemble, whose most probable
    class gives the colour. Raises UserError for too few cells, and if the tables have different cells.
    """
    sample = read_sample(embeddings, answer, len(classes), most=settings.sample, seed=settings.seed)
    with limited_threads(threads):
        found = projected(sample.values, method, settings)
    cells = sample.cells
    names = [classes[index] if index >= 0 else NO_CLASS for index in cells["class"]]
    shown = f"{len(cells)} cells" if len(cells) == sample.total else f"{len(cells)} of {sample.total} cells"
    write_picture(picture, found, names, class_colours(classes, negative), f"{title}: {shown}")
    places = {"x": found.places[:, 0], "y": found.places[:, 1], "class": names}
    columns = cells[["ID", "cell"]].assign(**places, probability=cells["probability"].to_numpy())
    write_csv(table, columns, digits=None)
