import os
import time

import pytest

from puzzlecell.runtime.unchanged_files import kept_while_unchanged


@pytest.fixture
def reader(monkeypatch):
    """A function that returns the text of a file with a suffix; its attribute `read` lists the paths it has read."""
    ahead = time.time_ns() + 10**10
    monkeypatch.setattr(time, "time_ns", lambda: ahead)

    @kept_while_unchanged
    def text(path, suffix=""):
        text.read.append(str(path))
        return path.read_text() + suffix

    text.read = []
    return text


def test_a_file_is_read_once_for_each_argument(reader, tmp_path):
    path = tmp_path / "a"
    path.write_text("a")
    assert [reader(path), reader(str(path)), reader(path, "1"), reader(path, "1")] == ["a", "a", "a1", "a1"]
    assert len(reader.read) == 2


@pytest.mark.parametrize(
    "change",
    [
        lambda path: path.write_text("longer"),
        lambda path: os.utime(path, ns=(1, 1)),
        lambda path: (path.with_name("new").write_text("b"), path.with_name("new").replace(path)),
        lambda path: path.unlink() or path.mkdir() or path.rmdir() or path.write_text("b"),
    ],
)
def test_a_changed_file_is_read_again(reader, tmp_path, change):
    path = tmp_path / "a"
    path.write_text("a")
    reader(path)
    change(path)
    assert reader(path) == path.read_text()
    assert len(reader.read) == 2


def test_a_file_that_was_just_changed_is_always_read(reader, tmp_path, monkeypatch):
    path = tmp_path / "a"
    path.write_text("a")
    now = path.stat().st_ctime_ns
    monkeypatch.setattr(time, "time_ns", lambda: now + 10**9)
    reader(path)
    reader(path)
    assert len(reader.read) == 2


def test_errors_name_the_file_as_it_was_given_and_are_not_kept(reader, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for _ in range(2):
        with pytest.raises(FileNotFoundError):
            reader("missing")
    (tmp_path / "folder").mkdir()
    with pytest.raises(IsADirectoryError):
        reader("folder")
    assert reader.read == ["missing", "missing", "folder"]
    (tmp_path / "missing").write_text("found")
    assert reader("missing") == "found"
