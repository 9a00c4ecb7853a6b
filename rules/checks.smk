# What is looked at before the first job: every problem of a run in one message, before hours are spent.
from puzzlecell.segmentation.requirements import missing_files


def check_run():
    """Raise WorkflowError with all that would stop this run later."""
    problems = [*raw_data_problems(), *segmenter_problems(), *network_problems()]
    if problems:
        raise WorkflowError("\n".join(problems))


def jobs_of(rule):
    """Wildcards of the rule's jobs in this run."""
    return [job.wildcards for job in workflow.dag.needrun_jobs() if job.rule.name == rule]


def raw_data_problems():
    """What is wrong with label tables and raw files that the user provides."""
    from puzzlecell.data.ingest import DataError, RawDataset, check_datasets

    given = {
        ds: RawDataset(raw(ds, "images"), raw(ds, "labels"), given.role != "test")
        for ds, given in settings.datasets.items()
        if not given.simulate
    }
    try:
        check_datasets(given, CLASS_NAMES, settings.ingest.max_rejected, threads=machine_cores(16))
    except DataError as error:
        return [str(error)]
    return []


def segmenter_problems():
    """Which files are missing that the segmenter reads beside the fields, if this run segments any."""
    segmented = {wildcards.ds for wildcards in jobs_of("segment")}
    if not segmented:
        return []
    return missing_files(settings.segmentation, [own_masks(ds) for ds in sorted(segmented)])


def network_problems():
    """Which networks that this run trains cannot be built; the weights that they start from are fetched now."""
    stages = dict.fromkeys((wildcards.model, wildcards.stage) for wildcards in jobs_of("train"))
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
