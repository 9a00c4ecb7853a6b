"""The folder of the viewer holds what its pages show."""

from puzzlecell.viewer.index import remove_others
from puzzlecell.viewer.write_shard import FACTS


def test_what_is_no_longer_shown_is_removed_and_nothing_else(tmp_path):
    files = ["run.js", "warnings.js"]
    for dataset in ("test", "holdout"):
        files += [f"{dataset}/quality.js", *(f"{dataset}/{shard}/{FACTS}" for shard in ("000", "001"))]
        files += [f"{dataset}/000/field-0000.webp", f"{dataset}/001/cells.js"]
    own = ["notes/000/cells.js", "holdout/mine.txt", "test/mine/cells.js"]
    for name in files + own:
        (tmp_path / "data" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "data" / name).write_text("")

    def there():
        folder = tmp_path / "data"
        return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}

    remove_others(tmp_path, ["test/000", "test/001", "holdout/000", "holdout/001"])
    assert there() == {*files, *own}
    remove_others(tmp_path, ["test/000"])
    kept = ["run.js", "warnings.js", "test/quality.js", f"test/000/{FACTS}", "test/000/field-0000.webp"]
    assert there() == {*kept, *own}
    (tmp_path / "data/holdout/mine.txt").unlink()
    (tmp_path / "data/holdout/quality.js").write_text("")
    remove_others(tmp_path, ["test/000"])
    assert not (tmp_path / "data/holdout").exists()
