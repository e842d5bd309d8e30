"""What imports what: it decides which jobs run again, and the order of the rooms."""

import ast
import runpy
from pathlib import Path

import pytest

from evenhand.core.imports import modules_of
from evenhand.core.schemas import ROOT

pytestmark = pytest.mark.fast

SCRIPTS = ROOT / "workflow/scripts"
PROGRAMS = sorted(SCRIPTS.glob("*.py"))
NAMES = [path.stem for path in PROGRAMS]
# Data flows down this list: a room imports from itself and from those before it.
ROOMS = "core data environments model rounds checks comparison report porting".split()


def project(folder: Path, **files: str) -> Path:
    """A project with these modules; `a__b` is the module a.b of evenhand."""
    for name, source in {"__init__": "", **files}.items():
        path = folder / f"workflow/scripts/evenhand/{name.replace('__', '/', name[0] != '_')}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source)
    return folder


def found(folder: Path, source: str) -> set[str]:
    """What a program with this source imports, as names of modules of evenhand."""
    (folder / "program.py").write_text(source)
    package = folder / "workflow/scripts/evenhand"
    paths = modules_of(folder / "program.py", folder)
    return {str(path.relative_to(package).with_suffix("")) for path in paths}


@pytest.mark.parametrize(
    "source",
    [
        "from evenhand.a import b",
        "from evenhand.a.b import name",
        "import evenhand.a.b",
        "def later():\n    from evenhand.a import b",
        "from evenhand.a import b as other",
    ],
)
def test_a_module_is_found_however_it_is_imported(tmp_path, source):
    project(tmp_path, a__b="", a__c="")
    assert found(tmp_path, source) == {"__init__", "a/b"}


def test_what_is_imported_imports_in_turn_and_a_circle_ends(tmp_path):
    project(tmp_path, a__b="from evenhand.c import d", c__d="import evenhand.a.b", e__f="")
    assert found(tmp_path, "from evenhand.a import b") == {"__init__", "a/b", "c/d"}


def test_what_a_program_imports_for_the_command_line_alone_is_left_out(tmp_path):
    """No rule does it, so none runs again for it."""
    project(tmp_path, a__b="", c__d="")
    source = 'if "snakemake" not in globals():\n    from evenhand.a import b\nimport evenhand.c.d'
    assert found(tmp_path, source) == {"__init__", "c/d"}


def test_what_is_not_ours_is_left_out(tmp_path):
    project(tmp_path, a__b="import json, numpy.random\nfrom os import path")
    assert found(tmp_path, "import sys\nfrom evenhand.a import b") == {"__init__", "a/b"}


def imported_rooms(module: Path) -> set[str]:
    """The rooms that a module of evenhand imports from."""
    rooms = set()
    for node in ast.walk(ast.parse(module.read_text())):
        names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        rooms |= {name.split(".")[1] for name in names if name.startswith("evenhand.")}
    return rooms


def test_there_is_no_other_room():
    folders = [path for path in (SCRIPTS / "evenhand").iterdir() if path.is_dir()]
    assert {path.name for path in folders if path.name[0] not in "_."} == set(ROOMS)


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_from_no_room_below_it(room):
    allowed = set(ROOMS[: ROOMS.index(room) + 1])
    for module in sorted((SCRIPTS / "evenhand" / room).glob("*.py")):
        below = imported_rooms(module) - allowed
        assert not below, f"{room}/{module.name} imports from {', '.join(below)}"


def test_no_check_imports_another_check():
    """A check is a module of the room `checks` that has a program of its own."""
    checks = {path for path in SCRIPTS.glob("evenhand/checks/*.py") if path.stem in NAMES}
    assert len(checks) > 1
    for check in checks:
        assert not checks & set(modules_of(check)), check


@pytest.mark.parametrize("program", PROGRAMS, ids=NAMES)
def test_a_program_finds_all_that_it_imports(program):
    runpy.run_path(str(program))
