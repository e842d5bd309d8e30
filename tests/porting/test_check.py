"""A port that is right passes; one that is wrong is told where it first goes wrong, and why.

Ports run in the tests' own Python, on fewer copies of the digits than otherwise. The faults are
replacements in the text of docs/porting/numpy_port.py and of NumPy's controlled trainer.
"""

import json
import os
import re
import shlex
import sys
import time
import venv
from pathlib import Path

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from evenhand.checks.trained import Reference, Trained
from evenhand.core import axes
from evenhand.core.schemas import ROOT
from evenhand.porting import check, evidence, trial, words

pytestmark = pytest.mark.fast

DOCS = (ROOT / "docs/porting.md").read_text()
PORT = (ROOT / "docs/porting/numpy_port.py").read_text()
TRAINER = axes.trainer("controlled", "numpy").read_text()
REFERENCES: dict[str, Reference] = {}  # by the name of the training

# What is replaced by what, the first step outside (16 are an epoch), the cause, and a part of what
# the first step says.
LOGITS, UPDATE = "        logits = hidden @ w2.T + b2\n", "rate * gradients[name]"
FAULTS = {
    "learning rate 0.1, not its float32": (
        {'float(given["learning_rate"])': "0.1"},
        (2, "first_update", "as if the learning rate were 0.1 instead of 0.100000001"),
    ),
    "weight decay 1e-5": (
        {UPDATE: "rate * (gradients[name] + 1e-5 * weights[name])"},
        (2, "first_update", "1e-05 times the weights: a weight decay"),
    ),
    "momentum 0.9": (
        {
            "losses, shown =": "kept = dict.fromkeys(weights, 0)\nlosses, shown =",
            f"            weights[name] -= {UPDATE}": (
                "            kept[name] = 0.9 * kept[name] + gradients[name]\n"
                "            weights[name] -= rate * kept[name]"
            ),
        },
        (3, "second_update", ""),
    ),
    "gradients add up, never set to zero": (
        {
            "losses, shown =": "kept = dict.fromkeys(weights, 0)\nlosses, shown =",
            f"            weights[name] -= {UPDATE}": (
                "            kept[name] = kept[name] + gradients[name]\n"
                "            weights[name] -= rate * kept[name]"
            ),
        },
        (3, "second_update", ""),
    ),
    "slope of the ReLU left out": (
        {
            "(p @ w2) * (hidden > 0)": "p @ w2",
            '"logits": logits}': (
                '"logits": logits} | {f"gradient_{n}": g for n, g in gradients.items()}'
            ),
        },
        (2, "first_update", "the gradients of w1, b1 are wrong: look at the backward pass"),
    ),
    "biases learn twice as fast": (
        {
            UPDATE: 'rate * (1 + (name[0] == "b")) * gradients[name]',
            '"logits": logits}': (
                '"logits": logits} | {f"gradient_{n}": g for n, g in gradients.items()}'
            ),
        },
        (2, "first_update", "gradients of b1, b2 are right, and what is made of them is not"),
    ),
    "hidden layer not updated": (
        {"for name in weights:": 'for name in ("w2", "b2"):'},
        (2, "first_update", "w1, b1 did not change"),
    ),
    "loss summed over the batch": (
        {").mean()": ").sum()", "        p /= len(y)\n": ""},
        (1, "loss_summed", "every update is 100 times the right one"),
    ),
    "softmax twice": (
        {LOGITS: LOGITS + LOGITS.replace("hidden @ w2.T + b2", "softmax(logits)")},
        (1, "first_loss", "a softmax taken twice"),
    ),
    "loss of a softmax twice, its gradient right": (
        {"loss = -np.log(p[right])": "loss = -np.log(softmax(p)[right])"},
        (1, "first_loss", "the updates are right: it is the loss alone"),
    ),
    "pixels normalized by 0.1307 and 0.3081": (
        {"size, rate": "images = (images * 0.31 + 0.13 - 0.1307) / 0.3081\nsize, rate"},
        (1, "first_loss", "normalized in another way"),
    ),
    "images in an order of its own": (
        {"order[start : start + size]": "np.sort(order)[start : start + size]"},
        (1, "order", "the pixels are of other images"),
    ),
    "weights reshaped, not transposed": (
        {"losses, shown =": "w1[:] = w1.reshape(784, 256).T\nlosses, shown ="},
        (1, "first_loss", "look at the initial weights and at the layers"),
    ),
    "labels shifted by one": (
        {"size, rate": "labels = (labels + 1) % 10\nsize, rate"},
        (1, "labels", "the logits are right and their loss is not"),
    ),
    "last batch divided by 100": (
        {"p /= len(y)": "p /= size"},
        (17, "last_update_of_epoch", ""),
    ),
    "last batch left out": (
        {"range(0, len(order), size)": "range(0, len(order) - size + 1, size)"},
        (16, "steps_left_out", ""),
    ),
    "float32 where float64 is given": (
        {
            "size, rate": "images = images.astype(np.float32)\nsize, rate",
            "given[name] for": "given[name].astype(np.float32) for",
        },
        (1, "single_precision", "w1, b1, w2, b2 are handed over in float32, and float64 was"),
    ),
}
SOFTMAX = """def softmax(z):
    powers = np.exp(z - z.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


given = """

