"""Compile every lock with uv.

    python workflow/scripts/lock.py            keeps the locked versions that the pins still allow
    python workflow/scripts/lock.py --upgrade  takes the newest that the pins allow

envs/*.lock come from the pins in the YAML beside them, for Linux on x86_64. What those pins need
is then written back under them, so that conda, which reads no lock, installs the same versions.
requirements.txt and requirements-dev.txt come from the .in beside them, for every platform and
every Python from 3.11 on; workflow/envs/main.yaml holds the same for conda. Options are handed to
`uv pip compile`.
"""

import sys

from evenhand.core.schemas import ROOT
from evenhand.environments import locks

if __name__ == "__main__":
    try:
        locks.compile_all(ROOT, sys.argv[1:])
    except locks.BuildError as error:
        sys.exit(str(error))
