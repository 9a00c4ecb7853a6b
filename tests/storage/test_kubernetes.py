"""The profile for Kubernetes: the real executor plugin, and a stand-in for the cluster whose pods are processes."""

import re
import subprocess
from dataclasses import replace

import pytest
import yaml
from helpers.kubernetes_api import Cluster, image_environment
from helpers.paths import ROOT

pytest.importorskip("kubernetes", reason="needs snakemake-executor-plugin-kubernetes")

MODEL = "results/models/tiny/stage1/fold1/model.safetensors"
STORES = ["results/store/test/000.h5", "results/store/test/001.h5"]
PROFILE = yaml.safe_load((ROOT / "profiles/kubernetes/config.yaml").read_text())


@pytest.fixture
def cluster(tmp_path):
    made = Cluster(tmp_path / "cluster", image_environment())
    made.write_kubeconfig(tmp_path / "kubeconfig")
    yield made
    made.close()


@pytest.fixture
def on_kubernetes(in_bucket, cluster, tmp_path):
    """Runs a project with its bucket on the cluster, as `snakemake --profile profiles/kubernetes` does."""
    folder = in_bucket.project.folder
    (folder / ".gitignore").write_text("/.snakemake/\n")
    subprocess.run(["git", "init", "-q"], cwd=folder, check=True)

    def run(project, *arguments):
        subprocess.run(["git", "add", "."], cwd=folder, check=True)
        given = ("--profile", "profiles/kubernetes", "--seconds-between-status-checks", "1", "--jobs", "2")
        return project.run(*arguments, *given, KUBECONFIG=str(tmp_path / "kubeconfig"))

    return run


def raw_with_gpu(settings):
    settings["gpu"] = "auto"
    for dataset in settings["datasets"].values():
        del dataset["simulate"]


@pytest.mark.long
def test_pods_share_nothing_but_the_bucket(on_kubernetes, in_bucket, cluster):
    """A training with what it needs; then a field that is damaged inside, which is noticed when it is read."""
    bucket = in_bucket.bucket
    project = replace(in_bucket, configuration=in_bucket.project.configure("gpu.yaml", raw_with_gpu))
    done = on_kubernetes(project, MODEL)
    assert done.returncode == 0, done.stdout[-4000:]
    assert {f"run/{MODEL}", "run/results/logs/train/tiny/stage1/fold1.log"} <= set(bucket.keys())
    assert bucket.keys("run/snakemake") == [], "the sources that were sent are removed"
    assert not (in_bucket.project.folder / "results").exists()
    asked = {}
    for job in cluster.jobs.values():
        (container,) = job["spec"]["template"]["spec"]["containers"]
        assert container["image"] == PROFILE["container-image"]
        given = {one["name"] for one in container["env"]}
        storage = {f"SNAKEMAKE_STORAGE_S3_{name}" for name in ("ENDPOINT_URL", "REGION")}
        assert given == {*PROFILE["envvars"], *storage}
        rule = re.search(r"--allowed-rules (\w+)", container["args"][1])[1]
        # Kubernetes grants GPUs by limits, which must equal the requests.
        limits, requests = container["resources"]["limits"], container["resources"]["requests"]
        assert limits.items() >= {name: requests[name] for name in requests if name != "cpu"}.items()
        asked[rule] = limits.get("nvidia.com/gpu", "0")
    # The folds are split where Snakemake runs.
    assert asked == {"ingest": "0", "train": "1"}
    assert "snakemake-storage-plugin-s3" in (cluster.folder / "pip.txt").read_text()

    damaged = next(name for name in bucket.keys("run/data/test/images/") if name.endswith("_red.png"))
    content = bucket.get(damaged)
    bucket.put(damaged, content[:100] + b"xxxx" + content[104:])
    done = on_kubernetes(project, *STORES, "--retries", "0")
    assert done.returncode != 0
    assert re.search(
        rf"s3://{bucket.name}/{damaged}: damaged, the checksum of the block .* is wrong", done.stdout
    )
    assert f"see s3://{bucket.name}/run/results/logs/ingest/test/" in done.stdout