# How ports end that leave nothing to judge, and what is said of it.
NOTHING = {
    "1 / 0": "the trainer fails: ZeroDivisionError: division by zero",
    "sys.exit('in my own words')": "the trainer fails: in my own words",
    "os.kill(os.getpid(), 9)": "the trainer fails: exit status -9",
    "pass": "the trainer ended without an error, and left no first_step.output.npz",
    "open(sys.argv[2], 'w').close()": "left first_step.output.npz, which cannot be read",
}
# What files may hold besides the right weights.
UNUSABLE = {
    "no losses": ({}, "it left no losses in x.npz"),
    "no w2": ({"losses": [[2.3]], "w2": None}, "it left no w2 in x.npz"),
    "text": ({"losses": [["2"]]}, "it left losses of type <U1, not numbers"),
    "objects": ({"losses": np.array([[None]])}, "it left x.npz, which cannot be read: Object arr"),
    "w1 the other way round": (
        {"losses": [[2.3]], "w1": np.zeros((784, 256))},
        "it left w1 of shape (784, 256); it must be (outputs, inputs) and (outputs,)",
    ),
}


@pytest.fixture(autouse=True)
def small_trial(monkeypatch):
    """1,536 images, 16 steps an epoch; what the reference gives is computed once for all tests."""
    monkeypatch.setattr(trial, "COPIES", 3)
    compute = trial.Training.reference.func

    def reference(training: trial.Training) -> Reference:
        if training.name not in REFERENCES:
            REFERENCES[training.name] = compute(training)
        return REFERENCES[training.name]

    monkeypatch.setattr(trial.Training, "reference", property(reference))
    with threadpool_limits(1):
        yield


@pytest.fixture
def checked(tmp_path, capsys):
    """Checks a port with this source: the exit status, and what is printed as JSON."""

    def check_port(source: str, *options: str) -> tuple[int, dict]:
        port = tmp_path / "a folder/my_port.py"
        port.parent.mkdir(exist_ok=True)
        port.write_text(source)
        status = check.main([str(port), "--json", *options], "What it does.\n\nHow.")
        return status, json.loads(capsys.readouterr().out, parse_constant=pytest.fail)

    return check_port


def wrong(source: str, replacements: dict[str, str]) -> str:
    for old, new in replacements.items():
        assert old in source, f"{old} is not in the port any more"
        source = source.replace(old, new)
    return source


def first_outside(result: dict) -> int:
    """The step of the first check that fails."""
    rows = [row for rows in result["checks"].values() for row in rows]
    return next(row["step"] for row in rows if not row["passed"])


# ---- verdicts --------------------------------------------------------


SHOW = {"            step(": "            run.show(pixels=x, logits=logits)\n            step("}


