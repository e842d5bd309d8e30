"""The report's sentences, computed from the results; none says more than the verdict it rests on.

The words are in text.{language}.yaml.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping

import numpy as np
import pandas as pd

from evenhand.comparison.compare import (
    admit,
    of_scenario,
    tests_of_differences,
)
from evenhand.comparison.inference import first_that_pays
from evenhand.comparison.loaders import as_fast
from evenhand.comparison.remarks import FEW_ROUNDS, counted
from evenhand.comparison.sizes import varied
from evenhand.core import axes
from evenhand.core.identity import Competitor
from evenhand.model.mlp import flop_per_image
from evenhand.report.results import (
    INFINITE,
    Results,
    allowed,
    between,
    contests,
    deviation,
    listed,
    number,
    percent,
    scientific,
    significant,
    times,
    with_first,
)

UNRANKED = ("not comparable", "not ranked")
MOST_CLAIMS = 3  # of more pairs than this, sentences give an interval to few, others a ratio
MOST_SCENARIOS = 3  # of a track with more, sentences are about the first alone
MOST_PAIRS = 3  # of more pairs than this, sentences name those with the first competitor alone
CHANGED = ("rises", "falls")  # what becomes of a ratio from one scenario to another
FEEDS = ("loader", "memory")  # what can feed a training, as the tracks' files have it


def interval(results: Results, row) -> str:
    """The interval of a comparison's row, and the rounds that it rests on."""
    return results.text["interval"].format(
        confidence=results.confidence,
        low=times(row.low),
        high=times(row.high),
        rounds=counted(results.text["rounds"], row.rounds),
    )


def verdict_words(results: Results, row) -> str:
    """The verdict in words, and no more."""
    text = results.text
    if row.verdict != "undecided":
        return text["words"][row.verdict].format(margin=results.margin)
    if row.rounds_needed == INFINITE:
        return text["words"]["undecided_far"]
    needed = counted(text["more_rounds"], row.rounds_needed)
    return text["words"]["undecided"].format(needed=needed)


def claim(results: Results, row) -> str:
    """One comparison as a clause: ratio, interval, verdict."""
    said = {"a": results.label(row.a), "b": results.label(row.b)}
    said["words"] = verdict_words(results, row)
    if row.verdict in UNRANKED:
        return results.text["claim"]["unranked"].format(**said)
    said |= {"ratio": times(row.ratio), "interval": interval(results, row)}
    return results.text["claim"]["less" if row.ratio < 1 else "more"].format(**said)


def scenario_words(results: Results, scenario: str) -> str:
    """A scenario by its threads, if these alone set it apart from the first; else by its name."""
    text, scenarios = results.text["scenarios"], results.config["scenarios"]
    usual, here = next(iter(scenarios.values())), scenarios[scenario]
    changed = {key for key in usual | here if usual.get(key) != here.get(key)} - {"tracks"}
    if "dataset" in changed:
        return text["other_data"].format(scenario=scenario, data=results.data_of(scenario))
    if changed != {"threads"}:
        return text["other"].format(scenario=scenario)
    form = {1: "one_thread", "default": "default_threads"}.get(here["threads"], "threads")
    return text[form].format(threads=here["threads"])


def error_rates(results: Results) -> str:
    """How likely it is that anything on the page is wrongly ranked, called the same or changed."""
    error = 1 - results.config["comparison"]["confidence"]
    rate, both = (percent(results.text, of, "g") for of in (error, 2 * error))
    tests = tests_of_differences(results.comparison, results.thread_effect, results.gains)
    said = {"tests": tests, "rate": rate, "both": both, "margin": results.margin}
    return results.text["verdicts"]["rates"].format(**said)


def precision(results: Results) -> list[str]:
    """What precision was asked for, what each contest reached, and where the limit stopped it."""
    text, experiment = results.text["precision"], results.experiment
    if not experiment.fixed_rounds:
        return []
    first = counted(results.text["rounds"], experiment.first_rounds)
    asked = percent(results.text, results.config["precision"], "g")
    said = [text["asked"].format(precision=asked, first=first)]
    for of in experiment.fixed_rounds:
        pairs = of_scenario(results.comparison, of["track"], of["scenario"])
        widest = np.sqrt(pairs["high"] / pairs["low"]).max() - 1  # on the log scale, as it is asked
        if np.isnan(widest):
            continue
        said.append(
            text["stopped" if of["all"] < of["wanted"] else "reached"].format(
                contest=results.contest(of["track"], of["scenario"]),
                rounds=counted(results.text["rounds"], of["all"]),
                wanted=of["wanted"],
                reached=percent(results.text, widest, ".1f"),
            )
        )
    return [results.text["space"].join(said)]


