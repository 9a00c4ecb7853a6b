"""`puzzlecell grades`."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from puzzlecell.cli.arguments import Commands, output_file
from puzzlecell.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from puzzlecell.config.workflow import Configuration
    from puzzlecell.scoring.grade_check import CheckedGrades, Moved

FOUND = 3
"""Exit status if people contradict each other or themselves, or if graded cells are gone."""
MOST = 5
"""Examples that are printed of each kind."""


def add_parser(commands: Commands) -> None:
    """Add the command to `puzzlecell`."""
    grades = commands.add_parser("grades", help="tables of grades of single cells (cell_labels.csv)")
    check = grades.add_subparsers(required=True, metavar="what").add_parser(
        "check",
        help="agreement between people, conflicts, and whether the graded cells are still there",
        description="Exit status: 0 if nothing was found, "
        f"{FOUND} if there are conflicts or grades without a cell, 1 if a table cannot be used.",
    )
    check.add_argument("tables", nargs="+", metavar="TABLE", help="cell_labels.csv of one or several people")
    check.add_argument(
        "--results",
        help="folder with the masks of the run (default: results, if it is there; else masks are not compared)",
    )
    check.add_argument("--dataset", help="default: the data set that has the graded fields")
    check.add_argument(
        "--configfile",
        nargs="+",
        help="classes and settings `grades`, `labels` and `score` (default: those of the last run in this folder, else "
        "config/config.yaml)",
    )
    check.add_argument("--output", help="also write the conflicts to this CSV file")
    check.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    import numpy as np

    from puzzlecell.config.class_table import read_classes
    from puzzlecell.runtime.atomic import written_whole
    from puzzlecell.scoring.grade_check import check_grades

    settings = _settings(options.configfile)
    output = output_file(options.output, *options.tables) if options.output is not None else None
    results = options.results or ("results" if Path("results").is_dir() else None)
    if options.dataset is not None and results is None:
        raise UserError(
            "--dataset: there is no folder results here; name the folder of the run with --results"
        )
    names = read_classes(settings.classes)
    found = check_grades(
        options.tables,
        names,
        results=results,
        dataset=options.dataset,
        settings=settings.grades,
        without_class=settings.labels.without_class,
    )
    conflicts = found.compared.conflicts.assign(
        **{"class": [names[index] for index in found.compared.conflicts["class"]]}
    )
    _print_counts(found, names)
    _print_moved(found)
    _print_agreement(found, names, np.array(settings.grades.values_of(names)), settings)
    _print_conflicts(conflicts, found.compared.repeated)
    if output is not None:
        with written_whole(output) as temporary:
            conflicts.to_csv(temporary, index=False, lineterminator="\n")
    return FOUND if len(conflicts) or any(moved.lost for moved in found.moved) else 0


def _settings(given: "Sequence[str] | None") -> "Configuration":
    import yaml

    from puzzlecell.config.training import merged
    from puzzlecell.config.workflow import ConfigError, load_configuration
    from puzzlecell.config.yaml_file import file_text_problems
    from puzzlecell.runtime.run_record import last_request

    last = last_request()
    paths = [Path(path) for path in given or (last.configfiles if last else ()) or ["config/config.yaml"]]
    problems = list(file_text_problems(paths))
    if problems:
        raise ConfigError("\n".join(problems))
    values: dict = {}
    for path in paths:
        values = merged(values, yaml.safe_load(path.read_text(encoding="utf-8")))
    return load_configuration(values, files=False, raw_files=False)


def _print_counts(found: "CheckedGrades", names: "Sequence[str]") -> None:
    from puzzlecell.runtime.messages import first_few

    cells = {(row.grade.ID, row.cell) for row in found.grades}
    people = sorted({row.annotator for row in found.grades})
    print(f"{len(found.grades)} grades of {len(cells)} cells by {len(people)}: {', '.join(people)}")
    queues: dict[str, int] = {}
    for row in found.grades:
        queues[row.grade.queue or "none"] = queues.get(row.grade.queue or "none", 0) + 1
    print("queues: " + ", ".join(f"{queue} {count}" for queue, count in sorted(queues.items())))
    missing = set(range(len(names))) - {row.grade.index for row in found.grades}
    if missing:
        print(f"no grades of {len(missing)} classes: {first_few(names[index] for index in sorted(missing))}")


def _print_moved(found: "CheckedGrades") -> None:
    if found.dataset is None:
        print("masks: not compared, because there is no folder results here (--results)")
        return
    print(f"masks of {found.dataset}:")
    for moved in found.moved:
        print(f"  {moved.table}: {_shown(moved)}")
        _print_first([f"    {line}" for line in moved.examples])


def _shown(moved: "Moved") -> str:
    parts = [f"{moved.same} grades at their cells as they were"]
    if moved.alone:
        parts.append(f"{moved.alone} name the cell by number alone, so that a change would not be noticed")
    if moved.changed:
        parts.append(f"{moved.changed} at cells that have another number now or were found by their place")
    if moved.lost:
        parts.append(f"{moved.lost} belong to no cell of this run")
    return "; ".join(parts)


def _print_agreement(
    found: "CheckedGrades", names: "Sequence[str]", values: object, settings: "Configuration"
) -> None:
    import numpy as np
    import pandas as pd

    from puzzlecell.scoring.grade_agreement import agreement

    pairs = found.compared.pairs
    if pairs.empty:
        print("agreement: no class of a cell was graded by two people")
        return
    values = np.asarray(values)
    by_class = agreement(pairs, values, settings.score)
    by_class["class"] = [names[index] for index in by_class["class"]]
    together = agreement(pairs.assign(all="all"), values, settings.score, ["all"]).rename(
        columns={"all": "class"}
    )
    print(
        f"agreement; same: share of pairs that agree whether the cell shows the class; kappa: Cohen's, of the grades, "
        f"quadratic weights, with its {settings.score.interval:.0%} interval over fields"
    )
    _print_table(pd.concat([by_class, together], ignore_index=True))
    if pairs[["first", "second"]].drop_duplicates().shape[0] > 1:
        _print_table(agreement(pairs, values, settings.score, ["first", "second"]))


def _print_table(table: "pd.DataFrame") -> None:
    print(table.to_string(index=False, na_rep="-", float_format=lambda value: f"{value:.3f}"))


def _print_conflicts(conflicts: "pd.DataFrame", repeated: int) -> None:
    if repeated:
        print(f"{repeated} grades were given twice alike by one person; they count once")
    print(f"conflicts: {len(conflicts)}")
    _print_first(
        [
            f"  field {row.ID}: {row.class_}: {row.annotator_1} {row.grade_1} ({row.table_1}, line {row.line_1}), "
            f"{row.annotator_2} {row.grade_2} ({row.table_2}, line {row.line_2})"
            for row in conflicts.rename(columns={"class": "class_"}).itertuples(index=False)
        ]
    )


def _print_first(lines: "Sequence[str]") -> None:
    print(
        "\n".join([*lines[:MOST], *([f"  and {len(lines) - MOST} more"] if len(lines) > MOST else [])]),
        end="",
    )
    if lines:
        print()
