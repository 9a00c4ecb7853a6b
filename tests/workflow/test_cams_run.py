"""Class activation maps of a finished run in its viewer, and the viewer served straight from the results."""

import json
import re
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import cv2
import numpy as np

from puzzlecell.data.store import ShardReader

COMMAND = "import sys; from puzzlecell.cli.main import main; sys.exit(main())"


def chunk(text):
    """Name and content of a chunk."""
    name, content = json.loads(f"[{text.removeprefix('puzzlecell.receive(').partition(');')[0]}]")
    return name, content


def files_of(folder):
    return {path: path.stat().st_mtime_ns for path in Path(folder).rglob("*") if path.is_file()}


def test_maps_are_shown_where_they_are_and_everything_is_served(changed):
    results = changed.folder / "results"
    shards = sorted(path.relative_to(results / "view/data") for path in results.glob("view/data/*/*/"))
    # The viewer alone makes no maps, and without them it is complete.
    assert changed.planned("view") == {}
    assert changed.planned("cams", "view")["field_cams"] == len(shards)
    done = changed.run("cams", "view")
    assert done.returncode == 0, done.stdout[-4000:]
    for target in (["cams", "view"], ["view"], ["results/submission.csv"]):
        assert changed.planned(*target) == {}

    for shard in shards:
        folder = results / "view/data" / shard
        maps = ShardReader([results / f"cams/{shard}.h5"])
        ids = chunk((folder / "cells.js").read_text())[1]["ids"]
        expected = {
            f"cam-{ids.index(field_id):04d}-{index:02d}.webp"
            for field_id, chosen in zip(maps.ids, maps.column("chosen"), strict=True)
            for index in np.flatnonzero(chosen)
        }
        assert {path.name for path in folder.glob("cam-*")} == expected
        assert len(list((results / f"cams/{shard}").glob("*.png"))) == len(expected) > 0

    before = files_of(changed.folder)
    served(changed, shards)
    assert files_of(changed.folder) == before

    # Without the maps, the viewer is made again without them.
    subprocess.run(["rm", "-r", str(results / "cams")], check=True)
    assert changed.planned("view").keys() == {"view_shard", "view_index", "view"}


def served(project, shards):
    """Compare what the server shows with the files of the viewer."""
    environment = {**project.environment, "PYTHONDONTWRITEBYTECODE": "1"}
    with subprocess.Popen(
        [sys.executable, "-c", COMMAND, "view", "--serve", "--no-browser"],
        cwd=project.folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        # Shells ignore it for what they start in the background, and children inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as server:
        said = [server.stdout.readline(), server.stdout.readline()]
        address = re.fullmatch(r"(http://127\.0\.0\.1:\d+/\S{32}/)\n", said[1])
        assert address, [*said, server.stdout.read()]

        def get(path):
            with urllib.request.urlopen(f"{address[1]}{path}") as answer:
                return answer.read()

        view = project.folder / "results/view"
        run, written = chunk(get("data/run.js").decode())[1], chunk((view / "data/run.js").read_text())[1]
        assert run["served"]
        assert run["classes"] == written["classes"]
        for own, other in zip(run["datasets"], written["datasets"], strict=True):
            assert (own["name"], own["fields"], own["cells"]) == (
                other["name"],
                other["fields"],
                other["cells"],
            )
            assert [one["pictures"] for one in own["shards"]] == [one["cells"] for one in other["shards"]]
        assert get("") == (view / "index.html").read_bytes()
        for shard in shards:
            for name in ("details.js", "shapes.js"):
                assert get(f"data/{shard}/{name}") == (view / "data" / shard / name).read_bytes()
            own = chunk(get(f"data/{shard}/cells.js").decode())[1]
            other = chunk((view / "data" / shard / "cells.js").read_text())[1]
            pictures = ("picture", "field_picture")
            assert {key: value for key, value in own["columns"].items() if key not in pictures} == (
                {key: value for key, value in other["columns"].items() if key not in pictures}
            )
            picture = np.frombuffer(get(f"data/{shard}/sheet-0000.webp"), np.uint8)
            tile = run["pictures"]["tile"]
            assert cv2.imdecode(picture, cv2.IMREAD_GRAYSCALE).shape[1] == 4 * tile
            for path in (view / "data" / shard).glob("cam-*"):
                assert get(f"data/{shard}/{path.name}") == path.read_bytes()
        server.send_signal(signal.SIGINT)
        assert server.stdout.read().endswith("ended\n")
        assert server.wait() == 0
