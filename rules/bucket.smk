# Runs that keep their files in a bucket (`--default-storage-provider s3`), and data sets that lie in one.
from puzzlecell.config.places import raw_data_here, unsent_files
from puzzlecell.data.bucket_fields import shard_state
from puzzlecell.runtime.bucket import bucket_problem, entry, is_url, split
from puzzlecell.runtime.bucket_files import planning_copy
from puzzlecell.runtime.snakemake_internals import sent_files, share_bucket_settings, storage_copy


def in_bucket(path):
    """URL of a path in a run with a bucket, else the path."""
    return f"{BUCKET}/{path}" if BUCKET and not is_url(path) else path


def declared(path):
    """A raw file as an input of a rule."""
    return storage(path) if is_url(path) else path


def here(path):
    """Where a job finds a file that is declared as its input."""
    return storage_copy(workflow, path) if is_url(path) else path


def readable(path):
    """Where a table can be read now, for planning and checks."""
    return planning_copy(path) if is_url(path) else path


def exists(path):
    """Whether there is such a file."""
    return entry(path) is not None if is_url(path) else os.path.exists(path)


def checksums(*paths):
    """Checksums beside tables as declared files: only declared files get into a bucket and to another machine."""
    return [f"{path}.checksum" for path in paths] if BUCKET else []


def bucket_state(wildcards):
    """What `raw_state` compares for a data set in a bucket; None for one on this machine."""
    images, given = raw(wildcards.ds, "images"), settings.datasets[wildcards.ds]
    if not is_url(images):
        return None
    # Snakemake stores the parameters as the main process has them. Simulated fields are remade as a whole.
    if given.simulate or not workflow.is_main_process:
        return "raw files: in a bucket"
    dataset = raw_dataset(wildcards.ds, readable)
    return f"raw files: {shard_state(dataset, int(wildcards.sh), given.shards)}"


def unreachable_files():
    """Files that the jobs of this run could not reach where the configuration says that they are."""
    sent = sent_files(workflow)
    return [] if sent is None else unsent_files(settings, sent)


def check_buckets():
    """Raise WorkflowError if a bucket of this run cannot be used."""
    images = [raw(ds, "images") for ds in settings.datasets]
    urls = dict.fromkeys(split(url)[0] for url in [*images, BUCKET or ""] if is_url(url))
    found = [bucket_problem(f"s3://{bucket}") for bucket in urls]
    problems = [*found, *(raw_data_here(settings) if BUCKET else [])]
    if any(problems):
        raise WorkflowError("\n".join(filter(None, problems)))


share_bucket_settings(workflow)
if workflow.is_main_process:
    check_buckets()
