"""The axes: every member that comes with the project, and how to read one."""

import ast
import re

import pytest
import yaml
from jsonschema import Draft202012Validator

from evenhand.core import axes
from evenhand.core.schemas import ROOT, Refused, completed, schema

pytestmark = pytest.mark.fast

CODE = [
    ROOT / "Snakefile",
    *sorted((ROOT / "workflow/rules").glob("*.smk")),
    *sorted((ROOT / "workflow/scripts").rglob("*.py")),
    *sorted((ROOT / "workflow/trainers/toolbox").glob("*.py")),
    *sorted((ROOT / "workflow/trainers").glob("*.py")),
]
MEMBERS = [(axis, name) for axis in axes.FILES for name in axes.names(axis)]


def test_there_are_members_of_every_axis():
    assert {axis for axis, _ in MEMBERS} == set(axes.FILES)
    assert axes.names("device") == ["cpu", "cuda"]
    assert axes.names("track") == ["controlled", "cured", "tuned", "tutorial"]


@pytest.mark.parametrize(("axis", "name"), MEMBERS)
def test_the_file_of_every_member_fits_its_schema(axis, name):
    content = yaml.safe_load(axes.member_file(axis, name).read_text())
    assert axes.member(axis, name) == completed(content, axis)


@pytest.mark.parametrize("axis", axes.FILES)
def test_a_schema_is_closed_and_describes_every_key(axis):
    content = schema(axis)
    Draft202012Validator.check_schema(content)
    assert content["additionalProperties"] is False
    assert all("description" in of for of in content["properties"].values())


def test_no_two_frameworks_share_a_color_and_no_two_versions_a_label():
    names = axes.names("framework")
    labels = [axes.framework(name)["label"] for name in names]
    colors = [axes.framework(name)["color"].lower() for name in names if not axes.shares_file(name)]
    for values in (labels, colors):
        assert len(set(values)) == len(values)


def test_a_version_is_an_environment_and_takes_the_rest_from_its_framework():
    name = "pytorch@2.4"
    assert name in axes.names("framework") and axes.shares_file(name)
    assert (axes.unversioned(name), axes.version(name)) == ("pytorch", "2.4")
    label = axes.framework("pytorch")["label"]
    assert axes.framework(name) == axes.framework("pytorch") | {"label": f"{label} 2.4"}
    assert axes.trainer("tutorial", name) == axes.trainer("tutorial", "pytorch")


def test_a_framework_is_no_version_of_itself():
    assert (axes.unversioned("pytorch"), axes.version("pytorch")) == ("pytorch", "")
    assert not axes.shares_file("pytorch") and not axes.shares_file("never_seen")


def test_a_version_with_trainers_of_its_own_takes_none_of_its_frameworks():
    name = "mxnet@2.0.0b1"
    assert axes.trainer("controlled", name).name == f"{name}_mlp.py"
    assert axes.trainer("tuned", "mxnet").exists() and not axes.trainer("tuned", name).exists()


def test_a_version_may_have_a_file_of_its_own(tmp_path):
    for file in ("workflow/frameworks/a@1.yaml", "envs/a@1-cpu.yaml", "envs/a@2-cpu.yaml"):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text("label: Its own\ncolor: '#123456'\n")
    (tmp_path / "workflow/frameworks/a.yaml").write_text("label: A\ncolor: '#654321'\n")
    assert axes.names("framework", tmp_path) == ["a", "a@1", "a@2"]
    labels = [axes.framework(name, tmp_path)["label"] for name in ("a", "a@1", "a@2")]
    assert labels == ["A", "Its own", "A 2"]


def test_a_version_of_a_framework_without_a_file_is_unknown(tmp_path):
    (tmp_path / "envs").mkdir()
    (tmp_path / "envs/b@1-cpu.yaml").touch()
    with pytest.raises(Refused, match="unknown name `b@1`"):
        axes.framework("b@1", tmp_path)
    assert axes.names("framework", tmp_path) == []


