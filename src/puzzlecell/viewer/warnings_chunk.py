"""What looked wrong in a run, for the overview.

It is no part of the chunk `run`, because warnings are collected at the very end of a run, from whatever it has made.
"""

import os
from collections import Counter
from collections.abc import Sequence

from puzzlecell.data.plausibility import Finding
from puzzlecell.viewer.chunks import write_chunk

MOST = 500
"""Findings about single fields that are listed."""


def write_warnings_chunk(path: str | os.PathLike, findings: Sequence[Finding]) -> None:
    """Write the chunk `warnings`: `findings` [[data set, ID, text]], and `more`, how many are not listed.

    Those about whole data sets, whose ID is empty, are all listed.
    """
    rows = [[finding.dataset, finding.ID, finding.what] for finding in findings]
    whole, single = ([row for row in rows if bool(row[1]) is of_field] for of_field in (False, True))
    counts = Counter(row[0] for row in single)
    content = {
        "findings": whole + single[:MOST],
        "fields": dict(counts),
        "more": max(0, len(single) - MOST),
    }
    write_chunk(path, "warnings", content, {})
