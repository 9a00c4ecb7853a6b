"""Tools for single files, outside the workflow: score, merge, convert; and the schema of the configuration."""

import argparse
import json
import sys
from collections.abc import Sequence

from pydantic import ValidationError

from puzzlecell.config.class_table import read_classes


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; user errors are printed to standard error without a traceback, with exit status 1."""
    options = _parser().parse_args(arguments)
    try:
        options.run(options)
    except ValidationError as error:
        for entry in error.errors():
            print(f"puzzlecell: {'.'.join(map(str, entry['loc']))}: {entry['msg']}", file=sys.stderr)
        return 1
    except (ValueError, OSError) as error:
        print(f"puzzlecell: {error}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("puzzlecell", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="command")

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
        "--iou", type=float, default=0.6, help="minimum IoU of a true positive (default: %(default)s)"
    )
    score.add_argument("--overlap", choices=("mask", "box"), default="mask")
    score.add_argument("--detections", choices=("all", "present"), default="all")
    score.add_argument("--missing", choices=("zero", "nan"), default="zero")
    score.add_argument("--output", help="also write the per-class table to this CSV file")
    score.set_defaults(run=_score)

    merge = commands.add_parser("merge", help="merge several submissions by mask overlap")
    merge.add_argument("output")
    merge.add_argument("submissions", nargs="+")
    merge.add_argument("--method", choices=("nms", "fusion", "vote"), default="fusion")
    merge.add_argument("--weights", type=float, nargs="+", help="one weight per submission (default: equal)")
    merge.add_argument(
        "--iou",
        type=float,
        default=0.5,
        help="IoU from which two masks count as the same cell (default: %(default)s)",
    )
    merge.add_argument(
        "--yes",
        type=float,
        default=0.5,
        help="minimum confidence at which a submission votes for a class (default: %(default)s)",
    )
    merge.set_defaults(run=_merge)

    convert = commands.add_parser(
        "convert", help="convert a published checkpoint of the method to safetensors"
    )
    convert.add_argument("checkpoint", help="PyTorch state dict; only tensors are read")
    convert.add_argument("output", help="for example weights/stage2_fold1.safetensors")
    convert.add_argument(
        "--backbone", default="seresnext50_32x4d", help="timm model name (default: %(default)s)"
    )
    convert.add_argument("--field-size", type=int, default=512)
    convert.add_argument("--crop-size", type=int, default=384)
    convert.add_argument(
        "--classes",
        default="config/classes.csv",
        help="CSV `index,name` of the classes (default: %(default)s)",
    )
    convert.set_defaults(run=_convert)

    segmenter = commands.add_parser(
        "convert-segmenter", help="convert published weights of the HPA segmenter to safetensors"
    )
    segmenter.add_argument(
        "weights", help="dpn_unet_nuclei_v1.pth or dpn_unet_cell_3ch_v1.pth; only tensors are read"
    )
    segmenter.add_argument("output", help="for example weights/hpa_dpn_nuclei.safetensors")
    segmenter.set_defaults(run=_convert_segmenter)

    schema = commands.add_parser("schema", help="print the JSON schema of configuration files, for editors")
    schema.set_defaults(run=_print_schema)
    return parser


def _score(options: argparse.Namespace) -> None:
    from puzzlecell.config.score import ScoreSettings
    from puzzlecell.scoring.average_precision import score_submission

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
    if options.output:
        table.to_csv(options.output, index=False)


def _merge(options: argparse.Namespace) -> None:
    from puzzlecell.config.submission import MergeSettings
    from puzzlecell.ensemble.merge import merge_submissions

    settings = MergeSettings(method=options.method, weights=options.weights, iou=options.iou, yes=options.yes)
    merge_submissions(options.submissions, options.output, settings)


def _convert(options: argparse.Namespace) -> None:
    from puzzlecell.config.network import InputSettings, NetworkSettings
    from puzzlecell.network.convert import convert_checkpoint

    convert_checkpoint(
        options.checkpoint,
        options.output,
        NetworkSettings(backbone=options.backbone, pretrained=False),
        InputSettings(field_size=options.field_size, crop_size=options.crop_size),
        read_classes(options.classes),
    )
    print(f"wrote {options.output}")


def _convert_segmenter(options: argparse.Namespace) -> None:
    from puzzlecell.segmentation.hpa_weights import convert_segmenter

    checksum = convert_segmenter(options.weights, options.output)
    print(f"wrote {options.output}, SHA-256 {checksum}")


def _print_schema(options: argparse.Namespace) -> None:
    from puzzlecell.config.schema import json_schema

    print(json.dumps(json_schema(), indent=2, ensure_ascii=False))
