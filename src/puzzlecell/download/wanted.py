"""Which fields to fetch, from a table or from the XML of the Human Protein Atlas."""

import os
import string
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from puzzlecell.config.download import DownloadSettings
from puzzlecell.data.ids import id_problem
from puzzlecell.data.raw_files import CHANNELS
from puzzlecell.data.text_tables import TableError, listed, quoted, read_text_columns
from puzzlecell.errors import UserError

KEPT = ("antibody", "gene", "cell_line", "well")
"""Columns that go from the table of the fields to the label table."""
OTHER_NAMES = {"Antibody": "antibody", "Gene": "gene", "Cellline": "cell_line", "Well": "well"}


class DownloadError(UserError):
    """The fields to be fetched are not known; the message says what is wrong with which file."""


@dataclass(frozen=True)
class Wanted:
    """A field to fetch.

    base: URL of its images up to `_<channel>`, "" if unknown. label: its label as written, None without one. values:
    what else is known of it, by name. line: of the table, 0 for XML.
    """

    ID: str
    base: str = ""
    label: str | None = None
    values: Mapping[str, str] = field(default_factory=dict)
    line: int = 0


def read_wanted(path: str | os.PathLike, settings: DownloadSettings) -> list[Wanted]:
    """Read the fields from a table or an XML file; from `locations`, labels by gene for those without one.

    Raises DownloadError or TableError for a file that cannot be used, for IDs that are missing, invalid or stand for
    several images, and if the URL pattern names a column that is not there.
    """
    if Path(path).name.removesuffix(".gz").endswith(".xml"):
        from puzzlecell.download.atlas_xml import read_atlas

        found = _joined(read_atlas(path))
    else:
        found = _from_table(path)
    problems = [
        f"{path}: {_line(each)}ID {quoted(each.ID)} {id_problem(each.ID)}"
        for each in found
        if id_problem(each.ID)
    ]
    bases: dict[str, str] = {}
    for each in found:
        if each.ID in bases:
            images = f": {bases[each.ID]} and {each.base}" if bases[each.ID] != each.base else ""
            problems.append(f"{path}: {_line(each)}ID more than once: {each.ID}{images}")
        bases.setdefault(each.ID, each.base)
    if not found:
        problems.append(f"{path}: there are no fields in it")
    if problems:
        raise DownloadError("\n".join(listed(problems, path)))
    if settings.locations is not None and all(each.label is None for each in found):
        found = _labelled(found, path, settings.locations)
    for each in found:
        image_urls(each, settings)
    return found


def image_urls(wanted: Wanted, settings: DownloadSettings) -> dict[str, str]:
    """URLs of a field: channel (red, green, blue, yellow) -> URL. Raises DownloadError if a value is unknown."""
    values = {"ID": wanted.ID, **wanted.values}
    escaped = {name: quote(value) for name, value in values.items() if value}
    if wanted.base:
        escaped["base"] = wanted.base
    needed = [name for _, name, _, _ in string.Formatter().parse(settings.url) if name and name != "channel"]
    missing = [name for name in needed if name not in escaped]
    if missing:
        raise DownloadError(
            f"{settings.url}: field {wanted.ID} has no value for {', '.join(missing)}; known are "
            f"{', '.join(escaped)}"
        )
    return {
        channel: settings.url.format(**escaped, channel=name)
        for channel, name in zip(CHANNELS, settings.channels, strict=True)
    }


def ending(url: str) -> str:
    """Ending of the file of a URL, such as `.jpg` or `.tif.gz`."""
    name = unquote(urlsplit(url).path).rsplit("/", 1)[-1]
    parts = name.lower().split(".")
    return f".{'.'.join(parts[-2:] if parts[-1] == 'gz' else parts[-1:])}" if len(parts) > 1 else ""


def _from_table(path: str | os.PathLike) -> list[Wanted]:
    header = _first_column(path)
    lines, columns = read_text_columns(path, [header])
    columns = {OTHER_NAMES.get(name, name): values for name, values in columns.items()}
    bases = columns.get("Image", [""] * len(lines))
    ids = columns["ID"] if "ID" in columns else [unquote(base).rsplit("/", 1)[-1] for base in bases]
    return [
        Wanted(
            ids[row],
            bases[row],
            columns["Label"][row].strip() if "Label" in columns else None,
            {name: values[row] for name, values in columns.items() if name not in ("ID", "Image", "Label")},
            line,
        )
        for row, line in enumerate(lines)
    ]


def _first_column(path: str | os.PathLike) -> str:
    """The column that a table of fields must have: ID, or Image in its place."""
    try:
        read_text_columns(path, ["ID"])
    except TableError as error:
        if "column ID is missing" not in str(error):
            raise
        try:
            read_text_columns(path, ["Image"])
        except TableError:
            raise DownloadError(f"{error}; a column Image with URLs would do, too") from error
        return "Image"
    return "ID"


def _joined(fields: Iterable[Wanted]) -> list[Wanted]:
    """Join the locations and genes of each image: the XML lists it once for each gene that its antibody is for."""
    found: dict[str, Wanted] = {}
    for each in fields:
        known = found.get(each.base)
        if known is None:
            found[each.base] = each
            continue
        label = _union([known.label or "", each.label or ""])
        values = {name: _union([known.values[name], each.values[name]]) for name in known.values}
        found[each.base] = replace(known, label=label, values=values)
    return list(found.values())


def _union(texts: Sequence[str]) -> str:
    return ";".join(dict.fromkeys(part for text in texts for part in text.split(";") if part))


def _labelled(found: list[Wanted], path: str | os.PathLike, locations: str) -> list[Wanted]:
    """Give each field the locations of its gene, from subcellular_location.tsv."""
    _, columns = read_text_columns(locations, ["Gene", "Main location", "Additional location"])
    of_gene: dict[str, str] = {}
    names = columns.get("Gene name", columns["Gene"])
    for gene, name, main, more in zip(
        columns["Gene"], names, columns["Main location"], columns["Additional location"], strict=True
    ):
        of_gene[gene] = of_gene[name] = _union([main, more])
    unknown = [each.ID for each in found if not of_gene.get(each.values.get("gene", ""))]
    if unknown:
        raise DownloadError(
            f"{path}: fields whose gene has no location in {locations}: {len(unknown)}, such as {unknown[0]}; the "
            "column gene must hold an Ensembl ID or a gene's name"
        )
    return [replace(each, label=of_gene[each.values["gene"]]) for each in found]


def _line(wanted: Wanted) -> str:
    return f"line {wanted.line}: " if wanted.line else ""