def headline(results: Results) -> str:
    """The first pair of the first track and scenario, in a few words."""
    text = results.text["headline"]
    if results.comparison.empty:
        run = next(results.runs.itertuples())
        return text["alone"].format(
            a=results.label(run.competitor), data=results.data_of(run.scenario)
        )
    row = next(results.comparison.itertuples())
    form = {"faster": "less", "slower": "more"}.get(row.verdict, row.verdict)
    said = {"a": results.label(row.a), "b": results.label(row.b)}
    said["data"] = results.data_of(row.scenario)
    return text[form].format(ratio=times(row.ratio), margin=results.margin, **said)


def facts(results: Results) -> list[tuple[str, str, str | None]]:
    """The page at a glance: (name, value, the section that has more)."""
    text, runs, severities = results.text["facts"], results.runs, results.audit["severity"]
    proof = results.present(results.gate["competitor"])
    passed = text["gate_passed"].format(passed=len(proof) - len(results.failed), count=len(proof))
    errors = counted(results.text["errors"], (severities == "error").sum())
    found = text["audit_found"].format(
        errors=errors, notes=counted(results.text["notes"], (severities == "note").sum())
    )
    days = sorted({started[:10] for started in runs["started"]})
    machines = dict.fromkeys(r.environment.machine["processor"] for r in results.records)
    said = {
        "measured": (" / ".join(dict.fromkeys([days[0], days[-1]])), None),
        "data": (results.text["semicolon"].join(images(results)), "again"),
        "rounds": (
            text["rounds_and_runs"].format(rounds=runs["round"].nunique(), runs=len(runs)),
            "verdicts",
        ),
        "gate": (passed if proof else text["gate_absent"], "gate"),
        "audit": (text["audit_clean"] if severities.empty else found, "audit"),
        "machine": (results.text["comma"].join(machines), "setup"),
    }
    return [(text[name], *value) for name, value in said.items()]


def images(results: Results) -> list[str]:
    """Each data set that was trained on, with how many images of which size and classes."""
    scenarios = results.runs["scenario"].unique()
    found = {results.data_of(of): results.config["scenarios"][of]["dataset"] for of in scenarios}
    return [
        results.text["facts"]["images"].format(
            data=data,
            train=f"{facts['train_images']:,}",
            test=f"{facts['test_images']:,}",
            rows=facts["image"][0],
            columns=facts["image"][1],
            classes=facts["classes"],
        )
        for data, name in found.items()
        for facts in [results.datasets[name]]
    ]


def summary(results: Results) -> list[str]:
    """One paragraph a track: each competitor vs. the first, scenario after scenario.

    Versions of one framework have paragraphs of their own.
    """
    paragraphs, grouped = [], False
    section = results.text["verdicts"]["title"]
    for track, rows in results.comparison.groupby("track", sort=False):
        lead = results.text["tracks"].get(track, results.text["tracks"]["other"])
        sentences, scenarios = [], list(rows["scenario"].unique())
        told = scenarios if len(scenarios) <= MOST_SCENARIOS else scenarios[:1]
        rows = rows[(rows["b"] == rows["b"].iloc[0]) & rows["scenario"].isin(told)]
        rows = rows[~are_versions(rows)]
        if rows.empty:
            continue
        for scenario, pairs in rows.groupby("scenario", sort=False):
            lead = scenario_words(results, scenario) if sentences else lead.format(track=track)
            whole = pairs if len(pairs) <= MOST_CLAIMS else pairs[claimed(results, pairs)]
            claims = results.text["semicolon"].join(claim(results, p) for p in whole.itertuples())
            others = by_verdict(results, pairs.drop(whole.index))
            sentences += [results.text["sentence"].format(lead=lead, claims=claims), *others]
            grouped = grouped or bool(others)
        if len(scenarios) > len(told):
            said = {"count": len(scenarios) - 1, "track": track, "section": section}
            sentences.append(results.text["other_scenarios"].format(**said))
        paragraphs.append(results.text["space"].join(sentences))
    paragraphs += between_versions(results)
    if grouped:
        paragraphs.append(results.text["by_verdict"]["intervals"].format(section=section))
    return paragraphs


