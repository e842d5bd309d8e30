"""JSON files are read whole or not at all."""

import pytest

from evenhand.core.files import read_json

pytestmark = pytest.mark.fast


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"7", b'{"b": 1}', b'{"a": 1', b"\xff"])
def test_what_an_interrupted_run_left_reads_as_nothing(tmp_path, content):
    (tmp_path / "file.json").write_bytes(content)
    assert read_json(tmp_path / "file.json", ["a"]) is None


def test_a_file_that_is_not_there_reads_as_nothing(tmp_path):
    assert read_json(tmp_path / "file.json") is None
    assert read_json(tmp_path) is None


def test_a_whole_file_is_read(tmp_path):
    (tmp_path / "file.json").write_text('{"a": 1, "b": null}')
    assert read_json(tmp_path / "file.json", ["a", "b"]) == {"a": 1, "b": None}
