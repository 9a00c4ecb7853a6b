"""What the page to grade has to know of a run."""

import hashlib
import json
from collections.abc import Mapping, Sequence


def grading(classes: Sequence[str], folders: Mapping[str, str], mask_size: int) -> dict[str, object]:
    """Return `identity` and `mask_size`, for the key `grading` of the chunk `run`.

    classes: their names. folders: folder of the raw files of each data set, as the configuration names it. mask_size:
    side of the label images, from which the page knows how exact outlines are. identity: a digest of classes and data
    sets, under which browsers keep grades. It does not depend on fields, masks or networks, so that people can go on
    when these change: each grade tells its cell's place, and the page uses it only where the cell is still as it was.
    """
    text = json.dumps([list(classes), dict(folders)])
    return {"identity": hashlib.blake2b(text.encode(), digest_size=8).hexdigest(), "mask_size": mask_size}
