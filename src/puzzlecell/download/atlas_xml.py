"""Immunofluorescence images in the XML of the Human Protein Atlas.

The elements that are read: `entry` (a gene; `name`, `identifier[@id]`) > `antibody[@id]` > `cellExpression` (technology
ICC/IF) > `subAssay[@type="human"]` > `data` > `cellLine`, `location`, `assayImage/image/imageUrl`. The URL is that of a
colour image, `.../<plate>_<well>_<position>_blue_red_green.jpg`; those of single channels differ only in the colours.
"""

import gzip
import os
import re
from collections.abc import Iterator
from pathlib import Path
from xml.etree.ElementTree import Element, ParseError, iterparse

from puzzlecell.download.wanted import DownloadError, Wanted
from puzzlecell.regular_file import file_problem

COMPOSITE = re.compile(r"(?P<base>.+/(?P<ID>[^/]+?))(?:_(?:blue|red|green|yellow))+\.[a-z.]+")


def read_atlas(path: str | os.PathLike) -> Iterator[Wanted]:
    """Yield the images of human cells, with their locations, gene, antibody and cell line; entry by entry.

    Memory does not grow with the file. An image is yielded once for each gene that its antibody is for. Raises
    DownloadError for a file that is missing or not such an XML, or damaged.
    """
    problem = file_problem(path)
    if problem:
        raise DownloadError(f"{path}: {problem}; expected the XML of the Human Protein Atlas")
    entries = 0
    try:
        with gzip.open(path) if str(path).endswith(".gz") else Path(path).open("rb") as file:
            for _, element in iterparse(file):
                if element.tag == "entry":
                    entries += 1
                    yield from _images(element)
                    element.clear()
    except (ParseError, EOFError, OSError) as error:
        raise DownloadError(f"{path}: cannot be read as XML: {error}; fetch it again") from error
    if not entries:
        raise DownloadError(f"{path}: has no element <entry>; expected the XML of the Human Protein Atlas")


def _images(entry: Element) -> Iterator[Wanted]:
    identifier = entry.find("identifier")
    given = None if identifier is None else identifier.get("id")
    gene = given or entry.findtext("name") or ""
    for antibody in entry.iter("antibody"):
        for data in antibody.iterfind("cellExpression/subAssay[@type='human']/data"):
            values = {
                "gene": gene,
                "antibody": antibody.get("id", ""),
                "cell_line": (data.findtext("cellLine") or "").strip(),
            }
            locations = [(place.text or "").strip() for place in data.iterfind("location")]
            for url in data.iterfind("assayImage/image/imageUrl"):
                match = COMPOSITE.fullmatch((url.text or "").strip())
                if match:
                    yield Wanted(match["ID"], match["base"], ";".join(filter(None, locations)), values)
