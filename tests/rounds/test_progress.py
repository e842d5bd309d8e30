"""How far a start has come, how long the rest takes, and what the rounds say so far."""

import json

import pytest

from evenhand.core.experiment import Experiment
from evenhand.core.identity import Round
from evenhand.rounds.progress import OTHER_JOB, Job, Progress, duration
from support import records, results

pytestmark = pytest.mark.fast

LABELS = {"pytorch-cpu": "PyTorch", "numpy-cpu": "NumPy", "jax-cpu": "JAX"}


def train(framework: str, number: int = 0) -> Job:
    of = {"track": "controlled", "scenario": "baseline", "round": str(number)}
    return Job("train", of | {"framework": framework, "device": "cpu"})


def progress(folder, due, frameworks=("pytorch", "numpy"), **changes) -> Progress:
    """That of these jobs, where the records of all runs are there, or will be as soon as asked."""
    changes = {"tracks": ["controlled"], "scenarios": {"baseline": {}}, "rounds": 2} | changes
    config = results.config(frameworks=list(frameworks), **changes)
    records.make(folder, config)
    return Progress(Experiment(config), LABELS, dict(enumerate(due)), folder)


def take(folder, job: Job, *epochs: float) -> None:
    """Have a run's record say that its epochs took so many seconds."""
    path = job.run.path(folder)
    content = json.loads(path.read_text())
    written = content["measured"]["epochs"]
    content["measured"]["epochs"] = [
        epoch | {"seconds": seconds} for epoch, seconds in zip(written, epochs, strict=False)
    ]
    path.write_text(json.dumps(content))


def finish(of: Progress, number: int, begin: float, seconds: float) -> None:
    of.begin(number, begin)
    of.finish(number, begin + seconds)


def test_a_run_is_told_in_one_line_without_its_warmup(tmp_path):
    of = progress(tmp_path, [train("pytorch", 1)])
    take(tmp_path, train("pytorch", 1), 9.0, 3.0, 3.02)
    finish(of, 0, 100, 20)
    assert of.result(of.due[0]) == "controlled, baseline, round 2 of 2: PyTorch 3.01 s an epoch"


def test_a_record_that_cannot_be_read_is_left_to_the_audit(tmp_path):
    of = progress(tmp_path, [train("pytorch")])
    of.due[0].run.path(tmp_path).write_text("{}")
    finish(of, 0, 100, 20)
    assert of.result(of.due[0]).endswith("PyTorch: its record cannot be read")
    assert of.ratios(of.due[0].run.of) == (0, "")


def test_jobs_are_weighed_by_what_they_take_and_not_counted(tmp_path):
    many = [Job("reference", {"scenario": "baseline", "round": str(n)}) for n in range(9)]
    of = progress(tmp_path, [train("pytorch"), *many])
    planned = of.expected(of.due[0].kind)
    assert planned > 9 * OTHER_JOB and of.share == 0
    assert of.seconds_left == planned + 9 * OTHER_JOB
    for number in range(1, 10):
        finish(of, number, 100, OTHER_JOB)
    assert of.share == pytest.approx(9 * OTHER_JOB / (planned + 9 * OTHER_JOB))
    finish(of, 0, 100, planned)
    assert of.share == 1 and of.seconds_left == 0


def test_rounds_that_a_precision_takes_are_counted_once_they_are_fixed(tmp_path):
    """The jobs of the new ones are taken in, and the old ones keep what is known of them."""
    of = progress(tmp_path, [train("pytorch", 0)], rounds=3, precision=0.02)
    assert of.words(of.due[0]) == "controlled, baseline, round 1 of 3: PyTorch"
    assert of.now().endswith(" left of the first rounds")
    finish(of, 0, 100, 20)
    fixed = [{"track": "controlled", "scenario": "baseline", "all": 7}]
    content = of.experiment.fixing | {"contests": fixed}
    (tmp_path / "rounds.json").write_text(json.dumps(content))
    of.take_in({0: train("pytorch", 0), 1: train("pytorch", 6)})
    assert of.words(of.due[1]) == "controlled, baseline, round 7 of 7: PyTorch"
    assert of.seconds_left == 20 and of.share == 0.5 and of.now().endswith(" left")


def test_what_is_left_rests_on_runs_of_the_same_kind(tmp_path):
    due = [train("pytorch", 0), train("pytorch", 1), train("numpy", 0), train("numpy", 1)]
    of = progress(tmp_path, due)
    planned = of.expected(due[2].kind)
    finish(of, 0, 100, 40)
    assert of.seconds_left == 40 + 2 * planned
    finish(of, 2, 140, 7)
    assert of.seconds_left == 40 + 7


def test_what_runs_is_named_until_it_ends_or_fails(tmp_path):
    of = progress(tmp_path, [train("pytorch"), Job("check_statements", {"framework": "numpy"})])
    of.begin(0, 100)
    of.begin(1, 100)
    jobs = "controlled, baseline, round 1 of 2: PyTorch; check statements: numpy"
    assert of.now() == f"{duration(of.seconds_left)} left; {jobs}"
    of.fail(0)
    of.finish(1, 101)
    assert of.now() == f"{duration(of.seconds_left)} left"


def test_a_round_has_ratios_once_it_is_whole(tmp_path):
    due = [train(framework) for framework in ("pytorch", "numpy", "jax")]
    of = progress(tmp_path, due, ("pytorch", "numpy", "jax"), rounds=1)
    for number, seconds in enumerate((2.0, 1.0, 5.0)):
        assert of.ratios(due[0].run.of) == (0, "")
        take(tmp_path, due[number], 9.0, seconds)
        finish(of, number, 100, 20)
    said = "controlled, baseline: an epoch takes NumPy 0.50, JAX 2.50 times as long as PyTorch"
    assert of.ratios(due[0].run.of) == (1, said)


def test_later_ratios_are_geometric_means_over_all_whole_rounds_that_are_there(tmp_path):
    due = [train("pytorch", 1), train("numpy", 1)]
    progress(tmp_path, due)
    for framework, number, seconds in [
        *(("pytorch", 0, 1.0), ("numpy", 0, 0.1)),
        *(("pytorch", 1, 2.0), ("numpy", 1, 0.05)),
    ]:
        take(tmp_path, train(framework, number), 9.0, seconds)
    experiment = Experiment(
        results.config(
            rounds=2,
            frameworks=["pytorch", "numpy"],
            tracks=["controlled"],
            scenarios={"baseline": {}},
        )
    )
    of = Progress(experiment, LABELS, dict(enumerate(due)), tmp_path)
    assert of.ratios(Round("controlled", "baseline", 1)) == (0, ""), "its runs are to come"
    finish(of, 0, 100, 20)
    finish(of, 1, 120, 20)
    rounds, said = of.ratios(Round("controlled", "baseline", 1))
    assert rounds == 2 and "an epoch takes NumPy 0.050 times as long as PyTorch" in said


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(59, "less than 1 min"), (61, "about 1 min"), (7200, "about 120 min"), (9000, "about 2.5 h")],
)
def test_times_are_no_more_precise_than_they_can_be_guessed(seconds, words):
    assert duration(seconds) == words
