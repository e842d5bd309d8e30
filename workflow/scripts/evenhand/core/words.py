"""What the terminal and the page write alike."""


def times(ratio: float) -> str:
    """A ratio; of two rounds that disagree an interval may span many powers of ten."""
    if 0.01 <= ratio < 1000:
        return f"{ratio:.3f}" if ratio < 0.1 else f"{ratio:.2f}"
    return f"{ratio:.1e}"