def between_versions(results: Results) -> list[str]:
    """One paragraph a track: each framework's versions vs. one another, scenario after scenario."""
    found: dict[str, list[str]] = {}
    for track, scenario, pairs in contests(results.comparison[are_versions(results.comparison)]):
        claims = results.text["semicolon"].join(claim(results, row) for row in pairs.itertuples())
        contest = results.contest(track, scenario)
        lead = results.text["between_versions"].format(contest=contest)
        said = results.text["sentence"].format(lead=lead, claims=claims)
        found.setdefault(track, []).append(said)
    return [results.text["space"].join(sentences) for sentences in found.values()]


def are_versions(pairs: pd.DataFrame) -> np.ndarray:
    """Which of these pairs are versions of one framework on one device."""
    of_a, of_b = ([Competitor.parse(name) for name in pairs[side]] for side in ("a", "b"))
    families = [
        [(axes.unversioned(of.framework), of.device) for of in side] for side in (of_a, of_b)
    ]
    return np.array([a == b for a, b in zip(*families, strict=True)], dtype=bool)


def claimed(results: Results, pairs: pd.DataFrame) -> pd.Series:
    """Which of one contest's pairs are to be named with their intervals, where there are many.

    The first, and those of which something has been claimed.
    """
    both = {frozenset(row) for row in results.claims[["faster", "slower"]].to_numpy()}
    named = [frozenset((row.a, row.b)) in both for row in pairs.itertuples()]
    return pd.Series(named, pairs.index) | (pairs.index == pairs.index[0])


def claims(results: Results) -> list[tuple[str, str]]:
    """Each claim in the first scenario that has its settings: its source, and what became of it."""
    text, judged = results.text["claims"], []
    for row in results.claims.drop_duplicates("claim").itertuples():
        of = axes.claim(row.claim, results.experiment.root)
        said = {"text": in_language(results, of["text"]), "published": of["published"]}
        machine = in_language(results, of["machine"]) or text["machine"]
        sentences = [text["claimed"].format(machine=machine, **said), fate(results, row)]
        judged.append((of["source"], results.text["space"].join(sentences)))
    return judged


def in_language(results: Results, texts: Mapping[str, str]) -> str:
    """A text in the report's language, in English where there is none, else empty."""
    return texts.get(results.config["language"], texts.get("en", ""))


def fate(results: Results, row) -> str:
    """What became of a claim, and where the ratio of its own logs lies."""
    text = results.text["claims"]
    said = {"a": results.label(row.faster), "b": results.label(row.slower)}
    said["contest"] = results.contest(row.track, row.scenario)
    if not results.experiment.has_own_images(row.scenario):
        return text["other_images"].format(data=results.data_of(row.scenario), **said)
    if row.verdict in UNRANKED:
        words = results.text["words"][row.verdict]
        return text["unranked"].format(words=words, **said)
    ratio = {"ratio": times(row.ratio), "interval": interval(results, row)}
    sentences = [text[row.status].format(**said, **ratio)]
    if row.logged > 0:
        place = "below" if row.logged < row.low else "above" if row.logged > row.high else "inside"
        sentences.append(text[place].format(then=times(row.logged)))
    return results.text["space"].join(sentences)


def by_verdict(results: Results, pairs: pd.DataFrame) -> list[str]:
    """Many pairs that have their b in common: each one's ratio, those of one verdict together."""
    if pairs.empty:
        return []
    text, groups = results.text["by_verdict"], []
    words = results.text["words"] | {"undecided": text["undecided"]}
    for verdict, rows in pairs.sort_values("ratio").groupby("verdict", sort=False):
        form = text["unranked" if verdict in UNRANKED else "ranked"]
        names = [
            form.format(name=results.label(row.a), ratio=times(row.ratio))
            for row in rows.itertuples()
        ]
        said = {"names": listed(results.text, names)}
        said["words"] = words[verdict].format(margin=results.margin)
        groups.append(text["group"].format(**said))
    said = {"b": results.label(pairs["b"].iloc[0])}
    return [text["sentence"].format(groups=results.text["semicolon"].join(groups), **said)]


