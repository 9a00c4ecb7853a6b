"""`puzzlecell merge`."""

import argparse

from puzzlecell.cli.arguments import Commands, number, output_file


def add_parser(commands: Commands) -> None:
    """Add the command to `puzzlecell`."""
    merge = commands.add_parser("merge", help="merge several submissions by mask overlap")
    merge.add_argument("output")
    merge.add_argument("submissions", nargs="+")
    merge.add_argument("--method", choices=("nms", "fusion", "vote"), default="fusion")
    merge.add_argument("--weights", type=number, nargs="+", help="one weight per submission (default: equal)")
    merge.add_argument(
        "--iou",
        type=number,
        default=0.5,
        help="IoU from which two masks count as the same cell (default: %(default)s)",
    )
    merge.add_argument(
        "--yes",
        type=number,
        default=0.5,
        help="minimum confidence at which a submission votes for a class (default: %(default)s)",
    )
    merge.add_argument(
        "--smooth",
        action="store_true",
        help="erode each fused mask by one pixel and dilate it by one again (fusion and vote)",
    )
    merge.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    from puzzlecell.config.submission import MergeSettings
    from puzzlecell.ensemble.merge import merge_submissions

    settings = MergeSettings(
        method=options.method,
        weights=options.weights,
        iou=options.iou,
        yes=options.yes,
        smooth=options.smooth,
    )
    output = output_file(options.output, *options.submissions)
    merge_submissions(options.submissions, output, settings)
