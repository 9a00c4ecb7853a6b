import hashlib
import os
import tracemalloc
import zlib
from dataclasses import replace

import cv2
import numpy as np
import pandas as pd
import pytest
from helpers.image_files import coloured, jpeg

from puzzlecell.config.datasets import IngestSettings
from puzzlecell.config.plausibility import PlausibilitySettings
from puzzlecell.data import field_sources as sources_module
from puzzlecell.data.checks import dataset_problems
from puzzlecell.data.field_sources import RawDataset, field_sources
from puzzlecell.data.field_summary import read_summary
from puzzlecell.data.fields import read_field
from puzzlecell.data.ingest import DataError, ingest_shard
from puzzlecell.data.intensity import intensity_limits, stored_limits
from puzzlecell.data.pixel_sizes import PixelSizes
from puzzlecell.data.plausibility import Finding, dataset_findings, field_findings
from puzzlecell.data.raw_files import CHANNELS, channel_path, shard_of
from puzzlecell.data.resize import resize_field
from puzzlecell.data.source_states import shard_digest
from puzzlecell.data.store import ShardReader
from puzzlecell.runtime import unchanged_files


@pytest.fixture
def raw(tmp_path):
    """Six fields of three sizes, 8 and 16 bit, with a label table."""
    images = tmp_path / "images"
    images.mkdir()
    rng = np.random.default_rng(0)
    for number in range(6):
        dtype = np.uint16 if number % 2 else np.uint8
        shape = [(40, 40), (48, 48), (40, 60)][number % 3]
        for channel in CHANNELS:
            image = rng.integers(0, np.iinfo(dtype).max, shape, dtype=dtype)
            cv2.imwrite(str(channel_path(images, f"f{number}", channel)), image)
    labels = tmp_path / "labels.csv"
    labels.write_text("ID,Label\n" + "".join(f"f{n},{n % 3}\n" for n in range(6)))
    return RawDataset(images, labels, labelled=True)


CLASSES = ["a", "b", "c"]


def damage(raw, field_id):
    channel_path(raw.images, field_id, "blue").unlink()


def test_good_data_sets_have_no_problems(raw):
    assert dataset_problems({"train": raw}, CLASSES, 0.0) == []


def test_all_problems_of_all_data_sets_are_reported_together(raw, tmp_path):
    damage(raw, "f2")
    other = RawDataset(tmp_path / "nowhere", tmp_path / "none.csv", labelled=False)
    raw.labels.write_text("ID,Label\nf0,0\nf1,9\nf2,1\nf2,1\n")
    twin = tmp_path / "twin.csv"
    twin.write_text("ID,Label\nf2,0\n")
    given = {"train": raw, "twin": RawDataset(raw.images, twin, True), "test": other}
    text = "\n".join(dataset_problems(given, CLASSES, 0.0))
    assert "ID more than once: f2" in text
    assert "f2_blue.png: file is missing" in text
    assert "none.csv: there is no such table" in text


def test_an_id_in_two_data_sets_is_an_error(raw, tmp_path):
    problems = dataset_problems({"train": raw, "test": raw}, CLASSES, 0.0)
    assert f"{raw.labels}: ID f0 is also in data set train" in problems


def test_an_empty_test_set_is_an_error(raw, tmp_path):
    empty = tmp_path / "empty.csv"
    empty.write_text("ID\n")
    given = {"train": raw, "test": RawDataset(raw.images, empty, False)}
    assert dataset_problems(given, CLASSES, 0.0) == [f"{empty}: the table has no rows"]


def test_damaged_fields_above_the_allowed_fraction_are_a_problem(raw):
    damage(raw, "f2")
    assert dataset_problems({"train": raw}, CLASSES, 0.2) == []
    count, field = dataset_problems({"train": raw}, CLASSES, 0.1)
    assert "f2_blue.png: file is missing" in field
    assert "1 of 6 fields are damaged" in count


