"""Files in S3 buckets, named by URLs such as `s3://bucket/folder/name.png`: lists, sizes and content.

Endpoint and credentials are those of Snakemake's S3 storage: its settings, else the environment variables and files
that all AWS programs read. boto3 is imported on first use, because most runs need no bucket.
"""

import os
import posixpath
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from puzzlecell.errors import UserError
from puzzlecell.runtime.atomic import written_whole

SCHEME = "s3://"
SETTINGS = ("endpoint_url", "region", "access_key", "secret_key", "token", "signature_version")
"""Settings of Snakemake's S3 storage that decide how a bucket is reached."""
_DENIED = {"403", "401", "AccessDenied", "Forbidden", "InvalidAccessKeyId", "SignatureDoesNotMatch"}


class BucketError(UserError):
    """A bucket cannot be used; the message says which one and what to check."""


@dataclass(frozen=True)
class Entry:
    """An object: its size in bytes and its ETag, which changes with the content."""

    size: int
    etag: str


def is_url(path: object) -> bool:
    """Whether a path names an object or a folder in a bucket."""
    return str(path).startswith(SCHEME)


def split(url: str) -> tuple[str, str]:
    """Return bucket and key, which is normalised as Snakemake's plugin does."""
    bucket, _, key = url.removeprefix(SCHEME).partition("/")
    return bucket, posixpath.normpath(key.strip("/")) if key.strip("/") else ""


def parent(path: str | os.PathLike) -> str | Path:
    """Return the folder of a path or URL."""
    return str(path).rpartition("/")[0] if is_url(path) else Path(path).parent


def below(folder: str | os.PathLike, name: str) -> str | Path:
    """Return the path or URL of a file or folder in a folder."""
    return f"{folder}/{name}" if is_url(folder) else Path(folder, name)


def environment_name(setting: str) -> str:
    """Environment variable with a setting of Snakemake's S3 storage."""
    return f"SNAKEMAKE_STORAGE_S3_{setting.upper()}"


def listing(folder: str) -> dict[str, Entry]:
    """Return the files of a folder by name, without those of its subfolders; one request per 1000 files.

    Kept for the life of the process, because a run is planned from one state. Raises BucketError.
    """
    return _listing(folder.rstrip("/"), os.getpid())


def forget_lists() -> None:
    """Ask for the lists of folders again from now on."""
    _listing.cache_clear()


@lru_cache(maxsize=64)
def _listing(folder: str, process: int) -> dict[str, Entry]:
    bucket, key = split(folder)
    prefix = f"{key}/" if key else ""
    with explained(folder):
        pages = (
            client().get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix, Delimiter="/")
        )
        return {
            found["Key"].removeprefix(prefix): Entry(found["Size"], found["ETag"].strip('"'))
            for page in pages
            for found in page.get("Contents", ())
            if found["Key"] != prefix
        }


def entry(url: str) -> Entry | None:
    """Return the state of an object, None if there is none. Raises BucketError."""
    folder, _, name = url.rpartition("/")
    return listing(folder).get(name)


def is_folder(path: str | os.PathLike) -> bool:
    """Whether there is such a folder; one in a bucket exists if there is a file in it. Raises BucketError."""
    return bool(listing(str(path))) if is_url(path) else Path(path).is_dir()


def download(url: str, path: str | os.PathLike) -> bool:
    """Write an object to a file, whole or not at all; return False if there is none. Raises BucketError."""
    bucket, key = split(url)
    with explained(url):
        try:
            body = client().get_object(Bucket=bucket, Key=key)["Body"]
            with written_whole(path, durable=False) as temporary, temporary.open("wb") as file:
                for part in body.iter_chunks(1 << 20):
                    file.write(part)
        except client().exceptions.NoSuchKey:
            return False
    return True


def upload(path: str | os.PathLike, url: str) -> None:
    """Write a file to an object. Raises BucketError."""
    bucket, key = split(url)
    with explained(url), Path(path).open("rb") as file:
        client().put_object(Bucket=bucket, Key=key, Body=file)


