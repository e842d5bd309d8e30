"""The report's tables, computed from the results."""

import re
import sys
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import pandas as pd
from markupsafe import Markup

from evenhand.comparison import remarks
from evenhand.comparison.claims import mirrored
from evenhand.comparison.compare import BOTH, PAIR, of_scenario
from evenhand.comparison.remarks import counted
from evenhand.core.claims import published_logs
from evenhand.core.identity import Competitor
from evenhand.report.looks import Look
from evenhand.report.results import (
    INFINITE,
    NONE,
    Results,
    allowed,
    between,
    contests,
    deviation,
    gibibytes,
    number,
    percent,
    significant,
    times,
)
from evenhand.report.sentences import (
    UNRANKED,
    microseconds,
    pays_from,
    verdict_words,
    with_interval,
    worker_words,
)
from toolbox.record import Record

MOST_ROWS = 60  # longer tables are folded, or left to the CSV files
MOST_BESIDE = 3  # competitors whose epochs have columns in one table


class Table(NamedTuple):
    caption: str
    head: list
    rows: list[list]
    words: int = 1  # how many first columns hold words and stand to the left, not to the right


class Matrix(NamedTuple):
    caption: str
    looks: list[Look]  # of rows and columns alike
    cells: list[list[dict | None]]
    remarks: list[str]


def heads(results: Results, columns: list[str]) -> list[str]:
    return [results.text["columns"][column] for column in columns]


# ---- verdicts --------------------------------------------------------


def matrices(results: Results) -> list[Matrix]:
    """Each competitor vs. each other: a square of verdicts for each track and scenario."""
    found = []
    for track, scenario, rows in contests(results.comparison):
        names = results.present([*rows["a"], *rows["b"]])
        both = pd.concat([rows, mirrored(rows)])
        cells = {(row.a, row.b): cell(results, row) for row in both.itertuples()}
        caption = results.contest(track, scenario)
        square = [[cells.get((a, b)) for b in names] for a in names]
        looks = [results.looks[name] for name in names]
        found.append(Matrix(caption, looks, square, remarks_on(results, track, scenario)))
    return found


def remarks_on(results: Results, track: str, scenario: str) -> list[str]:
    """The notes on the verdicts of one track and scenario, each once, its pairs together."""
    text, said = results.text, []
    pairs = len(of_scenario(results.comparison, track, scenario))
    rows = of_scenario(results.remarks, track, scenario)
    for _, same in rows.groupby(["remark", "details"], sort=False):
        sentences = remarks.sentences(same, text, results.label)
        if len(sentences) > 1:  # the same of several pairs
            (phrase,) = remarks.phrases(same.head(1), text, results.label)
            names = [pair_name(results, row) for row in same.itertuples()]
            form = text["remarks"]["of_all" if len(same) == pairs else "of_pairs"]
            names = text["comma"].join(names)
            sentences = [form.format(pairs=names, count=pairs, remark=phrase)]
        said += sentences
    return said


def pair_name(results: Results, row) -> str:
    return results.text["setup"]["pair"].format(a=results.label(row.a), b=results.label(row.b))


def cell(results: Results, row) -> dict:
    """One verdict: its kind, its words, and where there is a ranking its ratio and interval."""
    said = {"kind": row.verdict.replace(" ", "-"), "words": verdict_words(results, row)}
    if row.verdict in UNRANKED:
        return said | {"ratio": NONE, "range": "", "rounds": ""}
    said |= {"ratio": times(row.ratio), "range": between(results.text, row.low, row.high, times)}
    return said | {"rounds": counted(results.text["rounds"], row.rounds)}


def gains_table(results: Results) -> Table:
    """What each track brings an epoch of each framework over the track that it improves."""
    rows = []
    for row in results.gains.itertuples():
        rows.append(
            [
                *gained(results, row),
                times(row.ratio),
                between(results.text, row.low, row.high, times) if pd.notna(row.low) else NONE,
                verdict_words(results, row),
                row.rounds,
            ]
        )
    columns = ["competitor", "tracks", "scenario", "ratio", "interval", "verdict", "rounds"]
    return Table(results.text["gains"]["caption"], heads(results, columns), rows, words=3)


