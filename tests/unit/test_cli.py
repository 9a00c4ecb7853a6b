import base64
import os
import re
import subprocess
import sys
import zlib

import numpy as np
import pandas as pd
import pytest
from helpers import foreign_files as files

from puzzlecell.cli import arguments, schema
from puzzlecell.cli.main import main
from puzzlecell.data.rle import encode_mask

HEADER = "ID,ImageWidth,ImageHeight,PredictionString"
BOMB = base64.b64encode(zlib.compress(b"0" * 50_000_000)).decode()


@pytest.fixture
def tables(tmp_path):
    """Ground truth of two cells and a submission that detects one of them."""
    left, right = np.zeros((2, 8, 16), bool)
    left[2:6, 2:6] = right[2:6, 10:14] = True
    rows = {
        "truth": f"0 1 {encode_mask(left)} 1 1 {encode_mask(right)}",
        "found": f"0 0.9 {encode_mask(left)}",
        "other": f"0 0.8 {encode_mask(left)} 1 0.7 {encode_mask(right)}",
    }
    for name, text in rows.items():
        table = pd.DataFrame(
            [["a", 16, 8, text]], columns=["ID", "ImageWidth", "ImageHeight", "PredictionString"]
        )
        table.to_csv(tmp_path / f"{name}.csv", index=False)
    (tmp_path / "classes.csv").write_text("index,name\n0,first\n1,second\n")
    return tmp_path


def test_score(tables, capsys):
    options = ["--classes", str(tables / "classes.csv"), "--output", str(tables / "out.csv")]
    assert main(["score", str(tables / "found.csv"), str(tables / "truth.csv"), *options]) == 0
    assert "mean average precision 0.5000" in capsys.readouterr().out
    assert pd.read_csv(tables / "out.csv")["ap"].tolist() == [1.0, 0.0]


def test_merge(tables):
    merged = tables / "merged.csv"
    assert main(["merge", str(merged), str(tables / "found.csv"), str(tables / "other.csv")]) == 0
    options = ["--classes", str(tables / "classes.csv"), "--output", str(tables / "out.csv")]
    assert main(["score", str(merged), str(tables / "truth.csv"), *options]) == 0
    assert pd.read_csv(tables / "out.csv")["ap"].tolist() == [1.0, 1.0]


def said(capsys, *arguments):
    """Exit status and the lines on standard error of a command."""
    try:
        status = main([str(argument) for argument in arguments])
    except SystemExit as error:
        status = error.code
    return status, capsys.readouterr().err.splitlines()


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (f"{HEADER}\na,16,8,x 0.9 AAAA\n", "line 2: field 'a': detection 1 has the class 'x'"),
        (f"{HEADER}\na,16,8,0 abc AAAA\n", "line 2: field 'a': detection 1 has the confidence 'abc'"),
        (f"{HEADER}\na,16,8,0 7 AAAA\n", "line 2: field 'a': detection 1 has the confidence '7'"),
        (f"{HEADER}\na,16,8,0 0.9 AAAA\n", "field a: expected a mask as base64 of a zlib stream"),
        (f"{HEADER}\na,16,8,0 0.9 {BOMB}\n", "expands to more than 160 characters, too many for its field"),
        (f"{HEADER}\na,16,8,0 0.9\n", "2 words in PredictionString are no triplets"),
        (f"{HEADER}\na,16.0,8,\n", "line 2: field 'a': ImageWidth is '16.0'"),
        (f"{HEADER}\na,16\n", "line 2 has 2 values"),
        (f'{HEADER}\na,16,8,"0 0.9\n', "line 2: a double quote is never closed"),
        (
            HEADER.replace(",", ":"),
            "columns ID, ImageWidth, ImageHeight, PredictionString are missing; found 'ID:",
        ),
        ("", "the file is empty"),
        (None, "there is no such table"),
    ],
)
@pytest.mark.parametrize("command", ["score", "score truth", "merge"])
def test_unusable_tables_are_named(tables, capsys, content, expected, command):
    bad = tables / "bad.csv"
    if content is not None:
        bad.write_text(content)
    given = {
        "score": ["score", bad, tables / "truth.csv"],
        "score truth": ["score", tables / "found.csv", bad],
        "merge": ["merge", tables / "merged.csv", tables / "found.csv", bad],
    }[command]
    options = [] if command == "merge" else ["--classes", tables / "classes.csv"]
    status, (line,) = said(capsys, *given, *options)
    assert status == 1
    assert line.startswith(f"puzzlecell: {bad}: ")
    assert expected in line
    assert not (tables / "merged.csv").exists()


def test_a_class_beyond_the_table_is_named(tables, capsys):
    (tables / "classes.csv").write_text("index,name\n0,first\n")
    options = ["--classes", tables / "classes.csv"]
    status, (line,) = said(capsys, "score", tables / "found.csv", tables / "truth.csv", *options)
    assert status == 1
    assert line.endswith("truth.csv: line 2: field 'a': detection 2 has the class '1'; expected 0 to 0")


@pytest.mark.parametrize("command", ["convert", "convert-encoder", "convert-segmenter"])
@pytest.mark.parametrize(
    "write",
    [
        files.absent,
        files.folder,
        files.fifo,
        files.empty,
        files.text,
        files.cut,
        files.zip_of_text,
        files.safetensors,
        files.saved({"a": files.Anything()}),
        files.saved({1: files.NOT_FINITE}),
        files.saved({"a": files.NOT_FINITE}),
    ],
)
def test_unusable_weights_are_named(tables, capsys, command, write):
    write(tables / "w.pt")
    options = ["--classes", tables / "classes.csv"] if command == "convert" else []
    status, (line,) = said(capsys, command, tables / "w.pt", tables / "out.safetensors", *options)
    assert status == 1
    assert line.startswith(f"puzzlecell: {tables / 'w.pt'}: ")
    assert "weights_only" not in line
    assert not (tables / "out.safetensors").exists()


