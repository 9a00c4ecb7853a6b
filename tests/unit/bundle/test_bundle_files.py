"""What is in a bundle, and that a bundle in which anything changed is refused with the name of the file."""

import json
import stat
import zipfile

import pandas as pd
import pytest
import yaml
from helpers.bundles import tree, write_bundle, write_run
from helpers.inference_data import CLASSES, SIZE

from puzzlecell.bundle.export import RunFiles, export_bundle
from puzzlecell.bundle.facts import image_facts
from puzzlecell.bundle.manifest import BundleError, Listed, manifest_text
from puzzlecell.bundle.open import check_bundle, installed_bundle
from puzzlecell.bundle.settings import bundle_state
from puzzlecell.cli.main import main
from puzzlecell.config.workflow import ConfigError, load_configuration
from puzzlecell.data.field_sources import RawDataset
from puzzlecell.data.tables import write_csv
from puzzlecell.errors import UserError

WEIGHTS = "weights/m/s/fold2.safetensors"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder with the same bundle as the folder `bundle` and as `bundle.zip`."""
    folder = tmp_path_factory.mktemp("bundles")
    for name in ("bundle", "bundle.zip"):
        write_bundle(folder, folder / name)
    return folder


@pytest.fixture
def bundle(made, tmp_path):
    """A copy of the folder that a test may damage."""
    for name, content in tree(made / "bundle").items():
        path = tmp_path / "given" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return tmp_path / "given"


def test_a_bundle_has_all_that_is_needed_and_says_what_it_is(made):
    manifest = check_bundle(made / "bundle")
    weights = {f"weights/m/s/fold{fold}.safetensors" for fold in (1, 2)}
    files = tree(made / "bundle")
    assert set(files) == weights | {"manifest.json", "README.md", "LICENCE.txt", "classes.csv"}
    for fold in (1, 2):
        copied = files[f"weights/m/s/fold{fold}.safetensors"]
        assert copied == (made / f"weights{fold}.safetensors").read_bytes()
    assert manifest["classes"] == CLASSES
    images = manifest["images"]
    assert images["channels"] == ["red", "green", "blue", "yellow"]
    assert (images["pixel_size_um"], images["bit_depth"], images["stored_size"]) == ([0.5], [8], 96)
    assert (images["field_um"], images["stored_pixel_um"]) == (96, 1)
    assert images["intensity"]["red"]["q99"] == pytest.approx(197, abs=1.5)
    (member,) = manifest["members"]
    assert (member["field_size"], member["crop_size"], member["network"]["backbone"]) == (
        64,
        32,
        "test_resnet",
    )
    assert {"ingest", "segmentation", "step1", "step2", "ensemble", "submission"} <= set(manifest["settings"])
    assert not {"hpa_dpn", "cellpose", "labelling"} & set(manifest["settings"]["segmentation"])
    assert {"puzzlecell", "torch", "timm", "python"} <= set(manifest["versions"])
    assert manifest["training"]["datasets"]["train"]["fields"] == 3
    (stage,) = manifest["training"]["stages"]
    # Field c has classes 0 and 3, but ranks last for class 0.
    assert stage["positives"] == [2, 1, 0, 1]
    assert stage["average_precision"] == [pytest.approx(5 / 6, abs=1e-4), 1, None, 1]
    assert manifest["scores"]["test"] == [{"prediction": "ensemble", "mean_ap": 0.5, "low": None, "high": 1}]
    readme = files["README.md"].decode()
    for expected in (
        "# shapes",
        "| train | train | 3 | images |",
        "| test | ensemble | 0.500 | - | 1.000 |",
        "| 3 | Negative | 1 | 1.000 |",
        "LICENCE.txt",
        "0.5 um",
    ):
        assert expected in readme
    assert not [name for name in files if name.endswith((".py", ".pkl", ".pth", ".pt"))]


def test_the_same_run_gives_the_same_bytes(made, tmp_path):
    for name in ("bundle", "bundle.zip"):
        write_bundle(tmp_path, tmp_path / name)
    first, again = (manifest(folder) for folder in (made, tmp_path))
    assert first["files"] == again["files"]
    write_bundle(made, made / "again.zip")
    assert (made / "again.zip").read_bytes() == (made / "bundle.zip").read_bytes()


def manifest(folder):
    return check_bundle(folder / "bundle.zip")


def rewritten(bundle, change):
    """Change the manifest and give it the checksum that fits, as someone would who forges it."""
    content = json.loads((bundle / "manifest.json").read_text())
    del content["sha256"]
    change(content)
    files = {name: Listed(entry["bytes"], entry["sha256"]) for name, entry in content.pop("files").items()}
    # What is in `content` replaces the format and version of this puzzlecell.
    (bundle / "manifest.json").write_text(manifest_text(content, files))


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


DAMAGE = {
    "a changed byte": (lambda b: flip(b / WEIGHTS), f"{WEIGHTS}: damaged or altered: its SHA-256"),
    "a file cut off": (
        lambda b: (b / WEIGHTS).write_bytes((b / WEIGHTS).read_bytes()[:-1]),
        f"{WEIGHTS}: damaged or altered",
    ),
    "an edited class table": (
        lambda b: (b / "classes.csv").write_text((b / "classes.csv").read_text().replace("0,a", "0,x")),
        "classes.csv: damaged or altered",
    ),
    "a missing file": (lambda b: (b / "README.md").unlink(), "README.md: missing"),
    "an added file": (
        lambda b: (b / "weights/run.py").write_text("1"),
        "weights/run.py: not in the manifest",
    ),
    "an edited manifest": (
        lambda b: (b / "manifest.json").write_text((b / "manifest.json").read_text().replace("0.5", "0.6")),
        "manifest.json: damaged or altered: its checksum does not match",
    ),
    "a manifest that is cut off": (
        lambda b: (b / "manifest.json").write_text((b / "manifest.json").read_text()[:-5]),
        "manifest.json: damaged: it is not JSON",
    ),
    "another version": (
        lambda b: rewritten(b, lambda content: content.update(version=2)),
        "manifest.json: version 2 of the bundle format",
    ),
    "another kind of file": (
        lambda b: rewritten(b, lambda content: content.update(format="x")),
        "manifest.json: not the manifest of a bundle",
    ),
    "a manifest that lacks a part": (
        lambda b: rewritten(b, lambda content: content.pop("settings")),
        "manifest.json: lacks settings",
    ),
    "a manifest that leads elsewhere": (
        lambda b: rewritten(b, lambda c: c["files"].update({"../x": {"bytes": 1, "sha256": ""}})),
        "lists the file '../x', which is no path inside the bundle",
    ),
    "no manifest": (lambda b: (b / "manifest.json").unlink(), "no bundle: there is no manifest.json in it"),
}


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_bundle_is_refused_with_the_name_of_the_file(bundle, damage, zipped):
    change, expected = DAMAGE[damage]
    change(bundle)
    path = bundle
    if zipped:
        path = bundle.with_name("given.zip")
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in tree(bundle).items():
                archive.writestr(name, content)
    target = bundle.with_name("out") / "copied"
    with pytest.raises(BundleError) as caught:
        installed_bundle(path, target)
    assert expected in str(caught.value)
    assert not target.parent.exists()


def link_in(bundle):
    (bundle / "README.md").unlink()
    (bundle / "README.md").symlink_to("/etc/passwd")


def test_links_in_a_folder_are_refused_and_snakemakes_own_file_is_not(bundle):
    (bundle / ".snakemake_timestamp").touch()
    check_bundle(bundle)
    link_in(bundle)
    with pytest.raises(BundleError, match=r"README\.md: a link or no regular file"):
        check_bundle(bundle)


def symlink(archive):
    entry = zipfile.ZipInfo("weights/x")
    entry.external_attr = (stat.S_IFLNK | 0o777) << 16
    archive.writestr(entry, "/etc/passwd")


@pytest.mark.parametrize(
    ("add", "expected"),
    [
        (lambda archive: archive.writestr("../x", "1"), "'../x': leads out of the bundle"),
        (lambda archive: archive.writestr("/tmp/x", "1"), "'/tmp/x': leads out of the bundle"),
        (lambda archive: archive.writestr("a\\..\\x", "1"), "leads out of the bundle"),
        (symlink, "weights/x: a link or no regular file"),
        (lambda archive: archive.writestr("README.md", "1"), "README.md: twice in the zip"),
        (lambda archive: archive.writestr("x", "1"), "x: not in the manifest"),
    ],
)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_zip_writes_nothing_but_what_its_manifest_lists(made, tmp_path, add, expected):
    path = tmp_path / "evil.zip"
    path.write_bytes((made / "bundle.zip").read_bytes())
    with zipfile.ZipFile(path, "a") as archive:
        add(archive)
    with pytest.raises(BundleError) as caught:
        installed_bundle(path, tmp_path / "inside/copied")
    assert expected in str(caught.value)
    assert [found.name for found in tmp_path.rglob("*") if found.is_file()] == ["evil.zip"]


@pytest.mark.parametrize("cut", [-1000, 100, 0])
def test_a_zip_that_is_cut_off_is_refused(made, tmp_path, cut):
    path = tmp_path / "cut.zip"
    path.write_bytes((made / "bundle.zip").read_bytes()[:cut])
    with pytest.raises(BundleError, match=r"cut\.zip: not a zip file, or damaged"):
        check_bundle(path)


def test_a_bundle_is_copied_once_and_again_if_the_copy_is_damaged(made, tmp_path):
    copied = tmp_path / "model"
    for given in ("bundle.zip", "bundle"):
        expected = given == "bundle.zip"
        assert installed_bundle(made / given, copied)[1] is expected
    assert tree(copied) == tree(made / "bundle")
    time = (copied / WEIGHTS).stat().st_mtime_ns
    installed_bundle(made / "bundle.zip", copied)
    assert (copied / WEIGHTS).stat().st_mtime_ns == time
    flip(copied / WEIGHTS)
    assert installed_bundle(made / "bundle.zip", copied)[1]
    assert tree(copied) == tree(made / "bundle")


def test_a_folder_that_is_no_bundle_is_neither_replaced_nor_filled(made, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/notes.txt").write_text("important")
    with pytest.raises(UserError, match="is to hold the model, but is no bundle"):
        installed_bundle(made / "bundle", tmp_path / "mine")
    with pytest.raises(UserError, match="a folder with other files in it"):
        write_bundle(tmp_path, tmp_path / "mine")
    assert (tmp_path / "mine/notes.txt").read_text() == "important"


def test_pixel_sizes_come_from_the_table_of_images_too(tmp_path):
    """A field of the table goes before the configuration (0.5 um), as it does for the segmenter."""
    settings, files = write_run(tmp_path)
    rows = [
        f"{field_id},r.png,g.png,b.png,y.png,{size}"
        for field_id, size in zip("abc", ("0.1", "0.1", ""), strict=True)
    ]
    table = tmp_path / "images.csv"
    table.write_text("\n".join(["ID,red,green,blue,yellow,pixel_size_um", *rows, ""]))
    raw = RawDataset(tmp_path, None, False, table, str(tmp_path))
    found = image_facts(settings, files.stores, {"train": raw})
    assert found["pixel_size_um"] == [0.1, 0.5]
    assert found["field_um"] == pytest.approx(0.1 * 2 * SIZE)
    assert image_facts(settings, files.stores, {})["pixel_size_um"] == [0.5]


def test_further_files_are_carried_by_name_and_pickles_are_not(tmp_path):
    settings, files = write_run(tmp_path)
    (tmp_path / "thresholds.csv").write_text("class,threshold\na,0.5\n")

    def carrying(name):
        return RunFiles(files.weights, carried={name: tmp_path / "thresholds.csv"})

    found = export_bundle(tmp_path / "out", settings, carrying("thresholds.csv"))
    assert found["carried"] == {"thresholds.csv": ["fields", "thresholds"]}
    assert (tmp_path / "out/thresholds.csv").exists()
    with pytest.raises(UserError, match=r"a bundle carries no file run\.py"):
        export_bundle(tmp_path / "out2", settings, carrying("run.py"))
    (tmp_path / "weights").mkdir()
    settings, files = write_run(tmp_path, segmentation={"method": "hpacellseg"})
    with pytest.raises(UserError, match="carries weights as safetensors only"):
        export_bundle(tmp_path / "out3", settings, files)
    # Planning any run looks at this, and not every run is to be a bundle.
    assert bundle_state(settings, CLASSES)["segmentation.hpacellseg.padding"] == "true"


def test_the_weights_of_the_segmenter_are_carried(tmp_path):
    paths = {key: str(tmp_path / f"{key}.safetensors") for key in ("nuclei_weights", "cell_weights")}
    for path in paths.values():
        for name in (path, f"{path}.sha256"):
            (tmp_path / name).write_text(name)
    settings, files = write_run(tmp_path, segmentation={"method": "hpa_dpn", "hpa_dpn": paths})
    found = export_bundle(tmp_path / "out", settings, files)
    assert (
        found["settings"]["segmentation"]["hpa_dpn"]["cell_weights"] == "segmenter/cell_weights.safetensors"
    )
    names = {f"segmenter/{key}.safetensors{end}" for key in paths for end in ("", ".sha256")}
    assert names <= set(tree(tmp_path / "out"))


@pytest.mark.parametrize("damaged", [False, True])
def test_verify_checks_bundles_by_their_manifest(bundle, tmp_path, monkeypatch, capsys, damaged):
    monkeypatch.chdir(tmp_path)
    write_csv("results/folds/folds.csv", pd.DataFrame({"ID": ["a"]}))
    bundle.rename(tmp_path / "results/bundle")
    if damaged:
        flip(tmp_path / "results/bundle" / WEIGHTS)
    assert main(["verify", "results"]) == damaged
    out = capsys.readouterr().out
    assert ("all are intact" in out) != damaged
    assert (f"damaged: results/bundle: results/bundle/{WEIGHTS}: damaged or altered" in out) == damaged


def test_the_configuration_names_a_missing_licence(tmp_path):
    settings, _ = write_run(tmp_path)
    (tmp_path / "licence.txt").unlink()
    with pytest.raises(ConfigError, match=r"bundle\.licence: .*licence\.txt: there is no such file"):
        load_configuration(yaml.safe_load(settings.model_dump_json()), tmp_path)
