"""Objects of a bucket: lists, downloads, parts of files, and messages that say what to check."""

import zlib

import cv2
import h5py
import numpy as np
import pytest
from helpers.ports import free_port

from puzzlecell.config.datasets import DatasetSettings
from puzzlecell.config.segmentation import SegmentationSettings
from puzzlecell.data.bucket_fields import folder_state, shard_state
from puzzlecell.data.checks import dataset_problems
from puzzlecell.data.field_sources import RawDataset, field_sources
from puzzlecell.data.fields import FieldError, check_field, read_field
from puzzlecell.data.file_scan import SourceError
from puzzlecell.data.ids import read_field_ids
from puzzlecell.data.raw_files import CHANNELS, channel_path
from puzzlecell.data.store import ShardReader, write_shard
from puzzlecell.data.text_tables import TableError
from puzzlecell.runtime import bucket as module
from puzzlecell.runtime.bucket import (
    BucketError,
    bucket_problem,
    download,
    entry,
    forget_lists,
    is_folder,
    listing,
    split,
)
from puzzlecell.runtime.bucket_files import BucketFile, copy_of, downloaded, planning_copy, with_urls
from puzzlecell.segmentation.base import FieldImage, Resources
from puzzlecell.segmentation.factory import make_segmenter
from puzzlecell.segmentation.user_masks import MasksError


def names_of(field_id):
    """Names of the PNGs of a field."""
    return [channel_path("", field_id, channel).name for channel in CHANNELS]


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("s3://b", ("b", "")),
        ("s3://b/run/", ("b", "run")),
        ("s3://b/run//x/../data/l.csv", ("b", "run/data/l.csv")),
    ],
)
def test_urls_are_split_as_the_storage_plugin_splits_them(url, expected):
    assert split(url) == expected


def test_a_folder_is_listed_without_its_subfolders_and_over_several_pages(bucket, monkeypatch):
    for number in range(1005):
        bucket.put(f"data/{number}.png", b"12")
    bucket.put("data/images/x.png", b"1")
    bucket.put("data2/y.png", b"1")
    found = listing(f"{bucket.url}/data/")
    assert set(found) == {f"{number}.png" for number in range(1005)}
    assert found["7.png"].size == 2
    assert entry(f"{bucket.url}/data/x.png") is None
    assert is_folder(f"{bucket.url}/data/images")
    assert not is_folder(f"{bucket.url}/dat")


def test_the_state_of_a_shard_follows_names_sizes_and_content_but_not_times(bucket, tmp_path):
    labels, images = tmp_path / "labels.csv", f"{bucket.url}/images"
    labels.write_text("ID\n" + "".join(f"f{number}\n" for number in range(8)))
    ids = [set(field_sources(RawDataset(images, labels, False)).of_shard(shard, 2)) for shard in (0, 1)]
    name, other = (min(shard) for shard in ids)
    for field_id in ids[0] | ids[1]:
        for file in names_of(field_id):
            bucket.put(f"images/{file}", b"a")

    def states():
        forget_lists()
        return [shard_state(RawDataset(images, labels, False), shard, 2) for shard in (0, 1)]

    before = states()
    bucket.put(f"images/{name}_red.png", b"a")
    bucket.put("images/of no field.png", b"a")
    assert states() == before
    bucket.put(f"images/{name}_red.png", b"b")
    changed = states()
    assert changed[0] != before[0]
    assert changed[1] == before[1]
    whole = folder_state(images)
    bucket.client.delete_object(Bucket=bucket.name, Key=f"images/{other}_red.png")
    assert states()[1] != before[1]
    assert folder_state(images) != whole


def test_a_field_is_read_as_from_a_folder_and_messages_name_its_place_in_the_bucket(bucket, raw_fields):
    bucket.send(raw_fields / "test/images", "images")
    local, url = raw_fields / "test/images", f"{bucket.url}/images"
    field_id = read_field_ids(raw_fields / "test/labels.csv")[0]
    assert np.array_equal(read_field(local, field_id), read_field(url, field_id))
    assert check_field(url, field_id) == check_field(local, field_id)
    bucket.put(f"images/{field_id}_red.png", b"no PNG")
    bucket.client.delete_object(Bucket=bucket.name, Key=f"images/{field_id}_blue.png")
    header, problems = check_field(url, field_id)
    assert header is not None
    assert [text.partition(": ")[0] for text in problems] == [
        f"{url}/{field_id}_{channel}.png" for channel in ("red", "blue")
    ]
    with pytest.raises(FieldError, match=f"{url}/{field_id}_blue.png: file is missing"):
        read_field(url, field_id)