def no_part(results: Results) -> list[str]:
    """Who takes no part in a track for want of a trainer, and what its trainers must have."""
    sentences, root = [], results.experiment.root
    for track in results.config["tracks"]:
        names = [
            results.look_of(framework).label
            for framework in results.config["frameworks"]
            if not axes.trainer(track, framework, root).exists()
        ]
        if names:
            forms = results.text["no_part"][axes.track(track, root)["data"]]
            said = {"names": listed(results.text, names), "track": track}
            sentences.append(counted(forms, len(names), **said))
    return sentences


def alerts(results: Results) -> list[tuple[str, str]]:
    """What a reader must know before any number: (severity, sentence)."""
    text, runs, found = results.text["alerts"], results.runs, []
    for track, names in unranked(results).items():
        names = listed(results.text, [results.label(name) for name in names])
        found.append(("error", text["not_comparable"].format(names=names, track=track)))
    errors = (results.audit["severity"] == "error").sum()
    if errors:
        out = len(runs) - len(admit(runs, results.audit))
        errors = counted(results.text["errors"], errors)
        found.append(("error", text["audit"].format(errors=errors, count=out, runs=len(runs))))
    for name in results.experiment.unknown_images:
        label = results.datasets[name]["label"]
        found.append(("warning", text["dataset"].format(dataset=label)))
    rounds = runs["round"].nunique()
    if rounds < FEW_ROUNDS:
        counts = counted(results.text["rounds"], rounds)
        found.append(("warning", text["few"].format(rounds=counts, least=FEW_ROUNDS)))
    # not over all runs: on one machine, those that use its GPU have another fingerprint
    machines = runs.groupby("competitor")["fingerprint"].nunique().max()
    if machines > 1:
        found.append(("warning", text["machines"].format(count=machines)))
    return found


def unranked(results: Results) -> dict[str, list[str]]:
    """By track, the competitors that are not comparable there, in any scenario."""
    return {
        track: results.present(name for of, _, name in results.reasons if of == track)
        for track in dict.fromkeys(track for track, _, _ in results.reasons)
    }


def explanation(results: Results) -> list[str]:
    """Where the time goes and what changes it, as far as these results show it."""
    text, sentences = results.text["why"], []
    for _, scenario, rows in contests(results.runs.dropna(subset=["wait_share"])):
        medians = rows.groupby("competitor")[["wait_share", "loader_pass_seconds"]].median()
        medians = medians.loc[results.present(medians.index)]
        shares = [
            text["share"].format(share=percent(results.text, share), name=results.label(name))
            for name, share in medians["wait_share"].items()
        ]
        alone = [
            text["seconds"].format(seconds=number(seconds), name=results.label(name))
            for name, seconds in medians["loader_pass_seconds"].items()
        ]
        shares, alone = listed(results.text, shares), listed(results.text, alone)
        sentences.append(text["loading"].format(scenario=scenario, shares=shares, alone=alone))
    sentences += loading_share(results) + own_threads(results)
    for track, of_track in results.thread_effect.groupby("track", sort=False):
        others = of_track["scenario_y"].nunique()
        if others >= MOST_SCENARIOS:
            sentences.append(text["many_scenarios"].format(count=others, track=track))
            continue
        for (x, y), rows in of_track.groupby(["scenario_x", "scenario_y"], sort=False):
            sentences.append(from_scenario_to_scenario(results, track, x, y))
            many = len(rows) > MOST_PAIRS
            sentences += [many_effects(results, rows)] if many else effects(results, rows)
    return sentences + without_loader(results)


def effects(results: Results, pairs: pd.DataFrame) -> list[str]:
    """How each pair's ratio changes from one scenario to another."""
    sentences = []
    for row in pairs.itertuples():
        form = "effect" if row.verdict in CHANGED else "no_effect"
        sentences.append(
            results.text["why"][form].format(
                lead=scenario_words(results, row.scenario_y),
                a=results.label(row.a),
                b=results.label(row.b),
                before=times(row.ratio_x),
                after=times(row.ratio_y),
                change=times(row.change),
                confidence=results.confidence,
                low=times(row.low),
                high=times(row.high),
            )
        )
    return sentences


