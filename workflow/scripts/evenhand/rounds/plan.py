"""What a configuration amounts to, before the first job: runs, rounds, and about how long."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from evenhand.core import axes
from evenhand.core.experiment import Experiment
from evenhand.core.files import read_json
from evenhand.core.identity import Competitor, Round, Run
from evenhand.rounds import leftovers
from evenhand.rounds.examination import too_many_threads

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
    experiment: Experiment,
    track: str,
    scenario: str,
    rounds: int,
    results: Path,
    again: Collection[str],
) -> dict[int, list[str]]:
    """Of so many rounds of a contest those not complete, each with the competitors that it lacks.

    A record that is to be made `again` is missing, and all of a round whose file is. What is to be
    made again of rounds that are yet to be fixed nobody knows: whoever lacks a first run may lack
    all of these.
    """
    members, known = experiment.competitors(track), experiment.rounds(track, scenario)
    lacking, doubtful = {}, set()
    for number in range(rounds):
        of = Round(track, scenario, number)
        lost = str(of.path(results)) in again
        paths = {name: of.run(name).path(results) for name in members}
        absent = [
            name
            for name, path in paths.items()
            if lost
            or str(path) in again
            or not path.exists()
            or (number >= known and name in doubtful)
        ]
        if number < known:
            doubtful.update(absent)
        if absent:
            lacking[number] = absent
    return lacking


def records_there(
    track: str, scenario: str, lacking: Mapping[int, list[str]], results: Path
) -> list[Run]:
    """Of the runs that a contest's rounds lack those with a record, which another will replace."""
    runs = [
        Round(track, scenario, number).run(name)
        for number, absent in lacking.items()
        for name in absent
    ]
    return [run for run in runs if run.path(results).exists()]


def needs_gpu(competitor: str, experiment: Experiment) -> bool:
    return axes.device(Competitor.parse(competitor).device, experiment.root)["gpu"]


class Work(NamedTuple):
    """What is to be done: jobs of a cluster, runs, and their seconds, also those with a GPU."""

    jobs: int
    runs: int
    seconds: float
    with_gpu: float


def plan(
    experiment: Experiment,
    results: Path = Path("results"),
    again: Collection[str] = (),
    cores: float | None = None,
    deployments: Sequence[str] = (),
) -> str:
    """Contests, what of them is still to be run, and how long it will take, without the checks.

    `again`: files in the results folder that will be made again. `cores`: how many can be kept busy
    where the runs will be, if that is known. `deployments`: what records may call the way in which
    environments are deployed now. Where the first rounds are yet to fix how many there are, runs
    and times are those of the first, and the most that may follow.
    """
    table = results / f"runs.{experiment.table_form}"
    earlier = earlier_runs(table)
    experiment = _with_fixed_rounds(experiment, results, again)
    contests, known, counts = [], set(), []
    least, most = [Work(0, 0, 0.0, 0.0)], [Work(0, 0, 0.0, 0.0)]
    replaced, replaced_at_most = [], []
    wide = {axis: max(map(len, experiment.config[axis])) for axis in ("tracks", "scenarios")}
    for track, scenario in experiment.contests:
        if not (members := experiment.competitors(track)):
            continue
        costs = {m: seconds_of_a_run(experiment, track, scenario, m, earlier) for m in members}
        rounds = experiment.rounds(track, scenario)
        limit = rounds if experiment.fixed_rounds else experiment.most_rounds
        lacking = missing_runs(experiment, track, scenario, limit, results, again)
        gpu = any(needs_gpu(member, experiment) for member in members)
        soon = {number: absent for number, absent in lacking.items() if number < rounds}
        least.append(_work(soon, costs, gpu))
        most.append(_work(lacking, costs, gpu))
        replaced += records_there(track, scenario, soon, results)
        replaced_at_most += records_there(track, scenario, lacking, results)
        known |= {costs[name][1] for absent in lacking.values() for name in absent}
        counts.append(rounds)
        there = rounds - len(soon)
        then = f"  {_stages(experiment, [rounds])}" if experiment.fixed_rounds else ""
        done = f"  ({there} of {rounds} rounds are there)" if there else ""
        where = f"{track:<{wide['tracks']}} {scenario:<{wide['scenarios']}}"
        contests.append(f"  {where} {', '.join(members)}{then}{done}")
    asked = {of: experiment.config["scenarios"][of]["threads"] for _, of in experiment.contests}
    threads = [f"  threads: {words}" for words in too_many_threads(asked, cores)]
    excluded = [f"  excluded: {name}: {why}" for name, why in experiment.excluded.items()]
    least, most = (Work(*map(sum, zip(*of, strict=True))) for of in (least, most))
    if not most.runs:
        estimate = ["Every run is there."]
    else:
        rests = f"earlier runs in {table}" if True in known else ""
        usable = "" if cores is None else f" (here {cores:g} can be used)"
        guesses = f"guesses for a machine of 2 cores{usable}" if False in known else ""
        on = " and ".join(filter(None, [rests, guesses]))
        minutes = _range(*(str(max(1, round(of.seconds / 60))) for of in (least, most)))
        node_hours = _range(*(f"{of.seconds / 3600:.1f}" for of in (least, most)))
        gpu_hours = _range(*(f"{of.with_gpu / 3600:.1f}" for of in (least, most)))
        estimate = [
            f"About {minutes} min of timed runs; this rests on {on}.",
            f"On a cluster: {_counted(least.jobs, most.jobs, 'job')}, {node_hours} node-hours, "
            f"{gpu_hours} GPU-hours.",
        ]
    runs = _counted(least.runs, most.runs, "timed run")
    title = f"The plan: {_stages(experiment, counts)}, {runs} to do, one at a time"
    keeping = _keeping(replaced, replaced_at_most, results, deployments)
    return "\n".join([title, *contests, *excluded, *threads, *estimate, *keeping])


