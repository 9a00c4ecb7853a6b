"""A SLURM cluster of several nodes on this machine, for tests.

Run: python tests/cluster/slurm_cluster.py start FOLDER; then follow what it prints, or
     python tests/cluster/slurm_cluster.py stop FOLDER
Needs root, and Debian's packages slurm-wlm and munge, which `install` fetches. All daemons listen on 127.0.0.1 only, on
free ports; their state, logs and sockets are in FOLDER. The nodes are slurmd processes of this machine. Each has two
GPUs, which are device files of /dev/null: SLURM only hands out their names.
"""

import argparse
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

PACKAGES = ("slurm-wlm", "munge")
PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scontrol")
NODES = ("node1", "node2", "node3")
GPUS = 2
DAEMONS = ("slurmctld", *(f"slurmd.{node}" for node in NODES), "munged")

CONFIGURATION = """\
ClusterName=puzzlecell
SlurmctldHost=localhost(127.0.0.1)
SlurmUser=root
SlurmctldPort={controller}
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket,cred_expire=15
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool/%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.%n.pid
SlurmctldLogFile={folder}/log/slurmctld.log
SlurmdLogFile={folder}/log/slurmd.%n.log
SlurmctldDebug=verbose
SlurmdDebug=verbose
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SchedulerParameters=batch_sched_delay=0,sched_interval=2
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
SlurmdTimeout=15
SlurmdParameters=config_overrides
KillWait=20
MinJobAge=600
ReturnToService=1
GresTypes=gpu
{nodes}
PartitionName=cpu Nodes=ALL Default=YES MaxTime=7-00:00:00 State=UP
PartitionName=gpu Nodes=ALL MaxTime=2-00:00:00 State=UP
"""


class ClusterError(RuntimeError):
    """The cluster cannot be installed, or does not start; the message says why."""


