"""What the profiles for clusters say of the rules that train."""

import re

import pytest
import yaml

from evenhand.core.schemas import ROOT

pytestmark = pytest.mark.fast

PROFILES = [path.parent.name for path in sorted((ROOT / "profiles").glob("slurm*/config.yaml"))]


@pytest.mark.parametrize("profile", PROFILES)
def test_every_rule_that_trains_has_a_node_for_itself_and_a_limit(profile):
    rules = (ROOT / "workflow/rules/rounds.smk").read_text()
    derived = re.findall(r"^use rule train as (\w+)", rules, re.MULTILINE)
    assert {"rehearse", "restart"} <= set(derived)
    content = yaml.safe_load((ROOT / f"profiles/{profile}/config.yaml").read_text())
    for rule in ("round", "train", *derived):
        asked = content["set-resources"][rule]
        assert asked["slurm_extra"] == "--exclusive" and asked["runtime"] > 0, rule
