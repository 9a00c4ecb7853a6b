import os

import pytest
from helpers.paths import ROOT

from puzzlecell.config.class_table import ClassTableError, read_classes


def table(folder, content):
    path = folder / "classes.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_the_shipped_table_is_read():
    names = read_classes(ROOT / "config/classes.csv")
    assert (len(names), names[0], names[18]) == (19, "Nucleoplasm", "Negative")


@pytest.mark.parametrize(
    ("content", "names"),
    [
        ("index,name\n0,a\n1,b\n", ["a", "b"]),
        ("index,name\n0,0\n1,1\n", ["0", "1"]),
        ("index,name\r\n0,a\r\n1,b", ["a", "b"]),
        ("\ufeffindex,name\n0,a\n\n1,b\n\n", ["a", "b"]),
        ('index,name\n0,"a, with comma"\n1,"say ""b"""\n', ["a, with comma", 'say "b"']),
        # What pandas takes for missing values, and text beyond ASCII.
        ("index,name\n0,NA\n1,null\n2,Zellkörper β\n", ["NA", "null", "Zellkörper β"]),
    ],
)
def test_tables_of_all_kinds_are_read(tmp_path, content, names):
    assert read_classes(table(tmp_path, content)) == names


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("", "the file is empty"),
        ("\n\n", "the file is empty"),
        ("index,name\n", "no classes"),
        ("0,a\n1,b\n", "the first line is '0,a'; expected index,name"),
        (",,,\n", "the first line is ',,,'; expected index,name"),
        ("name,index\na,0\n", "the first line is 'name,index'"),
        ("index,name,colour\n0,a,red\n", "the first line is 'index,name,colour'"),
        ("index;name\n0;a\n", "the first line is 'index;name'"),
        ("index,name\n0\n", "line 2: 1 values; expected two"),
        ("index,name\n0,a,b\n", "line 2: 3 values; expected two"),
        ("index,name\n0,a\n2,b\n", "line 3: index '2'; expected 1"),
        ("index,name\n1,a\n", "line 2: index '1'; expected 0"),
        ("index,name\n0.0,a\n", "line 2: index '0.0'; expected 0"),
        ("index,name\n,a\n", "line 2: index ''; expected 0"),
        ("index,name\n0,\n", "line 2: no name"),
        ("index,name\n0,  \n", "line 2: no name"),
        ("index,name\n0, a\n", "line 2: the name ' a' begins or ends with a space"),
        ("index,name\n0,a\n1,a\n", "line 3: the name 'a' is also in line 2"),
        ('index,name\n0,"a\nb"\n', "line 3: the name 'a\\nb' has a line break"),
        ("index,name\n0,a\0b\n", "line 2: the name 'a\\x00b' has a line break or a control character"),
        ("index,name\n0,Label\n", "line 2: the name 'Label' is reserved"),
        ("index,name\n0,1\n1,2\n", "line 2: the name '1' is a number, which stands for another class"),
        ('index,name\n0,"a\n', "cannot be read as CSV: unexpected end of data"),
        ("index,name\n0,Zellkörper\n".encode("latin-1"), "not in UTF-8: invalid start byte at byte 18"),
        (bytes(range(256)), "not in UTF-8"),
    ],
)
def test_a_damaged_table_is_refused_with_its_name_and_line(tmp_path, content, expected):
    path = table(tmp_path, content)
    with pytest.raises(ClassTableError) as caught:
        read_classes(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert expected in str(caught.value)


def test_what_is_no_file_is_refused(tmp_path):
    with pytest.raises(ClassTableError, match="none.csv: there is no such file"):
        read_classes(tmp_path / "none.csv")
    with pytest.raises(ClassTableError, match="not a file"):
        read_classes(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ClassTableError, match="pipe: is a named pipe, .*, not a file"):
        read_classes(tmp_path / "pipe")


def test_all_problems_of_a_table_are_reported_together(tmp_path):
    with pytest.raises(ClassTableError) as caught:
        read_classes(table(tmp_path, "index,name\n5,a\n1,\n2\n"))
    assert len(str(caught.value).splitlines()) == 3
