"""What the report is made of, and how its numbers and phrases are written."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from evenhand.comparison.compare import Reasons, not_comparable
from evenhand.core import axes, words
from evenhand.core.experiment import Experiment
from evenhand.core.identity import Competitor
from evenhand.report.looks import Look, label, looks
from toolbox.record import Record

INFINITE = float("inf")
MOST_PLOTTED = 6  # of a contest with more pairs than this, those with the first are plotted alone
NONE = "\N{EN DASH}"  # where there is no value
SHARES = {"waiting": "wait_share", "limit": "share_of_peak"}  # by figure; not every run has them
TIMES = "\N{NO-BREAK SPACE}\N{MULTIPLICATION SIGN}\N{NO-BREAK SPACE}"
SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


@dataclass
class Results:
    """Everything that the report is made of; tables have the columns that their rules write."""

    experiment: Experiment
    text: dict  # the catalogue of the configuration's language
    runs: pd.DataFrame
    epochs: pd.DataFrame
    ranking: pd.DataFrame  # everybody vs. everybody by each metric
    comparison: pd.DataFrame
    remarks: pd.DataFrame  # notes on its verdicts
    thread_effect: pd.DataFrame
    gains: pd.DataFrame  # empty where no track improves another
    claims: pd.DataFrame  # what was published elsewhere, and what became of it
    loaders: pd.DataFrame  # empty where no scenarios vary a loader's workers
    sizes: pd.DataFrame  # empty where no scenarios vary a training's size
    nodes: pd.DataFrame  # ratios apart for each kind of machine
    gate: pd.DataFrame  # empty without a track that is proved by it
    audit: pd.DataFrame
    tutorial_check: pd.DataFrame  # empty without a track that is proved by distributions
    receipts: dict[str, dict]  # of the environments, by competitor
    sources: dict[str, dict[str, str]]  # of the trainers, by track and framework
    records: list[Record]  # one of each track, scenario, competitor and machine
    statements: list[dict]  # of results/statements.json
    datasets: dict[str, dict]  # facts about the prepared data sets, by name

    @property
    def config(self) -> dict:
        return self.experiment.config

    @cached_property
    def looks(self) -> dict[str, Look]:
        return looks(self.experiment)

    @cached_property
    def margin(self) -> str:
        return percent(self.text, self.config["comparison"]["margin"], "g")

    @cached_property
    def confidence(self) -> str:
        return percent(self.text, self.config["comparison"]["confidence"], "g")

    def label(self, competitor: str) -> str:
        return self.looks[competitor].label

    @cached_property
    def scenarios(self) -> list[str]:
        """The scenarios that are run in some track: others are configured, and have no data."""
        return list(dict.fromkeys(scenario for _, scenario in self.experiment.contests))

    def contest(self, track: str, scenario: str) -> str:
        """A track and a scenario, with its data set where there are several."""
        form = self.text["contest"].format(track=track, scenario=scenario)
        if len({self.config["scenarios"][of]["dataset"] for of in self.scenarios}) < 2:
            return form
        return f"{form}{self.text['comma']}{self.data_of(scenario)}"

    def data_of(self, scenario: str) -> str:
        """The name of the images that a scenario trained on."""
        name = self.config["scenarios"][scenario]["dataset"]
        label = axes.dataset(name, self.experiment.root)["label"]
        own = self.experiment.has_own_images(scenario)
        return label if own else self.text["not_own"].format(label=label)

    def look_of(self, framework: str) -> Look:
        """The look that a framework's devices share, named without the device."""
        device = self.config["devices"][0]
        look = self.looks[str(Competitor(framework, device))]
        return look._replace(label=label(self.experiment, framework, device))

    def present(self, names) -> list[str]:
        """Those of the competitors that are among the names, in the config's order."""
        among = set(names)
        return [name for name in self.looks if name in among]

    def ordered(self, table: pd.DataFrame) -> pd.DataFrame:
        """The rows with the frameworks in the config's order, otherwise as they were."""
        places = table["framework"].map(self.config["frameworks"].index)
        return table.loc[places.sort_values(kind="stable").index]

    @cached_property
    def reasons(self) -> Reasons:
        """Who is not comparable in which track and scenario, and why."""
        tables = self.runs, self.gate, self.tutorial_check
        return not_comparable(*tables, self.experiment.root)

    @property
    def machines(self) -> dict[str, str]:
        """What the page calls each machine, by fingerprint."""
        found = dict.fromkeys(record.environment.machine["fingerprint"] for record in self.records)
        form = self.text["setup"]["machine"]
        return {of: form.format(number=number) for number, of in enumerate(found, 1)}

    @property
    def failed(self) -> list[str]:
        """The competitors that did not pass the gate."""
        return self.present(self.gate.loc[self.gate["passed"].ne(True), "competitor"])

    @property
    def dataset_words(self) -> dict[str, str]:
        """What the scenarios' data sets show, and how many classes they have, as in a sentence."""
        language, shows, classes = self.config["language"], {}, {}
        for scenario in self.scenarios:
            name = self.config["scenarios"][scenario]["dataset"]
            file = axes.dataset(name, self.experiment.root)
            own = self.experiment.has_own_images(scenario)
            seen = file["shows"].get(language, file["label"]) if own else self.data_of(scenario)
            shows[seen] = classes[str(file["classes"])] = None
        return {"shows": listed(self.text, [*shows]), "classes": listed(self.text, [*classes])}


