"""Choose the members that each class trusts, on cells that they have not seen and whose classes are known."""

from puzzlecell.config.class_table import read_classes
from puzzlecell.ensemble.out_of_fold import grouped, read_out_of_fold
from puzzlecell.runtime.job import job
from puzzlecell.scoring.cell_truth import graded_cells, known_cells
from puzzlecell.scoring.member_choice import write_member_choice
from puzzlecell.scoring.member_predictions import predicted_cells

if __name__ == "__main__":
    given, params, output = snakemake.input, snakemake.params, snakemake.output
    settings = params.settings
    with job(snakemake) as progress:
        names, known = read_classes(given.classes), []
        shards = params.shards.value
        cells, masks = grouped(given.cells, shards), grouped(given.masks, shards[: len(given.truth)])
        members = grouped(given.members, [sum(counts) for counts in params.members.value])
        images = grouped(given.images, [sum(counts) for counts in params.images.value])
        for number, dataset in enumerate(params.datasets):
            predictions = read_out_of_fold(
                cells[number],
                folds=given.folds[0] if params.in_folds.value[number] else None,
                dataset=dataset,
                members=grouped(members[number], params.members.value[number]),
                images=grouped(images[number], params.images.value[number]),
            )
            if number < len(given.truth):
                found = known_cells(
                    predictions.cells,
                    given.truth[number],
                    masks[number],
                    classes=len(names),
                    settings=settings.score,
                )
            else:
                found = graded_cells(predictions.cells, given.graded[number - len(given.truth)])
            known.append(predicted_cells(predictions, found, settings.folds))
            progress(number + 1, len(params.datasets))
        write_member_choice(
            output.table,
            output.overlay,
            known,
            settings.ensemble,
            names=names,
            settings=settings.member_choice,
            score=settings.score,
            negative=params.negative.value,
        )