@pytest.mark.parametrize(("source", "options"), [(PORT, ["--npz"]), (wrong(TRAINER, SHOW), [])])
def test_a_right_port_passes(checked, source, options):
    """Both show arrays at every step, of which the first step's alone agree with the reference."""
    status, result = checked(source, *options)
    assert (status, result["status"], result["findings"]) == (0, "passes", [])
    arrays = result["first_step"]["arrays"]
    assert [row["name"] for row in arrays][:3] == ["pixels", "logits", "update_w1"]
    assert all(row["agrees"] for row in arrays)
    assert "PASSES: it computes" in words.page(result)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_seen_and_the_documentation_tells_of_it(checked, fault):
    replacements, (step, cause, sentence) = FAULTS[fault]
    port = wrong(PORT, {"given = ": SOFTMAX} | replacements)
    status, result = checked(port, "--npz")
    assert (status, first_outside(result), result["cause"]["code"]) == (1, step, cause)
    said = "; ".join(result["evidence"])
    assert sentence in said
    assert bool(sentence) == bool(said)
    assert f"| {fault} | {step} | `{cause}` | {said or '-'} |" in DOCS.splitlines()
    assert result["cause"]["sentence"][:40] in words.page(result).replace("\n  ", " ")


@pytest.mark.parametrize(
    ("code", "step", "fault", "sentence"),
    [
        ("order", 2, {"(p @ w2) * (hidden > 0)": "p @ w2"}, "the first update, since the loss"),
        ("first_update", 2, {}, "the second batch, since the first loss and"),
        ("diverged", 3, {}, "what the optimizer remembers"),
        ("diverged", 9, {}, None),
        ("first_loss", 1, {}, None),
        ("order", 1, {"p /= len(y)": "p /= 1", "[right]).mean()": "[right]).sum()"}, None),
    ],
)
def test_what_the_first_step_knows_goes_before_what_losses_look_like(
    tmp_path, code, step, fault, sentence
):
    """A wrong slope of the ReLU makes losses jump as other images do."""
    port = tmp_path / "port.py"
    port.write_text(wrong(PORT, fault))
    training, *_ = trial.prepare(tmp_path, "cpu")
    left = trial.with_files(port, [sys.executable], os.environ, training)
    rows = evidence.compared(training, left)
    refined = evidence.refined(code, step, training, left, rows)
    assert refined is None if sentence is None else refined.startswith(sentence)


def test_weights_of_another_type_are_an_error_though_nothing_else_is(checked):
    """Widened numbers are the same ones: no loss can tell."""
    port = wrong(PORT, {"**weights,": "**{n: w.astype(float) for n, w in weights.items()},"})
    status, result = checked(port, "--npz")
    assert (status, result["cause"]) == (1, None)
    assert [finding["finding"] for finding in result["findings"]] == [
        f"{name} in float64 instead of float32" for name in ("w1", "b1", "w2", "b2")
    ]
    assert "but w1 in float64 instead of float32" in words.page(result).replace("\n  ", " ")


def test_losses_that_are_not_finite_are_json_and_a_page(checked):
    port = wrong(PORT, {"losses[-1].append(loss)": "losses[-1].append(loss * np.nan)"})
    status, result = checked(port, "--npz")
    assert (status, first_outside(result), result["cause"]["code"]) == (1, 1, "diverged")
    assert result["first_step"]["loss"] is None
    assert "some are missing or not finite" in words.page(result)


@pytest.fixture
def judgement(tmp_path):
    """Judges ports that leave these losses, arrays and the initial weights."""

    def of(losses: np.ndarray, **shown: np.ndarray) -> dict:
        judged = {}
        for training in trial.prepare(tmp_path, "cpu"):
            weights = {name: training.sampled[name] for name in trial.weight_names()}
            left = trial.Left(Trained(losses, *training.reference[1:3]), weights | shown)
            judged[training.name] = training, left
        return check.judgement(judged, check.facts_of("mine", None), axes.device("cpu"), "cpu")

    return of


@pytest.mark.parametrize("shape", [(0, 0), (1, 0), (3, 40)])
def test_losses_of_any_shape_are_judged(judgement, shape):
    result = judgement(np.zeros(shape))
    assert result["status"] == "does not pass"
    assert "w1, b1, w2, b2 did not change" in " ".join(result["evidence"])


