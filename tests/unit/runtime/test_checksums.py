import json

import numpy as np
import pytest

from puzzlecell.errors import DamagedFileError
from puzzlecell.runtime.checksums import (
    EMPTY_MARK,
    array_checksum,
    check_sealed_file,
    check_text,
    columns_checksum,
    read_sealed,
    sealed,
    written_with_checksum,
)

CONTENT = b"before " + EMPTY_MARK.encode() + b" and after"


def test_a_sealed_file_is_read_back(tmp_path):
    (tmp_path / "file").write_bytes(sealed(CONTENT))
    content = read_sealed(tmp_path / "file")
    assert len(content) == len(CONTENT)
    assert content[:7] == b"before "
    assert content[-9:] == b"and after"


@pytest.mark.parametrize("read", [read_sealed, check_sealed_file])
def test_every_changed_byte_and_every_lost_end_is_found(tmp_path, read):
    path, intact = tmp_path / "file", sealed(CONTENT)
    for place in range(len(intact)):
        damaged = bytearray(intact)
        damaged[place] ^= 4
        for content in (bytes(damaged), intact[:place]):
            path.write_bytes(content)
            with pytest.raises(DamagedFileError, match="file: damaged: .*; delete this file and start again"):
                read(path)


def test_a_mark_near_the_end_of_a_long_file_is_found(tmp_path):
    content = sealed(bytes(40_000_000) + CONTENT)
    (tmp_path / "file").write_bytes(content)
    assert read_sealed(tmp_path / "file") == content
    check_sealed_file(tmp_path / "file")


def write(path, text):
    with written_with_checksum(path) as temporary:
        temporary.write_text(text)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a\nb\n", "2 lines; 3 were written"),
        ("a\nb\nd\n", "its checksum does not match"),
        ("", "0 lines; 3 were written"),
    ],
)
def test_a_changed_text_is_found(tmp_path, text, found):
    path = tmp_path / "table.csv"
    write(path, "a\nb\nc\n")
    check_text(path)
    path.write_text(text)
    with pytest.raises(DamagedFileError, match=f"table.csv: damaged: {found}"):
        check_text(path)


def test_a_missing_or_unreadable_checksum_is_an_error_unless_the_text_may_be_the_users_own(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("a\n")
    check_text(path, required=False)
    with pytest.raises(DamagedFileError, match=r"there is no table\.csv\.checksum beside it"):
        check_text(path)
    for text in ("", "{}", "[1]", json.dumps({"lines": "x", "xxh3_128": 3})):
        (tmp_path / "table.csv.checksum").write_text(text)
        with pytest.raises(DamagedFileError, match=r"table\.csv\.checksum beside it cannot be read"):
            check_text(path, required=False)


def test_a_table_that_may_be_the_users_own_is_not_to_be_deleted_without_thought(tmp_path):
    path = tmp_path / "labels.csv"
    write(path, "ID\na\n")
    path.write_text("ID\na\nb\n")
    with pytest.raises(
        DamagedFileError, match="if you changed it on purpose, delete labels.csv.checksum beside it"
    ):
        check_text(path, required=False)


def test_checksums_of_arrays_depend_on_values_only():
    array = np.arange(24, dtype=np.uint16).reshape(4, 6)
    assert array_checksum(array) == array_checksum(np.asfortranarray(array)) != array_checksum(array + 1)


def test_checksums_of_columns_depend_on_names_types_shapes_and_values():
    column = np.arange(4)
    variants = [
        {"a": column},
        {"b": column},
        {"a": column.astype(np.int32)},
        {"a": column.reshape(2, 2)},
        {"a": column + 1},
        {"a": column, "b": column},
    ]
    assert len({columns_checksum(variant) for variant in variants}) == len(variants)
    assert columns_checksum({"a": column, "b": column[::-1]}) == columns_checksum(
        {"b": column[::-1], "a": column}
    )