@pytest.mark.parametrize(
    ("options", "status", "expected"),
    [
        (["--iou", "3"], 1, "puzzlecell: --iou: found 3.0; input should be less than or equal to 1"),
        (["--iou", "0"], 1, "puzzlecell: --iou: found 0.0; input should be greater than 0"),
        (["--yes", "-1"], 1, "puzzlecell: --yes: found -1.0; input should be greater than or equal to 0"),
        (["--weights", "0", "1"], 1, "--weights: found [0.0, 1.0]; weights must be above 0"),
        (["--weights", "1e308", "1e308"], 1, "weights must be above 0 and have a finite sum"),
        (["--weights", "1"], 1, "1 weights for 2 submissions"),
        (["--smooth", "--method", "nms"], 1, "puzzlecell: only fused masks are smoothed"),
        *[
            ([option, text], 2, f"argument {option}: expected a finite number, found {text!r}")
            for option in ("--iou", "--yes", "--weights")
            for text in ("nan", "inf", "1e999", "x")
        ],
    ],
)
def test_numbers_out_of_range(tables, capsys, options, status, expected):
    given = ["merge", tables / "merged.csv", tables / "found.csv", tables / "other.csv"]
    found, lines = said(capsys, *given, *options)
    assert found == status
    assert expected in lines[-1]


def test_sizes_out_of_range(tables, capsys):
    given = ["convert", tables / "w.pt", tables / "out", "--classes", tables / "classes.csv"]
    assert said(capsys, *given, "--field-size", "0") == (
        1,
        ["puzzlecell: --field-size: found 0; input should be greater than or equal to 32"],
    )


@pytest.mark.parametrize("command", ["score", "merge", "convert", "convert-encoder", "convert-segmenter"])
@pytest.mark.parametrize(
    ("output", "expected"),
    [
        ("folder", "folder: is a folder, not a file; expected the name of the file to write"),
        ("pipe", "pipe: is a named pipe"),
        ("found.csv", "found.csv: is both an input and the output"),
        ("truth.csv/out.csv", "cannot be written: .*truth.csv is not a folder"),
        ("locked/new/out.csv", "cannot be written: no permission to write to the folder .*locked"),
    ],
)
def test_outputs_that_cannot_be_written(tables, capsys, monkeypatch, *, command, output, expected):
    (tables / "folder").mkdir()
    (tables / "locked").mkdir()
    os.mkfifo(tables / "pipe")
    granted = os.access
    monkeypatch.setattr(
        arguments.os, "access", lambda path, mode: path.name != "locked" and granted(path, mode)
    )
    given = {
        "score": ["score", tables / "found.csv", tables / "truth.csv", "--output", tables / output],
        "merge": ["merge", tables / output, tables / "found.csv", tables / "other.csv"],
        "convert": ["convert", tables / "found.csv", tables / output],
        "convert-encoder": ["convert-encoder", tables / "found.csv", tables / output],
        "convert-segmenter": ["convert-segmenter", tables / "found.csv", tables / output],
    }[command]
    options = ["--classes", tables / "classes.csv"] if command in ("score", "convert") else []
    before = (tables / "found.csv").read_bytes()
    status, (line,) = said(capsys, *given, *options)
    assert status == 1
    assert line.startswith(f"puzzlecell: {tables / output}: ")
    assert re.search(expected, line)
    assert (tables / "found.csv").read_bytes() == before


def test_the_folder_of_an_output_is_made(tables):
    options = ["--classes", str(tables / "classes.csv"), "--output", str(tables / "new/folder/out.csv")]
    assert main(["score", str(tables / "found.csv"), str(tables / "truth.csv"), *options]) == 0
    assert (tables / "new/folder/out.csv").is_file()


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (OSError(28, "No space left on device"), "output: the disk is full"),
        (OSError(28, "No space left on device", "out.csv"), "out.csv: the disk is full"),
        (PermissionError(13, "Permission denied", "in.csv"), "in.csv: Permission denied"),
        (KeyboardInterrupt(), None),
    ],
)
def test_errors_of_the_system_are_shown_without_a_traceback(monkeypatch, capsys, error, expected):
    def fail(options):
        raise error

    monkeypatch.setattr(schema, "run", fail)
    status, lines = said(capsys, "schema")
    assert status == (130 if expected is None else 1)
    assert lines == ([] if expected is None else [f"puzzlecell: {expected}"])


@pytest.mark.parametrize("error", [ValueError("shape"), KeyError("a"), OSError(9, "Bad file descriptor")])
def test_bugs_keep_their_traceback_and_ask_for_a_report(monkeypatch, error):
    def fail(options):
        raise error

    monkeypatch.setattr(schema, "run", fail)
    with pytest.raises(type(error)) as caught:
        main(["schema"])
    assert caught.value.__notes__ == ["This is a bug in puzzlecell. Please report it with the lines above."]


def test_a_closed_pipe_ends_quietly():
    program = "import sys; from puzzlecell.cli.main import main; sys.exit(main(['schema']))"
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run([sys.executable, "-c", program], stdout=writer, stderr=subprocess.PIPE)
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, b"")