def _keeping(
    least: Sequence[Run], most: Sequence[Run], results: Path, deployments: Sequence[str]
) -> list[str]:
    """A line about records that will be replaced, if any will: how many, why, how to keep them."""
    if not most:
        return []
    records = _counted(len(least), len(most), "record")
    rounds = _counted(*(len({run.of for run in runs}) for runs in (least, most)), "round")
    contents = [read_json(run.path(results), ["environment"]) for run in most]
    ways = {of["environment"].get("deployment") for of in contents if of} - {None, *deployments}
    why = (
        f"deployed as {', '.join(sorted(ways))}, now {' or '.join(deployments)}"
        if ways
        else "`snakemake --dry-run` gives the reasons"
    )
    return [
        f"To be run again and replaced: {records} in {rounds} ({why}). "
        "To keep them, copy results/ first, or name another --directory and a --configfile."
    ]


def _with_fixed_rounds(experiment: Experiment, results: Path, again: Collection[str]) -> Experiment:
    """The experiment with all rounds, if their number is fixed and will not be fixed anew."""
    if not experiment.config["precision"]:
        return experiment
    first = experiment.config["rounds"]
    contests = experiment.contests
    if str(results / "rounds.json") in again:
        return experiment
    if any(missing_runs(experiment, *of, first, results, again) for of in contests):
        return experiment
    return replace(experiment, fixed_rounds=leftovers.fixed_rounds(experiment, results))


def _work(lacking: Mapping[int, list[str]], costs: Mapping[str, tuple], gpu: bool) -> Work:
    """The work of a contest's rounds, each with the runs that it lacks."""
    due = [name for absent in lacking.values() for name in absent]
    seconds = sum(costs[name][0] for name in due)
    return Work(len(lacking), len(due), seconds, seconds * gpu)


def _stages(experiment: Experiment, counts: Sequence[int]) -> str:
    """How many rounds contests with these counts have, and how many may follow or follow."""
    first = experiment.config["rounds"]
    said = _counted(first, first, "round")
    if experiment.fixed_rounds:
        least, most = min(counts, default=first), max(counts, default=first)
        return f"{said}, then {_range(str(least), str(most))} in all"
    if experiment.config["precision"]:
        return f"{said}, then up to {experiment.most_rounds}"
    return said


def _range(least: str, most: str) -> str:
    return least if least == most else f"{least} to {most}"


def _counted(least: int, most: int, what: str) -> str:
    return f"{_range(str(least), str(most))} {what}" + ("" if least == most == 1 else "s")
