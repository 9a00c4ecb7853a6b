"""Mean of the holdout tables of all stages in the ensemble."""

import pandas as pd

from puzzlecell.data.tables import class_columns
from puzzlecell.inference.out_of_fold import write_csv
from puzzlecell.runtime.job import job


def main(output, tables):
    tables = [pd.read_csv(path, dtype={"ID": str}).set_index(["ID", "cell"]) for path in tables]
    columns = class_columns(tables[0])
    mean = sum(table.loc[tables[0].index, columns] for table in tables) / len(tables)
    described = tables[0].drop(columns=columns)
    joined = pd.concat([described, mean], axis=1).reset_index()
    write_csv(
        output, joined[["ID", "ImageWidth", "ImageHeight", "cell", "centroid_x", "centroid_y", *columns]]
    )


if __name__ == "__main__":
    with job("holdout", snakemake.log[0]):
        main(snakemake.output[0], list(snakemake.input.tables))
