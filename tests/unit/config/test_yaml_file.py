import json

import pytest
from helpers.paths import ROOT

from puzzlecell.config.yaml_file import file_text_problems


def problems(folder, content):
    path = folder / "mine.yaml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return [problem.removeprefix(f"{path}: ") for problem in file_text_problems([path])]


TWICE = "this key is in line {} and again in line {}; keep one"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("a: 1\nb: 2\na: 3\n", [f"a: {TWICE.format(1, 3)}"]),
        ("a:\n  b: {c: 1, c: 1}\n", [f"a.b.c: {TWICE.format(2, 2)}"]),
        ("a:\n- b: 1\n  b: 2\n", [f"a.0.b: {TWICE.format(2, 3)}"]),
        ("a: &x {b: 1, b: 2}\nc: *x\n", [f"a.b: {TWICE.format(1, 1)}"]),
        # Keys that are written differently, but equal as Python keys.
        ("a: {1: x, 0x1: y}\n", [f"a.0x1: {TWICE.format(1, 1)}"]),
        ("yes: 1\ntrue: 2\n", [f"true: {TWICE.format(1, 2)}"]),
        ("a: {1: x, '1': y}\n", []),
        ("a: &x {b: 1}\nc: {<<: *x, b: 2}\n", []),
        ("a: 010\n", ["a: 010 in line 1 is read as 8; write a plain decimal number"]),
        ("a: [1:30]\n", ["a.0: 1:30 in line 1 is read as 90; write a plain decimal number"]),
        ("a: 1_6\n", ["a: 1_6 in line 1 is read as 16; write a plain decimal number"]),
        ("a: 1_6.5\n", ["a: 1_6.5 in line 1 is read as 16.5; write a plain decimal number"]),
        ("a: ['010', -1, 0, 0.5, 1e-3, 1.0e-3, 0x10, b_1]\n", []),
        ("", ["the file is empty; expected a mapping: lines such as `seed: 2020`"]),
        ("# nothing\n", ["the file is empty; expected a mapping: lines such as `seed: 2020`"]),
        ("- a\n", ["found a list; expected a mapping: lines such as `seed: 2020`"]),
        ("a\n", ["found a single value; expected a mapping: lines such as `seed: 2020`"]),
        ("a: [1\nb: 2\n", ["not YAML: expected ',' or ']', but got ':' in line 2, column 2"]),
        ("a:\n\tb: 1\n", ["not YAML: found character '\\t' that cannot start any token in line 2, column 1"]),
        ("a: 1\n---\nb: 1\n", ["not YAML: but found another document in line 2, column 1"]),
        ("a: \0\n", ["not YAML: unacceptable character #x0000: special characters are not allowed"]),
        (b"a: \xff\n", ["not in UTF-8: invalid start byte at byte 3; save it as UTF-8"]),
        ('{\n\t"a": {"b": 1},\n\t"b": 1\n}', []),
        ('{\n\t"a": {"b": 1, "b": 2}\n}', ["b: this key occurs twice in the same mapping; keep one"]),
        ("[\n\t1\n]", ["found a list; expected a mapping: lines such as `seed: 2020`"]),
    ],
)
def test_problems_of_the_text(tmp_path, content, expected):
    found = problems(tmp_path, content)
    assert [problem.split(' in "<')[0] for problem in found] == expected


def test_all_files_and_all_their_problems_are_reported(tmp_path):
    (tmp_path / "a.yaml").write_text("x: 1\nx: 2\ny: 1\ny: 2\n")
    (tmp_path / "b.yaml").mkdir()
    names = ["a.yaml", "b.yaml", "c.yaml"]
    found = file_text_problems([tmp_path / name for name in names])
    assert [problem.split(": ")[0] for problem in found] == [
        str(tmp_path / name) for name in ["a.yaml", *names]
    ]
    assert found[2].endswith("not a file")
    assert found[3].endswith("there is no such file")


@pytest.mark.parametrize("name", ["config.yaml", "hpa2021.yaml", "hpa2021-extended.yaml"])
def test_the_shipped_configurations_have_none(name):
    assert file_text_problems([ROOT / "config" / name]) == []


def test_json_is_fine(tmp_path):
    assert problems(tmp_path, json.dumps({"a": {"b": [1, 2.5, None, True]}}, indent=1)) == []
