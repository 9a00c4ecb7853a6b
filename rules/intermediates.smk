TRAINED = settings.trained_stages()


# All files between the stages. Snakemake makes a deleted file again only if it is asked for, or if a file that is asked
# for has to be made from it.
rule intermediates:
    input:
        store=per_shard(
            "results/store/{ds}/{sh}.h5",
            dict.fromkeys(
                [
                    *TEST,
                    *(
                        ds
                        for model, stage in TRAINED
                        for ds in settings.models[model].stages[stage].datasets
                    ),
                ]
            ),
        ),
        folds="results/folds/folds.csv" if TRAINED else [],
        models=[model_file(*names, fold) for names in TRAINED for fold in FOLDS],
        targets=[path for names in TRAINED for path in target_files(*names)],
        masks=per_shard("results/masks/{ds}/{sh}.h5", TEST),
        tables=per_shard("results/masks/{ds}/{sh}.cells.parquet", TEST),
        members=[path for ds in TEST for path in member_tables(ds)],
        images=[path for ds in TEST for path in image_tables(ds)],
        cells=expand("results/cells/{ds}.parquet", ds=TEST),
