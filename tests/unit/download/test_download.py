"""Downloads against a local server that drops connections, sends errors and short files."""

import gzip
import io
import threading

import cv2
import numpy as np
import pandas as pd
import pytest
import tifffile
from helpers.file_server import FileServer
from helpers.paths import ROOT

from puzzlecell.cli.main import main
from puzzlecell.config.class_table import read_classes
from puzzlecell.config.download import DownloadSettings
from puzzlecell.data.labels import read_labels
from puzzlecell.data.raw_files import CHANNELS
from puzzlecell.download import image_check
from puzzlecell.download.dataset import download_dataset
from puzzlecell.download.image_check import image_problem
from puzzlecell.download.transfer import Fetcher, TransferError
from puzzlecell.download.wanted import DownloadError, image_urls, read_wanted

NO_IMAGE = "not an image that can be read (it starts with b'<html>So'); expected PNG, TIFF, `.tif.gz` or JPEG"
CLASSES = read_classes(ROOT / "config/classes.csv")
RNG = np.random.default_rng(0)


def picture(kind: str = ".png") -> bytes:
    image = RNG.integers(0, 255, (40, 40), np.uint8)
    if kind.startswith(".tif"):
        file = io.BytesIO()
        tifffile.imwrite(file, image)
        return gzip.compress(file.getvalue()) if kind.endswith(".gz") else file.getvalue()
    return cv2.imencode(kind, image)[1].tobytes()


@pytest.fixture
def server():
    server = FileServer({f"/1/9_A1_{n}_{channel}.png": picture() for n in range(3) for channel in CHANNELS})
    yield server
    server.close()


@pytest.fixture
def table(tmp_path, server):
    """A table like kaggle_2021.tsv."""
    labels = ["Cytosol,Nucleoplasm", "Peroxisomes", "No staining"]
    rows = [f'{server.url}/1/9_A1_{n},"{label}",U-2 OS,HPA{n}' for n, label in enumerate(labels)]
    path = tmp_path / "fields.csv"
    path.write_text("\n".join(["Image,Label,Cellline,Antibody", *rows, ""]))
    return path


def settings(table, **changes):
    given = {"fields": str(table), "url": "{base}_{channel}.png", "wait_s": 0, "attempts": 3}
    return DownloadSettings(**given | changes)


def test_a_download_gives_images_labels_attribution_and_a_report(tmp_path, server, table):
    report = download_dataset(tmp_path / "set", settings(table), CLASSES)
    assert report.empty
    for path, content in server.files.items():
        assert (tmp_path / "set/images" / path.rsplit("/", 1)[1]).read_bytes() == content
    labels = pd.read_csv(tmp_path / "set/labels.csv")
    assert labels.to_dict("list") == {
        "ID": ["9_A1_0", "9_A1_1", "9_A1_2"],
        "Label": ["Cytosol|Nucleoplasm", "Vesicles and punctate cytosolic patterns", "Negative"],
        "locations": ["Cytosol,Nucleoplasm", "Peroxisomes", "No staining"],
        "antibody": ["HPA0", "HPA1", "HPA2"],
        "cell_line": ["U-2 OS"] * 3,
    }
    assert read_labels(tmp_path / "set/labels.csv", CLASSES).sum(axis=1).tolist() == [2, 1, 1]
    text = (tmp_path / "set/ATTRIBUTION.txt").read_text()
    assert "Human Protein Atlas" in text
    assert "proteinatlas.org/about/licence" in text
    assert server.url.removeprefix("http://") in text
    assert (tmp_path / "set/download.csv").read_text() == "ID,channel,url,problem\n"
    assert not list((tmp_path / "set").glob("*.checksum")), "the tables are the user's, who may edit them"
    assert max(server.counts.values()) == 1
    download_dataset(tmp_path / "set", settings(table), CLASSES)
    assert max(server.counts.values()) == 1, "complete files are not fetched again"


FAULT = "/1/9_A1_1_green.png"


