import csv
import io
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from puzzlecell.data import text_tables
from puzzlecell.data.text_tables import TableError, read_text_table


def values(table):
    return [table.columns.tolist(), *table.to_numpy().tolist()]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (
            b"ID\nNA\nnull\nnan\n1e5\n007\nTrue\n \n",
            [["NA"], ["null"], ["nan"], ["1e5"], ["007"], ["True"], [" "]],
        ),
        (b"\xef\xbb\xbfID,b\n1,\n", [["1", ""]]),
        (b"ID,b\r\n1,2\r\n3,4", [["1", "2"], ["3", "4"]]),
        (b"ID,b\r1,2\r", [["1", "2"]]),
        (b'ID,b\n"1","a, ""b""\nc"\n', [["1", 'a, "b"\nc']]),
        (b"ID,b\n1,2\n\n\n", [["1", "2"]]),
        (b"ID,b\n", []),
        ("ID,b\né,细胞\n".encode(), [["é", "细胞"]]),
        (b",ID,b\n0,1,2\n1,3,4\n", [["1", "2"], ["3", "4"]]),
        (b"\xef\xbb\xbfID;b\r\n1;0,5\r\n", [["1", "0,5"]]),
        (b'"ID";"b"\n"1";"2;3"\n', [["1", "2;3"]]),
        (b"ID\tb, c;d\n1\t2,3;4\n", [["1", "2,3;4"]]),
        (b"note;x,ID\n1;2,3\n", [["1;2", "3"]]),
        (b"ID;b;\n1;2;\n", [["1", "2"]]),
    ],
)
def test_values_stay_text(tmp_path, content, expected):
    (tmp_path / "t.csv").write_bytes(content)
    table = read_text_table(tmp_path / "t.csv", ["ID"])
    assert values(table)[1:] == expected
    assert (table.dtypes == "str").all()


def test_the_index_holds_line_numbers(tmp_path):
    (tmp_path / "t.csv").write_text('ID,b\n1,x\n2,"two\nlines"\n3,y\n')
    assert read_text_table(tmp_path / "t.csv").index.tolist() == [2, 3, 5]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "t.csv: the file is empty; expected a header with the columns ID, b"),
        (b"\nID,b\n", "the first line is empty; expected a header"),
        (b"ID,b\n1,2\n3\n", "line 3 has 1 values, but the header has 2 columns"),
        (b"ID,b\n1,2,3\n", "line 2 has 3 values, but the header has 2 columns"),
        (b"ID,b\n1,2\n\n3,4\n", "line 3 is empty, but rows follow"),
        (
            b"ID,b\n1,2\n3,\xe9\n",
            "not UTF-8: byte 0xe9 at offset 11 (line 3); save the table as CSV in UTF-8",
        ),
        ("ID,b\n1,2\n".encode("utf-16"), "contains a NUL character; expected a CSV table in UTF-8"),
        (b"ID,b\n1,2\n3,\0\n", "line 3 contains a NUL character"),
        (b"ID,b,c,b,c\n", "columns that occur twice: 'b', 'c'"),
        (b"ID,c\n1,2\n", "column b is missing; found 'ID', 'c'"),
        (
            b"id, b\n1,2\n",
            "columns ID, b are missing; found 'id', ' b'; names must be written exactly so, not 'id'",
        ),
        (b"ID;c\n1;2\n", "column b is missing; found 'ID', 'c'"),
        (
            b"ID;b\n1;2;3\n",
            "line 2 has 3 values, but the header has 2 columns; a value that contains a semicolon",
        ),
        (b'ID\tb\n1\t"x"y\n', "line 2: a closing double quote is not followed by a tab"),
        (b'ID,b\n1,2\n3,"x\n4,5\n', "line 3: a double quote is never closed"),
        (b'ID,b\n1,"x"y\n', "line 2: a closing double quote is not followed by a comma"),
        (b'"ID,b\n1,2\n', "line 1: a double quote is never closed"),
    ],
)
def test_faults_are_named_with_their_line(tmp_path, content, expected):
    (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(TableError) as caught:
        read_text_table(tmp_path / "t.csv", ["ID", "b"])
    assert expected in str(caught.value)
    assert str(caught.value).startswith(f"{tmp_path / 't.csv'}: ")


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda path: None, "there is no such table"),
        (lambda path: path.mkdir(), "is a folder, not a table"),
        (os.mkfifo, "is a named pipe"),
        (lambda path: path.symlink_to(path), "cannot be opened"),
    ],
)
def test_what_is_not_a_file_is_refused_without_opening_it(tmp_path, make, expected):
    make(tmp_path / "t.csv")
    with pytest.raises(TableError, match=rf"t\.csv: {expected}.*expected a CSV file with the column ID"):
        read_text_table(tmp_path / "t.csv", ["ID"])


@pytest.mark.parametrize("name", ["a" * 300, "a\0b"])
def test_names_that_no_file_can_have(tmp_path, name):
    with pytest.raises(TableError, match="cannot be opened"):
        read_text_table(tmp_path / name)


def test_values_may_be_long_but_not_endless(tmp_path, monkeypatch):
    (tmp_path / "t.csv").write_text(f"ID,b\n1,{'x' * 300_000}\n")
    assert len(read_text_table(tmp_path / "t.csv")["b"].iloc[0]) == 300_000
    before = csv.field_size_limit(1000)
    monkeypatch.setattr(text_tables, "LONGEST_VALUE", 1000)
    try:
        with pytest.raises(TableError, match="line 2: a value has more than 1000 characters"):
            read_text_table(tmp_path / "t.csv")
    finally:
        csv.field_size_limit(before)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(
    st.binary(max_size=60)
    | st.text(alphabet='ID,b"\n\r 1é\0;', max_size=60).map(lambda text: ("ID,b\n" + text).encode())
)
def test_any_bytes_are_a_table_or_an_error_with_a_message(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "any.csv"
    path.write_bytes(content)
    try:
        table = read_text_table(path, ["ID"])
    except TableError as error:
        assert str(path) in str(error)
        return
    text = content.decode("utf-8-sig")
    for sign in ",;\t":
        rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=sign))
        if rows and "ID" in rows[0]:
            break
    while not rows[-1]:
        rows.pop()
    named = [place for place, name in enumerate(rows[0]) if name]
    assert values(table) == [[row[place] for place in named] for row in rows]