def many_effects(results: Results, pairs: pd.DataFrame) -> str:
    """The same of many pairs, in a paragraph about those with the first competitor."""
    text, told = results.text["why"], with_first(pairs, MOST_PAIRS)
    said = {"lead": scenario_words(results, told["scenario_y"].iloc[0])}
    said |= {"b": results.label(told["b"].iloc[0]), "confidence": results.confidence}
    changed = told["verdict"].isin(CHANGED)
    factors = [
        text["factor"].format(
            a=results.label(row.a),
            change=times(row.change),
            low=times(row.low),
            high=times(row.high),
        )
        for row in told[changed].itertuples()
    ]
    names = [results.label(name) for name in told.loc[~changed, "a"]]
    sentences = [
        text[form].format(**said, names=listed(results.text, items))
        for form, items in (("many_effects", factors), ("no_effects", names))
        if items
    ]
    sentences.append(text["all_effects"].format(count=len(pairs)))
    return results.text["space"].join(sentences)


def own_threads(results: Results) -> list[str]:
    """How many threads really worked, track by track, where the libraries chose their number."""
    text, sentences = results.text["why"], []
    for track, scenario, rows in contests(results.runs):
        if results.config["scenarios"][scenario]["threads"] != "default":
            continue
        medians = rows.groupby("competitor")[["threads_at_work", "helpers_at_work"]].median()
        medians = medians.loc[results.present(medians.index)]
        cores = [
            text["cores_and_helpers" if row.helpers_at_work >= 0.05 else "cores"].format(
                name=results.label(row.Index),
                cores=number(row.threads_at_work, ".1f"),
                helpers=number(row.helpers_at_work, ".1f"),
            )
            for row in medians.itertuples()
        ]
        cores = listed(results.text, cores)
        sentences.append(text["own_threads"].format(track=track, scenario=scenario, cores=cores))
    return sentences


def epoch_seconds(results: Results, track: str, scenario: str) -> pd.Series:
    """Each competitor's median over the rounds of its runs' seconds an epoch."""
    runs = results.runs[(results.runs["track"] == track) & (results.runs["scenario"] == scenario)]
    medians = runs.groupby("competitor")["median_epoch_seconds"].median()
    return medians.loc[results.present(medians.index)]


def loader_and_memory(results: Results) -> tuple[str, str] | None:
    """The first track that a loader feeds and the first with the data in memory, if there are.

    Of those that improve no other: what differs between the two is the loader.
    """
    plain = results.experiment.tracks_with("improves", None)
    of_feeds = [results.experiment.tracks_with("data", of) for of in FEEDS]
    first = [next((name for name in names if name in plain), None) for names in of_feeds]
    return None if None in first else (first[0], first[1])


def loading_share(results: Results) -> list[str]:
    """What share of an epoch data loading takes: the rest remains with the data in memory."""
    if (tracks := loader_and_memory(results)) is None:
        return []
    text = results.text["why"]
    scenario = next(iter(results.config["scenarios"]))
    with_loader, memory = (epoch_seconds(results, track, scenario) for track in tracks)
    both = [name for name in with_loader.index if memory.get(name, INFINITE) < with_loader[name]]
    if not both:
        return []
    seconds = [
        text["seconds"].format(seconds=number(memory[name]), name=results.label(name))
        for name in both
    ]
    shares = [
        text["share"].format(
            share=percent(results.text, 1 - memory[name] / with_loader[name]),
            name=results.label(name),
        )
        for name in both
    ]
    said = {"seconds": listed(results.text, seconds), "shares": listed(results.text, shares)}
    return [text["memory"].format(scenario=scenario, loader=tracks[0], memory=tracks[1], **said)]


def from_scenario_to_scenario(results: Results, track: str, x: str, y: str) -> str:
    """How each competitor's own epochs change."""
    before, after = (epoch_seconds(results, track, scenario) for scenario in (x, y))
    changes = [
        results.text["why"]["change"].format(
            name=results.label(name), before=number(before[name]), after=number(after[name])
        )
        for name in before.index
        if name in after.index
    ]
    lead = scenario_words(results, y)
    return results.text["why"]["changes"].format(lead=lead, changes=listed(results.text, changes))


def without_loader(results: Results) -> list[str]:
    """What becomes of each verdict on a track with a loader when the data are in memory."""
    if (tracks := loader_and_memory(results)) is None:
        return []
    text, scenario = results.text, next(iter(results.config["scenarios"]))
    with_loader, memory = (of_scenario(results.comparison, track, scenario) for track in tracks)
    from_memory = memory.set_index(["a", "b"])["verdict"].to_dict()
    found: dict[tuple[str, str], list[str]] = {}  # the a's of each outcome and b
    for row in with_first(with_loader, MOST_PAIRS).itertuples():
        if row.verdict not in ("faster", "slower"):
            continue
        form = dict.fromkeys(["faster", "slower"], "opposite") | {"same": "vanishes"}
        form |= {row.verdict: "agrees"}
        if (verdict := from_memory.get((row.a, row.b))) in form:
            found.setdefault((form[verdict], row.b), []).append(results.label(row.a))
    return [
        counted(
            text["why"][form],
            len(names),
            a=listed(text, names),
            b=results.label(b),
            loader=tracks[0],
            margin=results.margin,
        )
        for (form, b), names in found.items()
    ]


