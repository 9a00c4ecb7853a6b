"""What `snakemake variability` says of wells, antibodies and fields, for the page of samples."""

import os

import pandas as pd

from puzzlecell.runtime.checksums import check_text

TEXTS = ("level", "name", "class", "varies")
FIELD = "field"
MOST_ROWS = 5000
"""Rows of single fields are left out of larger tables: every page reads them at its start."""


def variability_columns(path: str | os.PathLike, most_rows: int = MOST_ROWS) -> dict[str, list]:
    """Return the columns of a table `results/variability/<ds>.csv` as JSON can hold them.

    Names of groups stay texts, whatever they look like. Numbers have six digits, None where there is none. Rows of
    single fields are left out if there are more than `most_rows` rows; the page computes them from the cells then.
    Raises DamagedFileError if the table has changed since it was written.
    """
    check_text(path)
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    if len(table) > most_rows:
        table = table[table["level"] != FIELD]
    return {name: values.tolist() if name in TEXTS else _numbers(values) for name, values in table.items()}


def _numbers(values: pd.Series) -> list[float | None]:
    return [round(float(value), 6) if value else None for value in values]
