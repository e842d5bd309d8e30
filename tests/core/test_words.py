"""What several rooms write alike."""

import pytest

from evenhand.core.words import last_line

pytestmark = pytest.mark.fast


@pytest.mark.parametrize(
    ("said", "line"),
    [
        ("first\nlast\n", "last"),
        ("\x1b[31mFATAL:   no such image\n\x1b[0m", "FATAL:   no such image"),
        ("why\n\n  \n", "why"),
        ("", "exit status 3"),
        ("\x1b[0m\n", "exit status 3"),
    ],
)
def test_the_last_line_is_the_last_that_has_words(said, line):
    assert last_line(said, 3) == line
