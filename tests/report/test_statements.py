"""The statements: their status today, what checks return in wrong worlds, and words for both."""

import ast
import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import check_statements
import numpy as np
import observing
import pandas as pd
import pytest
import yaml

from evenhand.comparison.claims import CLAIMS, judged
from evenhand.core import axes
from evenhand.core.config import checked
from evenhand.core.experiment import Experiment
from evenhand.core.schemas import ROOT
from evenhand.report import statements
from support.checkouts import checkout, snakemake
from toolbox.machine import where

FOLDER = ROOT / "workflow/statements"
CATALOGUE = yaml.safe_load((FOLDER / "statements.yaml").read_bytes())
LANGUAGES = ("en", "zh")

TODAY = {  # every check that is not named here holds
    ("pytorch", "install"): "changed",
    ("pytorch", "ones_plus_one"): "changed",
    ("pytorch", "input_size"): "changed",
    ("pytorch", "recording"): "no longer",
    ("mxnet", "name_scope"): "changed",
    ("mxnet", "runs_differ"): "changed",
}
NAMED = ("pytorch", "mxnet", "numpy")  # by the tutorial, which says nothing of the others
TODAY |= {
    (framework, check): status
    for status, check, frameworks in [
        ("as in MXNet", "shape_argument", "jax keras autograd"),
        ("as in PyTorch", "shape_argument", "paddle tinygrad"),
        ("differs", "shape_argument", "tensorflow"),
        ("differs", "ones_plus_one", "tinygrad"),
        ("differs", "transform_first", "tensorflow"),
        ("as in MXNet", "input_size", "tensorflow keras"),
        ("as in PyTorch", "input_size", "paddle tinygrad"),
        ("as in MXNet", "activation_argument", "keras"),
        ("as in PyTorch", "initialization", "paddle"),
        ("differs", "initialization", "keras"),
        ("as in MXNet", "recording", "tensorflow"),
        ("differs", "recording", "jax paddle keras autograd"),
        ("as in PyTorch", "gradient_writing", "paddle tinygrad"),
        ("differs", "gradient_writing", "jax tensorflow autograd"),
        ("as in PyTorch", "step_batch_size", "paddle tinygrad"),
        ("as in PyTorch", "array_to_number", "jax paddle"),
        ("differs", "array_to_number", "tensorflow tinygrad autograd"),
        ("differs", "runs_differ", "jax tinygrad"),
    ]
    for framework in frameworks.split()
}


def checks() -> dict[tuple[str, str], set[str]]:
    """The statuses that each framework's check can return, read from its source."""
    found = {}
    for path in sorted(FOLDER.glob("*_statements.py")):
        framework = path.stem.removesuffix("_statements")
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.FunctionDef) and framework != "check":
                words = {n.value for n in ast.walk(node) if isinstance(n, ast.Constant)}
                found[framework, node.name] = words & set(CATALOGUE["statuses"])
    return found


CHECKS = checks()


def answering(check: str) -> list[str]:
    """The frameworks with an answer to a statement."""
    return [framework for framework, name in CHECKS if name == check]


@pytest.mark.fast
@pytest.mark.parametrize("environment", sorted(ROOT.glob("envs/*.yaml")), ids=lambda p: p.stem)
def test_statements_are_checked_on_every_device_that_a_framework_has(environment):
    framework, _, device = environment.stem.rpartition("-")
    source = (FOLDER / f"{axes.unversioned(framework)}_statements.py").read_text()
    (devices,) = (
        [ast.literal_eval(key) for key in node.value.keys]
        for node in ast.parse(source).body
        if isinstance(node, ast.Assign) and node.targets[0].id == "DEVICES"
    )
    assert device in devices