def gains(results: Results) -> list[str]:
    """What each track brings over the one that it improves, and from which epoch on it pays."""
    text, paragraphs = results.text["gains"], []
    for (track, improves, scenario), rows in results.gains.groupby(
        ["track", "improves", "scenario"], sort=False
    ):
        said = {"track": track, "improves": improves, "scenario": scenario}
        shares = [gain(results, row) for row in rows.itertuples()]
        counts = [pays(results, row) for row in rows.itertuples() if row.verdict not in UNRANKED]
        sentences = [text["ratios"].format(shares=listed(results.text, shares), **said)]
        if counts:
            sentences.append(text["pays"].format(counts=listed(results.text, counts)))
        sentences += [
            *compiling(results, track, scenario),
            *beyond_products(results, track, scenario),
        ]
        paragraphs.append(results.text["space"].join(sentences))
    return paragraphs


def gain(results: Results, row) -> str:
    """One framework's ratio of a track to the one that it improves."""
    said = {"name": results.label(row.competitor)}
    if row.verdict in UNRANKED:
        words = results.text["words"][row.verdict]
        return results.text["gains"]["unranked"].format(words=words, **said)
    said |= {key: times(getattr(row, key)) for key in ("ratio", "low", "high")}
    return results.text["gains"]["ratio"].format(**said)


def pays_from(row) -> list[float]:
    """The epoch from which on a gain pays, and the two ends of its interval."""
    return [*map(first_that_pays, (row.break_even, row.break_even_low, row.break_even_high))]


def pays(results: Results, row) -> str:
    """From which epoch on it takes less time as a whole process."""
    text = results.text["gains"]
    said = {"name": results.label(row.competitor)}
    if pd.isna(row.break_even):
        return text["unknown"].format(**said)
    if row.break_even == INFINITE:
        return text["never"].format(**said)
    epochs = (number(of, ".0f") for of in pays_from(row))
    said |= zip(("epochs", "low", "high"), epochs, strict=True)
    return text["from" if said["low"] != said["high"] else "from_exactly"].format(**said)


def compiling(results: Results, track: str, scenario: str) -> list[str]:
    """How long those take to compile who do it apart."""
    runs = of_scenario(results.runs, track, scenario).dropna(subset=["compile_seconds"])
    medians = runs.groupby("competitor")["compile_seconds"].median()
    seconds = [
        results.text["why"]["seconds"].format(
            seconds=number(medians[name]), name=results.label(name)
        )
        for name in results.present(medians.index)
    ]
    said = {"seconds": listed(results.text, seconds), "track": track}
    return [results.text["gains"]["compiling"].format(**said)] if seconds else []


def beyond_products(results: Results, track: str, scenario: str) -> list[str]:
    """What an epoch's bare products take, where all data are in memory, and what they are of it."""
    runs = of_scenario(results.runs, track, scenario).dropna(subset=["products_seconds"])
    if runs.empty or axes.track(track, results.experiment.root)["data"] != "memory":
        return []
    text = results.text["gains"]
    part = (runs["products_seconds"] / runs["median_epoch_seconds"]).groupby(runs["competitor"])
    medians = part.median().loc[results.present(runs["competitor"])].sort_values(ascending=False)
    shares = [
        text["share"].format(share=percent(results.text, share), name=results.label(name))
        for name, share in medians.items()
    ]
    peak = (runs["flop_per_epoch"] / runs["peak_flop_per_second"]).median()
    said = {"seconds": number(runs["products_seconds"].median()), "peak": number(peak)}
    return [text["limit"].format(shares=listed(results.text, shares), track=track, **said)]