def break_even_table(results: Results) -> Table:
    """What each track costs once, what it saves in an epoch, and from which epoch on it pays."""
    rows = []
    runs = results.runs.set_index(["track", "scenario", "competitor"]).sort_index()
    first = results.epochs[results.epochs["epoch"] == 0]
    first = first.groupby(["track", "scenario", "competitor"])["seconds"].median()
    for row in results.gains.itertuples():
        of = row.track, row.scenario, row.competitor
        medians = runs.loc[[of], ["compile_seconds", "median_epoch_seconds"]].median()
        rows.append(
            [
                *gained(results, row),
                number(medians["compile_seconds"]),
                number(first[of] - medians["median_epoch_seconds"]),
                number(row.cost_seconds),
                number(row.saving_seconds, ".3f"),
                *paying(results, row),
            ]
        )
    columns = ["competitor", "tracks", "scenario"]
    columns += ["compile", "first_epoch", "once", "saving", "pays", "interval"]
    return Table(results.text["gains"]["pays_caption"], heads(results, columns), rows, words=3)


def gained(results: Results, row) -> list[str]:
    """Whose gain it is: the framework, both tracks and the scenario."""
    return [results.label(row.competitor), f"{row.track} / {row.improves}", row.scenario]


def paying(results: Results, row) -> list[str]:
    """From how many epochs on a gain pays, and the interval of that where there is one."""
    text = results.text["gains"]
    if pd.isna(row.break_even):
        return [text["unknown_word"], NONE]
    if row.break_even == INFINITE:
        return [text["never_word"], NONE]
    first, *ends = pays_from(row)
    return [number(first, ".0f"), between(results.text, *ends, lambda end: number(end, ".0f"))]


def loader_table(results: Results) -> Table:
    """Each framework's epochs by workers and threads, and relative to its fastest way."""
    rows = []
    for row in results.loaders.itertuples():
        words = worker_words(results, row)
        ends = between(results.text, row.low, row.high, times) if pd.notna(row.low) else NONE
        of = [results.label(row.competitor), row.track, row.scenario]
        of += [row.loader_workers, words["threads"]]
        rows.append([*of, row.rounds, number(row.seconds), times(row.ratio), ends])
    columns = ["competitor", "track", "scenario", "workers", "threads", "rounds"]
    columns += ["epoch_seconds", "ratio", "interval"]
    return Table(results.text["loaders"]["caption"], heads(results, columns), rows, words=5)


def size_table(results: Results) -> Table:
    """The law of each framework's steps."""

    rows = [
        [
            results.label(row.competitor),
            row.track,
            row.sizes,
            row.rounds,
            with_interval(results, row, "overhead_seconds", microseconds),
            with_interval(results, row, "flop_per_second", lambda of: significant(of / 1e9)),
            with_interval(results, row, "negligible_flop", lambda of: significant(of / 1e6)),
            percent(results.text, row.largest_residual),
        ]
        for row in results.sizes.itertuples()
    ]
    columns = ["competitor", "track", "sizes", "rounds", "overhead", "rate", "negligible"]
    columns += ["residual"]
    return Table(results.text["sizes"]["caption"], heads(results, columns), rows, words=2)


def statement_square(results: Results) -> tuple[list[Look], list[tuple[dict, list[dict | None]]]]:
    """The looks of all with answers, and each statement with its answers in that order."""
    answered = {
        (statement["slug"], str(Competitor(answer["framework"], answer["device"]))): answer
        for statement in results.statements
        for answer in statement["answers"]
    }
    names = results.present([name for _, name in answered])
    rows = [(s, [answered.get((s["slug"], name)) for name in names]) for s in results.statements]
    return [results.looks[name] for name in names], rows


# ---- the checks ------------------------------------------------------


def gate_tables(results: Results) -> list[Table]:
    """Each check of the gate in the round that came nearest to its limit, or went past it."""
    text, tables = results.text["gate"], []
    columns = ["competitor", "tier", "check", "deviation", "limit", "step", "passed"]
    for track, scenario, gate in contests(results.ordered(results.gate)):
        rows = []
        for (name, tier, check), group in gate.groupby(["competitor", "tier", "check"], sort=False):
            worst = group.loc[group["deviation"].idxmax()]
            row = [results.label(name), tier, text["checks"][check]]
            row += [deviation(check, worst["deviation"]), allowed(check, worst["limit"])]
            row.append(number(group["step"].min(), ".0f"))
            rows.append([*row, f"{group['passed'].eq(True).sum()} / {len(group)}"])
        contest = results.contest(track, scenario)
        caption = text["caption"].format(contest=contest)
        tables.append(Table(caption, heads(results, columns), rows, words=3))
    return tables