def test_a_track_that_is_proved_step_by_step_starts_all_frameworks_alike():
    for name in axes.names("track"):
        track = axes.track(name)
        assert track["start"] == "protocol" or track["proof"] != "gate", name


def test_a_track_improves_one_that_is_there_and_is_run_and_proved_as_it_is():
    improving = [name for name in axes.names("track") if axes.track(name)["improves"]]
    assert improving
    for name in improving:
        track = axes.track(name)
        improved = axes.track(track["improves"])
        for key in ("start", "data", "proof", "variables"):
            assert track[key] == improved[key], (name, key)


def test_a_framework_that_initializes_by_itself_says_how():
    """A framework with a trainer in a track that leaves initialization to it."""
    for track in axes.names("track"):
        for framework in axes.names("framework"):
            if axes.track(track)["proof"] == "distribution" and (
                axes.trainer(track, framework).exists()
            ):
                assert {"initializer", "last_batch"} <= set(axes.framework(framework)), framework


def test_every_trainer_and_environment_belongs_to_a_framework_that_has_a_file():
    trainers = (ROOT / "workflow/trainers").glob("*/*_mlp.py")
    environments = {path.stem.rpartition("-")[0] for path in (ROOT / "envs").glob("*-*.yaml")}
    named = {path.stem.removesuffix("_mlp") for path in trainers} | environments
    assert named == set(axes.names("framework"))


def test_what_a_file_leaves_out_has_its_default():
    numpy = axes.framework("numpy")
    assert numpy["recorded"] == [] and numpy["variables"] == {} and numpy["device_names"] == {}
    assert (
        axes.claim("mxnet-twice-as-fast")["logs"] and axes.track("controlled")["improves"] is None
    )
    assert axes.device("cpu")["library_folders"] is None


def test_what_a_file_says_is_read_only():
    with pytest.raises(TypeError):
        axes.device("cpu")["gpu"] = True


def test_an_unknown_member_is_refused_with_a_suggestion():
    with pytest.raises(Refused, match=r"unknown name `pytorhc`; did you mean `pytorch`\?"):
        axes.framework("pytorhc")


def test_the_images_of_a_data_set_are_counted_from_its_files_sizes():
    assert axes.image_count("mnist", "train") == 60_000
    assert axes.image_count("mnist", "test") == 10_000


@pytest.mark.parametrize("name", axes.names("dataset"))
@pytest.mark.parametrize("part", ["train", "test"])
def test_the_sizes_of_a_data_sets_files_fit_together(name, part):
    dataset = axes.dataset(name)
    rows, columns = dataset["image"]
    images = axes.image_count(name, part)
    assert dataset["files"][f"{part}_images"]["bytes"] == 16 + images * rows * columns


def words_of(source: str) -> list[str]:
    """The strings in a program, without those that are comments."""
    tree = ast.parse(source)
    comments = {n.value for n in ast.walk(tree) if isinstance(n, ast.Expr)}
    constants = [n for n in ast.walk(tree) if isinstance(n, ast.Constant) and n not in comments]
    return [n.value for n in constants if isinstance(n.value, str)]


# NumPy is also what the workflow computes with, and a CPU what it runs on itself.
FRAMEWORKS = "|".join(set(axes.names("framework")) - {"numpy"})
OTHERS = "|".join({n for axis, n in MEMBERS if axis != "framework"} - {"cpu"})


@pytest.mark.parametrize("path", CODE, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_code_knows_a_member_of_an_axis(path):
    """Frameworks in any words; others, which are common words, where they stand for a name."""
    text = path.read_text()
    for words in words_of(text) if path.suffix == ".py" else re.sub("#.*", "", text).split("\n"):
        assert not re.search(rf"\b({FRAMEWORKS})\b", words, re.IGNORECASE)
        assert not re.search(rf"""(^|["'/])({OTHERS})($|["'/])""", words)
