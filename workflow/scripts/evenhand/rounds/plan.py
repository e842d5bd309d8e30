"""What a configuration amounts to, before the first job: runs, rounds, and about how long."""

from collections.abc import Collection
from pathlib import Path

from evenhand.core import axes
from evenhand.core.experiment import Experiment
from evenhand.core.identity import Competitor, Round

# Where no earlier run tells better: seconds that a process spends outside its epochs, as seen on a
# machine with two cores (docs/performance.md); those of an epoch are in the track's file.
GUESS_START = 5.0


def guess(experiment: Experiment, track: str, scenario: str) -> float:
    """Seconds of one run on an unknown machine. Where there is a loader, it is timed alone, too."""
    training, facts = experiment.training(scenario), axes.track(track, experiment.root)
    epochs = training["epochs"] + (facts["data"] == "loader")
    epoch = facts["guess_epoch_seconds"] * training["train_images"] / 60_000
    return GUESS_START + epoch * epochs


def seconds_of_a_run(
    experiment: Experiment,
    track: str,
    scenario: str,
    competitor: str,
    earlier,
) -> tuple[float, bool]:
    """Seconds of one run, and whether they rest on `earlier` runs of the same kind."""
    if earlier is not None:
        training = experiment.training(scenario)
        alike = (earlier["track"] == track) & (earlier["scenario"] == scenario)
        alike &= earlier["competitor"] == competitor
        alike &= earlier["epochs"] == training["epochs"]
        alike &= earlier["train_images"] == training["train_images"]
        if alike.any():
            return earlier.loc[alike, "process_seconds"].median(), True
    return guess(experiment, track, scenario), False


def earlier_runs(table: Path):
    """The table of runs that are there; None without one, or without what reads it.

    The plan is made by whatever Snakemake runs the workflow, and a site's own may have no pandas.
    """
    try:
        from evenhand.core.tables import read_table
    except ModuleNotFoundError:
        return None
    return read_table(table) if table.exists() else None


def missing_runs(
    experiment: Experiment, track: str, scenario: str, results: Path, again: Collection[str]
) -> dict[int, list[str]]:
    """The rounds of a contest that are not complete, each with the competitors that it lacks.

    A record that is to be made `again` is missing, and all of a round whose file is.
    """
    members = experiment.competitors(track)
    lacking = {}
    for number in range(experiment.config["rounds"]):
        of = Round(track, scenario, number)
        lost = str(of.path(results)) in again
        paths = {name: of.run(name).path(results) for name in members}
        absent = [n for n, path in paths.items() if lost or str(path) in again or not path.exists()]
        if absent:
            lacking[number] = absent
    return lacking


def needs_gpu(competitor: str, experiment: Experiment) -> bool:
    return axes.device(Competitor.parse(competitor).device, experiment.root)["gpu"]


def plan(
    experiment: Experiment, results: Path = Path("results"), again: Collection[str] = ()
) -> str:
    """Contests, what of them is still to be run, and how long it will take, without the checks.

    `again`: files in the results folder that will be made again.
    """
    table = results / f"runs.{experiment.table_form}"
    earlier = earlier_runs(table)
    rounds = experiment.config["rounds"]
    contests, jobs, runs, seconds, with_gpu, known = [], 0, 0, 0.0, 0.0, set()
    wide = {axis: max(map(len, experiment.config[axis])) for axis in ("tracks", "scenarios")}
    for track, scenario in experiment.contests:
        if not (members := experiment.competitors(track)):
            continue
        costs = {m: seconds_of_a_run(experiment, track, scenario, m, earlier) for m in members}
        lacking = missing_runs(experiment, track, scenario, results, again)
        due = [name for absent in lacking.values() for name in absent]
        of_contest = sum(costs[name][0] for name in due)
        jobs += len(lacking)
        runs += len(due)
        seconds += of_contest
        with_gpu += of_contest * any(needs_gpu(member, experiment) for member in members)
        known |= {costs[name][1] for name in due}
        there = rounds - len(lacking)
        done = f"  ({there} of {rounds} rounds are there)" if there else ""
        where = f"{track:<{wide['tracks']}} {scenario:<{wide['scenarios']}}"
        contests.append(f"  {where} {', '.join(members)}{done}")
    excluded = [f"  excluded: {name}: {why}" for name, why in experiment.excluded.items()]
    if not runs:
        estimate = ["Every run is there."]
    else:
        rests = f"earlier runs in {table}" if True in known else ""
        guesses = "guesses for a machine of 2 cores" if False in known else ""
        minutes = max(1, round(seconds / 60))
        on = " and ".join(filter(None, [rests, guesses]))
        estimate = [
            f"About {minutes} min of timed runs; this rests on {on}.",
            f"On a cluster: {_counted(jobs, 'job')}, {seconds / 3600:.1f} node-hours, "
            f"{with_gpu / 3600:.1f} GPU-hours.",
        ]
    to_do = f"{_counted(rounds, 'round')}, {_counted(runs, 'timed run')} to do"
    title = f"The plan: {to_do}, one at a time"
    return "\n".join([title, *contests, *excluded, *estimate])


def _counted(count: int, what: str) -> str:
    return f"{count} {what}" + ("" if count == 1 else "s")
