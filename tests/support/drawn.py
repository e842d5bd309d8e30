"""Which figures the default page has, and whether the words in one have room."""

from itertools import combinations

from matplotlib.figure import Figure

from evenhand.report.figures import FIGURES

OF_GRIDS = ("loaders", "sizes")  # for scenarios that vary these
USUAL = [name for name in FIGURES if name not in OF_GRIDS]


def assert_words_fit(figure: Figure, words: list) -> None:
    """No words, given each with its box in pixels, overlap or leave the picture."""
    for text, box in words:
        assert 0 <= box.x0 and box.x1 <= figure.bbox.width, text
        assert 0 <= box.y0 and box.y1 <= figure.bbox.height, text
    for (text, box), (other, beside) in combinations(words, 2):
        across = min(box.x1, beside.x1) - max(box.x0, beside.x0)
        down = min(box.y1, beside.y1) - max(box.y0, beside.y0)
        assert across < 1 or down < 1, (text, other)
