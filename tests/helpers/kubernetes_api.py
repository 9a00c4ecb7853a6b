"""A stand-in for a Kubernetes cluster: its API on 127.0.0.1, whose pods are processes in empty folders.

It answers the requests of snakemake-executor-plugin-kubernetes and no others. A pod shares nothing with the process
that asked for it but what the API carries: the command, and the environment from secrets. Containers, nodes and volumes
are left out, so it says nothing about images.
"""

import base64
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import yaml


class Cluster:
    """The state of the cluster: secrets, jobs as they were asked for, and their processes.

    folder: for the files of all pods. environment: variables of the image.
    """

    def __init__(self, folder: Path, environment: dict[str, str]):
        self.folder, self.environment = folder, environment
        self.secrets: dict[str, dict[str, str]] = {}
        self.jobs: dict[str, dict] = {}
        self.pods: dict[str, tuple[subprocess.Popen, Path]] = {}
        self.installed: list[str] = []
        tools = folder / "bin"
        tools.mkdir(parents=True)
        # Snakemake has each pod install the storage plugin, which is there already.
        (tools / "pip").write_text(f'#!/bin/sh\necho "$@" >> {folder}/pip.txt\n')
        (tools / "pip").chmod(0o755)
        self.path = f"{tools}:{Path(sys.executable).parent}:/usr/bin:/bin"
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def write_kubeconfig(self, path: Path) -> None:
        """Write what `kubectl` and the plugin find the cluster with."""
        cluster = {"name": "c", "cluster": {"server": f"http://127.0.0.1:{self.server.server_port}"}}
        context = {"name": "c", "context": {"cluster": "c", "user": "u"}}
        users = [{"name": "u", "user": {}}]
        content = {"clusters": [cluster], "contexts": [context], "users": users, "current-context": "c"}
        path.write_text(yaml.safe_dump({"apiVersion": "v1", "kind": "Config", **content}))

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        for process, _ in self.pods.values():
            process.kill()

    def start(self, body: dict) -> None:
        name, spec = body["metadata"]["name"], body["spec"]["template"]["spec"]
        (container,) = spec["containers"]
        self.jobs[name] = body
        place = Path(tempfile.mkdtemp(dir=self.folder))
        wanted = {one["name"]: one["valueFrom"]["secretKeyRef"] for one in container.get("env") or ()}
        secret = {key: self.secrets[ref["name"]][ref["key"]] for key, ref in wanted.items()}
        assert container["workingDir"] == "/workdir"
        environment = {"PATH": self.path, "HOME": str(place), **self.environment, **secret}
        with (place / "pod.txt").open("w") as output:
            process = subprocess.Popen(
                [*container["command"], *container["args"]],
                cwd=place,
                env={key: value.replace("/workdir", str(place)) for key, value in environment.items()},
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        self.pods[name] = process, place

    def status(self, name: str) -> dict:
        code = self.pods[name][0].poll()
        return {} if code is None else {"succeeded": 1} if code == 0 else {"failed": 1}

    def pod(self, name: str) -> dict:
        code = self.pods[name][0].poll()
        state = {"running": {}} if code is None else {"terminated": {"exitCode": code}}
        status = {"name": "snakemake", "state": state, "image": "", "imageID": "", "ready": True}
        return {"metadata": {"name": name}, "status": {"containerStatuses": [{**status, "restartCount": 0}]}}

    def delete(self, name: str) -> None:
        process, place = self.pods[name]
        process.kill()
        shutil.rmtree(place, ignore_errors=True)

    def answer(self, method: str, path: str, body: dict) -> object:
        """The answer to a request, as an object of the API or a text."""
        path, _, query = path.partition("?")
        found = re.fullmatch(r"/(?:api|apis/batch)/v1/namespaces/[^/]+/(\w+)(?:/([^/]+))?(?:/(\w+))?", path)
        assert found, path
        match method, *found.groups():
            case "POST", "secrets", None, None:
                data = {key: base64.b64decode(value).decode() for key, value in body["data"].items()}
                self.secrets[body["metadata"]["name"]] = data
            case "POST", "jobs", None, None:
                self.start(body)
                return body
            case "GET", "jobs", name, "status":
                return {"metadata": {"name": name}, "status": self.status(name)}
            case "GET", "pods", None, None:
                return {"items": [self.pod(query.rpartition("job-name%3D")[2])]}
            case "GET", "pods", name, "log":
                return (self.pods[name][1] / "pod.txt").read_text()
            case "DELETE", "jobs", name, None:
                self.delete(name)
            case "DELETE", "secrets" | "pods", _, None:
                pass
            case request:
                raise AssertionError(f"no answer to {request}")
        return {"kind": "Status", "status": "Success"}

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        cluster = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                body = json.loads(self.rfile.read(length) or "{}")
                found = cluster.answer(self.command, self.path, body)
                text = found if isinstance(found, str) else json.dumps(found)
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.end_headers()
                self.wfile.write(text.encode())

            do_GET = do_POST = do_DELETE = answer  # noqa: N815

            def log_message(self, *arguments: object) -> None:
                """Print nothing."""

        return Handler


def image_environment(threads: int = 1) -> dict[str, str]:
    """Variables of an image, with the sources that were sent before its own."""
    return {
        "PYTHONPATH": "/workdir/src",
        "OMP_NUM_THREADS": str(threads),
        "LANG": os.environ.get("LANG", "C"),
    }
