import subprocess
import sys

import pytest

from puzzlecell.data.text_tables import TableError
from puzzlecell.data.threshold_table import read_thresholds

NAMES = ["Nucleoplasm", "Cytosol"]


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ("Cytosol,0.25\nNucleoplasm,0.5\n", [0.5, 0.25]),
        ("all,0.3\n", [0.3, 0.3]),
        ("Cytosol,1e-1\nall,0.3\n", [0.3, 0.1]),
    ],
)
def test_each_class_gets_its_threshold(tmp_path, rows, expected):
    (tmp_path / "t.csv").write_text(f"class,threshold\n{rows}")
    assert read_thresholds(tmp_path / "t.csv", NAMES) == expected


def test_further_columns_do_not_matter(tmp_path):
    """The table of out-of-fold metrics has the same columns and more."""
    (tmp_path / "t.csv").write_text(
        "class,positives,threshold,f1\nall,9,0.4,0.5\nCytosol,0,0.4,\nNucleoplasm,9,0.6,1\n"
    )
    assert read_thresholds(tmp_path / "t.csv", NAMES) == [0.6, 0.4]


def test_all_problems_are_reported_with_their_lines(tmp_path):
    (tmp_path / "t.csv").write_text("class,threshold\ncytosol,0.3\nCytosol,2\nCytosol,0.3\nCytosol,nan\n")
    with pytest.raises(TableError) as error:
        read_thresholds(tmp_path / "t.csv", NAMES)
    found = str(error.value).replace(f"{tmp_path}/", "").splitlines()
    assert found == [
        "t.csv: line 2: no class 'cytosol'; did you mean Cytosol?",
        "t.csv: line 3: threshold '2'; expected a number from 0 to 1",
        "t.csv: line 4: the class Cytosol is in line 3 already",
        "t.csv: line 5: the class Cytosol is in line 3 already",
        "t.csv: no threshold for Nucleoplasm; add rows for them, or a row all",
    ]


def test_planning_imports_nothing_heavy():
    code = (
        "import sys, puzzlecell.data.threshold_table; print(*{'torch', 'pandas', 'numpy'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