@pytest.mark.parametrize("threads", [1, 3])
def test_a_shard_holds_the_resized_fields(raw, tmp_path, threads):
    ids = [f"f{n}" for n in range(6)]
    ingest_shard(
        tmp_path / "000.h5", tmp_path / "r.csv", raw.images, ids, IngestSettings(size=32), threads=threads
    )
    reader = ShardReader([tmp_path / "000.h5"])
    assert reader.ids == ids
    contrast = dict(zip(ids, reader.column("contrast"), strict=True))
    for field_id in ids:
        np.testing.assert_array_equal(
            reader.read(field_id), resize_field(read_field(raw.images, field_id), 32)
        )
        pixels = reader.read(field_id).reshape(-1, 4)
        assert contrast[field_id].tolist() == (pixels.max(0) - pixels.min(0)).tolist()
    assert reader.size("f2") == (40, 60)
    assert reader.table["bit_depth"].tolist() == [8, 16] * 3
    assert len(pd.read_csv(tmp_path / "r.csv")) == 0


def test_rejected_fields_are_listed_with_their_reason(raw, tmp_path, caplog):
    damage(raw, "f1")
    ids = ["f0", "f1", "f2"]
    with pytest.raises(DataError, match=r"f1_blue.png: file is missing"):
        ingest_shard(tmp_path / "000.h5", tmp_path / "r.csv", raw.images, ids, IngestSettings(size=32))
    assert not (tmp_path / "000.h5").exists()
    ingest_shard(
        tmp_path / "000.h5", tmp_path / "r.csv", raw.images, ids, IngestSettings(size=32, max_rejected=0.4)
    )
    assert "1 of 3 fields cannot be read and are left out: f1" in caplog.messages
    rejected = pd.read_csv(tmp_path / "r.csv")
    assert rejected["ID"].tolist() == ["f1"]
    assert "f1_blue.png: file is missing" in rejected["reason"][0]
    assert ShardReader([tmp_path / "000.h5"]).ids == ["f0", "f2"]


def test_the_limits_of_the_intensities_are_stored(raw, tmp_path):
    ids = [f"f{n}" for n in range(6)]
    ingest_shard(tmp_path / "000.h5", tmp_path / "r.csv", raw.images, ids, IngestSettings(size=32))
    reader = ShardReader([tmp_path / "000.h5"])
    assert reader.column("low").tolist() == [[0] * 4] * 6
    assert reader.column("high").tolist() == [[255] * 4, [65535] * 4] * 3


def test_a_shard_of_rejected_fields_alone_is_empty(raw, tmp_path):
    for path in raw.images.glob("*_blue.png"):
        path.unlink()
    # Rounded up, the largest fraction below 1 allows all.
    settings = IngestSettings(size=32, max_rejected=0.99)
    ingest_shard(tmp_path / "000.h5", tmp_path / "r.csv", raw.images, ["f0", "f1"], settings)
    reader = ShardReader([tmp_path / "000.h5"])
    assert len(reader) == 0
    assert reader.column("contrast").shape == (0, 4)


@pytest.mark.parametrize("threads", [1, 3])
def test_the_memory_of_ingest_does_not_grow_with_the_fields(tmp_path, threads):
    channels = np.random.default_rng(0).integers(0, 255, (4, 128, 128), dtype=np.uint8)
    ids = [f"f{number}" for number in range(80)]
    for image, channel in zip(channels, CHANNELS, strict=True):
        first = channel_path(tmp_path, ids[0], channel)
        cv2.imwrite(str(first), image)
        for field_id in ids[1:]:
            channel_path(tmp_path, field_id, channel).hardlink_to(first)

    def peak(fields):
        tracemalloc.start()
        try:
            paths = tmp_path / "000.h5", tmp_path / "r.csv"
            ingest_shard(*paths, tmp_path, ids[:fields], IngestSettings(size=128), threads=threads)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(8)  # what is imported and kept once
    # 72 fields of 64 KB are 4.7 MB; the threads may meet in other ways in the second run.
    assert peak(80) - peak(8) < 16 * channels.nbytes


