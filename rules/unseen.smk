# Which predictions for a field are by models that have not seen it, for all that is learned or measured from them.

from puzzlecell.config.reader_checks import seen_elsewhere_problem

# Data sets whose fields are in folds.
IN_FOLDS = settings.datasets_of("train", "additional")


def taught_stages(labels):
    """(model, stage) pairs of the stages of the kind `cells` that learn from these labels."""
    return [
        (model, name)
        for model, given in settings.models.items()
        for name, stage in given.stages.items()
        if stage.kind == "cells" and stage.labels == labels
    ]


def target_files(model, stage):
    """Targets of a stage, one table per data set; none of a stage that is trained on fields."""
    return [
        f"results/targets/{model}/{stage}/{ds}.parquet"
        for ds in settings.models[model].stages[stage].datasets
        if settings.models[model].stages[stage].kind == "cells"
    ]


def has_seen(teacher, dataset):
    """Whether a teacher was trained on a data set, so that only one of its networks has not seen a field of it."""
    return dataset in settings.held_out_sets(teacher.model, teacher.stage)


def teacher_tables(teacher, dataset):
    """Predictions of a teacher for a data set: a table per fold if it has seen the data set, else one per shard."""
    model, stage, step = teacher.model, teacher.stage, teacher.step
    if has_seen(teacher, dataset):
        ending = "csv" if step == 1 else "step2.parquet"
        return [f"results/oof/{model}/{stage}/fold{fold}.{ending}" for fold in FOLDS]
    return per_shard(f"results/step{step}/{{ds}}/{model}.{stage}/{{sh}}.parquet", [dataset])


def teachers(wildcards):
    """Teachers of a stage."""
    return settings.teachers(wildcards.model, wildcards.stage)


def tables_of_teachers(wildcards):
    """Predictions of all teachers of a stage for a data set."""
    return [path for teacher in teachers(wildcards) for path in teacher_tables(teacher, wildcards.ds)]


def seen_with_labels(wildcards):
    """Other data sets with labels whose fields must not be like those of this one.

    They are those on which a teacher was trained that has not seen this one, and for fields in no fold all those from
    which the stage learns.
    """
    strangers = [teacher for teacher in teachers(wildcards) if not has_seen(teacher, wildcards.ds)]
    found = {ds for teacher in strangers for ds in settings.seen_sets(teacher.model, teacher.stage)}
    if not settings.datasets[wildcards.ds].labelled:
        found |= set(settings.held_out_sets(wildcards.model, wildcards.stage))
    return [ds for ds in settings.datasets_of("train", "additional") if ds in found - {wildcards.ds}]


def compared(wildcards):
    """The data sets whose fields are compared: none if there is nothing to compare with."""
    seen = seen_with_labels(wildcards)
    return [*seen, wildcards.ds] if seen else []


def tables_by_dataset(wildcards):
    """Label tables of a data set and of those that it is compared with."""
    paths = {ds: label_table(ds) for ds in dict.fromkeys([wildcards.ds, *seen_with_labels(wildcards)])}
    return {ds: here(path) for ds, path in paths.items() if path is not None}


def unseen_tables(dataset, names, of_fold, of_shard):
    """Predictions of a stage for a data set by models that have not seen its fields.

    of_fold, of_shard: patterns of the tables of a fold's fields and of a shard's, the mean over all models.
    """
    model, stage = names
    unknown = None if settings.has_stages(model) else seen_elsewhere_problem(settings, model, dataset)
    if unknown:
        raise WorkflowError(unknown)
    if dataset in settings.held_out_sets(model, stage):
        return expand(of_fold, model=model, stage=stage, fold=FOLDS)
    if dataset in IN_FOLDS and dataset in settings.seen_sets(model, stage):
        raise WorkflowError(
            f"there are no out-of-fold predictions of models.{model}.stages.{stage} for {dataset}: it is not trained on "
            f"this data set, but starts or learns from a stage that is; add {dataset} to the data sets of {stage}"
        )
    return expand(of_shard, ds=dataset, model=model, stage=stage, sh=shards(dataset))


def unseen_members(dataset):
    """For each ensemble member in turn: its out-of-fold tables of cells."""
    of_fold = {1: "csv", 2: "step2.parquet"}
    return [
        unseen_tables(
            dataset,
            (member.model, member.stage),
            f"results/oof/{{model}}/{{stage}}/fold{{fold}}.{of_fold[member.step]}",
            f"results/step{member.step}/{{ds}}/{{model}}.{{stage}}/{{sh}}.parquet",
        )
        for member in settings.ensemble.members
    ]


def unseen_images(dataset):
    """For each stage of the ensemble that predicts whole fields: its out-of-fold tables of fields."""
    return [
        unseen_tables(
            dataset,
            names,
            "results/oof/{model}/{stage}/fold{fold}.images.csv",
            "results/step1/{ds}/{model}.{stage}/{sh}.images.parquet",
        )
        for names in member_stages("fields")
    ]


def csv_of(groups):
    """The CSV files among groups of tables."""
    return [path for group in groups for path in group if path.endswith(".csv")]


def true_sets():
    """Labelled data sets with ground truth per cell."""
    return with_truth("train", "additional", "holdout")


def graded_sets():
    """Training sets without ground truth that have grades of cells; those that are held out are for the score alone."""
    return [ds for ds in TRAINING_GRADED if ds not in true_sets()]


def known_sets():
    """Data sets whose cells are known and that the networks have not been trained on, or only fold by fold."""
    found = [*true_sets(), *graded_sets()]
    if not found:
        labelled = settings.datasets_of("train", "additional", "holdout")
        tried = [raw(ds, name) for ds in labelled for name in ("truth", "cell_labels")]
        raise WorkflowError(
            "there are no cells whose classes are known: no training or holdout set has ground truth per cell, and no "
            f"training set has grades of its cells; looked for {', '.join(tried) or 'such data sets'}. The label of a field "
            "does not say which of its cells show a class"
        )
    return found
