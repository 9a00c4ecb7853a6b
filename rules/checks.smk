# Checks before the first job: all problems are reported in one message, before hours of work.
from puzzlecell.runtime.messages import first_lines
from puzzlecell.runtime.snakemake_internals import planned_wildcards
from puzzlecell.segmentation.requirements import missing_files


def check_before_start():
    """Raise WorkflowError listing every problem that would stop this run later."""
    problems = [*raw_data_problems(), *segmenter_problems(), *network_problems()]
    if problems:
        raise WorkflowError("\n".join(problems))


def raw_data_problems():
    """Problems of the label tables and raw files that the user provides."""
    from puzzlecell.data.checks import RawDataset, dataset_problems

    given = {
        ds: RawDataset(raw(ds, "images"), raw(ds, "labels"), given.role != "test")
        for ds, given in settings.datasets.items()
        if not given.simulate
    }
    threads = min(16, available_cores())
    problems = dataset_problems(
        given,
        CLASS_NAMES,
        settings.ingest.max_rejected,
        threads,
        max_megapixels=settings.ingest.max_megapixels,
    )
    return ["the raw data cannot be used:", *first_lines(problems)] if problems else []


def segmenter_problems():
    """Missing files that the segmenter reads besides the fields, if this run segments any."""
    segmented = {wildcards.ds for wildcards in planned_wildcards(workflow, "segment")}
    if not segmented:
        return []
    return missing_files(settings.segmentation, [own_masks(ds) for ds in sorted(segmented)])


def network_problems():
    """Networks that this run trains but that cannot be built; pretrained weights are downloaded now."""
    planned = planned_wildcards(workflow, "train")
    stages = dict.fromkeys((wildcards.model, wildcards.stage) for wildcards in planned)
    if not stages:
        return []
    from puzzlecell.network.cam_network import NetworkError, build_network

    problems = []
    for model, stage in stages:
        training = settings.stage_training(model, stage)
        start = settings.models[model].stages[stage].start
        try:
            build_network(training.network, training.input, CLASS_NAMES, pretrained=start is None)
        except NetworkError as error:
            problems.append(f"models.{model}.stages.{stage}: {error}")
    return problems
