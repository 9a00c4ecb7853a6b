# Checks of networks and of the devices that they run on, before the first job.
from puzzlecell.runtime.devices import device_problem


def gpu_problems():
    """GPUs that this run is to use and that this machine does not have, if jobs run on this machine."""
    gpus = planned_gpus(workflow)
    problem = device_problem(settings.gpu, gpus) if workflow.local_exec and gpus else None
    return [problem] if problem else []


def ready_stages():
    """Places in the configuration of the stages with ready weights, and the weights of their folds."""
    return {
        f"models.{model}.stages.{stage}.checkpoints": [model_file(model, stage, fold) for fold in FOLDS]
        for model, given in settings.models.items()
        for stage, ready in given.stages.items()
        if ready.checkpoints is not None
    }


def ready_weights():
    """Ready weights that do not fit the classes and the store of this run, or are damaged."""
    from puzzlecell.network.network_file import ready_weights_problems

    found = {
        place: ready_weights_problems(paths, CLASS_NAMES, settings.ingest.size)
        for place, paths in ready_stages().items()
    }
    return [f"{place}: {problem}" for place, problems in found.items() for problem in problems]


def ready_networks():
    """Ready weights that are not those of the network that they claim to be."""
    stages = ready_stages()
    if not stages:
        return []
    from puzzlecell.network.cam_network import ready_network_problem

    found = [(place, ready_network_problem(path)) for place, paths in stages.items() for path in paths]
    return [f"{place}: {problem}" for place, problem in found if problem]


def reader_problems():
    """Weights and tables of locations of models from elsewhere that do not fit this run, or are damaged."""
    if not READERS:
        return []
    from puzzlecell.config.reader_checks import unanswered_problems
    from puzzlecell.data.location_table import read_location_classes
    from puzzlecell.errors import UserError
    from puzzlecell.network.subcell_file import LOCATIONS, black_channel_problems, read_subcell_file

    planned = [
        wildcards
        for name in ("read_cells", "embed_read_cells")
        for wildcards in planned_wildcards(workflow, name)
    ]
    problems = []
    for model, given in READERS.items():
        read = sorted({wildcards.ds for wildcards in planned if wildcards.model == model})
        try:
            layout = read_subcell_file(given.weights)
            black = black_channel_problems(layout, {ds: settings.datasets[ds].layout for ds in read})
            problems += [f"models.{model}.cells.weights: {problem}" for problem in black]
        except UserError as error:
            problems.append(f"models.{model}.cells.weights: {error}")
        try:
            members = read_location_classes(given.locations, LOCATIONS, CLASS_NAMES)
            without = [index for index, of_class in enumerate(members) if not of_class]
            unanswered = unanswered_problems(settings.ensemble, model, without, CLASS_NAMES)
            problems += [f"models.{model}.cells.locations: {given.locations}: {text}" for text in unanswered]
        except UserError as error:
            problems += [f"models.{model}.cells.locations: {line}" for line in str(error).splitlines()]
    return ["cells cannot be read:", *first_lines(problems)] if problems else []


def foreign_problems():
    """Tables of probabilities from elsewhere whose columns do not fit the classes, of the data sets that this run takes."""
    planned = {(wildcards.model, wildcards.ds) for wildcards in planned_wildcards(workflow, "take_table")}
    if not planned:
        return []
    from puzzlecell.data.foreign_columns import foreign_columns
    from puzzlecell.errors import UserError

    problems = []
    for model, ds in sorted(planned):
        try:
            foreign_columns(table_path(FOREIGN[model], ds), CLASS_NAMES)
        except UserError as error:
            problems += [f"models.{model}.table: {line}" for line in str(error).splitlines()]
    return ["tables from elsewhere cannot be used:", *first_lines(problems)] if problems else []


def ready_look():
    """Why what training fields looked like, as kept by another run, does not fit the weights of this run."""
    if LOOK in (None, RUN_LOOK) or not planned_wildcards(workflow, "unlike_training"):
        return []
    from puzzlecell.domain_shift.look_file import look_problem

    problem = look_problem(LOOK, FIRST_MODEL if FIRST_STAGE.checkpoints else None)
    return [f"unlike_training.look: {problem}"] if problem else []


def network_problems():
    """Networks that this run trains but that cannot be built; pretrained weights are downloaded now."""
    rules = ("train", "train_cells", "train_head", "features")
    planned = [wildcards for name in rules for wildcards in planned_wildcards(workflow, name)]
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


def say_feature_sizes():
    """Say what the features that this run computes will take on disk, before the first job."""
    shards = {}
    for wildcards in planned_wildcards(workflow, "features"):
        shards.setdefault((wildcards.model, wildcards.stage, wildcards.encoder), []).append(wildcards)
    for (model, stage, encoder), planned in shards.items():
        from puzzlecell.inference.features import size_in_words

        training = frozen_stages.feature_settings(settings, model, stage)
        text = size_in_words(round(sum(map(in_shard, planned))), training)
        by = "" if encoder == "all" else f" by the backbone of {encoder}"
        logger.info(f"results/features: {model}, {stage}{by}: {text}")