def loaders(results: Results) -> list[tuple[str, list[str]]]:
    """With how many workers and threads each framework is fastest: a lead and a list a track."""
    text, lists = results.text["loaders"], []
    machines = dict.fromkeys(r.environment.machine["processor"] for r in results.records)
    for track, rows in results.loaders.groupby("track", sort=False):
        ways = [
            results.text["space"].join(fastest_way(results, name, rows[rows["competitor"] == name]))
            for name in results.present(rows["competitor"])
        ]
        said = {"machine": results.text["comma"].join(machines), "track": track}
        lists.append((text["advice"].format(**said), ways))
    return lists


def fastest_way(results: Results, name: str, rows: pd.DataFrame) -> Iterator[str]:
    """One framework's fastest number of workers and threads, and the others beside it."""
    text = results.text["loaders"]
    best, usual = next(rows[rows["fastest"]].itertuples()), next(rows.itertuples())
    said = {"name": results.label(name), "seconds": number(best.seconds)}
    yield text["fastest"].format(**said, **worker_words(results, best))
    if usual.fastest:
        yield text["is_usual"].format(scenario=usual.scenario)
    else:
        factor = times(usual.ratio)
        if pd.notna(usual.low):
            factor += f" ({between(results.text, usual.low, usual.high, times)})"
        said = {"scenario": usual.scenario, "times": factor}
        yield text["usual"].format(**said, **worker_words(results, usual))
    yield text["slowest"].format(times=times(rows["ratio"].max()))
    if alike := as_fast(rows):
        yield text["as_fast"].format(count=len(alike), others=len(rows) - 1)


def worker_words(results: Results, row) -> dict[str, str]:
    """How many workers and threads a row is about, in words."""
    text = results.text["loaders"]
    own = row.threads == "default"
    threads = text["own_threads"] if own else counted(text["threads"], int(row.threads))
    return {"workers": counted(text["workers"], row.loader_workers), "threads": threads}


def sizes(results: Results) -> list[tuple[str, list[str]]]:
    """What a step costs whatever its size, and from when on that is negligible, likewise."""
    text, lists = results.text["sizes"], []
    for track, rows in results.sizes.groupby("track", sort=False):
        first = next(of for of_track, of in results.experiment.contests if of_track == track)
        an_image = flop_per_image(results.experiment.training(first)["layers"])
        largest = max(varied(results.experiment, track).values())
        table, laws = rows.set_index("competitor", drop=False), []
        for row in table.loc[results.present(rows["competitor"])].itertuples():
            name = results.label(row.competitor)
            if pd.isna(row.overhead_seconds):
                laws.append(text["none"].format(name=name))
                continue
            form = text["beyond" if row.negligible_flop > largest else "of"]
            laws.append(
                form.format(
                    name=name,
                    overhead=with_interval(results, row, "overhead_seconds", microseconds),
                    flop=significant(row.negligible_flop / 1e6),
                    images=significant(row.negligible_flop / an_image),
                    scenario=first,
                )
            )
        lists.append((text["law"].format(track=track), laws))
    return lists


def with_interval(results: Results, row, name: str, form: Callable[[float], str]) -> str:
    """A number of the law of steps, and its interval where the rounds give one."""
    value, low, high = (getattr(row, f"{name}{end}") for end in ("", "_low", "_high"))
    if pd.isna(low):
        return form(value)
    return f"{form(value)} ({between(results.text, low, high, form)})"


def microseconds(seconds: float) -> str:
    return number(1e6 * seconds, ".0f")