def test_too_large_fields_are_rejected_before_they_are_read(raw, tmp_path, monkeypatch):
    settings = IngestSettings(size=32, max_megapixels=0.0023)
    monkeypatch.setattr(cv2, "imdecode", None)
    with pytest.raises(DataError, match=r"f1_.*png: 48 x 48 pixels are 0.002304 megapixels"):
        ingest_shard(tmp_path / "000.h5", tmp_path / "r.csv", raw.images, ["f1"], settings)


def test_the_limits_of_the_intensities_are_kept(raw, tmp_path):
    settings = IngestSettings(size=32, intensity={"rule": "percentiles", "low": 1, "high": 99})
    ingest_shard(tmp_path / "000.h5", tmp_path / "r.csv", raw.images, ["f0", "f1"], settings)
    reader = ShardReader([tmp_path / "000.h5"])
    for field_id, limits in stored_limits(reader).items():
        field = read_field(raw.images, field_id)
        np.testing.assert_array_equal(limits, intensity_limits(field, settings.intensity))
        np.testing.assert_array_equal(reader.read(field_id), resize_field(field, 32, limits))
    ingest_shard(tmp_path / "001.h5", tmp_path / "r.csv", raw.images, ["f0", "f1"], IngestSettings(size=32))
    reference = stored_limits(ShardReader([tmp_path / "001.h5"]))
    assert {name: limits[0].tolist() for name, limits in reference.items()} == {
        "f0": [0, 255],
        "f1": [0, 65535],
    }


def test_a_field_that_does_not_fit_the_rule_is_rejected(raw, tmp_path):
    settings = IngestSettings(size=32, max_rejected=0.5, intensity={"rule": "depth", "bits": 8})
    ingest_shard(tmp_path / "000.h5", tmp_path / "r.csv", raw.images, ["f0", "f1"], settings)
    table = pd.read_csv(tmp_path / "r.csv")
    assert table["ID"].tolist() == ["f1"]
    assert "field f1: the red channel has a pixel of" in table["reason"][0]