def read_range(url: str, start: int, length: int) -> tuple[bytes, int]:
    """Return bytes of an object from `start`, or its last ones if that is negative, and its size.

    Raises FileNotFoundError if there is no such object, BucketError for other problems.
    """
    bucket, key = split(url)
    wanted = f"bytes={start}" if start < 0 else f"bytes={start}-{start + length - 1}"
    with explained(url):
        try:
            found = client().get_object(Bucket=bucket, Key=key, Range=wanted)
            return found["Body"].read(), int(found["ContentRange"].rpartition("/")[2])
        except client().exceptions.NoSuchKey as error:
            raise FileNotFoundError(2, "there is no such object", url) from error
        except client().exceptions.ClientError as error:
            # An empty object has no range of bytes.
            if error.response["Error"]["Code"] in ("InvalidRange", "416"):
                return b"", 0
            raise


def bucket_problem(url: str) -> str | None:
    """Return why the bucket of a URL cannot be used, None if its files can be listed: asks once."""
    bucket, _ = split(url)
    try:
        with explained(f"{SCHEME}{bucket}"):
            client().list_objects_v2(Bucket=bucket, MaxKeys=1)
    except BucketError as error:
        return str(error)
    return None


def client() -> Any:
    """The client of boto3 for this process."""
    return _client(os.getpid())


@lru_cache(maxsize=1)
def _client(process: int) -> Any:
    try:
        import boto3
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError
    except ImportError as error:
        raise BucketError('S3 buckets need another package: pip install "puzzlecell[s3]"') from error
    given = {name: os.environ.get(environment_name(name)) or None for name in SETTINGS}
    config = Config(
        signature_version=given["signature_version"],
        connect_timeout=10,
        retries={"max_attempts": 4, "mode": "standard"},
        # As Snakemake's plugin: servers other than AWS do not know the checksums that boto3 adds by default.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        max_pool_connections=32,
    )
    try:
        return boto3.session.Session().client(
            "s3",
            endpoint_url=given["endpoint_url"],
            region_name=given["region"] or "us-east-1",
            aws_access_key_id=given["access_key"],
            aws_secret_access_key=given["secret_key"],
            aws_session_token=given["token"],
            config=config,
        )
    except (BotoCoreError, ValueError) as error:
        raise BucketError(f"storage-s3-endpoint-url: {given['endpoint_url']}: {error}") from error


@contextmanager
def explained(url: str) -> Iterator[None]:
    """Turn the errors of boto3 into BucketError with what to check."""
    client()
    import botocore.exceptions as errors

    bucket = split(url)[0]
    try:
        yield
    except (errors.NoCredentialsError, errors.PartialCredentialsError, errors.ProfileNotFound) as error:
        raise BucketError(
            f"{url}: no credentials were found ({error}); set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or "
            "run `aws configure`"
        ) from error
    except errors.ClientError as error:
        code = error.response["Error"]["Code"]
        if code == "NoSuchBucket":
            raise BucketError(
                f"there is no bucket {bucket} at {_endpoint()}; create it, or correct its name"
            ) from error
        if code in _DENIED:
            raise BucketError(
                f"{url}: {_endpoint()} denies access ({code}); check the credentials (AWS_ACCESS_KEY_ID and "
                "AWS_SECRET_ACCESS_KEY, or `aws configure`) and what they permit"
            ) from error
        raise BucketError(f"{url}: {_endpoint()} answers: {error}") from error
    except (errors.ParamValidationError, errors.InvalidRegionError) as error:
        raise BucketError(f"{url}: {' '.join(str(error).split())}") from error
    except errors.BotoCoreError as error:
        raise BucketError(
            f"{url}: {_endpoint()} cannot be reached ({error}); check storage-s3-endpoint-url and the network"
        ) from error


def _endpoint() -> str:
    return os.environ.get(environment_name("endpoint_url")) or "AWS"