@pytest.mark.parametrize(
    "faults",
    [
        [429],
        [(429, "0"), 503],
        [(429, "Wed, 21 Oct 2015 07:28:00 GMT")],
        [500, 500],
        ["drop"],
        ["drop", "drop"],
        ["short"],
        ["html"],
        ["drop", 500],
        [416],
    ],
    ids=str,
)
@pytest.mark.parametrize("ranges", [True, False])
def test_faults_that_pass_are_survived(tmp_path, server, table, faults, ranges):
    server.faults[FAULT], server.ranges = list(faults), ranges
    assert download_dataset(tmp_path / "set", settings(table), CLASSES).empty
    assert (tmp_path / "set/images/9_A1_1_green.png").read_bytes() == server.files[FAULT]
    assert server.counts[FAULT] == len(faults) + 1
    assert sorted(path.suffix for path in (tmp_path / "set/images").iterdir()) == [".png"] * 12


@pytest.mark.parametrize(
    ("faults", "expected"),
    [
        ([404] * 9, (1, "HTTP status 404 Not Found")),
        ([403] * 9, (1, "HTTP status 403 Forbidden")),
        ([500] * 9, (3, "HTTP status 500 Internal Server Error (3 attempts)")),
        (["html"] * 9, (3, f"{NO_IMAGE} (3 attempts)")),
        (["short"] * 9, (3, "cut off, the end of the PNG is missing; copy the file again (3 attempts)")),
    ],
    ids=lambda value: str(value)[:12],
)
def test_faults_that_stay_are_reported_and_the_other_fields_are_there(
    tmp_path, server, table, faults, expected
):
    requests, problem = expected
    server.faults[FAULT] = list(faults)
    with pytest.raises(DownloadError, match=r"1 of 3 fields are incomplete; .* Start again") as caught:
        download_dataset(tmp_path / "set", settings(table), CLASSES)
    assert f"9_A1_1, green: {problem}" in str(caught.value)
    assert server.counts[FAULT] == requests
    assert not (tmp_path / "set/labels.csv").exists()
    report = pd.read_csv(tmp_path / "set/download.csv")
    assert report.to_numpy().tolist() == [["9_A1_1", "green", server.url + FAULT, problem]]
    assert len(list((tmp_path / "set/images").glob("*.png"))) == 11
    server.faults[FAULT] = list(faults)
    assert len(download_dataset(tmp_path / "set", settings(table, max_failed=0.4), CLASSES)) == 1
    assert pd.read_csv(tmp_path / "set/labels.csv")["ID"].tolist() == ["9_A1_0", "9_A1_2"]
    server.faults.clear()
    assert download_dataset(tmp_path / "set", settings(table), CLASSES).empty
    assert len(pd.read_csv(tmp_path / "set/labels.csv")) == 3


