"""The weights of a round's reference before each step, from which a trainer is restarted."""

import numpy as np

from evenhand.core.program import log_to
from evenhand.model import reference, restarts

if __name__ == "__main__":
    log_to(snakemake.log[0])
    given, params = snakemake.input, snakemake.params
    train_set, _ = reference.data_sets(given.data, params.pixel_mean, params.pixel_std, "float64")
    with np.load(given.protocol) as protocol, np.load(given.reference) as trained:
        restarts.write(
            snakemake.output[0],
            train_set,
            reference.weights_of(protocol, "float64"),
            protocol["order"],
            params.batch_size,
            float(np.float32(params.learning_rate)),
            trained["nearest_zero"],
        )
