"""Snakemake's own report: `snakemake --report report.zip`."""

import re

from helpers.report import built_report


def test_the_report_of_a_run_is_built_without_network(finished, tmp_path):
    found = built_report(finished, tmp_path / "report.zip")
    page = found.pop("page")["text"]
    # Captions are rendered, with the names of what they describe.
    texts = {path: re.sub("<[^>]+>", "", entry["caption"]) for path, entry in found.items()}
    assert not [path for path, text in texts.items() if "{{" in text or len(text) < 50]
    assert "model tiny, stage stage2," in texts["results/models/tiny/stage2/fold1/curves.png"]
    assert "held-out fold 1" in texts["results/models/tiny/stage2/fold1/curves.png"]
    assert "shard 001 of train" in texts["results/masks/train/001.png"]
    assert "results/view/index.html" in page
    labels = {(entry["category"], *entry["labels"].items()) for entry in found.values()}
    assert {
        ("Training", ("model", "tiny"), ("stage", "stage3"), ("fold", "2")),
        ("Masks", ("data set", "holdout"), ("shard", "000")),
        ("Score", ("data set", "test"), ("shows", "steps and ensemble, with intervals")),
        ("Score", ("data set", "holdout"), ("shows", "table of classes")),
        ("Score", ("data set", "holdout"), ("shows", "table of fields")),
        ("Fields", ("data set", "test"), ("shows", "classes of each field")),
    } <= labels
    # No two files of a category look the same in the list.
    assert len(labels) == len(found)
    # All that the page needs is in it.
    assert not re.search(r"<(script|link|img)[^>]+(src|href)=[\"']?(https?:)?//", page)