def check_table(results: Results) -> Table:
    """The published values and ours, each next to what the seeds make likely."""
    text, rows = results.text["learning"], []
    check = results.ordered(results.tutorial_check)
    keys = ["track", "scenario", "framework", "quantity", "epoch"]
    for (track, scenario, framework, quantity, epoch), group in check.groupby(keys, sort=False):
        likely, runs = group.iloc[0], group[group["source"] == "run"]
        row = [track, scenario, results.look_of(framework).label]
        row += [results.text["quantities"][quantity], epoch]
        row.append(plus_minus(likely["mean"], likely["sd"]))
        for source in ("published", "rounds"):
            values = group[group["source"] == source]
            row.append(number(values["value"].mean(), ".4f"))
            said = values["consistency"].map(text["consistencies"])
            row.append(said.max() if len(values) else NONE)
        rows.append([*row, f"{(runs['consistency'] == 'consistent').sum()} / {len(runs)}"])
    columns = ["track", "scenario", "competitor", "quantity", "epoch", "seeds"]
    columns += ["published", "consistency", "our_mean", "consistency", "likely_runs"]
    return Table(text["check_caption"], heads(results, columns), rows, words=4)


def plus_minus(mean: float, sd: float) -> str:
    """Mean and standard deviation, the latter where there is one."""
    return number(mean, ".4f") + ("" if pd.isna(sd) else f" ± {sd:.4f}")


def audit_table(results: Results) -> Table:
    """Findings, errors first, as many as a page can hold."""
    text, rows = results.text["audit"], []
    for row in results.audit.sort_values("severity", kind="stable").head(MOST_ROWS).itertuples():
        whole = text["whole_round"]
        name = whole if pd.isna(row.competitor) else results.label(row.competitor)
        place = [NONE if pd.isna(part) else part for part in (row.track, row.scenario)]
        place += [number(row.round, ".0f"), name]
        file = NONE if pd.isna(row.file) else row.file
        rows.append([text["severity"][row.severity], *place, row.check, row.finding, file])
    columns = ["severity", "track", "scenario", "round", "competitor", "check", "finding", "file"]
    return Table(text["caption"], heads(results, columns), rows, words=len(columns))


# ---- the runs --------------------------------------------------------


