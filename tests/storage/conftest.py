"""A local S3 server, and projects that keep their files in a bucket of it."""

import logging
import subprocess
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from helpers.paths import ROOT

KEYS = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret"}


@dataclass
class Bucket:
    """A bucket of the local server."""

    name: str
    endpoint: str
    client: object

    @property
    def url(self) -> str:
        return f"s3://{self.name}"

    @property
    def environment(self) -> dict[str, str]:
        return {**KEYS, "SNAKEMAKE_STORAGE_S3_ENDPOINT_URL": self.endpoint}

    def put(self, key: str, content: bytes) -> None:
        self.client.put_object(Bucket=self.name, Key=key, Body=content)

    def get(self, key: str) -> bytes:
        return self.client.get_object(Bucket=self.name, Key=key)["Body"].read()

    def keys(self, prefix: str = "") -> list[str]:
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=self.name, Prefix=prefix)
        return [found["Key"] for page in pages for found in page.get("Contents", ())]

    def send(self, folder: Path, prefix: str) -> None:
        """Upload a folder."""
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                self.put(f"{prefix}/{path.relative_to(folder).as_posix()}", path.read_bytes())


@dataclass
class BucketProject:
    """A project whose raw fields and results are in the folder `run` of a bucket."""

    project: Any
    bucket: Bucket
    configuration: str

    def run(
        self, *arguments: str, prefix: str | None = None, storage: bool = True, **environment: str
    ) -> subprocess.CompletedProcess:
        """Run Snakemake. storage: results in the bucket; environment: further variables, "" for none of that name."""
        variables = {**self.project.environment, **self.bucket.environment, **environment}
        # Targets come first: options of plugins take all words after them.
        command = self.project.command(configuration=None)
        given = ["--configfile", self.configuration]
        if storage:
            given += ["--default-storage-provider", "s3"]
            given += ["--default-storage-prefix", prefix or f"{self.bucket.url}/run"]
        return subprocess.run(
            [*command[:3], *arguments, *command[3:], *given],
            cwd=self.project.folder,
            env={key: value for key, value in variables.items() if value},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """URL of an S3 server on this machine."""
    pytest.importorskip("snakemake_storage_plugin_s3", reason="needs snakemake-storage-plugin-s3")
    moto = pytest.importorskip("moto.server", reason="needs moto[server], a local S3 server")
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    running = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    running.start()
    host, port = running.get_host_and_port()
    yield f"http://{host}:{port}"
    running.stop()


@pytest.fixture
def bucket(server, monkeypatch) -> Bucket:
    """An empty bucket; this process has its credentials."""
    import boto3

    from puzzlecell.runtime import bucket as module

    name = f"cells-{uuid.uuid4().hex[:12]}"
    client = boto3.client(
        "s3",
        endpoint_url=server,
        region_name="us-east-1",
        aws_access_key_id=KEYS["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=KEYS["AWS_SECRET_ACCESS_KEY"],
    )
    client.create_bucket(Bucket=name)
    made = Bucket(name, server, client)
    for key, value in made.environment.items():
        monkeypatch.setenv(key, value)
    module._client.cache_clear()
    module.forget_lists()
    return made


@pytest.fixture(scope="session")
def raw_fields(tmp_path_factory) -> Path:
    """The raw fields of the tiny configuration as a user provides them: `<data set>/{images/,labels.csv,truth.csv}`."""
    from puzzlecell.config.class_table import read_classes
    from puzzlecell.config.workflow import load_configuration
    from puzzlecell.simulate.dataset import simulate_dataset

    folder = tmp_path_factory.mktemp("data")
    settings = load_configuration(yaml.safe_load((ROOT / "tests/workflow/tiny.yaml").read_text()), ROOT)
    for name, dataset in settings.datasets.items():
        simulate_dataset(
            folder / name,
            dataset.simulate,
            settings.seed,
            labelled=dataset.role != "test",
            classes=read_classes(ROOT / settings.classes),
        )
    for checksum in folder.glob("*/*.checksum"):
        checksum.unlink()
    return folder


@pytest.fixture
def in_bucket(fresh, bucket, raw_fields) -> BucketProject:
    """The tiny project with its raw fields in a bucket."""

    def as_files(settings):
        for dataset in settings["datasets"].values():
            del dataset["simulate"]

    bucket.send(raw_fields, "run/data")
    return BucketProject(fresh, bucket, fresh.configure("raw.yaml", as_files))
