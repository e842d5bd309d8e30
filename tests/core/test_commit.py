"""The state of the code that a page and an image name is the project's own."""

import re
import subprocess
from pathlib import Path

import pytest

from evenhand.core import commit as module
from evenhand.core.commit import commit

pytestmark = pytest.mark.fast


@pytest.fixture
def root(tmp_path, monkeypatch) -> Path:
    """A project in a folder of another one."""
    root = tmp_path / "another/evenhand"
    root.mkdir(parents=True)
    monkeypatch.setattr(module, "ROOT", root)
    return root


def begin_repository(folder: Path) -> None:
    name = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    for command in (["init", "-q"], ["add", "."], [*name, "commit", "-q", "-m", "a"]):
        subprocess.run(["git", "-C", folder, *command], check=True)


def test_a_commit_is_called_dirty_where_its_code_differs_or_is_new(root):
    (root / "workflow").mkdir()
    (root / "workflow/old.py").write_text("1\n")
    begin_repository(root)
    clean = commit()
    assert re.fullmatch("[0-9a-f]{40}", clean)
    (root / "notes.txt").write_text("of no program\n")
    assert commit() == clean
    (root / "workflow/new.py").write_text("2\n")
    assert commit() == f"{clean}-dirty"


def test_a_copy_without_a_history_has_no_commit_of_another_project(root):
    assert commit() is None
    (root.parent / "theirs").write_text("1\n")
    begin_repository(root.parent)
    assert commit() is None