def test_how_unusual_files_are_read_is_said_once_for_a_data_set(raw, tmp_path):
    for channel in CHANNELS:
        path = channel_path(raw.images, "f0", channel)
        path.write_bytes(jpeg(coloured(cv2.imread(str(path), cv2.IMREAD_UNCHANGED) // 2 + 60, (0, 1, 0))))
    ingest_shard(
        tmp_path / "000.h5", tmp_path / "r.csv", raw.images, ["f0", "f2", "f4"], IngestSettings(size=32)
    )
    summary = read_summary("set", PixelSizes(0.1), [tmp_path / "000.h5"])
    assert dataset_findings(summary, PlausibilitySettings()) == [
        Finding("set", "", "1 of 3 fields have a colour JPEG, of which the one channel in use was taken")
    ]
    assert field_findings(summary, PlausibilitySettings()) == []


def test_a_black_field_is_a_finding(raw, tmp_path):
    for channel in CHANNELS:
        cv2.imwrite(str(channel_path(raw.images, "f0", channel)), np.zeros((40, 40), np.uint8))
    for rule in ("reference", "percentiles"):
        settings = IngestSettings(size=32, intensity={"rule": rule})
        ingest_shard(tmp_path / "000.h5", tmp_path / "r.csv", raw.images, ["f0", "f2"], settings)
        (found,) = field_findings(
            read_summary("set", PixelSizes(0.1), [tmp_path / "000.h5"]), PlausibilitySettings()
        )
        assert found.ID == "f0"
        assert all(f"the {channel} channel is nearly constant" in found.what for channel in CHANNELS)


@pytest.mark.parametrize("simulated", [False, True])
@pytest.mark.parametrize("state", ["loop", "file", "table is a folder", "table is no text", "long names"])
def test_the_digest_of_a_shard_never_fails(raw, tmp_path, state, simulated):
    """It is read while the workflow is planned; the checks before the first job report the problem."""
    images, labels = tmp_path / "other", tmp_path / "other.csv"
    labels.write_bytes(raw.labels.read_bytes())
    if state == "loop":
        images.symlink_to("other")
    elif state == "file":
        images.write_text("")
    elif state == "table is a folder":
        labels.unlink()
        labels.mkdir()
    elif state == "table is no text":
        labels.write_bytes(b"ID\n\xff\xfe\0\n")
    else:
        labels.write_text(f"ID\n{'x' * 300}\na\0b\n")
    assert shard_digest(RawDataset(images, labels, False), 0, 1, simulated=simulated)


def test_the_digest_is_that_of_one_look_at_each_file(raw, tmp_path):
    channel_path(raw.images, "f1", "red").unlink()
    moved = channel_path(raw.images, "f2", "blue").rename(tmp_path / "elsewhere.png")
    channel_path(raw.images, "f2", "blue").symlink_to(moved)
    for shard in range(3):
        digest = hashlib.sha256()
        for field_id in (f"f{number}" for number in range(6)):
            if zlib.crc32(field_id.encode()) % 3 == shard:
                for channel in CHANNELS:
                    path = channel_path(raw.images, field_id, channel)
                    found = path.stat() if path.exists() else None
                    state = f"{found.st_size} {found.st_mtime_ns}" if found else "missing"
                    digest.update(f"{path} {state}\n".encode())
        # The folder may be written in other ways.
        folder = f"{raw.images.parent}//./{raw.images.name}/"
        assert shard_digest(replace(raw, images=folder), shard, 3) == digest.hexdigest()[:16]


def test_the_table_is_read_once_for_all_shards(raw, monkeypatch):
    # The table is younger than two seconds.
    monkeypatch.setattr(unchanged_files, "_SETTLED", -(10**18))
    read = []
    monkeypatch.setattr(
        sources_module, "read_field_ids", lambda path: (read.append(path), [f"f{n}" for n in range(6)])[1]
    )
    for shard in range(3):
        field_sources(raw).of_shard(shard, 3)
        shard_digest(raw, shard, 3)
    assert read == [raw.labels]


def test_a_shard_that_does_not_exist_is_empty(raw):
    assert field_sources(raw).of_shard(3, 3) == []


def test_a_moved_folder_of_images_changes_the_digest(raw, tmp_path):
    before = shard_digest(raw, 0, 1)
    (tmp_path / "sub").mkdir()
    moved = raw.images.rename(tmp_path / "sub" / raw.images.name)
    assert shard_digest(replace(raw, images=moved), 0, 1) != before


def test_a_touched_file_changes_the_digest_of_its_shard_only(raw):
    def digests():
        return [shard_digest(raw, shard, 3) for shard in range(3)]

    before = digests()
    path = channel_path(raw.images, "f3", "green")
    os.utime(path, ns=(1, 1))
    changed = [a != b for a, b in zip(before, digests(), strict=True)]
    assert changed == [shard == shard_of("f3", 3) for shard in range(3)]


def test_an_added_field_changes_the_digest_of_its_shard_only(raw):
    before = [shard_digest(raw, shard, 3) for shard in range(3)]
    for channel in CHANNELS:
        source = channel_path(raw.images, "f0", channel)
        channel_path(raw.images, "new", channel).write_bytes(source.read_bytes())
    raw.labels.write_text(raw.labels.read_text() + "new,1\n")
    after = [shard_digest(raw, shard, 3) for shard in range(3)]
    changed = [a != b for a, b in zip(before, after, strict=True)]
    assert changed == [shard == shard_of("new", 3) for shard in range(3)]
    assert "new" in field_sources(raw).of_shard(shard_of("new", 3), 3)


def test_files_made_by_the_workflow_count_only_when_touched(raw, tmp_path):
    missing = shard_digest(replace(raw, labels=tmp_path / "none.csv"), 0, 1, simulated=True)
    written = raw.labels.stat().st_mtime_ns
    assert shard_digest(raw, 0, 1, simulated=True) == missing
    os.utime(channel_path(raw.images, "f3", "green"), ns=(written + 1, written + 1))
    assert shard_digest(raw, 0, 1, simulated=True) != missing