@pytest.mark.parametrize(
    ("shown", "sentence"),
    [
        (np.full((100, 784), np.nan), "pixels has numbers that are not finite"),
        (np.ones((100, 28, 28)), "the shape of pixels is (100, 28, 28), not (100, 784)"),
    ],
)
def test_arrays_that_cannot_be_compared_are_said_to_be_so(judgement, shown, sentence):
    result = judgement(np.ones((2, 16)), pixels=shown, logits=np.ones((100, 10)))
    assert sentence in result["evidence"]
    common = {"trainer": "x", "framework": "x", "threads": "1", "toolbox": False, "seconds": 1}
    assert sentence in words.page(result | common).replace("\n  ", " ")
    json.dumps(result, allow_nan=False)


def test_a_port_that_shows_nothing_is_told_that_it_might(checked):
    scaled = {"size, rate": "images = images / 2\nsize, rate", ", **shown)": ")"}
    _, result = checked(wrong(PORT, scaled), "--npz")
    assert (result["cause"]["code"], result["evidence"]) == ("first_loss", [])
    assert "if the port handed over its `pixels` and `logits`" in words.page(result)


# ---- with the toolbox ------------------------------------------------

EPOCH = "    with epoch.clock() as order:\n"
SPIN = "import time\nuntil = time.process_time() + 0.2\nwhile time.process_time() < until: pass\n"


def test_what_a_trainer_shows_tells_pixels_from_weights(checked):
    scaled = "images, labels = run.training_set()\nimages = images * 1.5 + 0.25\n"
    port = wrong(TRAINER, {"images, labels = run.training_set()\n": scaled} | SHOW)
    status, result = checked(port)
    assert (status, first_outside(result), result["cause"]["code"]) == (1, 1, "first_loss")
    assert "the pixels are 1.5 times the right ones, plus 0.25" in result["evidence"][0]


def test_nothing_is_kept_of_what_a_trainer_shows_without_a_check():
    from toolbox.run import Run  # it needs a parser's flags alone

    flags = ["--data", "x", "--losses", "x", "--result", "x"]
    for more, kept in (([], []), (["--evidence", "x"], ["pixels"])):
        run = Run.from_flags([*flags, *more])
        run.show(pixels=np.ones(1))
        run.show(pixels=np.zeros(1))
        assert list(run.shown) == kept
        assert all(array == 1 for array in run.shown.values())


def test_what_the_audit_finds_is_an_error_though_every_loss_is_right(checked):
    """Work between the clocks, a helper process, and more threads than were asked for."""
    helper = f"        subprocess.run([sys.executable, '-c', {SPIN!r}])\n"
    faults = {
        "import numpy": "import subprocess, sys\nimport numpy",
        EPOCH: f"    exec({SPIN!r})\n{EPOCH}{helper}",
        'device="cpu"': 'device="cpu", threads=2',
    }
    status, result = checked(wrong(TRAINER, faults))
    assert (status, result["cause"]) == (1, None)
    findings = " ".join(found["finding"] for found in result["findings"])
    assert "work goes on while the clock stands" in findings
    assert "other processes worked" in findings
    assert "asked for 1 threads, used framework 2" in findings
    assert "but " in words.page(result).splitlines()[2]


def test_a_second_thread_at_work_is_seen(checked, tmp_path):
    """Where it gets a core: the trainer hashes until two threads have taken more than one can."""
    spin = """
import hashlib, threading, time
def spin(begin, before):
    while not done(begin, before) and time.monotonic() < begin + 3:
        hashlib.sha256(bytes(2**22))
def done(begin, before):
    return time.process_time() - before > 1.5 * (time.monotonic() - begin) + 0.3
def two_threads():
    now = time.monotonic(), time.process_time()
    other = threading.Thread(target=spin, args=now)
    other.start()
    spin(*now)
    other.join()
"""
    begin = f"{EPOCH}        run.dtype == 'float32' and two_threads()\n"
    port = wrong(TRAINER, {"\nrun = ": f"{spin}\nrun = ", EPOCH: begin})
    folder = tmp_path / "trial"
    status, result = checked(port, "--folder", str(folder))
    epochs = json.loads((folder / "float32.json").read_text())["measured"]["epochs"]
    if not any(e["processor_seconds"] > 1.3 * e["seconds"] + 0.1 for e in epochs):
        pytest.skip("no two cores were free")
    assert status == 1
    assert {finding["check"] for finding in result["findings"]} == {"threads"}


# ---- not judged ------------------------------------------------------


