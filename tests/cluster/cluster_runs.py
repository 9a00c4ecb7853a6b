"""Runs of the tiny project on a SLURM cluster."""

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from helpers.project import Project, fresh_project
from slurm_cluster import Cluster

TARGET = "results/submission.csv"
EPOCHS = {"stage1": 20, "stage3": 60}
"""Of the stages that have to last while faults happen."""


def cluster_project(folder: Path) -> Project:
    """A new copy of the project with config/cluster.yaml, in which networks ask for a GPU."""
    project = fresh_project(folder)

    def change(settings: dict) -> None:
        settings["gpu"] = "auto"
        for stage, epochs in EPOCHS.items():
            settings["models"]["tiny"]["stages"][stage].setdefault("training", {})["epochs"] = epochs

    project.configure("cluster.yaml", change)
    return project


class ClusterRun:
    """`snakemake --profile profiles/slurm` in a project; ended with the block."""

    def __init__(self, project: Project, cluster: Cluster, *arguments: str, target: str = TARGET):
        self.project, self.cluster = project, cluster
        self.output = project.folder / "run.txt"
        self.held: dict[str, list[int]] = {}
        own = {
            "--profile": "profiles/slurm",
            "--slurm-status-command": "squeue",
            # Every few seconds, not every 40.
            "--slurm-init-seconds-before-status-checks": "1",
            "--latency-wait": "15",
            # The number of threads decides the last digits of a training.
            "--set-threads": "train=1",
        }
        given = [word for option in own.items() for word in option]
        command = [*project.command(target, *given, "--slurm-no-account", *arguments, configuration=None)]
        cores = command.index("--cores")
        self.command = [*command[:cores], *command[cores + 2 :], "--configfile", "config/cluster.yaml"]

    def __enter__(self) -> "ClusterRun":
        self.stream = self.output.open("a")
        self.process = subprocess.Popen(
            self.command,
            cwd=self.project.folder,
            env={**self.project.environment, **self.cluster.environment, "PYTHONPATH": self.source},
            stdout=self.stream,
            stderr=subprocess.STDOUT,
        )
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.process.kill()
        self.stream.close()

    @property
    def source(self) -> str:
        return self.project.environment["PYTHONPATH"]

    @property
    def text(self) -> str:
        """What the run has shown so far."""
        return self.output.read_text()

    def wait_for(self, what: str, condition: Callable[[], object], seconds: float = 240) -> None:
        """Wait until a condition holds, while the run goes on."""
        until = time.monotonic() + seconds
        while not condition():
            assert self.process.poll() is None, f"the run ended before {what}:\n{self.text[-6000:]}"
            assert time.monotonic() < until, f"waited in vain until {what}:\n{self.text[-6000:]}"
            time.sleep(0.1)

    def finish(self, seconds: float = 500) -> None:
        """Wait until the run has succeeded."""
        try:
            code = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            code = "still running"
        assert code == 0, self.text[-8000:]

    def hold(self, *trainings: str) -> None:
        """Stop the processes of each training (SIGSTOP) as soon as it has saved a state."""
        going = set(trainings)

        def all_held() -> bool:
            for training in list(going):
                state = self.project.folder / f"results/models/{training}/last.ckpt"
                found = processes_of(self.project.folder / f"results/logs/train/{training}.log")
                if state.exists() and found:
                    for number in found:
                        os.kill(number, signal.SIGSTOP)
                    self.held[training] = found
                    going.remove(training)
            return not going

        self.wait_for(f"{' and '.join(trainings)} have saved their states", all_held)

    def let_go(self, training: str) -> None:
        """Let the held processes of a training go on."""
        for number in self.held.pop(training):
            os.kill(number, signal.SIGCONT)

    def running(self, comment: str) -> str | None:
        """Number of the running job with this rule and these wildcards."""
        found = [
            number
            for number, job in self.cluster.jobs().items()
            if job["comment"] == comment and job["state"] == "RUNNING"
        ]
        return found[0] if found else None


def log_of(project: Project, name: str) -> str:
    """Log of a job, by its path below results/logs."""
    path = project.folder / f"results/logs/{name}.log"
    return path.read_text() if path.exists() else ""


def after(seconds: float) -> Callable[[], bool]:
    """Condition that holds after some seconds."""
    until = time.monotonic() + seconds
    return lambda: time.monotonic() > until


def processes_of(log_path: Path) -> list[int]:
    """Numbers of the processes that write a log, which are those of the job itself."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                if (folder / "fd/2").readlink() == log_path:
                    found.append(int(folder.name))
            except OSError:
                continue
    return found
