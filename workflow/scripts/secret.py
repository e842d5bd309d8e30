"""Make the secret of a results folder."""

import secrets
from pathlib import Path

from evenhand.core.program import log_to

if __name__ == "__main__":
    log_to(snakemake.log[0])
    Path(snakemake.output[0]).write_text(secrets.token_hex(32) + "\n")