@pytest.mark.parametrize("last_line", NOTHING)
def test_a_port_that_leaves_nothing_to_judge_is_told_so_in_one_line(checked, last_line):
    status, result = checked(f"import os, sys\n{last_line}\n", "--npz")
    assert (status, result["status"]) == (2, "not judged")
    assert NOTHING[last_line] in result["summary"]
    assert "\n" not in result["summary"]


def test_losses_without_epochs_are_refused(checked):
    """As most of a flat list would be missing."""
    status, result = checked(wrong(PORT, {"losses=losses": "losses=sum(losses, [])"}), "--npz")
    assert status == 2
    assert "left losses of shape (1,), not (epochs, steps)" in result["summary"]


@pytest.mark.parametrize("what", UNUSABLE)
def test_a_file_that_cannot_be_used_is_refused(tmp_path, what):
    others, line = UNUSABLE[what]
    arrays = {"w1": np.zeros((256, 784)), "w2": np.zeros((10, 256))}
    arrays |= {"b1": np.zeros(256), "b2": np.zeros(10)} | others
    path = tmp_path / "x.npz"
    np.savez(path, **{name: array for name, array in arrays.items() if array is not None})
    with pytest.raises(trial.NotJudged, match=re.escape(line)):
        trial.arrays_left(path, "it", needed=("losses",))


@pytest.mark.parametrize("content", [b"", b"PK", b"text", b"\x93NUMPY"])
def test_a_file_of_another_kind_is_refused(tmp_path, content):
    (tmp_path / "x.npz").write_bytes(content)
    with pytest.raises(trial.NotJudged, match=r"it left x\.npz, which cannot be read"):
        trial.arrays_left(tmp_path / "x.npz", "it")
    np.save(tmp_path / "x.npy", 1)
    (tmp_path / "x.npy").rename(tmp_path / "x.npz")
    with pytest.raises(trial.NotJudged, match=r"it left x\.npz, which cannot be read"):
        trial.arrays_left(tmp_path / "x.npz", "it")


@pytest.mark.parametrize(
    ("replacements", "line"),
    [
        ({"run.finish(": "dict("}, "the trainer fails: it ended without `run.finish`"),
        ({"append(loss)": "append(np.nan)"}, "a loss or a weight is not finite"),
        ({"zip(weights[::2], ": "zip(weights[::3], "}, "the trainer fails: ValueError: "),
        ({"epoch.finish(weights)": "epoch.finish([])"}, "the trainer fails: IndexError: "),
    ],
)
def test_the_same_with_the_toolbox(checked, replacements, line):
    status, result = checked(wrong(TRAINER, replacements))
    assert (status, result["status"]) == (2, "not judged")
    assert line in result["summary"]


@pytest.mark.parametrize(("source", "options"), [(PORT, []), (TRAINER, ["--npz"])])
def test_the_wrong_one_of_the_two_ways_is_pointed_out(checked, source, options):
    status, result = checked(source, *options)
    assert status == 2
    assert "the toolbox, see --npz" in result["summary"]


@pytest.mark.parametrize(
    ("python", "line"),
    [
        ("no-such-python", "No such file or directory: 'no-such-python'"),
        ("echo", "the Python does not start: is the command `echo` one?"),
        (
            "sh -c 'echo \\[\\\"3.9.2\\\", false, []\\]'",
            "needs Python 3.11, this is 3.9.2; see --npz",
        ),
    ],
)
def test_a_command_that_is_no_python_of_use_is_named(checked, python, line):
    status, result = checked(TRAINER, "--python", python)
    assert status == 2
    assert line in result["summary"]


def test_packages_that_a_python_lacks_are_named(checked, tmp_path):
    venv.create(tmp_path / "an environment")
    python = shlex.quote(str(tmp_path / "an environment/bin/python"))
    status, result = checked(TRAINER, "--python", python)
    assert status == 2
    assert "no numpy and threadpoolctl: python -m pip install numpy thread" in result["summary"]


def test_a_port_that_comes_to_a_halt_is_ended_with_all_that_it_started(monkeypatch, tmp_path):
    monkeypatch.setattr(trial, "LIMIT_SECONDS", 1)
    script = f"sleep 600 & echo $! > {shlex.quote(str(tmp_path / 'pid'))}; echo asleep; wait"
    with pytest.raises(trial.NotJudged, match="it fails: it did not end within 1 s") as error:
        trial.output_of(["sh", "-c", script], "it fails")
    assert error.value.said == "asleep"
    assert is_gone(int((tmp_path / "pid").read_text()))


