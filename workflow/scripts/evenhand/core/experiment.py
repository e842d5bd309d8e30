"""What a completed configuration asks for, spelled out as runs."""

import random
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from itertools import product
from pathlib import Path

from evenhand.core import axes
from evenhand.core.identity import Competitor
from evenhand.core.schemas import ROOT

# Tables with rows for more runs than this are Parquet: nobody reads so much text.
MOST_RUNS_IN_CSV = 10_000
# What a scenario says besides the training itself.
AROUND_TRAINING = ("threads", "tracks", "loader_workers")
# What a framework's file says of a training that starts as it likes.
RULES = ("initializer", "last_batch")


@dataclass(frozen=True, eq=False)
class Experiment:
    """A completed configuration, and who takes no part although it asks for them.

    `excluded`: the reason by competitor, as the doctor's examinations have it. `unknown_images`:
    the data sets whose images, once prepared, are not known as their own. `fixed_rounds`: where the
    configuration asks for a precision, what the first rounds have decided for each contest, as
    results/rounds.json has it; empty before.
    """

    config: dict
    excluded: Mapping[str, str] = field(default_factory=dict)
    root: Path = ROOT
    unknown_images: Collection[str] = ()
    fixed_rounds: Sequence[Mapping] = ()

    @cached_property
    def contests(self) -> list[tuple[str, str]]:
        """Every (track, scenario) that is to be run."""
        return [
            (track, scenario)
            for track, scenario in product(self.config["tracks"], self.config["scenarios"])
            if track in self.config["scenarios"][scenario]["tracks"]
        ]

    def rounds(self, track: str, scenario: str) -> int:
        """How many rounds a contest has; the first ones alone where all are not known yet."""
        for of in self.fixed_rounds:
            if (of["track"], of["scenario"]) == (track, scenario):
                return of["all"]
        return self.config["rounds"]

    @property
    def first_rounds(self) -> int | None:
        """How many rounds tell the spread, by which the number of all is fixed; None: all do."""
        return self.config["rounds"] if self.config["precision"] else None

    @property
    def most_rounds(self) -> int:
        """How many rounds a contest may come to."""
        return self.config["rounds_at_most" if self.config["precision"] else "rounds"]

    @property
    def fixing(self) -> dict:
        """What the number of all rounds is fixed by, besides the first ones."""
        keys = ("precision", "rounds", "rounds_at_most", "confidence", "warmup_epochs")
        settings = self.config | self.config["comparison"]
        return {key: settings[key] for key in keys}

    @cached_property
    def all_competitors(self) -> list[str]:
        """`framework-device` of everybody with an environment, in the configuration's order."""
        return [
            str(Competitor(framework, device))
            for framework, device in product(self.config["frameworks"], self.config["devices"])
            if (self.root / f"envs/{framework}-{device}.yaml").exists()
        ]

    def competitors(self, track: str, everybody: bool = False) -> list[str]:
        """Those of them who take part in a track.

        A framework takes part if it has a trainer for the track, on each device that it has an
        environment for, unless it is excluded; `everybody` counts the excluded, too.
        """
        return [
            name
            for name in self.all_competitors
            if (everybody or name not in self.excluded)
            and axes.trainer(track, Competitor.parse(name).framework, self.root).exists()
        ]

    def files_of_all(
        self, pattern: str, tracks: Sequence[str] | None = None, with_twin: bool = False
    ) -> list[str]:
        """The pattern's paths, each once, for every run of these tracks, or of all of them.

        `with_twin`: of those alone whose trainer declares one.
        """
        paths = [
            pattern.format(
                track=track,
                scenario=scenario,
                training=self.same_training(scenario),
                dataset=self.training(scenario)["dataset"],
                round=number,
                rehearsed=self.rehearsed(track, scenario),
                competitor=competitor,
                framework=Competitor.parse(competitor).framework,
                rules=self.same_rules(Competitor.parse(competitor).framework),
            )
            for track, scenario in self.contests
            if tracks is None or track in tracks
            for number in range(self.rounds(track, scenario))
            for competitor in self.competitors(track)
            if not with_twin or self.has_twin(track, competitor)
        ]
        return list(dict.fromkeys(paths))

    @cache  # noqa: B019, as below
    def has_twin(self, track: str, competitor: str) -> bool:
        """Whether a competitor's trainer declares a float64 twin: its steps are restarted."""
        return axes.has_twin(track, Competitor.parse(competitor).framework, self.root)

    def tracks_with(self, key: str, value) -> list[str]:
        """The tracks whose file says so, in the configuration's order."""
        return [
            track for track in self.config["tracks"] if axes.track(track, self.root)[key] == value
        ]

    @cached_property
    def improvements(self) -> list[tuple[str, str, str]]:
        """Each track that improves another one, this one, and a scenario that both are run in."""
        return [
            (track, improved, scenario)
            for track, scenario in self.contests
            for improved in [axes.track(track, self.root)["improves"]]
            if (improved, scenario) in self.contests
        ]

    @cached_property
    def table_form(self) -> str:
        """The ending of tables with rows for every run: csv, or parquet where there may be many."""
        a_round = sum(len(self.competitors(track)) for track, _ in self.contests)
        return "csv" if self.most_rounds * a_round <= MOST_RUNS_IN_CSV else "parquet"

    @cache  # noqa: B019, asked for every job; an experiment lives as long as the process
    def training(self, scenario: str) -> dict:
        """A scenario's settings with everything that its data set and the data section add.

        Besides the scenario's keys: `train_images` and `test_images`, and `layers`, the sizes from
        inputs to classes.
        """
        settings, data = self.config["scenarios"][scenario], self.config["data"]
        dataset = axes.dataset(settings["dataset"], self.root)
        inputs = dataset["image"][0] * dataset["image"][1]
        of_dataset = {
            key: dataset[key] for key in ("pixel_mean", "pixel_std") if settings[key] is None
        }
        images = {
            f"{part}_images": data[f"{part}_images"]
            or axes.image_count(settings["dataset"], part, self.root)
            for part in ("train", "test")
        }
        layers = [inputs, *settings["hidden_layers"], dataset["classes"]]
        return settings | of_dataset | images | {"layers": layers}

    def has_own_images(self, scenario: str) -> bool:
        """Whether a scenario's images are known as its data set's own."""
        return self.config["scenarios"][scenario]["dataset"] not in self.unknown_images

    @cache  # noqa: B019
    def same_training(self, scenario: str) -> str:
        """The first scenario with the same training as this one, threads and loader aside.

        What depends on the training alone is computed once for all of them, under that name.
        """
        scenarios = self.config["scenarios"]

        def alone(name: str) -> dict:
            return {k: v for k, v in scenarios[name].items() if k not in AROUND_TRAINING}

        return next(name for name in scenarios if alone(name) == alone(scenario))

    @cache  # noqa: B019
    def same_rules(self, framework: str) -> str:
        """The first framework with this one's rules, such as the one that this is a version of.

        What depends on a training and these rules alone is computed once, under that name.
        """

        def rules(name: str) -> list:
            return [axes.framework(name, self.root).get(key) for key in RULES]

        return next(name for name in self.config["frameworks"] if rules(name) == rules(framework))

    def seed(self, round_: int) -> int:
        """The seed of a round, the same for every competitor; below 2**31, as some want it."""
        return random.Random(f"{self.config['seed']}/{round_}").randrange(2**31)

    def order(self, track: str, scenario: str, round_: int) -> list[str]:
        """The competitors of a round in the random order in which they take their turns."""
        names = self.competitors(track)
        source = random.Random(f"{self.config['seed']}/{track}/{scenario}/{round_}")
        return source.sample(names, len(names))

    @cache  # noqa: B019
    def rehearsed(self, track: str, scenario: str) -> int:
        """The round that all competitors of a track and scenario rehearse in float64.

        Each is as likely as any other, of the first ones where more are fixed by them. A larger
        `rounds` changes it only where one of the new ones is it.
        """

        def lot(round_: int) -> float:
            source = random.Random(f"{self.config['seed']}/{track}/{scenario}/{round_}/rehearsal")
            return source.random()

        return max(range(self.config["rounds"]), key=lot)
