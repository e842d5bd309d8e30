"""The user that Snakemake runs as."""

import getpass
import os


def ensure_name() -> None:
    """Have a user id without a name, as in a container, take its number for one.

    Snakemake asks for the name and fails where there is none.
    """
    try:
        getpass.getuser()
    except (KeyError, OSError):
        os.environ["LOGNAME"] = str(os.getuid())
