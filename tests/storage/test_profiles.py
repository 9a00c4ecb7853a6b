"""The profiles for a bucket and for Kubernetes: Snakemake and the plugins know all of their options."""

import inspect
import re

import pytest
import yaml
from helpers.paths import ROOT

pytest.importorskip("snakemake_storage_plugin_s3", reason="needs snakemake-storage-plugin-s3")

PROFILES = ["s3", "kubernetes"]


def known(tmp_path, monkeypatch, text):
    """What Snakemake makes of a profile; raises SystemExit for options that it does not know."""
    from snakemake.cli import get_argument_parser

    (tmp_path / "config.yaml").write_text(text)
    monkeypatch.chdir(tmp_path)
    # Variables come before profiles.
    monkeypatch.delenv("SNAKEMAKE_STORAGE_S3_ENDPOINT_URL", raising=False)
    return get_argument_parser(profiles=[str(tmp_path)]).parse_args([])


def uncommented(name):
    """A profile with its commented options in place of those that they replace."""
    lines = (ROOT / f"profiles/{name}/config.yaml").read_text().splitlines()
    given: dict[str, str] = {}
    block = ""
    for line in lines:
        found = re.match(r"(?:# )?([a-z0-9-]+):(?: [^ ].*)?$", line)
        if found and (not line.startswith("#") or re.match(r"# [a-z0-9-]+: \S", line)):
            block = found[1]
            given[block] = line.removeprefix("# ")
        elif line.startswith("  ") and block:
            given[block] += f"\n{line}"
    return "\n".join(given.values())


@pytest.mark.parametrize("name", PROFILES)
def test_every_option_is_one_of_snakemake_or_its_plugins(name, tmp_path, monkeypatch):
    if name == "kubernetes":
        pytest.importorskip("snakemake_executor_plugin_kubernetes")
    text = uncommented(name)
    assert {"storage-s3-endpoint-url", "storage-s3-region"} <= set(yaml.safe_load(text))
    found = known(tmp_path, monkeypatch, text)
    assert found.default_storage_prefix == "s3://my-bucket/puzzlecell"
    assert str(found.storage_s3_endpoint_url[0]).endswith("minio.example.org")
    with pytest.raises(SystemExit):
        known(tmp_path, monkeypatch, text + "\nstorage-s3-endpont-url: x")


def test_the_profile_for_kubernetes_asks_for_what_the_plugin_reads(tmp_path, monkeypatch):
    plugin = pytest.importorskip("snakemake_executor_plugin_kubernetes")
    from snakemake_interface_executor_plugins.registry import ExecutorPluginRegistry

    found = known(tmp_path, monkeypatch, uncommented("kubernetes"))
    assert found.executor == "kubernetes"
    (volume,) = ExecutorPluginRegistry().get_plugin("kubernetes").get_settings(found).persistent_volumes
    assert (volume.name, str(volume.path)) == ("puzzlecell-states", "/states")
    assert "PUZZLECELL_STATES" in found.envvars
    source = inspect.getsource(plugin.Executor.run_job)
    for resource in ("scale", "gpu_manufacturer", "mem_mb", "disk_mb"):
        assert resource in found.default_resources
        assert f'"{resource}"' in source


@pytest.mark.parametrize("name", PROFILES)
def test_no_credentials_are_in_a_profile(name):
    text = (ROOT / f"profiles/{name}/config.yaml").read_text()
    assert not re.search(r"storage-s3-(access|secret)-key|token", text)
