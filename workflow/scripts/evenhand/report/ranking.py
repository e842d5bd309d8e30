"""The answer, first on the page: everybody, sorted, by each metric, in each track and scenario.

A panel has a row for each competitor with a strip of its own: every round a dot, their geometric
mean a larger one, the interval of the ratio to another a bar that starts from the other's mean.
Which panel is shown, and to whom the ratios are, the reader chooses by CSS alone; so everything
that can be chosen is there, as numbers of so many thousandths of a strip.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from matplotlib.ticker import MaxNLocator

from evenhand.comparison import ranking as comparison
from evenhand.comparison.claims import mirrored
from evenhand.comparison.compare import CONTEST, admit, of_scenario
from evenhand.comparison.remarks import phrases
from evenhand.report.looks import Look
from evenhand.report.results import Results, between, percent, significant, times

WIDE = 1000  # of a strip
ROOM = 0.05  # of a strip, left at either end
SUBS = [(1,), (1, 3), (1, 2, 5), (1, 1.5, 2, 3, 5, 7)]  # of ticks within a power of ten
POWERS = 10.0 ** np.arange(-9, 13)
FEWEST_TICKS = 3
GIB = 2**30
FAR = 3  # an interval that reaches beyond this multiple of its ratio ends in an arrow
UNITS = {"memory": ("GiB", GIB), "environment": ("GiB", GIB), "energy": ("J", 1)}
VERDICTS_ON = "epoch"  # the metric that verdicts are about


@dataclass(frozen=True)
class Beside:
    """A competitor vs. another: the ratio in words, and where its interval is on the strip."""

    baseline: str
    is_lowest: bool
    ratio: str
    interval: str
    words: str  # the verdict, where there is one
    ends: tuple[int, int] | None


@dataclass(frozen=True)
class Row:
    """One competitor's row; positions are on the strip."""

    competitor: str
    look: Look
    value: str
    position: int
    dots: list[int]
    beside: list[Beside]
    published: int | None  # where it would be if what was published held


@dataclass(frozen=True)
class Panel:
    """What one picture shows."""

    track: str
    scenario: str
    metric: str
    rows: list[Row]
    unranked: list[tuple[Look, str]]  # with the reason
    ticks: list[tuple[int, str]]
    published: str  # what the ring is, if there is one


@dataclass(frozen=True)
class Strip:
    """The logarithmic scale that all rows of a panel share."""

    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Strip":
        """From somewhat below the lowest to somewhat above the highest value."""
        ends = np.log([min(values, default=1), max(values, default=1)])
        room = max(ROOM * (ends[1] - ends[0]), 0.02)
        low, high = np.exp([ends[0] - room, ends[1] + room])
        return cls(low, high)

    def position(self, value: float) -> int:
        """Where a value is; one beyond an end is at that end."""
        share = np.log(value / self.low) / np.log(self.high / self.low)
        return round(WIDE * min(max(share, 0), 1))

    def ticks(self, scale: float) -> list[tuple[int, str]]:
        """Round values on the strip, in a unit of this size."""
        low, high = self.low / scale, self.high / scale
        for subs in SUBS:
            values = np.outer(POWERS, subs).ravel()
            if np.sum((values >= low) & (values <= high)) >= FEWEST_TICKS:
                break
        else:
            values = MaxNLocator(3, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high)
        return [(self.position(of * scale), f"{of:,g}") for of in values if low <= of <= high]


