"""What the page to grade has to know of a run."""

import hashlib
import json
from collections.abc import Sequence

from puzzlecell.config.workflow import Configuration


def grading(settings: Configuration, classes: Sequence[str]) -> dict[str, object]:
    """Return the key `grading` of the chunk `run`: `identity`, `mask_size` and `tables`.

    classes: their names. identity: a digest of classes, data sets and their folders, under which browsers keep grades.
    It does not depend on fields, masks or networks, so that people can go on when these change: each grade says where
    its cell is, and the page uses it only where the cell is still as it was. mask_size: side of the label images, from
    which the page knows how exact outlines are. tables: data set -> path of its table of grades as the run would find
    it; None where the configuration has to name it.
    """
    files = {name: given.files(name) for name, given in settings.datasets.items()}
    text = json.dumps([list(classes), {name: found.folder for name, found in files.items()}])
    return {
        "identity": hashlib.blake2b(text.encode(), digest_size=8).hexdigest(),
        "mask_size": settings.segmentation.size or settings.ingest.size,
        "tables": {
            name: None if given.simulate and not given.cell_labels else files[name].cell_labels
            for name, given in settings.datasets.items()
        },
    }
