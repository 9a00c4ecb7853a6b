"""A copy of the project with a tiny configuration."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import yaml
from helpers.paths import ROOT

PARTS = ("Snakefile", "rules", "workflow", "src", "config", "profiles", "envs")


class Project:
    """A copy of the project in its own folder."""

    def __init__(self, folder: Path):
        self.folder = folder

    def command(self, *arguments: str, configuration: str | None = "config/tiny.yaml") -> list[str]:
        given = ["--configfile", configuration] if configuration else []
        return [sys.executable, "-m", "snakemake", "--cores", "2", *arguments, *given]

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "PYTHONPATH": str(self.folder / "src")}

    def run(self, *arguments: str, **options) -> subprocess.CompletedProcess:
        return subprocess.run(
            self.command(*arguments, **options),
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def planned(self, *targets: str, **options) -> dict[str, int]:
        """Number of jobs per rule that a run would execute."""
        done = self.run("-n", *(targets or ("results/submission.csv",)), **options)
        assert done.returncode == 0, done.stdout
        if "Nothing to be done" in done.stdout:
            return {}
        table = done.stdout.split("Job stats:")[1].split("total")[0]
        return {name: int(count) for name, count in re.findall(r"^(\w+)\s+(\d+)$", table, re.MULTILINE)}

    def configure(self, name: str, change: Callable[[dict], None]) -> str:
        """Write a changed copy of the tiny configuration and return its path."""
        settings = yaml.safe_load((self.folder / "config/tiny.yaml").read_text())
        change(settings)
        (self.folder / "config" / name).write_text(yaml.safe_dump(settings, sort_keys=False))
        return f"config/{name}"

    def edit(self, path: str, old: str, new: str) -> None:
        file = self.folder / path
        text = file.read_text()
        assert old in text
        file.write_text(text.replace(old, new))

    def copy(self, folder: Path) -> "Project":
        """A copy with all outputs so far; modification times are preserved."""
        shutil.copytree(self.folder, folder, symlinks=True)
        return Project(folder)


def fresh_project(folder: Path) -> Project:
    folder.mkdir(parents=True)
    for part in PARTS:
        source = ROOT / part
        ignore = shutil.ignore_patterns("__pycache__", "*.egg-info")
        shutil.copytree(source, folder / part, ignore=ignore) if source.is_dir() else shutil.copy(
            source, folder
        )
    shutil.copy(ROOT / "tests/workflow/tiny.yaml", folder / "config/tiny.yaml")
    return Project(folder)
