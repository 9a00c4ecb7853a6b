"""`puzzlecell score`."""

import argparse

from puzzlecell.cli.arguments import Commands, number, output_file
from puzzlecell.config.class_table import read_classes


def add_parser(commands: Commands) -> None:
    """Add the command to `puzzlecell`."""
    score = commands.add_parser("score", help="score a submission against a table of ground truth")
    score.add_argument("submission")
    score.add_argument(
        "truth",
        help="CSV `ID,ImageWidth,ImageHeight,PredictionString` with one triplet per class of each cell",
    )
    score.add_argument(
        "--classes",
        default="config/classes.csv",
        help="CSV `index,name` of the classes (default: %(default)s)",
    )
    score.add_argument(
        "--iou", type=number, default=0.6, help="minimum IoU of a true positive (default: %(default)s)"
    )
    score.add_argument("--overlap", choices=("mask", "box"), default="mask")
    score.add_argument("--detections", choices=("all", "present"), default="all")
    score.add_argument("--missing", choices=("zero", "nan"), default="zero")
    score.add_argument("--output", help="also write the per-class table to this CSV file")
    score.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    from puzzlecell.config.score import ScoreSettings
    from puzzlecell.runtime.atomic import written_whole
    from puzzlecell.scoring.submission_score import score_submission

    given = (options.submission, options.truth, options.classes)
    output = output_file(options.output, *given) if options.output is not None else None
    names = read_classes(options.classes)
    settings = ScoreSettings(
        iou_threshold=options.iou,
        overlap=options.overlap,
        detections=options.detections,
        missing=options.missing,
    )
    result = score_submission(options.submission, options.truth, settings, len(names))
    table = result.classes.assign(name=[names[index] for index in result.classes["class"]])
    print(table.to_string(index=False, float_format=lambda value: f"{value:.4f}"))
    print(f"mean average precision {result.mean:.4f} ({result.low:.4f} to {result.high:.4f})")
    print("true cells of each class, found or missed for one of these reasons:")
    print(result.misses.to_string(index=False))
    if output is not None:
        with written_whole(output) as temporary:
            table.to_csv(temporary, index=False)