def test_own_masks_in_a_bucket_are_read_and_named(bucket, monkeypatch):
    cells = np.zeros((60, 80), np.uint8)
    cells[5:50, 5:35] = 9
    settings, url = SegmentationSettings(method="masks"), f"{bucket.url}/data/test"
    field = FieldImage("f", np.zeros((60, 80, 4), np.uint8), 0.08)
    with pytest.raises(MasksError, match=f"there is no folder {url}/masks"):
        make_segmenter(settings, Resources(data_folder=url))
    bucket.put("data/test/masks/f_cells.png", cv2.imencode(".png", cells)[1].tobytes())
    forget_lists()
    segmenter = make_segmenter(settings, Resources(data_folder=url))
    (found,) = segmenter.segment([field])
    assert np.array_equal(found.cells > 0, cells > 0)
    bucket.put("data/test/masks/f_cells.png", b"no PNG")
    with pytest.raises(MasksError, match=f"^{url}/masks/f_cells.png: not a PNG"):
        segmenter.segment([field])


def test_of_large_files_only_the_ends_are_read_to_check_them(bucket, raw_fields, monkeypatch):
    """A PNG may have more behind its end; such a file is then read as a whole."""
    field_id = "f"
    noise = np.random.default_rng(0).bytes(300_000)
    png = next((raw_fields / "test/images").glob("*_red.png")).read_bytes()
    text = b"tEXt" + noise
    block = len(noise).to_bytes(4) + text + zlib.crc32(text).to_bytes(4)
    large = png[:33] + block + png[33:]
    for name in names_of(field_id):
        bucket.put(f"images/{name}", large)
    read = []
    original = module.read_range

    def counted(url, start, length):
        found = original(url, start, length)
        read.append(len(found[0]))
        return found

    monkeypatch.setattr("puzzlecell.runtime.bucket_files.read_range", counted)
    header, problems = check_field(f"{bucket.url}/images", field_id)
    assert not problems
    assert header.height == header.width == 64
    assert sum(read) < 4 * len(large) / 2
    bucket.put(f"images/{field_id}_red.png", large + bytes(100_000))
    assert check_field(f"{bucket.url}/images", field_id) == (header, [])


