"""The files that begin a new framework are written whole, and fit the project as they are."""

import re
import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from matplotlib.colors import to_rgb

from evenhand.core import axes
from evenhand.core.config import checked
from evenhand.core.schemas import ROOT, Refused, completed, schema
from evenhand.environments import locks
from evenhand.porting import scaffold
from support import checkouts, launching

pytestmark = pytest.mark.fast

FILES = [
    "envs/mylib-cpu.yaml",
    "workflow/frameworks/mylib.yaml",
    "workflow/trainers/controlled/mylib_mlp.py",
]
ENVIRONMENT, FACTS, TRAINER = FILES
SENTENCES = ["section 1, Data:", "section 2, Model:", "section 3, Loss and", "section 4, Training"]
BANNER = re.compile(r"^(# ---- \d\. .+ -+\n)", re.MULTILINE)


def new_framework(folder: Path, *arguments: str) -> subprocess.CompletedProcess:
    """Run the command in a copy of the project."""
    return subprocess.run(
        [sys.executable, folder / "workflow/scripts/new_framework.py", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
    )


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    """A copy of the project with the files of `mylib`, and what the command printed."""
    folder = checkouts.copy(tmp_path_factory.mktemp("scaffold") / "evenhand")
    made = new_framework(folder, "mylib", "--package", "My_Lib==1.2.3", "--label", "MyLib")
    assert made.returncode == 0, made.stderr
    (folder / "printed").write_text(made.stdout)
    return folder


def small_project(folder: Path) -> Path:
    """A project with no more than a new framework is compared with, and where its files go."""
    for axis in ("framework", "device"):
        for name in axes.names(axis):
            link = axes.path(axis, name, folder)
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(axes.path(axis, name))
    (folder / "envs").mkdir()
    for file in ROOT.glob("envs/*.yaml"):
        (folder / "envs" / file.name).symlink_to(file)
    (folder / "workflow/trainers/controlled").mkdir(parents=True)
    return folder


def write(root: Path, **changes: str) -> list[Path]:
    usual = {"name": "mylib", "package": "mylib==1.2.3", "label": "MyLib", "device": "cpu"}
    return scaffold.write(**usual | changes, root=root)


def files_of(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir()}


# ---- What is written -------------------------------------------------


def test_what_was_written_is_printed_and_what_comes_next(project):
    printed = (project / "printed").read_text()
    assert re.findall(r"^  (\S+)$", printed, re.MULTILINE) == FILES
    assert all((project / file).is_file() for file in FILES)
    programs = re.findall(r"^     (?:python workflow/scripts/)?(\S+)", printed, re.MULTILINE)
    assert programs == ["lock.py", "snakemake", "check.py", "snakemake"]
    assert printed.endswith("'frameworks=[numpy, mylib]' 'tracks=[controlled]' rounds=1\n")


def test_formatter_and_linter_have_nothing_to_say(project):
    for command in (["format", "--check"], ["check"]):
        ruff = [sys.executable, "-m", "ruff", *command, TRAINER]
        done = subprocess.run(ruff, cwd=project, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout


def test_the_trainer_has_the_shape_of_all_trainers(project):
    of_all = runpy.run_path(str(ROOT / "tests/trainers/test_trainers.py"))
    tests = [test for name, test in of_all.items() if name.startswith("test_a_trainer_")]
    assert len(tests) == 5
    for test in tests:
        test(project / TRAINER)


def test_a_configuration_with_the_framework_is_accepted(project):
    config = checked({"frameworks": ["mylib", "numpy"]}, project)
    assert config["frameworks"] == ["mylib", "numpy"]


def test_the_environment_pins_the_package_first_and_then_what_the_toolbox_needs(project):
    python, pins = locks.requested((project / ENVIRONMENT).read_text())
    of_numpy = locks.requested((ROOT / "envs/numpy-cpu.yaml").read_text())
    assert (python, pins[1:]) == of_numpy
    assert pins[0] == "my-lib==1.2.3", "as a lock spells it"


def test_what_the_toolbox_needs_is_read_from_the_environments(tmp_path):
    root = small_project(tmp_path)
    numpys = (root / "envs/numpy-cpu.yaml").read_text()
    (root / "envs/numpy-cpu.yaml").unlink()
    other = re.sub("numpy==.*", "numpy==9.8.7 # a reason", numpys).replace("3.11", "3.14")
    (root / "envs/numpy-cpu.yaml").write_text(f"{other}{locks.RESOLVED}      - more==1.0\n")
    write(root)
    text = (root / ENVIRONMENT).read_text()
    assert "      - numpy==9.8.7 # a reason\n" in text and "more" not in text
    assert locks.requested(text)[0] == "3.14"


def test_an_environment_for_a_gpu_pins_what_the_launcher_needs_there(tmp_path):
    environment, *_ = write(small_project(tmp_path), device="cuda")
    assert str(environment) == "envs/mylib-cuda.yaml"
    _, pins = locks.requested((tmp_path / environment).read_text())
    _, of_pytorch = locks.requested((ROOT / "envs/pytorch-cuda.yaml").read_text())
    assert [pin.split("==")[0] for pin in pins] == [
        *("mylib", "numpy", "nvidia-ml-py", "threadpoolctl")
    ]
    assert pins[2] in of_pytorch


def test_a_framework_that_is_numpy_itself_is_pinned_once(tmp_path):
    write(small_project(tmp_path), package="NumPy==1.26.4")
    _, pins = locks.requested((tmp_path / ENVIRONMENT).read_text())
    assert [pin for pin in pins if "numpy" in pin] == ["numpy==1.26.4"]


@pytest.mark.parametrize("label", ["MyLib", "yes", "1.5", "a: b # c", "it's $label", "x" * 23])
def test_the_label_is_what_was_asked_for(tmp_path, label):
    write(small_project(tmp_path), label=label)
    assert axes.framework("mylib", tmp_path)["label"] == label
    lines = (tmp_path / TRAINER).read_text().splitlines()
    assert label in lines[0] and len(lines[0]) <= 72


def test_its_file_teaches_every_key_that_there_is(project):
    """Each line that is commented out is valid once it is not, and no key is left out."""
    text = (project / FACTS).read_text()
    keys = re.findall(r"^# (\w+: .*)$", text, re.MULTILINE)
    assert all(" # " in key for key in keys), "each has its reason"
    content = yaml.safe_load("\n".join([text, *keys]))
    assert content.keys() == schema("framework")["properties"].keys()
    completed(content, "framework")


# ---- Its color -------------------------------------------------------


def test_a_new_color_is_far_from_those_that_are_there():
    colors = ["#0072B2", "#D55E00", "#009E73", "#E69F00", "#56B4E9", "#CC79A7"]
    for _ in range(6):
        color = scaffold.new_color(colors)
        distances = [np.linalg.norm(np.subtract(to_rgb(color), to_rgb(other))) for other in colors]
        assert min(distances) > 0.2, color
        assert color == scaffold.new_color(colors), "the same for the same others"
        colors.append(color)


# ---- What the trainer says -------------------------------------------


def with_numpys(written: str, filled: int) -> str:
    """The trainer with so many of its sections filled in with those of NumPy's."""
    head, *sections = BANNER.split(written)
    _, *numpys = BANNER.split((launching.TRAINERS / "controlled/numpy_mlp.py").read_text())
    first, before, after = head.partition("from toolbox.run")
    place = 2 * filled  # a banner and a text each
    return "".join(
        [first, "import numpy as np\n", before, after, *numpys[:place], *sections[place:]]
    )


@pytest.mark.parametrize("filled", range(4))
def test_an_unfinished_trainer_ends_with_a_sentence_on_the_next_section(tmp_path, project, filled):
    trainer = tmp_path / "mylib_mlp.py"
    trainer.write_text(with_numpys((project / TRAINER).read_text(), filled))
    done = launching.launch(launching.prepare(tmp_path), trainer)
    assert done.returncode
    *_, sentence, _ = done.stderr.splitlines()  # the launcher's own line is the last
    assert sentence.startswith(f"NotImplementedError: {SENTENCES[filled]}"), done.stderr


def test_a_trainer_with_its_sections_filled_in_trains_as_the_reference_does(tmp_path, project):
    requested = launching.settings(layers=(784, 16, 8, 10), dtype="float64")
    trainer = tmp_path / "mylib_mlp.py"
    trainer.write_text(with_numpys((project / TRAINER).read_text(), 4))
    done = launching.launch(launching.prepare(tmp_path, requested=requested), trainer, requested)
    assert done.returncode == 0, done.stderr
    expected = launching.expected(tmp_path, requested)
    losses = np.load(tmp_path / "record.losses.npy")
    np.testing.assert_allclose(losses, expected["losses"], rtol=0, atol=1e-12)


# ---- What is refused -------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        *(({"name": name}, f"NAME: `{name}`") for name in ("My-Lib", "my-lib", "1x", "Mylib", "")),
        *(({"name": name}, f"NAME: `{name}`") for name in ("class", "on", "null", "a/b", "été")),
        ({"name": "numpy"}, "workflow/frameworks/numpy.yaml"),
        *(
            ({"package": package}, f"--package: `{package}`")
            for package in (
                *("mylib", "mylib==", "==1.0", "mylib>=1.0", "mylib===1.0", "mylib==1.*"),
                *("mylib==1.0,<2", "mylib[cpu]==1.0", "mylib==1.0 ", "mylib == 1.0", "mylib==new"),
                *("mylib==1.0; python_version>'3'", "mylib==1.0==1.0"),
            )
        ),
        ({"device": "cdua"}, "--device: unknown name `cdua`; did you mean `cuda`?"),
        *(
            ({"label": label}, "--label: ")
            for label in ("", " MyLib", 'My"Lib', "My\\Lib", "My\nLib", "x" * 24, "飞桨")
        ),
    ],
)
def test_what_cannot_be_used_is_refused_in_one_line_and_nothing_is_written(
    tmp_path, changes, named
):
    root = small_project(tmp_path)
    before = files_of(root)
    with pytest.raises(Refused) as refused:
        write(root, **changes)
    assert named in str(refused.value) and "\n" not in str(refused.value)
    assert files_of(root) == before


