"""Sample what all frameworks of a round are given."""

import numpy as np

from evenhand.core.program import log_to
from evenhand.model import protocol

if __name__ == "__main__":
    log_to(snakemake.log[0])
    params = snakemake.params
    sampled = protocol.sample(
        params.seed,
        int(snakemake.wildcards.round),
        params.layers,
        params.epochs,
        params.train_images,
    )
    # NumPy stamps every member of the archive with the same date: equal samples, equal bytes.
    np.savez(snakemake.output[0], **sampled)
