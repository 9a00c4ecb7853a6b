"""Tools outside the workflow: score, merge and convert files, verify results, print the configuration's schema."""

import argparse
import io
import json
import math
import os
import shlex
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from puzzlecell.config.class_table import read_classes
from puzzlecell.errors import UserError
from puzzlecell.regular_file import file_problem
from puzzlecell.runtime.atomic import is_full_disk
from puzzlecell.runtime.messages import first_few
from puzzlecell.runtime.threads import available_cores

_OPTIONS = {"iou_threshold": "iou"}
"""Settings whose option has another name."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status.

    Errors that the user can fix are printed to standard error without a traceback, with exit status 1. All others are
    bugs: they are raised, with a note that asks for a report.
    """
    options = _parser().parse_args(arguments)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # File names need not be UTF-8.
            stream.reconfigure(errors="backslashreplace")
    try:
        options.run(options)
        if sys.stdout is not None:
            sys.stdout.flush()
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # The reader, such as `head`, has had enough. Python would complain again when it flushes at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except Exception as error:
        messages = _messages(error)
        if not messages:
            error.add_note("This is a bug in puzzlecell. Please report it with the lines above.")
            raise
        for message in messages:
            print(f"puzzlecell: {message}", file=sys.stderr)
        return 1
    return 0


def _messages(error: Exception) -> list[str]:
    """Messages of an error that the user can fix; empty for a bug."""
    if isinstance(error, UserError):
        return str(error).splitlines()
    if isinstance(error, ValidationError):
        return [_setting_problem(entry) for entry in error.errors()]
    if isinstance(error, OSError) and is_full_disk(error):
        return [f"{error.filename or 'output'}: the disk is full"]
    if isinstance(error, OSError) and error.filename is not None:
        return [f"{error.filename}: {error.strerror}"]
    return []


def _setting_problem(entry: ErrorDetails) -> str:
    message = entry["msg"].removeprefix("Value error, ")
    message = message[:1].lower() + message[1:]
    if not entry["loc"]:
        return message
    name = str(entry["loc"][0])
    return f"--{_OPTIONS.get(name, name).replace('_', '-')}: found {entry['input']}; {message}"


def _number(text: str) -> float:
    """Type of options with a number: finite, because `nan` and `inf` compare in surprising ways."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise argparse.ArgumentTypeError(f"expected a finite number, found {text!r}")
    return number


def _output(path: str, *inputs: str) -> Path:
    """Path of an output; raises UserError, before anything is computed, if it cannot be written or is an input."""
    output = Path(path)
    if output.exists() and not output.is_file():
        # The finished file is moved into place: a pipe or a device would be replaced by it.
        raise UserError(f"{output}: {file_problem(output)}; expected the name of the file to write")
    for given in inputs:
        if output.exists() and Path(given).exists() and output.samefile(given):
            raise UserError(f"{path}: is both an input and the output; give the output another name")
    folder = output.parent
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    if not folder.is_dir():
        raise UserError(f"{path}: cannot be written: {folder} is not a folder")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise UserError(f"{path}: cannot be written: no permission to write to the folder {folder}")
    return output


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
        "--iou", type=_number, default=0.6, help="minimum IoU of a true positive (default: %(default)s)"
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
    merge.add_argument(
        "--weights", type=_number, nargs="+", help="one weight per submission (default: equal)"
    )
    merge.add_argument(
        "--iou",
        type=_number,
        default=0.5,
        help="IoU from which two masks count as the same cell (default: %(default)s)",
    )
    merge.add_argument(
        "--yes",
        type=_number,
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

    verify = commands.add_parser("verify", help="check the files of a run against their checksums")
    verify.add_argument("folder", nargs="?", default="results", help="default: %(default)s")
    verify.add_argument("--cores", type=int, default=available_cores(), help="default: all (%(default)s)")
    verify.set_defaults(run=_verify)

    schema = commands.add_parser("schema", help="print the JSON schema of configuration files, for editors")
    schema.set_defaults(run=_print_schema)
    return parser


def _score(options: argparse.Namespace) -> None:
    from puzzlecell.config.score import ScoreSettings
    from puzzlecell.runtime.atomic import written_whole
    from puzzlecell.scoring.submission_score import score_submission

    given = (options.submission, options.truth, options.classes)
    output = _output(options.output, *given) if options.output is not None else None
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


def _merge(options: argparse.Namespace) -> None:
    from puzzlecell.config.submission import MergeSettings
    from puzzlecell.ensemble.merge import merge_submissions

    settings = MergeSettings(method=options.method, weights=options.weights, iou=options.iou, yes=options.yes)
    output = _output(options.output, *options.submissions)
    merge_submissions(options.submissions, output, settings)


def _convert(options: argparse.Namespace) -> None:
    from puzzlecell.config.network import InputSettings, NetworkSettings
    from puzzlecell.network.convert import convert_checkpoint

    convert_checkpoint(
        options.checkpoint,
        _output(options.output, options.checkpoint, options.classes),
        NetworkSettings(backbone=options.backbone, pretrained=False),
        InputSettings(field_size=options.field_size, crop_size=options.crop_size),
        read_classes(options.classes),
    )
    print(f"wrote {options.output}")


def _convert_segmenter(options: argparse.Namespace) -> None:
    from puzzlecell.segmentation.hpa_weights import convert_segmenter

    checksum = convert_segmenter(options.weights, _output(options.output, options.weights))
    print(f"wrote {options.output}, SHA-256 {checksum}")


def _verify(options: argparse.Namespace) -> None:
    from puzzlecell.data.verify import verify_folder

    damaged, unchecked, files, size = [], [], 0, 0
    started = time.monotonic()
    # As on Ctrl-C, so that the worker processes end too.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    for found in verify_folder(options.folder, max(1, options.cores)):
        files, size = files + 1, size + found.size
        if found.problem is not None:
            damaged.append(found)
            print(f"damaged: {found.path}: {found.problem}", flush=True)
        elif not found.checked:
            unchecked.append(found.path)
    seconds = time.monotonic() - started
    print(f"checked {files - len(unchecked)} files, {size / 1e6:.0f} MB, in {seconds:.1f} s")
    if unchecked:
        print(f"of other kinds, which have no checksum: {first_few(unchecked, 3)}")
    if files == len(unchecked):
        raise UserError(
            f"{options.folder}: no file with a checksum in this folder; expected one such as results/"
        )
    if not damaged:
        print("all are intact")
        return
    names = [shlex.quote(str(found.path)) for found in damaged if not found.own]
    if len(names) < len(damaged):
        print("a table without a checksum may be your own: delete it only if a job wrote it")
    print("delete the damaged files, then run your command again with the target intermediates, for example:")
    if names:
        print("rm -r " + " ".join(names))
    print("snakemake --cores 10 intermediates results/submission.csv", flush=True)
    raise UserError(f"damaged files: {len(damaged)} of {files}")


def _print_schema(options: argparse.Namespace) -> None:
    from puzzlecell.config.schema import json_schema

    print(json.dumps(json_schema(), indent=2, ensure_ascii=False))