def epoch_tables(results: Results) -> list[Table]:
    """Epoch by epoch: each competitor's loss and time, next to the published logs.

    A table for each track and scenario, or several where it would not fit on paper.
    """
    return [
        epoch_table(results, track, scenario, rows, list(few))
        for track, scenario, rows in contests(results.epochs)
        for names in [results.present(rows["competitor"])]
        for few in np.array_split(names, -(-len(names) // MOST_BESIDE))
    ]


def epoch_table(
    results: Results, track: str, scenario: str, rows: pd.DataFrame, names: list[str]
) -> Table:
    """The epochs of these competitors in one track and scenario."""
    logs = published_logs(results.experiment, track, scenario)
    epochs = sorted(rows["epoch"].unique())
    head, columns = heads(results, ["epoch"]), [epochs]
    for name in names:
        of_epoch = rows[rows["competitor"] == name].groupby("epoch")
        loss, seconds = of_epoch["average_loss"], of_epoch["seconds"].median()
        then = logs.get(name)
        head.append(results.text["columns"]["loss"].format(name=results.label(name)))
        columns.append(list(map(plus_minus, loss.mean(), loss.std())))
        if then:
            head += heads(results, ["published"])
            columns.append(at(epochs, then["average_loss"], ".4f"))
        head.append(results.text["columns"]["seconds"].format(name=results.label(name)))
        columns.append(list(map(number, seconds)))
        if then:
            head += heads(results, ["published"])
            columns.append(at(epochs, then["seconds"], ".2f"))
    caption = results.contest(track, scenario)
    return Table(caption, head, list(zip(*columns, strict=True)))


def at(epochs: list[int], values: list[float], form: str) -> list[str]:
    """The published value of each epoch, a dash where the log has ended."""
    return [number(values[epoch], form) if epoch < len(values) else NONE for epoch in epochs]


def run_tables(results: Results) -> list[Table]:
    """A line for each competitor of each track and scenario: medians over the rounds."""
    text, tables = results.text, []
    for track, scenario, group in contests(results.runs):
        rows, has_energy = [], group["median_epoch_joules"].notna().any()
        for name in results.present(group["competitor"]):
            runs = group[group["competitor"] == name]
            median, seconds = runs.median(numeric_only=True), runs["median_epoch_seconds"]
            rows.append(
                [
                    results.label(name),
                    len(runs),
                    duration(seconds.median()),
                    between(text, seconds.min(), seconds.max(), duration),
                    percent(text, seconds.std() / seconds.mean(), ".1f"),
                    duration(median["process_seconds"]),
                    percent(text, median.get("wait_share")),
                    duration(median.get("loader_pass_seconds")),
                    percent(text, median["share_of_peak"]),
                    percent(text, median["products_seconds"] / seconds.median()),
                    gibibytes(median["peak_memory_bytes"]),
                    number(median["final_average_loss"], ".4f"),
                    percent(text, median["final_test_accuracy"], ".2f"),
                    *([energy(text, runs["median_epoch_joules"])] if has_energy else []),
                ]
            )
        columns = ["competitor", "rounds", "epoch_seconds", "range", "spread", "process_seconds"]
        columns += ["wait_share", "loader", "share_of_peak", "products", "memory"]
        columns += ["final_loss", "accuracy", *(["energy"] if has_energy else [])]
        caption = results.contest(track, scenario)
        tables.append(Table(caption, heads(results, columns), rows))
    return tables


def duration(seconds: float) -> str:
    """Seconds as the page's first screen has them, which suit the fast and the slow."""
    return significant(seconds, 3)


def energy(text: dict, joules: pd.Series) -> str:
    """Joules an epoch, median over the rounds, and their spread where there is one."""
    middle, spread = joules.median(), percent(text, joules.std() / joules.mean())
    said = number(middle, ",.0f" if middle >= 100 else ".1f")
    return said if spread == NONE else f"{said} ± {spread}"


def thread_table(results: Results) -> Table:
    """Each competitor's threads: those asked for, those that libraries report, those at work."""
    rows = []
    for track, scenario, group in contests(results.runs):
        for name in results.present(group["competitor"]):
            runs = group[group["competitor"] == name]
            row = [track, scenario, results.label(name)]
            row += [each(runs[f"threads_{of}"]) for of in ("asked", "framework", "openmp", "blas")]
            at_work = (runs[f"{kind}_at_work"].median() for kind in ("threads", "helpers"))
            rows.append([*row, *map(number, at_work)])
    columns = ["track", "scenario", "competitor", "threads_asked", "threads_framework"]
    columns += ["threads_openmp", "threads_blas", "threads_at_work", "helpers_at_work"]
    return Table(results.text["process"]["threads"], heads(results, columns), rows, words=3)


def each(values: pd.Series) -> str:
    """Every value once; whole numbers as such, also where others are missing."""
    once = values.dropna().unique()
    said = (f"{value:g}" if isinstance(value, float) else str(value) for value in once)
    return ", ".join(sorted(said)) or NONE


def every_run(results: Results) -> Table | None:
    """A line for each run, where they fit on a page."""
    if len(results.runs) > MOST_ROWS:
        return None
    rows = [
        [
            row.track,
            row.scenario,
            row.round,
            number(row.position + 1, ".0f"),
            results.label(row.competitor),
            row.seed,
            row.threads_asked,
            duration(row.median_epoch_seconds),
            duration(row.process_seconds),
            number(row.final_average_loss, ".4f"),
            percent(results.text, row.final_test_accuracy, ".2f"),
            Markup("<code>{}</code>").format(row.record),
        ]
        for row in results.runs.itertuples()
    ]
    columns = ["track", "scenario", "round", "position", "competitor", "seed", "threads"]
    columns += ["epoch_seconds", "process_seconds", "final_loss", "accuracy", "record"]
    return Table(results.text["runs"]["every"], heads(results, columns), rows, words=2)


# ---- what ran them ---------------------------------------------------


def machine_table(results: Results) -> Table:
    """The machines that the runs were made on, a column for each fingerprint."""
    text = results.text["setup"]
    found = (record.environment.machine for record in results.records)
    machines = {machine["fingerprint"]: machine for machine in found}
    nodes = results.runs.groupby("fingerprint")["node"].unique()
    shown = {
        "node": [", ".join(map(str, sorted(nodes[key]))) for key in machines],
        "processor": [m["processor"] for m in machines.values()],
        "cores": [f"{m['cores']} ({m['usable_cores']:g})" for m in machines.values()],
        "memory": [
            f"{m['memory_gib']} GiB ({m.get('usable_memory_gib', m['memory_gib']):g})"
            for m in machines.values()
        ],
        "gpu": [m["gpu"] or NONE for m in machines.values()],
        "kernel": [m["kernel"] for m in machines.values()],
        "libc": [m["libc"] for m in machines.values()],
        "governor": [m["governor"] or NONE for m in machines.values()],
    }
    if {*shown["gpu"]} == {NONE}:
        del shown["gpu"]
    head = ["", *results.machines.values()]
    rows = [[text["rows"][name], *values] for name, values in shown.items()]
    measured = results.runs.dropna(subset="peak_threads").sort_values("peak_flop_per_second")
    best = {(run.fingerprint, run.peak_threads): peak(run) for run in measured.itertuples()}
    for threads in sorted({threads for _, threads in best}):
        label = counted(text["rows"]["peak"], threads)
        rows.append([label, *(best.get((key, threads), NONE) for key in machines)])
    return Table(text["machines"], head, rows, words=len(head))


def peak(run) -> str:
    """The peak that was measured for a run, and which kernel of which library reached it."""
    how = [part for part in (run.peak_kernel, run.peak_library) if pd.notna(part)]
    said = f"{run.peak_flop_per_second / 1e9:.0f} GFLOP/s"
    return f"{said} ({', '.join(how)})" if how else said


def variable_table(results: Results) -> Table | None:
    """The variables of the user's shell that change how libraries compute; None without any."""
    seen: dict[tuple[str, str], list[str]] = {}
    for record in results.records:
        variables = record.environment.variables
        for name in record.environment.user_variables:
            seen.setdefault((name, variables[name]), []).append(record.requested.competitor)
    if not seen:
        return None
    rows = [
        [name, value, results.text["comma"].join(map(results.label, results.present(names)))]
        for (name, value), names in sorted(seen.items())
    ]
    columns = ["variable", "value", "competitor"]
    caption = results.text["setup"]["variables"]
    return Table(caption, heads(results, columns), rows, words=len(columns))


def node_table(results: Results) -> Table | None:
    """Each pair's ratio by kind of machine, with a mark where it is another one's.

    None where every pair was run on one kind alone.
    """
    text = results.text["setup"]
    if not results.nodes.duplicated(PAIR).any():
        return None
    machines = results.machines
    rows = [
        [
            *(row.track, row.scenario),
            pair_name(results, row),
            BOTH.join(machines[of_one] for of_one in row.fingerprint.split(BOTH)),
            row.rounds,
            times(row.ratio) + (" ≠" if row.differs else ""),
            between(results.text, row.low, row.high, times),
        ]
        for row in results.nodes.itertuples()
    ]
    columns = ["track", "scenario", "pair", "machine", "rounds", "ratio", "interval"]
    return Table(text["nodes"], heads(results, columns), rows, words=4)


def environment_table(results: Results) -> Table:
    """What ran each competitor, with a mark on each line where they differ."""
    text, receipts = results.text["setup"], results.receipts
    records = {name: [] for name in receipts}
    for record in results.records:
        records[record.requested.competitor].append(record)
    shown = {
        text["rows"]["deployment"]: [deployments(results, name) for name in receipts],
        text["rows"]["python"]: [r["python"] for r in receipts.values()],
        text["rows"]["imports"]: [imports(results, name) for name in receipts],
        text["rows"]["blas"]: [blas(text, of_name) for of_name in records.values()],
        text["rows"]["device"]: [devices(of_name) for of_name in records.values()],
    }
    where_used = {
        "gpu": [gpus(text, of_name) for of_name in records.values()],
        "image": [digests(record.environment.image for record in of) for of in records.values()],
        "base": [digests([receipt.get("base")]) for receipt in receipts.values()],
    }
    shown |= {text["rows"][of]: told for of, told in where_used.items() if {*told} != {NONE}}
    shown |= {
        text["rows"]["size"]: [gibibytes(r["bytes"]) for r in receipts.values()],
        text["rows"]["seconds"]: [build_seconds(r) for r in receipts.values()],
        text["rows"]["lock"]: [r["lock_sha256"][:12] for r in receipts.values()],
    }
    rows = [
        [f"{label} ≠" if len({*values} - {NONE}) > 1 else label, *values]
        for label, values in shown.items()
    ]
    head = ["", *(results.label(name) for name in receipts)]
    return Table(text["environments"], head, rows, words=len(head))


def deployments(results: Results, competitor: str) -> str:
    """How the environments of its runs were deployed; more than one way is the audit's business."""
    runs, names = results.runs, results.text["setup"]["deployments"]
    ways = runs.loc[runs["competitor"] == competitor, "deployment"].unique()
    return ", ".join(names.get(way, way) for way in sorted(ways))


def digests(found: Iterable[str | None]) -> str:
    """Digests as the page has them, each once."""
    return ", ".join(sorted({of.removeprefix("sha256:")[:12] for of in found if of})) or NONE


def build_seconds(receipt: dict) -> str:
    """How long the workflow took to build an environment; nothing where something else built it."""
    return NONE if receipt["seconds"] is None else f"{receipt['seconds']:.0f} s"


def imports(results: Results, competitor: str) -> str:
    """The packages that a framework's trainers import, with their versions.

    A module's package is that of its name, or else the first whose name begins with it: there are
    packages for processors alone, NAME-cpu.
    """
    packages = results.receipts[competitor]["packages"]
    framework = Competitor.parse(competitor).framework
    sources = "\n".join(trainers.get(framework, "") for trainers in results.sources.values())
    modules = set(re.findall(r"^(?:import|from) (\w+)", sources, re.MULTILINE))
    modules = sorted(modules - sys.stdlib_module_names)
    found = [min((p for p in packages if p.startswith(of)), default=None) for of in modules]
    return ", ".join(f"{name} {packages[name]}" for name in found if name)


def blas(text: dict, records: list[Record]) -> str:
    """The framework's matrix libraries, with the processor that each takes this one for."""
    found = {
        " ".join(filter(None, [pool["internal_api"], pool["version"], pool["architecture"]]))
        for record in records
        for pool in record.environment.pools
        if pool["user_api"] == "blas" and pool["own"]
    }
    return ", ".join(sorted(found)) or text["blas"]


def devices(records: list[Record]) -> str:
    """The device that held the weights, as the framework calls it."""
    return ", ".join(sorted({record.environment.device for record in records})) or NONE


def gpus(text: dict, records: list[Record]) -> str:
    """The GPUs that runs were made on, with their driver; those of one name once."""
    found = [record.environment.gpu for record in records]
    return ", ".join(sorted({text["gpu"].format(**gpu) for gpu in found if gpu})) or NONE


def package_table(results: Results) -> Table:
    """Every package of every environment."""
    receipts = results.receipts.values()
    names = sorted(set().union(*(receipt["packages"] for receipt in receipts)))
    rows = [[name, *(r["packages"].get(name, NONE) for r in receipts)] for name in names]
    head = [*heads(results, ["package"]), *(results.label(name) for name in results.receipts)]
    return Table(results.text["setup"]["packages"], head, rows, words=len(head))


def scenario_table(results: Results) -> Table:
    """What was requested in each scenario, as the records have it."""
    requested = {record.requested.scenario: record.requested for record in results.records}
    rows = [[results.text["again"]["data"], *map(results.data_of, requested)]]
    rows += [
        [words, *(setting(getattr(of, name)) for of in requested.values())]
        for name, words in results.text["again"]["settings"].items()
    ]
    head = [*heads(results, ["setting"]), *requested]
    return Table(results.text["again"]["scenarios"], head, rows, words=len(head))


def setting(value) -> str:
    """A setting as a reader writes it; layers from the first to the last."""
    if isinstance(value, list):
        return " → ".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value)