@dataclass(frozen=True)
class Ranking:
    """The panels of a report, and what a reader can choose among."""

    results: Results

    @cached_property
    def table(self) -> pd.DataFrame:
        """results/ranking.csv, and the size of each environment, which no round changes."""
        results, sizes = self.results, []
        for of in results.ranking[CONTEST].drop_duplicates().itertuples(index=False):
            names = of_scenario(results.ranking, *of)["competitor"].unique()
            size = {name: results.receipts[name]["bytes"] for name in names}
            for a in names:
                for b in names:
                    value = size[a] if a == b else np.nan
                    sizes.append((*of, "environment", a, b, 1, value, size[a] / size[b]))
        sizes = pd.DataFrame(sizes, columns=comparison.RANKING[:-2])
        return pd.concat([results.ranking, sizes], ignore_index=True)

    @property
    def scenarios(self) -> list[str]:
        return self.results.scenarios

    @property
    def opening(self) -> str:
        """The scenario that a page opens with: the first that all tracks have, else the first."""
        contests = self.results.experiment.contests
        tracks = {track for track, _ in contests}
        of_all = (of for of in self.scenarios if {(track, of) for track in tracks} <= {*contests})
        return next(of_all, self.scenarios[0])

    @cached_property
    def competitors(self) -> list[str]:
        """Those who are ranked anywhere, in the configuration's order."""
        return self.results.present(self.table["competitor"])

    def index(self, competitor: str) -> int:
        """A competitor's number, which its elements on the page have as a class."""
        return self.competitors.index(competitor)

    def name(self, metric: str) -> str:
        """What a metric is called."""
        goal = self.results.config["comparison"]["target_accuracy"]
        return self.results.text["ranking"]["metrics"][metric].format(
            goal=percent(self.results.text, goal, "g")
        )

    @cached_property
    def metrics(self) -> list[str]:
        """Those that rank anybody in these results; the first, where nobody is ranked."""
        return list(self.table["metric"].unique()) or [VERDICTS_ON]

    @cached_property
    def sound(self) -> pd.DataFrame:
        return admit(self.results.runs, self.results.audit)

    @cached_property
    def verdicts(self) -> dict[tuple[str, str, str, str], str]:
        """Of each pair, both ways."""
        rows = pd.concat([self.results.comparison, mirrored(self.results.comparison)])
        return rows.set_index([*CONTEST, "a", "b"])["verdict"].to_dict()

    @cached_property
    def reasons(self) -> dict[tuple[str, str, str], str]:
        """Why a competitor is not comparable, in words."""
        results, found = self.results, self.results.reasons
        rows = [(code, json.dumps(details)) for code, details in found.values()]
        rows = pd.DataFrame(rows, columns=["remark", "details"])
        named = phrases(rows, results.text, lambda name: "")  # who it is stands before
        return {of: phrase.strip() for of, phrase in zip(found, named, strict=True)}

    @cached_property
    def by_track(self) -> list[tuple[str, str, list[Panel]]]:
        """Each track with a few words and its panels, metric after metric."""
        contests, leads = self.results.experiment.contests, self.results.text["tracks"]
        return [
            (
                track,
                leads.get(track, leads["other"]).format(track=track),
                [
                    self.panel(track, scenario, metric)
                    for metric in self.metrics
                    for of, scenario in contests
                    if of == track
                ],
            )
            for track in dict.fromkeys(track for track, _ in contests)
        ]

    def panel(self, track: str, scenario: str, metric: str) -> Panel:
        results, text = self.results, self.results.text["ranking"]
        table = of_scenario(self.table, track, scenario)
        table = table[table["metric"] == metric]
        means = table.dropna(subset="value").set_index("competitor")["value"].sort_values()
        dots = self.dots(track, scenario, metric, means)
        published, note = self.published(track, scenario, metric, means)
        ends = [
            end * means.iloc[0]
            for row in table[table["baseline"].isin(means.index[:1])].itertuples()
            for end in (max(row.low, row.ratio / FAR), min(row.high, row.ratio * FAR))
            if pd.notna(row.low)
        ]
        seen = [*means, *ends, *published.values(), *np.concatenate([*dots.values(), []])]
        strip = Strip.of(seen)
        unit, scale = UNITS.get(metric, (text["seconds"], 1))
        rows = [
            Row(
                competitor=name,
                look=results.looks[name],
                value=f"{significant(value / scale, 3)}\N{NO-BREAK SPACE}{unit}",
                position=strip.position(value),
                dots=sorted({strip.position(dot) for dot in dots[name]}),
                beside=[
                    self.beside(row, means, strip)
                    for row in table[table["competitor"] == name].itertuples()
                ],
                published=strip.position(published[name]) if name in published else None,
            )
            for name, value in means.items()
        ]
        return Panel(
            track=track,
            scenario=scenario,
            metric=metric,
            rows=rows,
            unranked=list(self.unranked(track, scenario, metric, set(means.index))),
            ticks=strip.ticks(scale),
            published=note,
        )

    def dots(
        self, track: str, scenario: str, metric: str, means: pd.Series
    ) -> dict[str, np.ndarray]:
        """Every round of each; none where it is one value for all of them."""
        if metric not in comparison.METRICS:
            return dict.fromkeys(means.index, np.array([]))
        runs = of_scenario(self.sound, track, scenario).set_index("competitor")
        return {
            name: runs.loc[[name], comparison.METRICS[metric]].to_numpy() for name in means.index
        }

    def published(
        self, track: str, scenario: str, metric: str, means: pd.Series
    ) -> tuple[dict[str, float], str]:
        """Where who was said to be faster would be, beside the slower one, and how to say it."""
        claims = of_scenario(self.results.claims, track, scenario)
        claims = claims[claims[["faster", "slower"]].isin(means.index).all(axis=1)]
        claims = claims[claims["logged"].notna()]
        if metric != VERDICTS_ON or claims.empty:
            return {}, ""
        row = claims.iloc[0]
        said = {"a": self.results.label(row.faster), "b": self.results.label(row.slower)}
        words = self.results.text["ranking"]["published"].format(ratio=times(row.logged), **said)
        return {row.faster: means[row.slower] * row.logged}, words

    def beside(self, row, means: pd.Series, strip: Strip) -> Beside:
        """A row of the table in words, with its interval beside the baseline's mean."""
        text, alone = self.results.text, row.competitor == row.baseline
        is_lowest = row.baseline == means.index[0]
        interval, ends = "", None
        if pd.notna(row.low):
            interval = between(text, row.low, row.high, times)
            ends = tuple(strip.position(means[row.baseline] * end) for end in (row.low, row.high))
        verdict = self.verdicts.get((row.track, row.scenario, row.competitor, row.baseline), "")
        words = text["ranking"]["words"].get(verdict, "") if row.metric == VERDICTS_ON else ""
        return Beside(
            baseline=row.baseline,
            is_lowest=is_lowest,
            ratio=text["ranking"]["lowest" if is_lowest else "itself"]
            if alone
            else times(row.ratio),
            interval=interval,
            words=words.format(margin=self.results.margin),
            ends=ends,
        )

    def unranked(
        self, track: str, scenario: str, metric: str, ranked: set[str]
    ) -> Iterator[tuple[Look, str]]:
        """Those who were asked to take part and have no place, each with the reason."""
        experiment, text = self.results.experiment, self.results.text["ranking"]
        runs = of_scenario(self.sound, track, scenario)
        for name in experiment.competitors(track, everybody=True):
            if name in ranked:
                continue
            if name in experiment.excluded:
                reason = text["excluded"].format(reason=experiment.excluded[name])
            elif (track, scenario, name) in self.reasons:
                reason = self.reasons[track, scenario, name]
            elif name not in set(runs["competitor"]):
                reason = text["no_run"]
            else:
                reason = text["lacking"].format(metric=self.name(metric))
            yield self.results.looks[name], reason
