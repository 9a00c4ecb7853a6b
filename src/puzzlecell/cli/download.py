"""`puzzlecell download`."""

import argparse
import sys

from puzzlecell.cli.arguments import Commands
from puzzlecell.config.class_table import read_classes


def add_parser(commands: Commands) -> None:
    """Add the command to `puzzlecell`."""
    download = commands.add_parser(
        "download", help="fetch public fields of the Human Protein Atlas, with their labels"
    )
    download.add_argument("folder", help="of the data set, for example data/atlas")
    download.add_argument(
        "--fields",
        required=True,
        help="CSV or TSV with a column ID or Image, or the XML of the atlas: a path or a URL",
    )
    download.add_argument("--url", help="pattern such as https://server/{antibody}/{ID}_{channel}.tif.gz")
    download.add_argument("--locations", help="subcellular_location.tsv: labels by gene")
    download.add_argument("--connections", type=int, help="files at the same time (default: 4)")
    download.add_argument(
        "--max-failed", type=float, help="fraction of fields that may be missing (default: 0)"
    )
    download.add_argument(
        "--classes",
        default="config/classes.csv",
        help="CSV `index,name` of the classes (default: %(default)s)",
    )
    download.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    from puzzlecell.config.download import DownloadSettings
    from puzzlecell.download.dataset import download_dataset
    from puzzlecell.runtime.progress import Reporter

    names = ("fields", "url", "locations", "connections", "max_failed")
    given = {name: value for name in names if (value := getattr(options, name)) is not None}
    settings = DownloadSettings(**given)
    progress = Reporter("download", terminal=sys.stderr)
    missing = download_dataset(options.folder, settings, read_classes(options.classes), progress=progress)
    left = f"; incomplete fields left out: {missing['ID'].nunique()}" if len(missing) else ""
    print(f"wrote {options.folder}/images and {options.folder}/labels.csv{left}")
