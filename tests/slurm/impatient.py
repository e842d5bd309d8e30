"""Snakemake that asks Slurm for its jobs every second.

The executor plugin waits 10 s longer each time that it finds nothing finished: kind to a cluster
that works for days, and slow in tests.
"""

import sys

from snakemake.cli import main
from snakemake_interface_executor_plugins.executors.remote import RemoteExecutor

RemoteExecutor.next_seconds_between_status_checks = property(lambda _: 1, lambda *_: None)

if __name__ == "__main__":
    sys.exit(main())
