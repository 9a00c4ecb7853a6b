import os
import pickle
import shutil
import zlib
from pathlib import Path

import h5py
import hdf5plugin
import numpy as np
import pytest

from puzzlecell.data.raw_files import shard_of
from puzzlecell.data.store import ShardReader, open_shard, shard_checksum, write_shard
from puzzlecell.errors import DamagedFileError
from puzzlecell.runtime.atomic import written_whole


def write(path, ids, seed=0):
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 255, (len(ids), 16, 16, 4), dtype=np.uint8)
    sizes = {"height": np.full(len(ids), 64, np.uint32), "width": np.full(len(ids), 96, np.uint32)}
    write_shard(path, ids, {"images": images, **sizes}, {"size": 16})
    return images


def test_fields_are_found_by_id_in_several_shards(tmp_path):
    first = write(tmp_path / "000.h5", ["a", "b"])
    second = write(tmp_path / "001.h5", ["c"], seed=1)
    reader = ShardReader([tmp_path / "000.h5", tmp_path / "001.h5"])
    assert reader.ids == ["a", "b", "c"]
    np.testing.assert_array_equal(reader.read("b"), first[1])
    np.testing.assert_array_equal(reader.read("c"), second[0])
    assert reader.size("a") == (64, 96)
    assert "c" in reader
    assert "d" not in reader


def test_a_missing_field_is_named(tmp_path):
    write(tmp_path / "000.h5", ["a"])
    with pytest.raises(KeyError, match="no field d in .*000.h5"):
        ShardReader([tmp_path / "000.h5"]).read("d")


def test_a_field_in_two_shards_is_an_error(tmp_path):
    write(tmp_path / "000.h5", ["a"])
    write(tmp_path / "001.h5", ["a"])
    with pytest.raises(ValueError, match="stored twice .* a"):
        ShardReader([tmp_path / "000.h5", tmp_path / "001.h5"])


def test_an_empty_shard_has_no_fields(tmp_path):
    write(tmp_path / "000.h5", [])
    assert len(ShardReader([tmp_path / "000.h5"])) == 0


def test_a_reader_survives_pickling_and_forking(tmp_path):
    images = write(tmp_path / "000.h5", ["a"])
    reader = ShardReader([tmp_path / "000.h5"])
    reader.read("a")
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(reader)).read("a"), images[0])
    child = os.fork()
    if child == 0:
        os._exit(0 if np.array_equal(reader.read("a"), images[0]) else 1)
    assert os.waitpid(child, 0)[1] == 0


def test_one_compressed_chunk_per_field(tmp_path):
    write(tmp_path / "000.h5", ["a", "b"])
    with h5py.File(tmp_path / "000.h5") as file:
        assert file["images"].chunks == (1, 16, 16, 4)
        filters = file["images"].id.get_create_plist()
        names = [filters.get_filter(number)[0] for number in range(filters.get_nfilters())]
        assert names == [h5py.h5z.FILTER_SHUFFLE, hdf5plugin.ZSTD_ID]
        assert file.attrs["size"] == 16


def test_arrays_must_have_an_entry_per_field(tmp_path):
    with pytest.raises(ValueError, match="/images has 1 entries for 2 IDs"):
        write_shard(tmp_path / "000.h5", ["a", "b"], {"images": np.zeros((1, 4, 4, 4), np.uint8)}, {})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("written", [0, 2, 3])