@pytest.mark.parametrize("there", FILES)
def test_a_file_that_is_there_is_named_and_nothing_is_written(tmp_path, there):
    root = small_project(tmp_path)
    (root / there).write_text("label: Mine\ncolor: '#123456'\n")
    before = files_of(root)
    with pytest.raises(Refused) as refused:
        write(root)
    assert re.findall(r"\S+/[^,\s]+", str(refused.value)) == [there]
    assert files_of(root) == before
    assert (root / there).read_text() == "label: Mine\ncolor: '#123456'\n"


def test_an_error_half_way_leaves_no_file(tmp_path):
    root = small_project(tmp_path)
    before = files_of(root)
    (root / TRAINER).symlink_to(root / "nowhere/at_all.py")
    with pytest.raises(OSError):
        write(root)
    assert files_of(root) - {TRAINER} == before


@pytest.mark.parametrize(
    "arguments",
    [
        ("My-Lib", "--package", "mylib==1.2.3"),
        ("other", "--package", "other==1.0", "--label", ""),
        ("mylib", "--package", "mylib==1.2.3"),
    ],
)
def test_the_command_refuses_in_one_line_with_exit_status_2(project, arguments):
    before = files_of(project)
    done = new_framework(project, *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 1
    assert {file for file in files_of(project) - before if not file.endswith(".pyc")} == set()
