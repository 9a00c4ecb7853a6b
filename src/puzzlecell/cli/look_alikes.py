"""`puzzlecell look-alikes`."""

import argparse
from pathlib import Path

from puzzlecell.cli.arguments import Commands, output_file
from puzzlecell.errors import UserError

MOST = 500
"""Pictures on a sheet."""


def add_parser(commands: Commands) -> None:
    """Add the command to `puzzlecell`."""
    look_alikes = commands.add_parser(
        "look-alikes",
        help="the cells of a finished run that look most like one of them",
        description="Find the cells whose embeddings are nearest to that of one cell, by the angle between them, and "
        "write a sheet of their pictures and a table. `snakemake embeddings` makes the embeddings.",
    )
    look_alikes.add_argument("dataset", help="name of the data set")
    look_alikes.add_argument("ID", help="ID of the field of the cell")
    look_alikes.add_argument("cell", type=int, help="number of the cell in its field")
    look_alikes.add_argument(
        "--results", default="results", type=Path, help="folder of the results (default: %(default)s)"
    )
    look_alikes.add_argument(
        "--member",
        metavar="MODEL.STAGE",
        help="whose embeddings are compared; needed if there are those of several",
    )
    look_alikes.add_argument(
        "--number", type=int, default=24, metavar="N", help="cells to find (default: %(default)s)"
    )
    look_alikes.add_argument(
        "--other-fields", action="store_true", help="leave out the other cells of the same field"
    )
    look_alikes.add_argument(
        "--output",
        metavar="FILE.png",
        help="the sheet; the table is written beside it (default: look-alikes_<dataset>_<ID>_<cell>.png)",
    )
    look_alikes.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    from puzzlecell.embedding.look_alikes import look_alikes
    from puzzlecell.embedding.run_embeddings import find_embeddings
    from puzzlecell.embedding.sheet import write_sheet
    from puzzlecell.formats.file_names import safe_name
    from puzzlecell.runtime.atomic import written_whole

    if not 1 <= options.number <= MOST:
        raise UserError(f"--number: found {options.number}; expected 1 to {MOST}")
    name = f"look-alikes_{options.dataset}_{safe_name(options.ID)}_{options.cell}.png"
    sheet = output_file(options.output or name)
    if sheet.suffix.lower() != ".png":
        raise UserError(f"--output: found {sheet}; expected a name that ends in .png")
    table = output_file(str(sheet.with_suffix(".csv")))
    found = find_embeddings(options.results, options.dataset, options.member)
    cells = look_alikes(found, options.ID, options.cell, options.number, other_fields=options.other_fields)
    write_sheet(sheet, found, cells)
    with written_whole(table) as temporary:
        cells.to_csv(temporary, index=False, float_format="%.6f")
    print(cells.to_string(index=False, float_format=lambda value: f"{value:.4f}"))
    print(f"{sheet} and {table} written")
