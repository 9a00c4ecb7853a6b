"""`puzzlecell predict`."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from puzzlecell.cli.arguments import Commands, number
from puzzlecell.config.segmentation import SegmentationSettings
from puzzlecell.errors import UserError
from puzzlecell.runtime.threads import available_cores

SHOWN = {
    "results/view/index.html": "the cells, to look at: open it in a browser",
    "results/cells/images.parquet": "cells, with their probabilities",
    "results/export/images.csv.gz": "the same with the names of the classes",
    "results/export/images.h5ad": "the same for scanpy and R (docs/export.md)",
    "results/fields/images.csv": "fields, with their probabilities and classes",
    "results/submission.csv": "cells in the format of HPA 2021, with masks",
    "results/masks/images": "label images, and pictures of them",
    "results/warnings.csv": "what looked wrong",
}
"""Results to look at, as far as they exist."""


def add_parser(commands: Commands) -> None:
    """Add the command to `puzzlecell`."""
    predict = commands.add_parser(
        "predict",
        help="annotate the cells in a folder of images with a finished model (docs/annotate.md)",
        usage="puzzlecell predict IMAGES --model BUNDLE --output RESULTS [options] [-- options for snakemake]",
    )
    predict.add_argument(
        "images", type=Path, metavar="IMAGES", help="folder with TIFFs, PNGs or JPEGs, or a table images.csv"
    )
    predict.add_argument("--model", type=Path, required=True, metavar="BUNDLE", help="folder or zip file")
    predict.add_argument(
        "--output", type=Path, required=True, metavar="RESULTS", help="folder of the run; made if needed"
    )
    predict.add_argument(
        "--naming",
        metavar="PATTERN",
        help="how the files are named, such as '{well}_{site}_{channel}.tif' (default: as images.csv says if there is "
        "one, else {ID}_{channel}.png, else a pattern that fits them)",
    )
    predict.add_argument("--id", metavar="FORM", help="how IDs are made of the groups of --naming")
    predict.add_argument(
        "--channels",
        metavar="RED=NAME,...",
        help="what the channels are in the files, such as red=tub,green=prot,blue=dapi,yellow=zero; or numbers of "
        "channels (red=0), pages (red=page:0), another channel (yellow=same:red)",
    )
    predict.add_argument(
        "--pixel-size",
        type=number,
        metavar="UM",
        help="of the images, in micrometres (default: that of images.csv or of their metadata, else that of the "
        "model's training fields)",
    )
    predict.add_argument(
        "--segmenter",
        choices=[name for name in SegmentationSettings.segmenters() if name != "masks"],
        help="in place of the model's, with default settings",
    )
    predict.add_argument(
        "--subcell",
        type=Path,
        metavar="WEIGHTS",
        help="file of `puzzlecell convert-subcell`: SubCell also classifies the cells, with as much weight "
        "as all members of the bundle together (docs/encoders.md)",
    )
    predict.add_argument(
        "--cores", type=int, help=f"default: all ({available_cores()}), or as the profile says"
    )
    predict.add_argument("--profile", help="of Snakemake, such as profiles/slurm")
    predict.add_argument(
        "--edited",
        choices=("keep", "replace"),
        help="what to do with a RESULTS/config.yaml that was changed by hand",
    )
    predict.set_defaults(run=run, further=[])


def split_arguments(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Split the arguments of this command at `--`: its own, and those for Snakemake."""
    if list(arguments[:1]) != ["predict"] or "--" not in arguments:
        return list(arguments), []
    place = list(arguments).index("--")
    return list(arguments[:place]), list(arguments[place + 1 :])


def run(options: argparse.Namespace) -> int:
    from puzzlecell.bundle.differences import relative
    from puzzlecell.bundle.prediction import prepare_prediction
    from puzzlecell.bundle.written_configuration import Edited
    from puzzlecell.cli.own_images import own_images
    from puzzlecell.runtime.project_run import profile_path, project_folder, run_workflow
    from puzzlecell.scoring.warnings_table import whole_findings

    if options.pixel_size is not None and not 0 < options.pixel_size <= 100:
        raise UserError(
            f"--pixel-size: found {options.pixel_size:g}; expected micrometres, above 0 and up to 100"
        )
    if options.cores is not None and options.cores < 1:
        raise UserError(f"--cores: found {options.cores}; expected at least 1")
    project_folder()
    images = own_images(
        options.images,
        options.output,
        naming=options.naming,
        id_form=options.id,
        channels=options.channels,
    )
    prediction = prepare_prediction(
        images,
        options.model,
        options.output,
        pixel_size_um=options.pixel_size,
        segmenter=options.segmenter,
        subcell=options.subcell,
        edited=Edited(options.edited) if options.edited else None,
    )
    output = options.output.absolute()
    for line in prediction.found:
        print(line)
    for warning in prediction.warnings:
        print(f"warning: {warning}")
    sys.stdout.flush()
    arguments = ["--profile", profile_path(options.profile)] if options.profile else []
    if options.cores or not options.profile:
        arguments += ["--cores", str(options.cores or available_cores())]
    status = run_workflow(output, prediction.configuration, [*arguments, *options.further])
    if {"-n", "--dry-run", "--dryrun"} & set(options.further):
        return status
    if status == 0:
        print(f"results in {relative(output / 'results')}:")
        for name, what in SHOWN.items():
            if (output / name).exists():
                print(f"    {relative(output / name)}  {what}")
        # Said again, because a run with nothing to do does not, and because nobody should miss it.
        for text in whole_findings(output / "results/warnings.csv"):
            print(f"warning: {text}")
    elif status == 130:
        print("stopped; run the same command again to go on", file=sys.stderr)
    else:
        print(
            f"not finished; logs are in {relative(output / 'results/logs')}. Run the same command again to go on",
            file=sys.stderr,
        )
    return status