class Cluster:
    """A cluster whose state is in a folder; `with Cluster(folder):` starts and stops it."""

    def __init__(self, folder: str | os.PathLike):
        self.folder = Path(folder).resolve()

    def __enter__(self) -> "Cluster":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def environment(self) -> dict[str, str]:
        """Environment in which sbatch, squeue and the others talk to this cluster."""
        path = f"{self.folder / 'bin'}:{programs_path()}"
        return {**os.environ, "SLURM_CONF": str(self.folder / "slurm.conf"), "PATH": path}

    def start(self) -> None:
        """Write the configuration, start all daemons and wait until all nodes are idle."""
        for name in ("state", "spool", "log", "munge", "dev", "bin"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        for node in NODES:
            (self.folder / "spool" / node).mkdir(exist_ok=True)
        self._configure()
        key = self.folder / "munge/key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o600)
        options = {"key-file": key, "socket": self.folder / "munge/socket"}
        options |= {"pid-file": self.folder / "munged.pid", "log-file": self.folder / "log/munged.log"}
        options |= {"seed-file": self.folder / "munge/seed"}
        self.run("munged", "--force", *(f"--{name}={path}" for name, path in options.items()))
        self.start_controller(clean=True)
        for node in NODES:
            self.start_node(node)
        self.wait_for("all nodes are idle", lambda: set(self.states().values()) == {"idle"})

    def stop(self) -> None:
        """End all jobs and daemons."""
        with suppress(ClusterError):
            self.run("scancel", "--user=root", "--signal=KILL")
            self.run("scancel", "--user=root")
            self.wait_for("all jobs have ended", lambda: not self.jobs(), seconds=15)
        for daemon in DAEMONS:
            self._end(daemon)

    def run(self, *command: str) -> str:
        """Output of a command of SLURM; raises ClusterError if it fails."""
        done = subprocess.run(
            command, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        if done.returncode:
            raise ClusterError(f"{' '.join(command)}: exit status {done.returncode}\n{done.stdout}")
        return done.stdout

    def states(self) -> dict[str, str]:
        """State of each node, such as idle, mixed, down."""
        return dict(
            line.split() for line in self.run("sinfo", "-h", "-N", "-p", "cpu", "-o", "%N %t").splitlines()
        )

    def jobs(self) -> dict[str, dict[str, str]]:
        """Jobs that are waiting, running or ending, by their number: state, node and comment (rule and wildcards)."""
        lines = self.run("squeue", "-h", "-o", "%i|%T|%N|%k").splitlines()
        rows = [line.split("|", 3) for line in lines]
        return {
            number: {"state": state, "node": node, "comment": comment}
            for number, state, node, comment in rows
        }

    def history(self) -> list[dict[str, str]]:
        """What SLURM knows of all jobs, also of those that have ended: JobId, JobState, Restarts, TresPerJob, ..."""
        lines = self.run("scontrol", "--oneliner", "show", "job").splitlines()
        return [dict(word.split("=", 1) for word in line.split() if "=" in word) for line in lines]

    def start_controller(self, *, clean: bool = False) -> None:
        """Start slurmctld; clean: forget all jobs."""
        self.run("slurmctld", *(["-c"] if clean else []))
        self.wait_for("slurmctld answers", lambda: "UP" in self.run("scontrol", "ping"))

    def stop_controller(self) -> None:
        """End slurmctld, which saves its state; running jobs go on."""
        self._end("slurmctld")

    def start_node(self, node: str) -> None:
        """Start the slurmd of a node."""
        self.run("slurmd", "-N", node)

    def kill_node(self, node: str) -> None:
        """Kill the slurmd of a node, so that the controller loses it while its jobs go on."""
        self._end(f"slurmd.{node}", signal.SIGKILL)

    def set_node(self, node: str, state: str) -> None:
        """Set a node to a state, as an administrator does: down, resume, drain."""
        self.run("scontrol", "update", f"NodeName={node}", f"State={state}", "Reason=test")

    def wait_for(self, what: str, condition, seconds: float = 60) -> None:
        """Wait until a condition holds; raises ClusterError with the end of the logs if it does not in time."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            with suppress(ClusterError):
                if condition():
                    return
            time.sleep(0.2)
        logs = [
            f"== {path.name}\n{path.read_text()[-1500:]}" for path in sorted(self.folder.glob("log/*.log"))
        ]
        raise ClusterError("\n".join([f"waited {seconds:.0f} s in vain until {what}", *logs]))

    def _configure(self) -> None:
        controller, *ports = _free_ports(1 + len(NODES))
        nodes = "\n".join(
            f"NodeName={node} NodeHostname=localhost NodeAddr=127.0.0.1 Port={port} CPUs=16 RealMemory=32000 "
            f"Gres=gpu:{GPUS} State=UNKNOWN"
            for node, port in zip(NODES, ports, strict=True)
        )
        text = CONFIGURATION.format(controller=controller, folder=self.folder, nodes=nodes)
        (self.folder / "slurm.conf").write_text(text)
        for number in range(GPUS):
            device = self.folder / f"dev/gpu{number}"
            if not device.exists():
                os.mknod(device, 0o666 | 0o020000, os.makedev(1, 3))
        files = self.folder / f"dev/gpu[0-{GPUS - 1}]"
        (self.folder / "gres.conf").write_text(f"NodeName={','.join(NODES)} Name=gpu File={files}\n")
        (self.folder / "cgroup.conf").write_text("")
        # The plugin starts srun without the variables of SLURM, and so without SLURM_CONF.
        srun = self.folder / "bin/srun"
        srun.write_text(
            f'#!/bin/sh\nSLURM_CONF="{self.folder}/slurm.conf" exec {shutil.which("srun")} "$@"\n'
        )
        srun.chmod(0o755)

    def _end(self, daemon: str, *signals: signal.Signals) -> None:
        """End a daemon by the number in its file, and wait for it."""
        path = self.folder / f"{daemon}.pid"
        if not path.exists():
            return
        number = int(path.read_text())
        for sent in signals or (signal.SIGTERM, signal.SIGKILL):
            with suppress(ProcessLookupError):
                os.kill(number, sent)
            for _ in range(100):
                if not Path(f"/proc/{number}").exists():
                    path.unlink(missing_ok=True)
                    return
                time.sleep(0.1)


def missing() -> str | None:
    """Why no cluster can be started here; None if one can."""
    if os.getuid() != 0:
        return "a SLURM cluster for tests needs root"
    absent = [name for name in PROGRAMS if shutil.which(name, path=programs_path()) is None]
    return f"{', '.join(absent)} not found; install {' and '.join(PACKAGES)}" if absent else None


def programs_path() -> str:
    """PATH with the folders of daemons, which not every shell of root has."""
    return f"{os.environ['PATH']}:/usr/sbin:/sbin"


def install() -> str | None:
    """Install SLURM with apt-get if it is missing; return why no cluster can be started here, or None.

    Raises ClusterError if apt-get fails, or SLURM is missing after it: a machine that has it can have SLURM, too.
    """
    if missing() is None or os.getuid() != 0 or shutil.which("apt-get") is None:
        return missing()
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    # The services that the packages would start are not wanted.
    command = ["apt-get", "install", "-y", "--no-install-recommends", *PACKAGES]
    for step in (["apt-get", "update"], command):
        done = subprocess.run(
            step, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        if done.returncode:
            raise ClusterError(f"{' '.join(step)} failed:\n{done.stdout[-2000:]}")
    problem = missing()
    if problem:
        raise ClusterError(f"{' '.join(command)} succeeded, but {problem}")
    return None


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


def main() -> None:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("command", choices=["install", "start", "stop"])
    parser.add_argument("folder", nargs="?", help="state of the cluster")
    options = parser.parse_args()
    if options.command != "install" and options.folder is None:
        parser.error("a folder is needed")
    problem = install() if options.command == "install" else missing()
    if problem:
        sys.exit(problem)
    if options.command == "start":
        Cluster(options.folder).start()
        folder = Path(options.folder).resolve()
        print(f"export SLURM_CONF={folder}/slurm.conf PATH={folder}/bin:$PATH")
    elif options.command == "stop":
        Cluster(options.folder).stop()


if __name__ == "__main__":
    main()