def is_gone(process: int) -> bool:
    """Whether it ends soon: nobody is told when it has, since its parent has ended, too."""
    for _ in range(1000):
        state = Path(f"/proc/{process}/stat")
        if not state.exists() or state.read_text().rpartition(")")[2].split()[0] == "Z":
            return True
        time.sleep(0.01)
    return False


def test_no_more_is_kept_than_the_end_of_what_a_port_prints(checked):
    noisy = "import sys\nsys.stderr.buffer.write(bytes([255]) * 10**7)\nsys.exit(' the end')\n"
    status, result = checked(noisy, "--npz")
    assert status == 2
    assert result["said"].endswith(" the end")
    assert len(result["said"]) <= trial.SAID
    assert len(result["summary"]) < 400
    assert words.page(result)


def test_a_gpu_that_is_not_there_is_named(checked):
    status, result = checked(TRAINER, "--device", "cuda")
    assert status == 2
    assert re.search("nvidia-ml-py|no NVIDIA GPU", result["summary"])


# ---- the command -----------------------------------------------------


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (["--framework", "pytroch"], "did you mean `pytorch`?"),
        (["--device", "gpu"], "unknown name `gpu`"),
        (["--threads", "0"], "neither `default` nor a number from 1 on"),
        (["--python", "'python"], "No closing quotation"),
        (["--python", ""], "the command is empty"),
        (["--folder", "."], "--folder .: there are other files in it"),
        (["--folder", "my_port.py"], "File exists"),
    ],
)
def test_a_wrong_option_is_refused(tmp_path, monkeypatch, capsys, options, line):
    monkeypatch.chdir(tmp_path)
    Path("my_port.py").write_text(PORT)
    with pytest.raises(SystemExit) as ended:
        check.main(["my_port.py", "--npz", *options], "What it does.\n\nHow.")
    assert ended.value.code == 2
    assert line in capsys.readouterr().err.splitlines()[-1]


def test_a_port_gets_the_variables_of_its_framework_its_threads_and_its_device(checked):
    names = ["OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "KERAS_BACKEND", "NVIDIA_TF32_OVERRIDE"]
    port = f"import os, sys\nsys.exit(' '.join(os.environ.get(n, '-') for n in {names}))\n"
    options = ["--npz", "--framework", "tensorflow", "--device", "cuda"]
    for threads, expected in (("3", "3 3 tensorflow 0"), ("default", "- - tensorflow 0")):
        _, result = checked(port, *options, "--threads", threads)
        assert result["summary"].endswith(f": {expected}")


def test_a_folder_keeps_the_files_and_those_of_an_earlier_trial_are_not_judged(
    checked, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    checked(PORT, "--npz", "--folder", "trial/one")
    assert {"first_step.input.npz", "float32.output.npz"} <= set(os.listdir("trial/one"))
    status, result = checked("", "--npz", "--folder", "trial/one")
    assert (status, result["status"]) == (2, "not judged")


def test_the_documentation_names_every_key(checked):
    def rows(begin: str) -> set[str]:
        section = DOCS.partition(begin)[2].partition("\n#")[0]
        return set(re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE))

    _, judged = checked(PORT, "--npz")
    _, not_judged = checked("", "--npz")
    assert rows("## JSON") == judged.keys() | not_judged.keys()
    assert rows("### What the port is given") | rows("### What it leaves") == (
        trial.known_names() | {"images", "labels", "order", "batch_size", "learning_rate"}
    )


def test_the_page_is_printed_where_json_is_not_asked_for(tmp_path, capsys):
    (tmp_path / "numpy_mlp.py").write_text(f"print('noise')\n{PORT}")
    command = shlex.quote(sys.executable)
    check.main([str(tmp_path / "numpy_mlp.py"), "--npz", "--python", command], "What.\n\nHow.")
    printed = capsys.readouterr().out
    assert printed.startswith(f"{tmp_path}/numpy_mlp.py (NumPy, Python 3.")
    assert "noise" not in printed
