"""Jobs of a cluster that outlived the Snakemake that submitted them from this folder."""

import shutil
import subprocess


def cancel(folder: str) -> list[str]:
    """End all Slurm jobs that were submitted from the folder; their numbers.

    To be called while no job of the living Snakemake is submitted. They are killed, not asked to
    stop: the Snakemake in a job would use its last seconds to delete outputs, by then not its own.
    """
    if shutil.which("squeue") is None:
        return []
    asked = ["squeue", "--me", "--noheader", "--format=%i %Z"]
    told = subprocess.run(asked, capture_output=True, text=True).stdout
    lines = [line.partition(" ") for line in told.splitlines()]
    jobs = [number for number, _, submitted_from in lines if submitted_from == folder]
    if jobs:
        subprocess.run(["scancel", "--full", "--signal=KILL", *jobs])  # those that run
        subprocess.run(["scancel", *jobs])  # those that wait
    return jobs
