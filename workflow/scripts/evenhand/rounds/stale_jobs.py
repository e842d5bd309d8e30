"""Jobs of a cluster that outlived the Snakemake that submitted them from this folder."""

import os
import re
import shutil
import subprocess

# Snakemake names the jobs of one of its runs by a UUID, perhaps behind a prefix: so they are
# distinguished from whatever else the user submits from the same folder.
OF_SNAKEMAKE = re.compile(r"(.*_)?[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def cancel(folder: str) -> list[str]:
    """End all jobs that a Snakemake submitted to Slurm from the folder; their numbers.

    To be called while no job of the living Snakemake is submitted; the job that it may itself run
    in is spared. They are killed, not asked to stop: the Snakemake in a job would use its last
    seconds to delete outputs, by then not its own.
    """
    if shutil.which("squeue") is None:
        return []
    query = ["squeue", "--me", "--noheader", "--format=%i|%j|%Z"]
    listing = subprocess.run(query, capture_output=True, text=True).stdout
    jobs = [
        number
        for number, name, submitted_from in (line.split("|", 2) for line in listing.splitlines())
        if submitted_from == folder
        and OF_SNAKEMAKE.fullmatch(name)
        and number != os.environ.get("SLURM_JOB_ID")
    ]
    if jobs:
        subprocess.run(["scancel", "--full", "--signal=KILL", *jobs])  # those that run
        subprocess.run(["scancel", *jobs])  # those that wait
    return jobs
