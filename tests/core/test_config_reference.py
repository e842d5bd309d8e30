"""The table of keys in config/README.md: it says what the schema and config.yaml say."""

import copy

import pytest
import yaml

from evenhand.core import config_reference as reference
from evenhand.core.config import checked
from evenhand.core.schemas import ROOT, schema

pytestmark = pytest.mark.fast

USUAL = yaml.safe_load((ROOT / "config/config.yaml").read_text())
README = (ROOT / "config/README.md").read_text()
KEYS = reference.keys(schema("config"), USUAL)
BY_NAME = {key.name: key for key in KEYS}
COMPLETE = checked({"scenarios": {"baseline": {}}})  # that says nothing, completed


def rows() -> list[list[str]]:
    """The cells of config/README.md between the marks, without the header."""
    table = README.partition(reference.BEGIN)[2].partition(reference.END)[0]
    lines = [line for line in table.splitlines() if line.startswith("| `")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def of_member(name: str) -> str:
    """The dotted name of a key in the scenario `baseline`, or of a limit on `cuda`."""
    names = name.replace("scenarios.NAME", "scenarios.baseline")
    return names.replace("gate.devices.NAME", "gate.devices.cuda")


def flat(config: dict, before: str = "") -> dict:
    """Every value of a configuration that is no section, by dotted name."""
    values = {}
    for name, value in config.items():
        inner = flat(value, f"{before}{name}.") if isinstance(value, dict) else {}
        values |= inner or {f"{before}{name}": value}
    return values


def test_the_file_is_what_the_schema_says():
    """After a change of the schema: python workflow/scripts/config_reference.py."""
    assert reference.updated(README, reference.table(KEYS)) == README


def test_the_file_has_a_row_for_every_key_that_a_complete_configuration_has():
    shown = {row[0].strip("`") for row in rows()}
    assert set(flat(COMPLETE)) <= {of_member(name) for name in shown}


def test_the_defaults_in_the_file_are_those_of_a_configuration_that_says_nothing():
    complete = flat(COMPLETE)
    shown = {of_member(row[0].strip("`")): row for row in rows() if row[1] != "section"}
    for name, (_, _, default, _) in shown.items():
        if name == "scenarios.baseline.tracks" or name.startswith("gate.devices.cuda."):
            continue  # filled in with all tracks, and by the default of `gate.devices` as a whole
        if default:
            assert yaml.safe_load(default.strip("`")) == complete[name], name
        else:
            assert name not in complete


def test_every_key_is_described_in_full_sentences():
    """A comma in YAML's flow style cuts a description that is not quoted."""
    for key in KEYS:
        assert key.description.strip().endswith("."), key
        assert key.description[0].isupper() or key.description.startswith("`"), key


@pytest.mark.parametrize(
    ("name", "values", "default"),
    [
        ("frameworks", "list of text", f"`[{', '.join(USUAL['frameworks'])}]`"),
        ("runtime", "`environment` or `docker`", "`environment`"),
        ("rounds", "whole number ≥ 1, ≤ 100000", "`5`"),
        ("scenarios", "section", "`baseline`, `one-thread`"),
        ("scenarios.NAME.threads", "`default` or whole number ≥ 1, ≤ 1024", "`default`"),
        ("scenarios.NAME.hidden_layers", "list of whole numbers ≥ 1, ≤ 65536", "`[256]`"),
        ("data.train_images", "whole number ≥ 1 or `null`", "`null`"),
        ("comparison.confidence", "number > 0.5, < 1", "`0.95`"),
        ("gate.devices", "section", "`cuda`"),
        ("gate.devices.NAME.float64_step", "number > 0", ""),
    ],
)
def test_values_and_defaults_are_in_words(name, values, default):
    assert (BY_NAME[name].values, BY_NAME[name].default) == (values, default)


def test_a_changed_default_or_description_changes_the_table():
    for key, new in (("default", 7), ("description", "Another.")):
        other = copy.deepcopy(schema("config"))
        other["properties"]["seed"][key] = new
        usual = {name: value for name, value in USUAL.items() if name != "seed"}
        assert reference.table(reference.keys(other, usual)) != reference.table(KEYS)


def test_a_pipe_in_a_description_does_not_end_its_cell():
    key = reference.Key("a", "text", "", "One | two,\nthree.")
    assert reference.table([key]).splitlines()[2] == r"| `a` | text |  | One \| two, three. |"


@pytest.mark.parametrize(
    "text",
    [
        "no marks\n",
        f"{reference.BEGIN}only one\n",
        f"{reference.END}{reference.BEGIN}",
        f"{reference.BEGIN}{reference.BEGIN}{reference.END}",
        f"{reference.BEGIN}{reference.END}{reference.END}",
    ],
)
def test_a_file_without_the_two_marks_is_left_alone(text):
    with pytest.raises(ValueError, match="not once each"):
        reference.updated(text, "")


def test_what_stands_around_the_table_stays():
    text = f"before\n{reference.BEGIN}old\n{reference.END}after\n"
    updated = reference.updated(text, "new\n")
    assert updated == f"before\n{reference.BEGIN}\nnew\n\n{reference.END}after\n"
    assert reference.updated(updated, "new\n") == updated
