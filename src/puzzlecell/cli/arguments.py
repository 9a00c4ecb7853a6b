"""Arguments that several commands share."""

import argparse
import math
import os
from pathlib import Path
from typing import TypeAlias

from puzzlecell.errors import UserError
from puzzlecell.regular_file import file_problem

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"
"""What `add_parser` of a command adds it to."""


def number(text: str) -> float:
    """Type of options with a number: finite, because `nan` and `inf` compare in surprising ways."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise argparse.ArgumentTypeError(f"expected a finite number, found {text!r}")
    return value


def output_file(path: str, *inputs: str) -> Path:
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
