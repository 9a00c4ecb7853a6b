"""Write the predictions of a data set as AnnData."""

import json
import platform
from importlib.metadata import version

from puzzlecell.config.class_table import read_classes
from puzzlecell.data.pixel_sizes import stated_pixel_sizes
from puzzlecell.formats.h5ad import RunFacts, export_h5ad
from puzzlecell.runtime.job import job
from puzzlecell.runtime.tracking import tracked_texts

PACKAGES = ("puzzlecell", "numpy", "pandas", "scikit-image", "torch", "timm", "h5py")

if __name__ == "__main__":
    given, params = snakemake.input, snakemake.params
    with job(snakemake) as progress:
        shards = len(given.cells)
        settings = (text.split(": ", 1) for text in tracked_texts(params))
        export_h5ad(
            snakemake.output.file,
            given.answer,
            stores=given.store,
            cell_tables=given.cells,
            members=[
                (step, given.members[number * shards : (number + 1) * shards])
                for number, step in enumerate(params.steps.value)
            ],
            embeddings={
                name: given.embeddings[number * shards : (number + 1) * shards]
                for number, name in enumerate(params.embedded.value)
            },
            pixel_sizes=stated_pixel_sizes(params.pixel_size_um.value, params.raw.value),
            classes=read_classes(given.classes),
            facts=RunFacts(
                {key: json.loads(text) for key, text in settings},
                {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}},
            ),
            progress=progress,
        )
