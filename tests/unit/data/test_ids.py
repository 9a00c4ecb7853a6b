import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from puzzlecell.data.ids import id_problem


@pytest.mark.parametrize(
    "text",
    [
        "plate 1 (well A1)",
        "A01#3",
        "é",
        "细胞-7",
        "007",
        "NA",
        "null",
        "nan",
        "1e5",
        "True",
        "-1",
        "a..b",
        "a" * 200,
        "é" * 100,
        "a|b",
        "x@0.5 ß",
        "=1+1",
    ],
)
def test_ordinary_ids_are_allowed(text):
    assert id_problem(text) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "is empty"),
        (" a", "begins or ends with a space"),
        ("a\u00a0", "begins or ends with a space"),
        ("a,b", "a comma"),
        ("a;b", "a semicolon"),
        ('a"b', "a quote"),
        ("a'b", "a quote"),
        ("../a", "a slash"),
        ("a/b", "a slash"),
        ("a\\b", "a backslash"),
        ("..", "begins with a full stop"),
        (".a", "begins with a full stop"),
        ("a\tb", "a tab"),
        ("a\nb", "a line break"),
        ("a\r", "a line break"),
        ("a\u2028b", "a line break"),
        ("a\u2029b", "a line break"),
        ("a\0b", "a control character"),
        ("a\x7fb", "a control character"),
        ("a\x85b", "a control character"),
        ("\x1b[31ma", "a control character"),
        ("\ufeffa", "an invisible character"),
        ("a\u202eb", "an invisible character"),
        ("a\ud800", "an incomplete character"),
        ("a" * 201, "has 201 bytes, more than 200"),
        ("é" * 101, "has 202 bytes"),
    ],
)
def test_other_ids_are_refused(text, expected):
    assert expected in id_problem(text)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.text(max_size=220))
def test_an_allowed_id_is_one_word_of_a_row_and_one_part_of_a_path(text):
    if id_problem(text) is None:
        assert f"x,{text},y".splitlines() == [f"x,{text},y"]
        assert not set(text) & set(",;\t\"'/\\\0")
        assert text not in ("", ".", "..")
        assert len(text.encode()) + len("_yellow.png") <= 255
