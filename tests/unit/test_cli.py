import numpy as np
import pandas as pd
import pytest

from puzzlecell.cli import main
from puzzlecell.data.rle import encode_mask


@pytest.fixture
def tables(tmp_path):
    """Ground truth of two cells and a submission that detects one of them."""
    left, right = np.zeros((2, 8, 16), bool)
    left[2:6, 2:6] = right[2:6, 10:14] = True
    rows = {
        "truth": f"0 1 {encode_mask(left)} 1 1 {encode_mask(right)}",
        "found": f"0 0.9 {encode_mask(left)}",
        "other": f"0 0.8 {encode_mask(left)} 1 0.7 {encode_mask(right)}",
    }
    for name, text in rows.items():
        table = pd.DataFrame(
            [["a", 16, 8, text]], columns=["ID", "ImageWidth", "ImageHeight", "PredictionString"]
        )
        table.to_csv(tmp_path / f"{name}.csv", index=False)
    (tmp_path / "classes.csv").write_text("index,name\n0,first\n1,second\n")
    return tmp_path


def test_score(tables, capsys):
    options = ["--classes", str(tables / "classes.csv"), "--output", str(tables / "out.csv")]
    assert main(["score", str(tables / "found.csv"), str(tables / "truth.csv"), *options]) == 0
    assert "mean average precision 0.5000" in capsys.readouterr().out
    assert pd.read_csv(tables / "out.csv")["ap"].tolist() == [1.0, 0.0]


def test_merge(tables):
    merged = tables / "merged.csv"
    assert main(["merge", str(merged), str(tables / "found.csv"), str(tables / "other.csv")]) == 0
    options = ["--classes", str(tables / "classes.csv"), "--output", str(tables / "out.csv")]
    assert main(["score", str(merged), str(tables / "truth.csv"), *options]) == 0
    assert pd.read_csv(tables / "out.csv")["ap"].tolist() == [1.0, 1.0]


def test_mistakes_are_reported_in_one_line(tables, capsys):
    missing = tables / "none.csv"
    assert (
        main(["score", str(missing), str(tables / "truth.csv"), "--classes", str(tables / "classes.csv")])
        == 1
    )
    error = capsys.readouterr().err
    assert "none.csv" in error
    assert len(error.splitlines()) == 1


def test_settings_out_of_range(tables, capsys):
    arguments = ["score", str(tables / "found.csv"), str(tables / "truth.csv"), "--iou", "3"]
    assert main([*arguments, "--classes", str(tables / "classes.csv")]) == 1
    assert (
        capsys.readouterr().err == "puzzlecell: --iou: found 3.0; input should be less than or equal to 1\n"
    )