@pytest.mark.fast
def test_a_module_is_found_in_the_package_that_brings_it(tmp_path, monkeypatch):
    """MXNet's build for a GPU is another package than the one for processors."""
    folder = tmp_path / "some_cu112-1.9.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: some_cu112\nVersion: 1.9\n")
    (folder / "top_level.txt").write_text("some\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert check_statements.versions_of(["some"]) == {"some-cu112": "1.9"}


@pytest.fixture(scope="session")
def visits(environments):
    """What a framework's checks return, by check: today, and in its wrong worlds."""

    @cache
    def visit(framework):
        python = environments / f"{framework}-cpu/bin/python"
        program = [python, Path(__file__).parent / "wrong_worlds/visit.py", framework]
        variables = os.environ | axes.framework(framework)["variables"]
        done = subprocess.run(program, env=variables, stdout=subprocess.PIPE, check=True)
        return json.loads(done.stdout)

    return visit


@pytest.mark.parametrize(("framework", "check"), CHECKS)
def test_what_is_seen_today_is_what_we_say(visits, framework, check):
    today = visits(framework)[check]["today"]
    assert today["status"] == TODAY.get((framework, check), "holds"), today["output"]


@pytest.mark.parametrize(("framework", "check"), CHECKS)
def test_in_a_wrong_world_a_check_says_so(visits, framework, check):
    seen = visits(framework)[check]
    assert seen["wrong"], "a check that cannot fail"
    for wrong in seen["wrong"]:
        assert wrong["status"] == wrong["expected"] != seen["today"]["status"], wrong["output"]


def test_tinygrads_output_says_that_a_seed_repeats(visits):
    """Its status is about runs without a seed alone."""
    said = visits("tinygrad")["runs_differ"]["today"]["output"]
    assert said.endswith("the same seed repeats: True\nanother seed differs: True")


@pytest.mark.parametrize("framework", answering("custom_forward"))
def test_the_same_custom_forward_gives_the_same_numbers(visits, framework):
    pytorch, other = (
        visits(f)["custom_forward"]["today"]["output"] for f in ("pytorch", framework)
    )
    assert pytorch == other


@pytest.mark.parametrize("framework", answering("loss_and_sgd"))
def test_two_steps_from_the_same_weights_end_where_numpy_says(visits, framework):
    x, label = np.array([[1.0, 2.0], [3.0, -1.0]]), np.eye(2)
    weights = np.array([[0.5, -1.0], [0.0, 0.5]])
    for _ in range(2):
        e = np.exp(x @ weights.T)
        weights -= 0.1 * (e / e.sum(axis=1, keepdims=True) - label).T @ x / len(x)
    last = visits(framework)["loss_and_sgd"]["today"]["output"].splitlines()[-1]
    assert last == f"weights {np.round(weights, 4).tolist()}"


def test_the_program_writes_the_answers_of_an_environment(environments, tmp_path):
    receipt, output = tmp_path / "receipt.json", tmp_path / "numpy-cpu.json"
    receipt.write_text("{}")
    flags = ["--framework", "numpy", "--device", "cpu", "--receipt", receipt, "--output", output]
    subprocess.run(
        [environments / "numpy-cpu/bin/python", FOLDER / "check_statements.py", *flags], check=True
    )
    (answer,) = json.loads(output.read_text())
    assert answer["statement"] == "shape_argument"
    assert (answer["framework"], answer["device"], answer["status"]) == ("numpy", "cpu", "holds")
    assert "np.ones(5, 3)" in answer["code"]
    assert "TypeError" in answer["output"]
    assert set(answer["versions"]) == {"python", "numpy"}


@pytest.fixture
def broken(tmp_path, monkeypatch) -> Path:
    """A folder on the user's PYTHONPATH, and the working one, with a broken module numpy."""
    folder = tmp_path / "broken"
    folder.mkdir()
    (folder / "numpy.py").write_text("raise SystemError('broken')\n")
    monkeypatch.setenv("PYTHONPATH", str(folder))
    monkeypatch.chdir(folder)
    return folder


@pytest.mark.fast
def test_the_users_own_modules_do_not_reach_the_checks(broken):
    command = [sys.executable, "-E", "-s", FOLDER / "check_statements.py"]
    receipt, output = broken / "receipt.json", broken / "numpy-cpu.json"
    receipt.write_text("{}")
    flags = ["--framework", "numpy", "--device", "cpu", "--receipt", receipt, "--output", output]
    subprocess.run([*command, *flags], check=True)
    assert [answer["status"] for answer in json.loads(output.read_text())] == ["holds"]


@pytest.mark.fast
def test_the_users_own_modules_do_not_reach_a_checks_fresh_process(broken):
    assert observing.fresh_process("import numpy; print(numpy.ones(2).sum())") == "2.0\n"


def test_the_users_own_modules_do_not_reach_the_rule(environments, tmp_path):
    """MXNet's checks, since the workflow itself imports NumPy; one of them starts processes."""
    folder, own = checkout(tmp_path / "evenhand", environments), tmp_path / "own"
    for place in (own, folder):
        place.mkdir(exist_ok=True)
        (place / "mxnet.py").write_text("raise SystemError('broken')\n")
    answers = "results/statements/mxnet-cpu.json"
    snakemake(folder, answers, PYTHONPATH=str(own))
    statuses = {a["statement"]: a["status"] for a in json.loads((folder / answers).read_text())}
    assert statuses["runs_differ"] == TODAY["mxnet", "runs_differ"]


@pytest.mark.fast
def test_a_name_that_the_framework_lost_is_an_answer():
    def asks_for_a_lost_name():
        print("before")
        np.lost()

    answer = check_statements.answer(asks_for_a_lost_name, receipt={})
    assert (answer["status"], answer["lost"]) == ("no longer", True)
    assert answer["output"].startswith("before\nAttributeError: module 'numpy'")


@pytest.mark.fast
def test_any_other_error_is_not_an_answer():
    def finds_no_gpu():
        raise RuntimeError("no GPU")

    with pytest.raises(RuntimeError, match="no GPU"):
        check_statements.answer(finds_no_gpu, receipt={})


@pytest.mark.fast
def test_the_sixteen_statements_are_in_order():
    assert [s["id"] for s in CATALOGUE["statements"].values()] == list(range(1, 17))


@pytest.mark.fast
def test_every_check_answers_a_statement_and_every_statement_has_a_check():
    claims = {slug for slug, entry in CATALOGUE["statements"].items() if "claim" in entry}
    assert claims == {"twice_as_fast"}
    assert {check for _, check in CHECKS} | claims == set(CATALOGUE["statements"])


@pytest.mark.fast
@pytest.mark.parametrize(("framework", "check"), CHECKS)
def test_there_is_one_sentence_for_each_status_that_a_check_can_return(framework, check):
    sentences = CATALOGUE["statements"][check]["observed"][framework]
    assert set(sentences) == CHECKS[framework, check]


@pytest.mark.fast
@pytest.mark.parametrize(("framework", "check"), CHECKS)
def test_what_the_tutorial_did_not_say_of_a_framework_cannot_have_changed(framework, check):
    judged, compared = (
        {"holds", "changed", "no longer"},
        {"as in PyTorch", "as in MXNet", "differs"},
    )
    allowed = judged if framework in NAMED else compared | {"holds"}
    assert CHECKS[framework, check] <= allowed


@pytest.mark.fast
def test_every_text_is_there_in_every_language():
    assert set(CATALOGUE["space"]) == set(LANGUAGES)
    texts = [*CATALOGUE["statuses"].values(), CATALOGUE["lost"]]
    for statement in CATALOGUE["statements"].values():
        texts += [
            statement[name] for name in ("text", "measured", "elsewhere") if name in statement
        ]
        texts += [t for statuses in statement["observed"].values() for t in statuses.values()]
    for text in texts:
        assert set(text) == set(LANGUAGES)
        assert text["en"].replace("\N{NO-BREAK SPACE}", " ").isascii()
        assert any("\u4e00" <= character <= "\u9fff" for character in text["zh"])


RUNS = pd.DataFrame(
    [
        ("tutorial", "baseline", "mxnet-cpu", "cpu", 3.0, 2.4, 0.70, 1.0, 2.0),
        ("tutorial", "baseline", "mxnet-cpu", "cpu", 3.2, 2.6, 0.80, 1.2, 2.2),
        ("tutorial", "baseline", "pytorch-cpu", "cpu", 5.0, 4.0, 0.90, 0.4, 3.2),
        ("tutorial", "one-thread", "pytorch-cpu", "cpu", 1.0, 1.0, 0.10, 1.0, 1.0),
    ],
    columns=["track", "scenario", "competitor", "device", *statements.EXPLAINS],
)
COLUMNS = ["track", "scenario", "a", "b", "rounds", "ratio", "low", "high", "verdict"]
PAIR = ["mxnet-cpu", "pytorch-cpu", 5, 0.625, 0.5125, 0.8, "faster"]


def speed_answers(catalogue: dict, *rows: list, runs: pd.DataFrame = RUNS) -> list[dict]:
    """The answers where the comparison has these rows and the default configuration ran."""
    comparison = pd.DataFrame(rows, columns=COLUMNS)
    table = judged(Experiment(checked({})), comparison)
    return statements.speed_answers(catalogue, table, comparison, runs)


@pytest.mark.fast
def test_the_speed_is_that_of_the_judged_claim():
    other = ["mxnet-cpu", "pytorch-cpu", 5, 1.0, 0.9, 1.1, "same"]
    rows = [["tutorial", "baseline", *PAIR], ["tutorial", "one-thread", *other]]
    (answer,) = speed_answers(CATALOGUE, *rows)
    assert (answer["framework"], answer["device"], answer["status"]) == ("mxnet", "cpu", "changed")
    measured = [0.625, 0.5125, 0.8, 5]
    measured += [5.0, 4.0, 0.9, 0.4, 3.2, 3.1, 2.5, 0.75, 1.1, 2.1]
    assert list(answer["measured"].values()) == pytest.approx(measured)
    (speed,) = statements.in_words(CATALOGUE, [answer], "en")[15]["answers"]
    words = ["not twice as fast", "0.62 of", "PyTorch 4.00 s and MXNet 2.50 s", "90% and 75%"]
    words.append(
        "0.4 and 1.1 cores were at work in the trainers, 3.2 and 2.1 in all processes that"
    )
    words.append("In the scenario one-thread the ratio is 1.00 (0.90 to 1.10).")
    seen = speed["observed"].replace("\N{NO-BREAK SPACE}", " ")
    assert [part for part in words if part not in seen] == []


@pytest.mark.fast
def test_an_answers_output_names_no_folder_no_user_and_no_machine(tmp_path, monkeypatch, capsys):
    """Since it is told where the check runs: a cluster's node has another name, another home."""
    monkeypatch.chdir(tmp_path)
    said = f"no x in 'torch' ({tmp_path}/torch/__init__.py, /opt/y.so) on {where()['node']}"

    def imports():
        raise ImportError(said)

    answer = check_statements.answer(imports, receipt={})
    shown = "ImportError: no x in 'torch' (./torch/__init__.py, (path)) on (host)"
    assert answer["output"] == shown
    assert said in capsys.readouterr().err  # the log's


@pytest.mark.fast
def test_a_pair_that_is_not_ranked_has_no_numbers():
    unranked = ["mxnet-cpu", "pytorch-cpu", 5, np.nan, np.nan, np.nan, "not comparable"]
    (answer,) = speed_answers(CATALOGUE, ["tutorial", "baseline", *unranked])
    (speed,) = statements.in_words(CATALOGUE, [answer], "en")[15]["answers"]
    assert (answer["status"], answer["output"]) == ("undecided", "")
    assert speed["observed"] == "These runs do not decide it; the verdicts below say why."


@pytest.mark.fast
def test_a_statement_may_name_any_claim():
    catalogue = {"statements": {"swift": {"claim": "hare"}, "checked": {}}}
    row = ["race", "quick", "hare-cuda", "tortoise-cuda", 5, 0.92, 0.91, 0.94, "faster"]
    runs = RUNS.iloc[[0, 2]].assign(track="race", scenario="quick", device="cuda")
    runs["competitor"] = ["hare-cuda", "tortoise-cuda"]
    values = ["hare", "race", "quick", "hare-cuda", "tortoise-cuda", 0.9, np.nan, *row[4:]]
    table = pd.DataFrame([[*values, "changed"]], columns=CLAIMS)
    comparison = pd.DataFrame([row], columns=COLUMNS)
    (answer,) = statements.speed_answers(catalogue, table, comparison, runs)
    assert (answer["statement"], answer["framework"]) == ("swift", "hare")
    assert (answer["device"], answer["status"]) == ("cuda", "changed")
    assert answer["measured"]["hare_epoch"] == 3.0 and answer["measured"]["tortoise_epoch"] == 5.0


@pytest.mark.fast
def test_the_tutorials_log_is_quoted_as_it_was_published():
    quoted = CATALOGUE["statements"]["twice_as_fast"]["then"]["mxnet"]
    published = axes.claim(CATALOGUE["statements"]["twice_as_fast"]["claim"])["logs"]
    for framework, line in zip(("pytorch", "mxnet"), quoted.splitlines(), strict=True):
        loss, seconds = (published[framework][key][-1] for key in ("average_loss", "seconds"))
        assert line.lower().startswith(f"{framework}:")
        assert line.endswith(f"epoch 4, avg loss {loss:.4f}, time {seconds:.2f}")


@pytest.mark.fast
def test_without_the_tutorial_track_nothing_is_said_about_speed():
    assert speed_answers(CATALOGUE, ["controlled", "baseline", *PAIR]) == []


def answer(statement, framework, status):
    given = {"statement": statement, "framework": framework, "device": "cpu", "status": status}
    return given | {"lost": False, "output": "seen", "code": "code", "versions": {}}


MEASURED = {"ratio": 0.6, "low": 0.55, "high": 0.65, "rounds": 5}
MEASURED |= {
    f"{name}_{what}": 0.9 for name in ("pytorch", "mxnet") for what in statements.EXPLAINS.values()
}


ANSWERS = [
    answer("input_size", "pytorch", "changed"),
    answer("input_size", "mxnet", "holds"),
    answer("twice_as_fast", "mxnet", "changed") | {"measured": MEASURED, "elsewhere": []},
]


@pytest.mark.fast
@pytest.mark.parametrize("language", LANGUAGES)
def test_the_tables_say_the_same_as_the_answers(language):
    spoken = statements.in_words(CATALOGUE, ANSWERS, language)
    assert [s["id"] for s in spoken] == list(range(1, 17))
    fifth = CATALOGUE["statements"]["input_size"]
    lazy = fifth["observed"]["pytorch"]["changed"][language]

    table = statements.tidy(spoken)
    assert table["id"].tolist() == [5, 5, 16]
    assert table.loc[0].tolist() == [5, "input_size", "pytorch", "cpu", "changed", lazy]
    assert "0.60" in table["observed"][2] and "90%" in table["observed"][2]

    rows = [
        [cell.strip() for cell in line.split("|")[1:-1]]
        for line in statements.markdown(spoken).splitlines()
    ]
    changed = CATALOGUE["statuses"]["changed"][language]
    assert rows[0] == ["", "", "pytorch-cpu", "mxnet-cpu"]
    assert rows[6][:3] == ["5", fifth["text"][language], f"**{changed}**: {lazy}"]
    assert rows[2][2:] == ["-", "-"]
    assert {len(row) for row in rows} == {4}


@pytest.mark.fast
def test_of_a_check_that_stopped_nothing_else_is_said():
    stopped = answer("input_size", "mxnet", "no longer") | {"lost": True}
    (seen,) = statements.in_words(CATALOGUE, [stopped], "en")[4]["answers"]
    assert (seen["status"], seen["observed"]) == ("no longer", CATALOGUE["lost"]["en"])


@pytest.mark.fast
@pytest.mark.parametrize(("seconds", "words"), [(12.5, "built in 12 s"), (None, "1 packages")])
def test_an_environment_is_described_by_its_metadata_and_its_receipt(seconds, words, capsys):
    receipt = {"deployment": "conda", "packages": {"numpy": "1"}, "bytes": 1e9, "seconds": seconds}
    assert observing.installer("numpy", receipt) in ("pip", "uv")
    seen = capsys.readouterr().out
    assert f"numpy {np.__version__}, conda\ninstalled by" in seen and "from the wheel cp3" in seen
    assert words in seen and ("built in" in seen) == (seconds is not None)


@pytest.mark.fast
@pytest.mark.parametrize(
    "unknown", [("input_sizes", "mxnet", "holds"), ("input_size", "theano", "holds")]
)
def test_an_answer_without_words_is_refused(unknown):
    with pytest.raises(ValueError, match=f"{unknown[0]}, {unknown[1]}, holds, en"):
        statements.in_words(CATALOGUE, [answer(*unknown)], "en")
