"""Snakemake's own report of a run, built without network."""

import json
import re
import subprocess
import zipfile
from pathlib import Path

from helpers.project import Project

CLOSED = "http://127.0.0.1:9"


def built_report(project: Project, path: Path, *targets: str, **options) -> dict[str, dict]:
    """Build a report and return its files: path in the project -> what the report says of it, and its `category`.

    Checks that each of them is in the archive as it is in the project.
    """
    proxies = {f"{kind}_proxy": CLOSED for kind in ("http", "https", "HTTP", "HTTPS")}
    done = subprocess.run(
        project.command("--report", str(path), *targets, **options),
        cwd=project.folder,
        env={**project.environment, **proxies},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-4000:]
    with zipfile.ZipFile(path) as archive:
        page = archive.read(f"{path.stem}/report.html").decode()
        found = _variable(page, "results")
        for name, entry in found.items():
            inside = archive.read(f"{path.stem}/{entry['data_uri']}")
            assert inside == (project.folder / name).read_bytes(), name
    for category, parts in _variable(page, "categories").items():
        for names in parts.values():
            for name in names:
                found[name]["category"] = category
    return {**found, "page": {"text": page}}


def _variable(page: str, name: str) -> dict:
    return json.JSONDecoder().raw_decode(
        page, re.search(rf'<script id="{name}">\s*var {name} = ', page).end()
    )[0]
