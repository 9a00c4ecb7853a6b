import os

import pytest

from puzzlecell.runtime.fingerprint import files_digest, fingerprint, folder_digest


def test_everything_that_decides_the_result_changes_the_fingerprint(tmp_path):
    small = tmp_path / "small.csv"
    small.write_text("a")
    settings = {"loss": {"gamma": 0.5}, "epochs": 3}
    first = fingerprint(settings, [small])
    assert fingerprint({"epochs": 3, "loss": {"gamma": 0.5}}, [small]) == first
    assert fingerprint({"loss": {"gamma": 0.25}, "epochs": 3}, [small]) != first
    os.utime(small, ns=(1, 1))
    assert fingerprint(settings, [small]) == first
    small.write_text("c")
    assert fingerprint(settings, [small]) != first


def test_swapped_values_change_the_fingerprint():
    assert fingerprint({"a": 1, "b": 2}) != fingerprint({"a": 2, "b": 1})


@pytest.mark.parametrize(
    "change",
    [
        lambda path: path.write_text("longer"),
        lambda path: os.utime(path, ns=(1, 1)),
        lambda path: path.rename(path.with_name("other")),
        lambda path: path.unlink(),
    ],
)
def test_names_sizes_times_and_absence_of_files_change_the_digest(tmp_path, change):
    path = tmp_path / "file"
    path.write_text("text")
    before = files_digest([path]), folder_digest(tmp_path)
    assert (files_digest([path]), folder_digest(tmp_path)) == before
    change(path)
    assert files_digest([path]) != before[0]
    assert folder_digest(tmp_path) != before[1]


def test_files_older_than_the_limit_are_ignored(tmp_path):
    path = tmp_path / "file"
    path.write_text("text")
    os.utime(path, ns=(5, 5))
    assert files_digest([path], newer_than_ns=5) == files_digest([])
    assert files_digest([path], newer_than_ns=4) != files_digest([])


def test_a_missing_folder_counts_as_empty(tmp_path):
    assert folder_digest(tmp_path / "none") == folder_digest(tmp_path)


def loop(path):
    path.unlink()
    path.symlink_to(path.name)
    return path


def below_a_file(path):
    return path / "other"


def long_name(path):
    return path.with_name("x" * 300)


def not_a_name(path):
    return path.with_name("a\0b")


def not_unicode(path):
    return path.rename(path.with_name("\udcff"))


@pytest.mark.parametrize("make", [loop, below_a_file, long_name, not_a_name, not_unicode])
def test_a_file_that_cannot_be_reached_has_a_digest_of_its_own(tmp_path, make):
    path = tmp_path / "file"
    path.write_text("text")
    before = files_digest([path])
    unreachable = make(path)
    assert files_digest([unreachable]) not in (before, files_digest([tmp_path / "none"]))
    assert len(folder_digest(unreachable)) == len(folder_digest(tmp_path)) == 16


def test_a_file_in_another_folder_changes_the_digest(tmp_path):
    path = tmp_path / "file"
    path.write_text("text")
    before = files_digest([path])
    (tmp_path / "sub").mkdir()
    assert files_digest([path.rename(tmp_path / "sub" / "file")]) != before
