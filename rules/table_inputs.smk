# Tables with the probabilities that other programs give cells: where they are, and when their rows have changed.
from puzzlecell.data.foreign_columns import table_rows_state


def foreign_table(wildcards):
    """Path of the table of a data set."""
    path = table_path(FOREIGN[wildcards.model], wildcards.ds)
    if workflow.is_main_process and not os.path.exists(path):
        raise WorkflowError(
            f"models.{wildcards.model}.table: {path}: there is no such file; expected the table of the data set "
            f"{wildcards.ds}"
        )
    return path


def foreign_rows(wildcards):
    """State of the rows of a shard; other rows, and columns that are not used, do not count."""
    # Snakemake stores the parameters as the main process has them.
    if not workflow.is_main_process:
        return "looked at by the main process"
    path, count = foreign_table(wildcards), settings.datasets[wildcards.ds].shards
    return f"rows of the table: {table_rows_state(path, int(wildcards.sh), count, CLASS_NAMES)}"