def test_a_shard_ends_with_the_last_field_written(tmp_path, written):
    images = np.random.default_rng(0).integers(0, 255, (written, 16, 16, 4), dtype=np.uint8)
    ids, columns = list("abc")[:written], {"height": np.arange(written)}
    with open_shard(tmp_path / "000.h5", 3, {"images": ((16, 16, 4), np.dtype(np.uint8))}, {}) as shard:
        for row, image in enumerate(images):
            shard.write(row, "images", image)
        with pytest.raises(ValueError, match="/height has 5 entries for"):
            shard.finish(ids, {"height": np.arange(5)})
        shard.finish(ids, columns)
    reader = ShardReader([tmp_path / "000.h5"])
    assert reader.ids == ids
    for field_id, image in zip(ids, images, strict=True):
        np.testing.assert_array_equal(reader.read(field_id), image)
    write_shard(tmp_path / "whole.h5", ids, {"images": images, **columns}, {})
    assert shard_checksum(tmp_path / "000.h5") == shard_checksum(tmp_path / "whole.h5")


def test_a_shard_without_its_ids_is_not_kept(tmp_path):
    images = {"images": ((16, 16, 4), np.dtype(np.uint8))}
    with (
        pytest.raises(ValueError, match="000.h5: the IDs of the shard were not written"),
        open_shard(tmp_path / "000.h5", 3, images, {}),
    ):
        pass
    assert list(tmp_path.iterdir()) == []


def test_equal_content_gives_equal_bytes(tmp_path):
    write(tmp_path / "a.h5", ["a", "b"])
    write(tmp_path / "b.h5", ["a", "b"])
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()


def test_shard_is_crc32_of_the_id():
    assert shard_of("800_A6_1", 7) == zlib.crc32(b"800_A6_1") % 7
    assert {shard_of(f"x{n}", 3) for n in range(50)} == {0, 1, 2}


def test_a_failed_atomic_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(RuntimeError), written_whole(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
    with written_whole(path) as temporary:
        temporary.write_text("new")
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_every_changed_byte_of_a_shard_is_found_or_changes_nothing(tmp_path):
    """Also in the parts of the file that HDF5 itself does not check."""
    path = tmp_path / "000.h5"
    cells = np.zeros((3, 16, 16), np.uint16)
    cells[:, 3:9, 3:9] = 1
    columns = {"height": np.uint32([16, 16, 16])}
    write_shard(path, ["a", "b", "ß"], {"cells": cells, **columns}, {"segmenter": "classical", "size": 16})
    intact = path.read_bytes()
    for place in range(len(intact)):
        content = bytearray(intact)
        content[place] ^= 1 << place % 8
        path.write_bytes(content)
        try:
            reader = ShardReader([path])
            found = [reader.read(field_id, "cells") for field_id in ("a", "b", "ß")]
        except DamagedFileError:
            continue
        assert np.array_equal(found, cells)
        assert reader.table["height"].tolist() == [16, 16, 16]


@pytest.mark.parametrize("written", ["results/store/train/000.h5", "results/store/test/001.h5"])
def test_a_shard_at_the_place_of_another_one_is_refused(tmp_path, monkeypatch, written):
    monkeypatch.chdir(tmp_path)
    write_shard(written, ["a"], {"images": np.zeros((1, 8, 8, 4), np.uint8)}, {})
    ShardReader([written])
    Path("results/store/test/000.h5").parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(written, "results/store/test/000.h5")
    with pytest.raises(DamagedFileError, match=f"store/test/000.h5: damaged: it is a copy of {written}"):
        ShardReader(["results/store/test/000.h5"])
    # A folder of another name is the user's affair.
    shutil.move("results", "kept")
    ShardReader(["kept/store/test/000.h5"])


def test_the_checksum_of_a_shard_follows_its_content_and_not_its_file(tmp_path):
    for name, seed in (("one", 0), ("same", 0), ("other", 1)):
        write(tmp_path / name / "results/store/a/000.h5", ["a", "b"], seed)
    paths = [tmp_path / name / "results/store/a/000.h5" for name in ("one", "same", "other")]
    os.utime(paths[1], ns=(1, 1))
    one, same, other = map(shard_checksum, paths)
    assert one == same != other
    paths[0].write_bytes(paths[0].read_bytes()[:100])
    with pytest.raises(DamagedFileError, match="cannot be read as HDF5"):
        shard_checksum(paths[0])
