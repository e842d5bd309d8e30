"""Train with many seeds, by one framework's own rules."""

import pandas as pd

from evenhand.core.program import log_to
from evenhand.model import distribution, reference

if __name__ == "__main__":
    log_to(snakemake.log[0])
    params = snakemake.params
    train_set, test_set = reference.data_sets(
        snakemake.input.data, params.pixel_mean, params.pixel_std, "float32"
    )
    images = distribution.sorted_by_use(*train_set)
    sgd = distribution.Sgd(params.batch_size, params.learning_rate, params.last_batch)
    tables = []
    for seed in range(params.seeds):
        table = distribution.trained(
            seed, images, test_set, params.layers, params.epochs, sgd, params.initializer
        )
        print(table.to_string(index=False, header=seed == 0), flush=True)
        tables.append(table)
    pd.concat(tables).to_csv(snakemake.output[0], index=False)
