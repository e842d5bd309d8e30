"""Say what a configuration amounts to, before the first job: runs, rounds, and about how long."""

from pathlib import Path

import settings
from tables import read_table

# Where no earlier run tells better: seconds that a process spends outside its epochs, and seconds
# an epoch of 60,000 images, as seen on a machine with two cores (docs/performance.md).
GUESS_START = 5.0
GUESS_EPOCH = {"tutorial": 5.0, "controlled": 1.0}


def guess(config: dict, track: str, scenario: str) -> float:
    """Seconds of one run on a machine that is not known. The extra loader pass is an epoch, too."""
    epochs = config["scenarios"][scenario]["epochs"] + (track == "tutorial")
    return GUESS_START + GUESS_EPOCH[track] * epochs * config["data"]["train_images"] / 60_000


def seconds_of_a_run(config: dict, track: str, scenario: str, competitor: str, earlier) -> tuple:
    """Seconds of one run, and whether they rest on earlier runs of the same kind."""
    if earlier is not None:
        alike = (earlier["track"] == track) & (earlier["scenario"] == scenario)
        alike &= earlier["competitor"] == competitor
        alike &= earlier["epochs"] == config["scenarios"][scenario]["epochs"]
        alike &= earlier["train_images"] == config["data"]["train_images"]
        if alike.any():
            return earlier.loc[alike, "process_seconds"].median(), True
    return guess(config, track, scenario), False


def undone(config: dict, track: str, scenario: str, results: Path) -> dict[int, list[str]]:
    """The rounds of a contest that are not whole, each with the competitors that it lacks."""
    members = settings.competitors(config, track)
    lacking = {}
    for number in range(config["rounds"]):
        folder = results / "runs" / track / scenario / str(number)
        if absent := [name for name in members if not (folder / f"{name}.json").exists()]:
            lacking[number] = absent
    return lacking


def plan(config: dict, results: Path = Path("results")) -> str:
    """Contests, what of them is still to be run, and what it will take; checks come on top."""
    table = results / f"runs.{settings.table_form(config)}"
    earlier = read_table(table) if table.exists() else None
    contests, jobs, runs, seconds, with_gpu, known = [], 0, 0, 0.0, 0.0, set()
    for track, scenario in settings.contests(config):
        members = settings.competitors(config, track)
        costs = {m: seconds_of_a_run(config, track, scenario, m, earlier) for m in members}
        lacking = undone(config, track, scenario, results)
        due = [name for absent in lacking.values() for name in absent]
        of_contest = sum(costs[name][0] for name in due)
        jobs += len(lacking)
        runs += len(due)
        seconds += of_contest
        with_gpu += of_contest * any(member.endswith("-cuda") for member in members)
        known |= {costs[name][1] for name in due}
        there = config["rounds"] - len(lacking)
        done = f"  ({there} of {config['rounds']} rounds are there)" if there else ""
        contests.append(f"  {track:<11}{scenario:<13}{', '.join(members)}{done}")
    left_out = [f"  left out, unfit: {name}: {why}" for name, why in config["left_out"].items()]
    if not runs:
        estimate = ["Every run is there."]
    else:
        rests = f"earlier runs in {table}" if True in known else ""
        guesses = "guesses for a machine of 2 cores" if False in known else ""
        minutes = max(1, round(seconds / 60))
        on = " and ".join(filter(None, [rests, guesses]))
        estimate = [
            f"About {minutes} min of clocked runs; this rests on {on}.",
            f"On a cluster: {jobs} jobs, {seconds / 3600:.1f} node-hours, "
            f"{with_gpu / 3600:.1f} GPU-hours.",
        ]
    title = f"The plan: {config['rounds']} rounds, {runs} clocked runs to do, one at a time"
    return "\n".join([title, *contests, *left_out, *estimate])
