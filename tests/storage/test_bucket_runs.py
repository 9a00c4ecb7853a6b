"""Runs that keep their files in a bucket: the same bytes, what is rebuilt, and mistakes."""

import shutil

import pytest
from helpers.inference_data import write_network
from helpers.ports import free_port
from helpers.subcell_data import write_checkpoints

from puzzlecell.config.class_table import read_classes
from puzzlecell.network.convert_subcell import convert_subcell

SUBMISSION = "results/submission.csv"
STORES = ["results/store/test/000.h5", "results/store/test/001.h5"]
MASKS = "results/masks/test/000.h5"


def counted(plan):
    """Number of jobs per rule in what a dry run has shown."""
    jobs = plan.split("Job stats:")[1].split("total")[0].split()
    return dict(zip(jobs[4::2], map(int, jobs[5::2]), strict=True))


@pytest.mark.long
def test_a_run_in_a_bucket_gives_the_bytes_of_a_local_run(finished, in_bucket):
    """From raw fields to submission; afterwards nothing is to be done, also without the local copies."""
    project, bucket = in_bucket.project, in_bucket.bucket
    done = in_bucket.run(SUBMISSION)
    assert done.returncode == 0, done.stdout[-6000:]
    results = finished.folder / "results"
    made = set(bucket.keys("run/results/"))
    assert not (project.folder / "results").exists()
    kinds = {
        "store/train/000.h5",
        "masks/test/001.h5",
        "masks/test/001.cells.parquet",
        "models/tiny/stage3/fold2/model.safetensors",
        "cells/test.parquet",
        "folds/folds.csv",
        "folds/folds.csv.checksum",
        "submission.csv",
        "submission.csv.checksum",
    }
    for name in kinds:
        assert bucket.get(f"run/results/{name}") == (results / name).read_bytes(), name
    # What is not in the bucket: simulated fields, and what the first run made for other targets.
    for path in results.rglob("*.checksum"):
        name = path.relative_to(results).as_posix()
        wanted = name.split("/")[0] in ("store", "models", "score")
        assert not wanted or "holdout" in name or f"run/results/{name}" in made, name
    assert {"run/results/logs/train/tiny/stage1/fold1.log", "run/results/warnings.csv"} <= made
    assert f"{bucket.url}/run/{SUBMISSION}" in done.stdout.split("Look at")[1]
    assert f"warnings, see {bucket.url}/run/results/warnings.csv" in done.stdout

    shutil.rmtree(project.folder / ".snakemake/storage")
    assert "Nothing to be done" in in_bucket.run("-n", SUBMISSION).stdout
    changed = next(name for name in bucket.keys("run/data/test/images/") if name.endswith("_red.png"))
    bucket.put(changed, bucket.get(changed) + b"more")
    plan = in_bucket.run("-n", SUBMISSION).stdout
    counts = counted(plan)
    rebuilt = {"ingest": 1, "segment": 1, "step1": 2, "step2": 1, "ensemble": 1}
    assert counts == {**rebuilt, "score_cells": 1, "submission": 1}


def test_fields_of_a_bucket_are_stored_and_a_changed_one_is_stored_again(in_bucket):
    """A damaged file that the checks before the first job cannot see is named by the job that reads it."""
    bucket, folder = in_bucket.bucket, in_bucket.project.folder
    done = in_bucket.run(MASKS)
    assert done.returncode == 0, done.stdout[-4000:]
    assert {f"run/{MASKS}", "run/results/logs/ingest/test/000.log"} <= set(bucket.keys())
    assert bucket.get("run/results/warnings.csv").startswith(b"dataset,ID,what\n")
    assert f"{bucket.url}/run/results/masks/test/000.png" in done.stdout.split("Look at")[1]
    shutil.rmtree(folder / ".snakemake/storage")
    assert "Nothing to be done" in in_bucket.run(MASKS).stdout

    png = next(name for name in bucket.keys("run/data/test/images/") if name.endswith("_red.png"))
    content = bucket.get(png)
    bucket.put(png, content[:100] + b"xxxx" + content[104:])
    done = in_bucket.run(*STORES)
    assert done.returncode != 0
    assert f"{bucket.url}/{png}: damaged, the checksum of the block" in done.stdout
    assert f"see {bucket.url}/run/results/logs/ingest/test/" in done.stdout
    assert "Traceback" not in done.stdout
    bucket.put(png, content)
    bucket.client.delete_object(Bucket=bucket.name, Key=png)
    assert f"{bucket.url}/{png}: missing" in in_bucket.run("-n", SUBMISSION).stdout


def with_frozen_backbone(settings):
    network = settings["models"]["tiny"]["network"] | {"pretrained": "weights/start.safetensors"}
    head = {"datasets": ["train"], "training": {"network": {"frozen": True}}}
    settings["models"]["tiny"] |= {"network": network, "stages": {"head": head}}
    settings["ensemble"] = {"members": [{"model": "tiny", "stage": "head", "step": 1}]}