def contests(table: pd.DataFrame) -> Iterator[tuple[str, str, pd.DataFrame]]:
    """Track, scenario and rows of each, in the table's order."""
    for (track, scenario), rows in table.groupby(["track", "scenario"], sort=False):
        yield track, scenario, rows


def with_first(pairs: pd.DataFrame, most: int) -> pd.DataFrame:
    """Those of one contest's pairs to speak of or to plot: of more than `most`, the first's alone.

    Nine competitors make 36 pairs, of which eight have the first of the configuration as their b.
    """
    return pairs if len(pairs) <= most else pairs[pairs["b"] == pairs["b"].iloc[0]]


def has_data(figure: str, tables: Mapping) -> bool:
    """Whether these tables, by name, have anything for a figure to show."""
    if figure in SHARES:
        return tables["runs"][SHARES[figure]].notna().any()
    source = {"loss": "epochs", "seconds": "epochs", "ratio": "comparison", "gate": "gate_steps"}
    source |= {"loaders": "loaders", "sizes": "sizes"}
    return not tables[source.get(figure, "runs")].empty


def number(value: float | None, form: str = ".2f") -> str:
    """A number, never minus zero, or a dash where there is none."""
    return NONE if pd.isna(value) else format(value, f"z{form}")


def significant(value: float, digits: int = 2) -> str:
    """A number to so many digits, with separators of thousands."""
    if pd.isna(value) or value <= 0:
        return number(value)
    behind = digits - 1 - int(np.floor(np.log10(value)))
    return f"{round(value, behind):,.{max(behind, 0)}f}"


def scientific(value: float | None) -> str:
    """A small number as a reader writes it: 9.1e-16 with its power of ten raised."""
    if pd.isna(value) or value in (0, INFINITE):
        return "∞" if value == INFINITE else number(value, ".0f")
    digits, power = f"{value:.1e}".split("e")
    digits = digits.removesuffix(".0")
    raised = f"10{str(int(power)).translate(SUPERSCRIPT)}"
    return raised if digits == "1" else f"{digits}{TIMES}{raised}"


def allowed(check: str, limit: float) -> str:
    """A limit of the gate, as `deviation`; whole images, since 2.83 allows two."""
    return deviation(check, limit // 1 if check == "test_accuracy" else limit)


def deviation(check: str, value: float) -> str:
    """A deviation of the gate: images for the test accuracy, a share of all steps, else nats."""
    form = {"test_accuracy": ".0f", "identical_steps": ".2f"}.get(check)
    return number(value, form) if form else scientific(value)


def times(value: float | None) -> str:
    """A ratio as the terminal has it, a power of ten raised; a dash where there is none."""
    said = NONE if pd.isna(value) else words.times(value)
    return scientific(value) if "e" in said else said


def percent(text: dict, fraction: float | None, form: str = ".0f") -> str:
    """A fraction as a percentage."""
    if pd.isna(fraction):
        return NONE
    return text["percent"].format(value=format(100 * fraction, form))


def between(text: dict, low: float, high: float, form: Callable[[float], str]) -> str:
    """From one number to another, each written by `form`."""
    return text["range"].format(low=form(low), high=form(high))


def gibibytes(size: float) -> str:
    return f"{size / 2**30:.2f} GiB"


def listed(text: dict, items: list[str]) -> str:
    """Items as in a sentence: one, two and three."""
    if len(items) < 2:
        return "".join(items)
    return text["comma"].join(items[:-1]) + text["and"] + items[-1]