@pytest.mark.parametrize(("later", "asked"), [(None, "bytes={}-"), ("changed", "bytes={}-")])
def test_a_begun_file_is_continued_if_it_is_still_the_same(tmp_path, server, later, asked):
    content = server.files[FAULT]
    server.faults[FAULT] = ["drop", later]

    def fetcher(attempts):
        return Fetcher(attempts, 0, 5, lambda path: None)

    with pytest.raises(TransferError, match=r"ended|failed"):
        fetcher(1).fetch(server.url + FAULT, tmp_path / "a.png")
    assert not (tmp_path / "a.png").exists()
    fetcher(1).fetch(server.url + FAULT, tmp_path / "a.png")
    assert server.requests[1][1] == asked.format(len(content) // 2)
    assert (tmp_path / "a.png").read_bytes() == server.files[FAULT]
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


def test_waiting_doubles_and_the_server_may_ask_for_another_time(tmp_path, server):
    waited = []
    server.faults[FAULT] = [500, (429, "7"), 500, (503, "99999")]
    Fetcher(5, 2, 5, lambda path: None, wait=waited.append).fetch(server.url + FAULT, tmp_path / "a.png")
    assert waited == [2, 7, 8, 600]


@pytest.mark.parametrize("connections", [1, 4])
def test_no_more_connections_are_used_than_allowed(tmp_path, server, table, connections):
    # All connections wait for each other at their first request.
    meeting = threading.Barrier(min(connections, 3))
    first = {f"/1/9_A1_{n}_red.png" for n in range(min(connections, 3))}
    server.before = lambda path: meeting.wait(10) if path in first else None
    download_dataset(tmp_path / "set", settings(table, connections=connections), CLASSES)
    assert server.most == min(connections, 3)


@pytest.mark.parametrize("kind", [".png", ".jpg", ".tif", ".tif.gz"])
def test_images_are_decoded_to_check_them(tmp_path, kind):
    path, content = tmp_path / "image", picture(kind)
    path.write_bytes(content)
    assert image_problem(path) is None
    for part in (1, 2, 4):
        path.write_bytes(content[: len(content) * part // 5])
        assert image_problem(path) is not None
    path.write_bytes(b"")
    assert "an empty file" in image_problem(path)


@pytest.mark.parametrize("kind", [".png", ".jpg"])
def test_of_packed_files_only_tiffs_are_read(tmp_path, kind):
    """As by the reader of the store."""
    (tmp_path / "image").write_bytes(gzip.compress(picture(kind)))
    assert "packed with gzip, but not a TIFF" in image_problem(tmp_path / "image")


def test_images_beyond_all_fields_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(image_check, "MOST_MEGAPIXELS", 0.001)
    (tmp_path / "image").write_bytes(picture(".tif"))
    assert "megapixels" in image_problem(tmp_path / "image")


def test_the_list_of_fields_is_neither_an_old_one_nor_overwritten(tmp_path, server, table):
    """Two releases have lists of the same name; a list may be called like the label table."""
    folder, content = tmp_path / "set", table.read_text()
    server.files["/old/labels.csv"] = content[: content.rindex("http")].encode()
    server.files["/new/labels.csv"] = content.encode()
    for release, count in (("old", 2), ("new", 3), ("old", 2)):
        download_dataset(folder, settings(f"{server.url}/{release}/labels.csv"), CLASSES)
        assert len(pd.read_csv(folder / "labels.csv")) == count
    own = folder / "labels.csv"
    own.write_text(content)
    with pytest.raises(DownloadError, match="the label table would be written over it"):
        download_dataset(folder, settings(own), CLASSES)
    assert own.read_text() == content


XML = """<proteinAtlas><entry><name>GENE1</name><identifier id="ENSG1" db="Ensembl"/>
<antibody id="HPA1"><cellExpression technology="ICC/IF">
<subAssay type="human"><data><cellLine>U-2 OS</cellLine>
<location GOId="x" status="main">Nucleoplasm</location><location>Lysosomes</location>
<assayImage><image imageType="sampleImage"><imageUrl>http://host/1/9_A1_1_blue_red_green.jpg</imageUrl></image>
<image><imageUrl>http://host/1/9_A1_2_blue_red_green_yellow.jpg</imageUrl></image></assayImage></data></subAssay>
<subAssay type="mouse"><data><assayImage><image><imageUrl>http://host/1/9_M_1_blue_red_green.jpg</imageUrl>
</image></assayImage></data></subAssay></cellExpression></antibody></entry>
<entry><name>GENE2</name><identifier id="ENSG2"/><antibody id="HPA1"><cellExpression>
<subAssay type="human"><data><cellLine>U-2 OS</cellLine><location>Nucleoplasm</location>
<assayImage><image><imageUrl>http://host/1/9_A1_1_blue_red_green.jpg</imageUrl></image></assayImage></data></subAssay>
</cellExpression></antibody></entry></proteinAtlas>"""


@pytest.mark.parametrize("name", ["atlas.xml", "proteinatlas.xml.gz"])
def test_the_xml_of_the_atlas_names_images_locations_genes_and_antibodies(tmp_path, name):
    content = XML.encode()
    (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    given = DownloadSettings(fields=str(tmp_path / name))
    first, second = read_wanted(tmp_path / name, given)
    assert (first.ID, first.label) == ("9_A1_1", "Nucleoplasm;Lysosomes")
    assert first.values == {"gene": "ENSG1;ENSG2", "antibody": "HPA1", "cell_line": "U-2 OS"}
    assert image_urls(first, given)["yellow"] == "http://host/1/9_A1_1_yellow.jpg"
    assert (second.ID, second.values["gene"]) == ("9_A1_2", "ENSG1")


def test_labels_by_gene_and_urls_from_columns(tmp_path):
    (tmp_path / "fields.csv").write_text("ID,gene,antibody number\nx 1,ENSG1,17\ny,ABC,18\n")
    (tmp_path / "subcellular_location.tsv").write_text(
        "Gene\tGene name\tReliability\tMain location\tAdditional location\tExtracellular location\n"
        "ENSG1\tDEF\tApproved\tNucleoplasm\tCytosol;Vesicles\t\nENSG2\tABC\tApproved\tMitochondria\t\t\n"
    )
    given = DownloadSettings(
        fields=str(tmp_path / "fields.csv"),
        locations=str(tmp_path / "subcellular_location.tsv"),
        url="http://host/{antibody number}/{ID}_{channel}.tif.gz",
        channels=("mt", "ab", "nuc", "er"),
    )
    first, second = read_wanted(given.fields, given)
    assert (first.label, second.label) == ("Nucleoplasm;Cytosol;Vesicles", "Mitochondria")
    assert image_urls(first, given)["green"] == "http://host/17/x%201_ab.tif.gz"


@pytest.mark.parametrize(
    ("content", "url", "expected"),
    [
        ("name\nx\n", None, "column ID is missing; found 'name'; a column Image with URLs would do, too"),
        ("ID\nx\nx\n", None, "line 3: ID more than once: x"),
        ("Image\nhttp://a/x\nhttp://b/x\n", None, "ID more than once: x: http://a/x and http://b/x"),
        ("ID\n../x\n", None, "line 2: ID '../x' contains a slash"),
        ("ID\nx\n", None, "field x has no value for base; known are ID"),
        ("ID,a\nx,\n", "http://h/{a}/{ID}_{channel}.png", "field x has no value for a"),
        ("ID,a\nx,1\ny,\n", "http://h/{a}/{ID}_{channel}.png", "field y has no value for a"),
        ("ID\nx\n", "http://h/{ID_{channel}.png", "unexpected '{' in field name; expected names in braces"),
        ("ID\nx\n", "http://h/{}_{channel}.png", "has braces without a name"),
        ("ID\n", None, "there are no fields in it"),
        (
            "ID,Label\nx,Cytosol\ny,Cytosil\n",
            "http://h/{ID}_{channel}.png",
            "line 3: field y has the location 'Cytosil', which is unknown; did you mean Cytosol?",
        ),
        ("ID,Label\nx,Cytosol\ny,\n", "http://h/{ID}_{channel}.png", "line 3: field y has no location"),
    ],
)
def test_mistakes_are_found_before_anything_is_fetched(tmp_path, content, url, expected):
    (tmp_path / "fields.csv").write_text(content)
    with pytest.raises(ValueError, match=r".") as caught:
        given = DownloadSettings(fields=str(tmp_path / "fields.csv"), **({"url": url} if url else {}))
        download_dataset(tmp_path / "set", given, CLASSES)
    assert expected in str(caught.value)
    assert not (tmp_path / "set/images").exists()


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.xml", "<html></html>", "has no element <entry>"),
        ("a.xml", XML[:400], "cannot be read as XML"),
        ("a.xml.gz", "no gzip", "cannot be read as XML"),
        ("none.xml", None, "there is no such file"),
    ],
)
def test_other_xml_is_refused(tmp_path, name, content, expected):
    if content is not None:
        (tmp_path / name).write_text(content)
    with pytest.raises(DownloadError, match=expected):
        read_wanted(tmp_path / name, DownloadSettings(fields=name))


def test_the_command(tmp_path, server, table, capsys):
    server.files["/fields.csv"] = table.read_bytes()
    options = ["--url", "{base}_{channel}.png", "--classes", str(ROOT / "config/classes.csv")]
    assert main(["download", str(tmp_path / "set"), "--fields", f"{server.url}/fields.csv", *options]) == 0
    assert "wrote" in capsys.readouterr().out
    assert len(list((tmp_path / "set/images").iterdir())) == 12
    assert main(["download", str(tmp_path / "set"), "--fields", "none.csv", *options]) == 1
    assert "none.csv: there is no such table" in capsys.readouterr().err
