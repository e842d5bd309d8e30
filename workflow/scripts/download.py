"""Put a data set's four files into results, from a mirror or from the user's own folder."""

import sys
from pathlib import Path

from evenhand.core import axes
from evenhand.data import sources
from evenhand.data.files import files, own_folder

if __name__ == "__main__":
    sources.log_transfers_to(snakemake.log[0])
    settings, name = snakemake.config["data"], snakemake.wildcards.dataset
    wanted = {
        Path(snakemake.output[key]): file for key, file in files(snakemake.params.files).items()
    }
    try:
        if folder := own_folder(settings["folder"], name):
            sources.copy(folder, wanted)
        else:
            sources.download(
                wanted,
                settings["mirrors"] or axes.dataset(name)["mirrors"],
                settings["timeout_seconds"],
                settings["retries"],
                progressbar=sys.stderr.isatty(),
            )
    except (OSError, ValueError) as error:
        sources.log.error(error)
        sys.exit(1)
