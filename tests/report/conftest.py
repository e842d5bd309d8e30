"""What tests of the report share."""

import matplotlib as mpl
import pytest


@pytest.fixture
def written(monkeypatch):
    """A function that gives all words written in a figure, each with its box in pixels."""
    draw, drawn = mpl.text.Text.draw, []

    def recording(text, renderer):
        if text.get_visible() and text.get_text().strip():
            drawn.append(text)
        draw(text, renderer)

    def words(figure):
        drawn.clear()
        figure.draw_without_rendering()
        extent = mpl.text.Text.get_window_extent  # of the words alone, without an arrow
        return [(text.get_text(), extent(text)) for text in drawn]

    monkeypatch.setattr(mpl.text.Text, "draw", recording)
    return words
