"""Tools around the workflow: annotate images with a finished model, plan and check runs, score and convert files."""

import argparse
import io
import os
import sys
from collections.abc import Sequence

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from puzzlecell.cli import (
    bundle,
    convert,
    convert_encoder,
    convert_subcell,
    download,
    grades,
    init,
    look_alikes,
    merge,
    plan,
    predict,
    schema,
    score,
    validate,
    verify,
    view,
)
from puzzlecell.cli import status as status_command
from puzzlecell.errors import UserError
from puzzlecell.runtime.atomic import is_full_disk

_OPTIONS = {"iou_threshold": "iou"}
"""Settings whose option has another name."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status: that which the command returns, 0 if it returns none.

    Errors that the user can fix are printed to standard error without a traceback, with exit status 1. All others are
    bugs: they are raised, with a note that asks for a report.
    """
    own, further = predict.split_arguments(sys.argv[1:] if arguments is None else arguments)
    options = _parser().parse_args(own)
    if further:
        options.further = further
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # File names need not be UTF-8.
            stream.reconfigure(errors="backslashreplace")
    try:
        status = options.run(options)
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
    return status or 0


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


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("puzzlecell", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="command")
    for command in (
        *(init, predict, view, bundle, validate, plan, status_command, download),
        *(look_alikes, score, grades, merge, convert, convert_encoder, convert_subcell, verify, schema),
    ):
        command.add_parser(commands)
    return parser