def test_tables_for_planning_are_downloaded_again_when_they_change(bucket, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    url = f"{bucket.url}/data/labels.csv"
    missing = planning_copy(url)
    assert with_urls(f"{missing}: not there") == f"{url}: not there"
    assert not (tmp_path / missing).exists()
    for content in (b"ID\na\n", b"ID\nb\n"):
        bucket.put("data/labels.csv", content)
        forget_lists()
        assert (tmp_path / planning_copy(url)).read_bytes() == content


def test_copies_keep_their_place_in_results(bucket):
    bucket.put("run/results/oof.csv", b"x")
    url = f"{bucket.url}/run/results/oof.csv"
    with downloaded([url, f"{url}.checksum"]) as files:
        copy = copy_of(files, url)
        assert copy.endswith("/run/results/oof.csv")
        assert files.named(f"{copy}: damaged") == f"{url}: damaged"
        with open(copy, "rb") as file:  # noqa: PTH123
            assert file.read() == b"x"


def test_the_small_arrays_of_a_shard_are_read_without_its_images(bucket, tmp_path, monkeypatch):
    path = tmp_path / "results/store/test/000.h5"
    images = np.random.default_rng(0).integers(0, 256, (60, 128, 128, 4), np.uint8)
    ids = [f"f{number}" for number in range(60)]
    columns = {"height": np.arange(60), "width": np.arange(60), "contrast": images[:, 0, 0]}
    write_shard(path, ids, {"images": images, **columns}, {"size": 128})
    bucket.send(tmp_path, "run")
    url = f"{bucket.url}/run/results/store/test/000.h5"
    read = []

    class Counted(BucketFile):
        def _read_block(self, number):
            read.append(number)
            return super()._read_block(number)

    monkeypatch.setattr("puzzlecell.data.store.BucketFile", Counted)
    reader = ShardReader([url])
    assert reader.ids == ids
    assert np.array_equal(reader.column("contrast"), columns["contrast"])
    assert len(set(read)) << 18 < path.stat().st_size / 2
    with h5py.File(BucketFile(url)) as file:
        assert np.array_equal(file["images"][7], images[7])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({}, "there is no bucket none at http://127.0.0.1:"),
        ({"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}, "no credentials were found"),
        ({"SNAKEMAKE_STORAGE_S3_ENDPOINT_URL": "http://127.0.0.1:{port}"}, "{port} cannot be reached"),
        ({"SNAKEMAKE_STORAGE_S3_ENDPOINT_URL": "minio"}, "storage-s3-endpoint-url: minio: Invalid endpoint"),
    ],
)
def test_a_bucket_that_cannot_be_used_is_named_with_what_to_check(bucket, monkeypatch, change, message):
    port = free_port()
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("HOME", "/nonexistent")
    for name, value in change.items():
        monkeypatch.setenv(name, value.format(port=port)) if value else monkeypatch.delenv(name)
    module._client.cache_clear()
    assert message.format(port=port) in bucket_problem("s3://none")
    module._client.cache_clear()


@pytest.mark.parametrize("code", ["InvalidAccessKeyId", "SignatureDoesNotMatch", "AccessDenied"])
def test_wrong_credentials_are_named(bucket, tmp_path, code):
    from botocore.stub import Stubber

    with Stubber(module.client()) as stub:
        stub.add_client_error("list_objects_v2", code, http_status_code=403)
        stub.add_client_error("get_object", code, http_status_code=403)
        assert f"denies access ({code}); check the credentials" in bucket_problem(bucket.url)
        with pytest.raises(BucketError, match=f"{bucket.url}/x: .* denies access"):
            download(f"{bucket.url}/x", tmp_path / "x")
    assert not list(tmp_path.iterdir())
    assert bucket_problem(bucket.url) is None


def own_names(folder, **settings):
    channels = {"red": "t", "green": "p", "blue": "d", "yellow": {"same_as": "red"}}
    layout = DatasetSettings(role="test", channels=channels, **settings).layout
    return RawDataset(folder, None, False, layout=layout)


def test_images_in_a_bucket_have_names_of_their_own(bucket, raw_fields):
    png = next((raw_fields / "test/images").glob("*_red.png")).read_bytes()
    for well in ("A1", "B2"):
        for name in "tpd":
            bucket.put(f"own/{well}_s1_{name}_x.png", png)
    dataset = own_names(f"{bucket.url}/own", naming="{well}_s1_{channel}_*.png")
    assert field_sources(dataset).ids == ("A1", "B2")
    assert dataset_problems({"test": dataset}, ["a"], 0.0) == []
    assert read_field(field_sources(dataset), "A1").shape == (64, 64, 4)
    before = shard_state(dataset, 0, 1)
    bucket.client.delete_object(Bucket=bucket.name, Key="own/A1_s1_p_x.png")
    forget_lists()
    assert shard_state(dataset, 0, 1) != before
    (_, problem) = dataset_problems({"test": dataset}, ["a"], 0.0)
    assert "field A1: no file for green (p) matches naming" in problem
    deep = own_names(f"{bucket.url}/own", naming="{plate}/{well}_{channel}.png")
    with pytest.raises(SourceError, match="has folders, which are not looked into in a bucket"):
        field_sources(deep)


def test_a_table_of_images_may_lie_in_a_bucket(bucket, raw_fields, tmp_path):
    png = next((raw_fields / "test/images").glob("*_red.png")).read_bytes()
    for name in "rgb":
        bucket.put(f"data/stacks/{name}.png", png)
    bucket.put("more/y.png", png)
    table = tmp_path / "images.csv"
    rows = f"a,stacks/r.png,stacks/g.png,stacks/b.png,{bucket.url}/more/y.png\n"
    table.write_text(f"ID,red,green,blue,yellow\n{rows}")
    dataset = RawDataset(f"{bucket.url}/data/images", None, False, table, f"{bucket.url}/data")
    assert dataset_problems({"test": dataset}, ["a"], 0.0) == []
    assert read_field(field_sources(dataset), "a").any(axis=(0, 1)).all()
    bucket.put("more/y.png", b"no PNG")
    with pytest.raises(FieldError, match=f"^{bucket.url}/more/y.png: not an image"):
        read_field(field_sources(dataset), "a")
    table.write_text(f"ID,red,green,blue,yellow\n{rows.replace('stacks/r', '/stacks/r')}")
    with pytest.raises(TableError, match="'/stacks/r.png' is on this machine, but the table is in a bucket"):
        field_sources(dataset)
