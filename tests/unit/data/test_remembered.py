import os

import cv2
import numpy as np
import pytest

from puzzlecell.data import checks, remembered
from puzzlecell.data.checks import RawDataset, dataset_problems
from puzzlecell.data.raw_files import CHANNELS, channel_path

IDS = [f"f{number}" for number in range(5)]


@pytest.fixture
def given(tmp_path):
    """Five fields of 6 x 4 pixels with their table."""
    images = tmp_path / "images"
    images.mkdir()
    for field_id in IDS:
        write_field(images, field_id)
    write_table(tmp_path / "labels.csv", IDS)
    return RawDataset(images, tmp_path / "labels.csv", False)


@pytest.fixture
def check(given, tmp_path, monkeypatch):
    """Checks the data set with a memory; returns the problems and the IDs whose files were opened."""
    # These files are younger than two seconds.
    monkeypatch.setattr(remembered, "_SETTLED", -(10**18))
    plain, opened = checks.check_field, []

    def counted(folder, field_id, **options):
        opened.append(field_id)
        return plain(folder, field_id, **options)

    monkeypatch.setattr(checks, "check_field", counted)

    def run(**options):
        opened.clear()
        options = {"max_rejected": 0.0, "threads": 2, "memory": tmp_path / "memory", **options}
        problems = dataset_problems({"set": given}, ["a"], **options)
        return "\n".join(problems), sorted(opened)

    assert run() == ("", IDS)
    return run


def write_field(images, field_id):
    for channel in CHANNELS:
        cv2.imwrite(str(channel_path(images, field_id, channel)), np.zeros((4, 6), np.uint8))


def write_table(labels, ids):
    labels.write_text("ID\n" + "".join(f"{field_id}\n" for field_id in ids))


def overwrite(path):
    """Damage a file in place; size, modification time and inode stay."""
    before = path.stat()
    # The clock of the file system is coarse.
    while path.stat().st_ctime_ns == before.st_ctime_ns:
        with path.open("r+b") as file:
            file.write(b"\0")
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    after = path.stat()
    assert (before.st_size, before.st_mtime_ns, before.st_ino) == (
        after.st_size,
        after.st_mtime_ns,
        after.st_ino,
    )


def replace(path):
    """Put a damaged copy with the same size and modification time in the place of a file."""
    before, other = path.stat(), path.with_name("other")
    other.write_bytes(b"\0" + path.read_bytes()[1:])
    os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
    other.replace(path)


def cut_off(path):
    before = path.stat()
    path.write_bytes(path.read_bytes()[:-5])
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (overwrite, "f2_blue.png: not an image"),
        (replace, "f2_blue.png: not an image"),
        (cut_off, "f2_blue.png: cut off"),
        (lambda path: path.unlink(), "f2_blue.png: file is missing"),
        (os.utime, None),
    ],
)
def test_only_fields_with_a_changed_file_are_checked_again(given, check, change, message):
    assert check() == ("", [])
    change(channel_path(given.images, "f2", "blue"))
    text, opened = check()
    assert opened == ["f2"]
    assert (message or "") in text
    # A damaged field is not remembered.
    assert check() == (text, ["f2"] if message else [])
    write_field(given.images, "f2")
    assert check()[0] == ""
    assert check() == ("", [])


def test_added_fields_are_checked_and_removed_ones_forgotten(given, check, tmp_path):
    write_field(given.images, "new")
    write_table(given.labels, [*IDS, "new"])
    assert check() == ("", ["new"])
    size = (tmp_path / "memory/set").stat().st_size
    write_table(given.labels, ["new", "f1"])
    assert check() == ("", [])
    assert (tmp_path / "memory/set").stat().st_size < size
    write_table(given.labels, IDS)
    assert check() == ("", ["f0", "f2", "f3", "f4"])


def test_what_is_remembered_is_what_was_found(given, check, tmp_path):
    given.labels.write_text("ID,ImageWidth,ImageHeight\nf0,6,4\nf1,4,6\n")
    text, opened = check()
    assert "field f1 has ImageWidth, ImageHeight 4, 6, but its images have 6 x 4 pixels" in text
    assert "f0" not in text
    assert opened == []


def test_another_rule_checks_everything_again(check, monkeypatch):
    assert check(max_megapixels=1) == ("", IDS)
    assert check(max_megapixels=1) == ("", [])
    text, opened = check(max_megapixels=23e-6)
    assert "more than ingest.max_megapixels" in text
    assert opened == IDS
    assert check() == ("", IDS)
    monkeypatch.setattr(checks, "code_digest", lambda *_: "other code")
    assert check() == ("", IDS)
    assert check() == ("", [])


@pytest.mark.parametrize("damage", ["flipped", "cut off", "empty", "text", "moved", "missing"])
def test_a_damaged_memory_is_not_trusted(check, tmp_path, damage):
    path = tmp_path / "memory/set"
    content = path.read_bytes()
    changed = {
        "flipped": content[:-20] + bytes([content[-20] ^ 1]) + content[-19:],
        "cut off": content[:-1],
        "empty": b"",
        "text": b"no memory",
        "moved": content + content,
    }
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(changed[damage])
    assert check() == ("", IDS)
    assert check() == ("", [])


def test_files_that_changed_a_moment_ago_are_not_remembered(check, monkeypatch):
    """A second change might get the same time stamp."""
    monkeypatch.setattr(remembered, "_SETTLED", 10**18)
    check(max_megapixels=1)
    assert check(max_megapixels=1) == ("", IDS)


def test_without_a_memory_nothing_is_kept(check, tmp_path):
    assert check(memory=None) == ("", IDS)
    assert [path.name for path in (tmp_path / "memory").iterdir()] == ["set"]