def restarted(results: Results) -> list[str]:
    """Who computes in float32 with what no float64 has, and how that was proved."""
    text, gate, sentences = results.text["gate"], results.gate, []
    steps = gate[(gate["tier"] == "restarted") & (gate["check"] == "steps")]
    of_records = {
        (record.requested.track, record.requested.competitor): record for record in results.records
    }
    for (track, name), rows in steps.groupby(["track", "competitor"], sort=False):
        record = of_records.get((track, name))
        if record is None or not record.environment.twins or name in results.failed:
            continue
        requested = record.requested
        count = -(-requested.train_images // requested.batch_size) * requested.epochs
        sentences.append(
            text["restarted"].format(
                name=results.label(name),
                track=track,
                twins=results.text["comma"].join(record.environment.twins),
                steps=f"{count:,}",
                largest=scientific(rows["deviation"].max()),
                limit=scientific(rows["limit"].max()),
            )
        )
    return sentences


def gate_sentences(results: Results) -> list[tuple[str, str]]:
    """What the gate found: each failure, and what is proved of the others, with severity."""
    text, gate = results.text["gate"], results.gate
    if gate.empty:
        return [("note", text["absent"])]
    failed = gate[gate["passed"].ne(True)].drop_duplicates(["track", "competitor", "tier", "check"])
    sentences = [("error", failure(results, row)) for row in failed.itertuples()]
    proof = gate[(gate["tier"] == "float64") & gate["check"].isin(["steps", "test_loss"])]
    proof = proof[~proof["competitor"].isin(results.failed)]
    if not proof.empty:
        names = [results.label(name) for name in results.present(proof["competitor"])]
        said = {"names": listed(results.text, names), "limit": scientific(proof["limit"].max())}
        said["largest"] = scientific(proof["deviation"].max())
        sentences.append(("note", text["passed"].format(**said)))
    return sentences + [("note", said) for said in restarted(results)]


def failure(results: Results, row) -> str:
    """A check of the gate that was not passed: by how much, from which step on, probably why."""
    text, step = results.text["gate"], results.text["remarks"]["step"]
    detail = "" if pd.isna(row.detail) else row.detail
    return text["failed"].format(
        name=results.label(row.competitor),
        tier=row.tier,
        track=row.track,
        scenario=row.scenario,
        round=row.round,
        check=text["checks"][row.check],
        step="" if pd.isna(row.step) else step.format(step=number(row.step, ".0f")),
        deviation=deviation(row.check, row.deviation),
        limit=allowed(row.check, row.limit),
        cause=text["causes"][row.cause].format(detail=detail),
    )


def check_sentences(results: Results) -> list[str]:
    """Whether the published values are likely ones, above all the last, and whether ours are."""
    text, sentences = results.text["learning"], []
    check = results.ordered(results.tutorial_check)
    published = check[check["source"] == "published"]
    for (framework, quantity), logs in published.groupby(["framework", "quantity"], sort=False):
        log = of_scenario(logs, *logs[["track", "scenario"]].iloc[0])  # others may have another log
        last = log.loc[log["epoch"].idxmax()]
        said = text[last["consistency"]].format(
            quantity=results.text["quantities"][quantity],
            name=results.look_of(framework).label,
            value=number(last["value"], ".4f"),
            seeds=last["seeds"],
            mean=number(last["mean"], ".4f"),
            sd=number(last["sd"], ".4f"),
        )
        likely = log["consistency"].eq("consistent").sum()
        epochs = text["epochs"].format(likely=likely, count=len(log))
        sentences.append(results.text["space"].join([said, epochs]))
    ours = check[check["source"] == "rounds"]
    for framework, means in ours.groupby("framework", sort=False):
        likely = means["consistency"].eq("consistent").sum()
        name = results.look_of(framework).label
        sentences.append(text["ours"].format(name=name, likely=likely, count=len(means)))
    return sentences


def audit_sentence(results: Results) -> str:
    """How many findings of which severity."""
    text, severities = results.text["audit"], results.audit["severity"]
    errors, notes = (severities == "error").sum(), (severities == "note").sum()
    form = "found" if errors or notes else "clean"
    return text[form].format(
        errors=counted(results.text["errors"], errors),
        notes=counted(results.text["notes"], notes),
        runs=len(results.runs),
    )


def energy(results: Results) -> list[str]:
    """Which counters told the energy of the runs, and why others did not, each once.

    With the machines that a sentence is about, where not all of a part's sentences are the same.
    """
    text, comma, names = results.text["energy"], results.text["comma"], results.machines
    found = defaultdict(lambda: defaultdict(dict))  # by part and sentence, its machines
    for record in results.records:
        machine = names[record.environment.machine["fingerprint"]]
        for part, told in record.measured.energy.items():
            if told:
                sentence = text["not_read" if told["reason"] else "read"].format(
                    part=text["parts"][part],
                    domains=comma.join(told["domains"]),
                    reason=text["reasons"].get(told["reason"]),
                )
                found[part][sentence][machine] = None
    return [
        form.format(sentence=sentence, machines=comma.join(machines))
        for of_part in found.values()
        for form in ["{sentence}" if len(of_part) == 1 else text["of_machines"]]
        for sentence, machines in of_part.items()
    ]


def sources(results: Results) -> list[str]:
    """Where each data set comes from, and under which license."""
    form = results.text["again"]["dataset"]
    return [
        form.format(dataset=facts["label"], source=facts["source"], license=facts["license"])
        for name in results.datasets
        for facts in [axes.dataset(name, results.experiment.root)]
    ]