def with_models_from_elsewhere(settings):
    for name in ("train", "additional", "holdout"):
        del settings["datasets"][name]
    settings["models"] = {
        "subcell": {"cells": {"kind": "subcell", "weights": "weights/subcell.safetensors"}},
        "theirs": {"table": "tables/{ds}.csv"},
    }
    settings["ensemble"] = {"members": [{"model": "subcell"}, {"model": "theirs"}]}


@pytest.mark.parametrize(
    ("change", "rules"),
    [
        (with_frozen_backbone, {"features": 2, "train_head": 2, "step1": 2}),
        (with_models_from_elsewhere, {"read_cells": 2, "take_table": 2}),
    ],
)
def test_files_of_the_user_are_on_this_machine(in_bucket, change, rules):
    """Weights and tables that the configuration names are read here, and sent to the jobs where that is needed."""
    project = in_bucket.project
    for folder in ("weights", "tables"):
        (project.folder / folder).mkdir()
    write_network(project.folder / "weights/start.safetensors", seed=1)
    encoder, heads = write_checkpoints(project.folder / "published")
    convert_subcell(encoder, heads, project.folder / "weights/subcell.safetensors")
    columns = ",".join(read_classes(project.folder / "config/classes.csv"))
    (project.folder / "tables/test.csv").write_text(f"ID,cell,{columns}\n")
    in_bucket.configuration = project.configure("own.yaml", raw(change))
    planned = in_bucket.run("-n", SUBMISSION)
    assert planned.returncode == 0, planned.stdout[-4000:]
    assert rules.items() <= counted(planned.stdout).items()
    assert "would stop before its first job" not in planned.stdout


def of_users_machine(settings):
    settings["datasets"]["test"] |= {"path": "/data/test"}
    settings["datasets"]["train"] |= {"labels": "/data/train.csv"}


def without_truth(settings):
    settings["datasets"]["holdout"]["truth"] = "data/holdout/absent.csv"
    settings["datasets"]["train"]["path"] = "data/absent"


def raw(change):
    def changed(settings):
        for dataset in settings["datasets"].values():
            del dataset["simulate"]
        change(settings)

    return changed


@pytest.mark.parametrize(
    ("options", "messages"),
    [
        ({"prefix": "s3://none/run"}, ["there is no bucket none at {endpoint}"]),
        (
            {"SNAKEMAKE_STORAGE_S3_ENDPOINT_URL": "http://127.0.0.1:{port}"},
            ["http://127.0.0.1:{port} cannot be reached", "check storage-s3-endpoint-url"],
        ),
        (
            {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_EC2_METADATA_DISABLED": "true"},
            ["no credentials were found", "set AWS_ACCESS_KEY_ID"],
        ),
        ({"prefix": "bucket/run"}, ["s3 with the prefix 'bucket/run'; this workflow runs with"]),
        (
            {"change": of_users_machine},
            ["datasets.test.path: /data/test is on this machine", "datasets.train.labels: /data/train.csv"],
        ),
        (
            {"change": without_truth},
            [
                "datasets.holdout.truth: {url}/run/data/holdout/absent.csv: there is no such file",
                "{url}/run/data/absent/labels.csv: there is no such table",
                "there is no folder {url}/run/data/absent/images; expected a folder with PNGs",
            ],
        ),
    ],
)
def test_mistakes_are_reported_before_the_first_job(in_bucket, options, messages):
    known = {"endpoint": in_bucket.bucket.endpoint, "url": in_bucket.bucket.url, "port": free_port()}
    if change := options.get("change"):
        in_bucket.configuration = in_bucket.project.configure("wrong.yaml", raw(change))
    given = {name: value.format(**known) for name, value in options.items() if name != "change"}
    done = in_bucket.run("-n", SUBMISSION, **given)
    for message in messages:
        assert message.format(**known) in done.stdout
    assert "Traceback" not in done.stdout


def test_data_sets_may_lie_in_a_bucket_when_results_do_not(in_bucket):
    """The settings of the storage plugin reach jobs that read raw fields themselves, also from the command line."""
    bucket, project = in_bucket.bucket, in_bucket.project

    def elsewhere(settings):
        for name, dataset in settings["datasets"].items():
            dataset["path"] = f"{bucket.url}/run/data/{name}"
        settings["segmentation"] = {"source": "raw"}

    in_bucket.configuration = project.configure("elsewhere.yaml", raw(elsewhere))
    done = in_bucket.run(
        MASKS,
        *("--storage-s3-endpoint-url", bucket.endpoint),
        storage=False,
        SNAKEMAKE_STORAGE_S3_ENDPOINT_URL="",
    )
    assert done.returncode == 0, done.stdout[-4000:]
    assert (project.folder / MASKS).is_file()
    assert bucket.keys("run/results/") == []
