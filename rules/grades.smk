# Grades that people gave to single cells: which cells of this run they belong to, what networks learn from them, and the
# score on those that are held out.
GRADED = [ds for ds in settings.datasets if cell_labels(ds)]
TRAINING_GRADED = [ds for ds in GRADED if settings.datasets[ds].role in ("train", "additional")]
# Their fields are in no folds.
UNLABELLED_GRADED = [ds for ds in GRADED if settings.datasets[ds].role == "unlabelled"]
# Data sets whose grades may be learnt from, and the fields that they are compared with.
TEACHING = [*TRAINING_GRADED, *UNLABELLED_GRADED]
graded_contents = per_shard(
    "results/store/{ds}/{sh}.contents.csv",
    [ds for ds in dict.fromkeys([*IN_FOLDS, *TEACHING]) if not settings.datasets[ds].simulate],
)
# Data sets that have a score on grades.
SCORED_GRADES = [
    *(ds for ds in GRADED if settings.datasets[ds].role in ("test", "holdout")),
    *(TRAINING_GRADED if settings.grades.held_out > 0 else []),
]
held_out_table = lambda dataset: ["results/grades/held_out.csv"] if dataset in TEACHING else []
folds_table = lambda dataset: ["results/folds/folds.csv"] if dataset in TRAINING_GRADED else []
placed_tables = ["results/grades/{ds}.csv", "results/grades/{ds}.warnings.csv"]


rule hold_out_grades:
    input:
        grades=[declared(cell_labels(ds)) for ds in TEACHING],
        labels=tables("labels", [*IN_FOLDS, *UNLABELLED_GRADED]),
        contents=graded_contents,
        checksums=checksums(*graded_contents),
        classes=settings.classes,
    output:
        "results/grades/held_out.csv",
        checksums=checksums("results/grades/held_out.csv"),
    log:
        "results/logs/grades/held_out.log",
    localrule: True
    conda:
        "../envs/pipeline.yaml"
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=minutes(30),
    params:
        **tracked(results.held_out_grades(settings)),
        grades={ds: here(cell_labels(ds)) for ds in TEACHING},
        unlabelled=UNLABELLED_GRADED,
        labels=[here(raw(ds, "labels")) for ds in IN_FOLDS],
        tables=[here(path) for path in map(label_table, UNLABELLED_GRADED) if path],
        settings=settings.grades,
        folds=settings.folds,
        without_class=Untracked(settings.labels.without_class),
        code=code("hold_out_grades"),
    message:
        "Choose the graded cells that are held out"
    script:
        "../workflow/scripts/hold_out_grades.py"


rule place_grades:
    input:
        # A graded stage may lack its table: the checks before the first job say so.
        grades=lambda wildcards: [declared(path) for path in [cell_labels(wildcards.ds)] if path],
        cells=lambda wildcards: per_shard("results/masks/{ds}/{sh}.cells.parquet", [wildcards.ds]),
        masks=lambda wildcards: per_shard("results/masks/{ds}/{sh}.h5", [wildcards.ds]),
        held_out=lambda wildcards: held_out_table(wildcards.ds),
        checksums=lambda wildcards: checksums(*held_out_table(wildcards.ds)),
        classes=settings.classes,
    output:
        cells="results/grades/{ds}.parquet",
        report="results/grades/{ds}.csv",
        warnings="results/grades/{ds}.warnings.csv",
        checksums=checksums(*placed_tables),
    log:
        "results/logs/grades/{ds}.log",
    conda:
        "../envs/pipeline.yaml"
    threads: 1
    resources:
        mem_mb=growing(4000, 0.05, in_dataset),
        runtime=minutes(30, 0.1 / 60, in_dataset),
    params:
        **tracked(results.placed_grades(settings)),
        teaches=lambda wildcards: wildcards.ds in TEACHING,
        grades=lambda wildcards: here(raw(wildcards.ds, "cell_labels")),
        settings=settings.grades,
        without_class=Untracked(settings.labels.without_class),
        code=code("place_grades"),
    message:
        "Find the graded cells of {wildcards.ds}"
    script:
        "../workflow/scripts/place_grades.py"


rule graded_targets:
    input:
        graded="results/grades/{ds}.parquet",
        folds=lambda wildcards: folds_table(wildcards.ds),
        checksums=lambda wildcards: checksums(*folds_table(wildcards.ds)),
    output:
        "results/targets/{model}/{stage}/{ds}.parquet",
    log:
        "results/logs/targets/{model}/{stage}/{ds}.log",
    wildcard_constraints:
        model=models_with(taught_stages("graded")),
    localrule: True
    conda:
        "../envs/pipeline.yaml"
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=minutes(30),
    params:
        code=code("graded_targets"),
    message:
        "Targets of {wildcards.model}, {wildcards.stage} from the grades of {wildcards.ds}"
    script:
        "../workflow/scripts/graded_targets.py"


rule score_grades:
    input:
        graded="results/grades/{ds}.parquet",
        # For a training set, the predictions of models that did not see the field.
        answer=lambda wildcards: (
            f"results/oof/cells/{wildcards.ds}.parquet"
            if wildcards.ds in TRAINING_GRADED
            else f"results/cells/{wildcards.ds}.parquet"
        ),
        classes=settings.classes,
    output:
        report(
            "results/score/{ds}.graded.csv",
            caption="../workflow/report/graded_score.rst",
            category="Score",
            labels={"data set": "{ds}", "shows": "table of graded cells"},
        ),
        checksums=checksums("results/score/{ds}.graded.csv"),
    log:
        "results/logs/score/{ds}.graded.log",
    localrule: True
    conda:
        "../envs/pipeline.yaml"
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=minutes(30),
    params:
        **tracked(results.graded_score(settings)),
        settings=settings.score,
        code=code("score_grades"),
    message:
        "Score {wildcards.ds} against grades of its cells"
    script:
        "../workflow/scripts/score_grades.py"


rule grades:
    input:
        expand("results/grades/{ds}.csv", ds=GRADED),
        expand("results/score/{ds}.graded.csv", ds=SCORED_GRADES),
