"""The result of a check as a page of text."""

import textwrap
from collections.abc import Iterator, Mapping

WIDTH = 96
CHECKS = {
    "steps": "loss of every step",
    "first_steps": "loss of the first steps",
    "epoch_0": "average loss, epoch 0",
    "later_epochs": "average loss, later epochs",
    "test_loss": "loss on the test set",
    "test_accuracy": "images of the test set",
    "identical_steps": "share of identical losses",
}
VERDICTS = {
    "passes": "PASSES: it computes what the reference computes.",
    "does not pass": "DOES NOT PASS",
    "not judged": "NOT JUDGED",
}


def page(result: Mapping) -> str:
    """The page: the answer first, then the reasons."""
    return "\n".join(line.rstrip() for line in lines(result))


def lines(result: Mapping) -> Iterator[str]:
    version = f", Python {result['python_version']}" if "python_version" in result else ""
    yield f"{result['trainer']} ({result['framework']}{version}, threads: {result['threads']})"
    yield ""
    yield from answer(result)
    if result["status"] != "not judged":
        for tier in result["checks"]:
            yield ""
            yield from tier_table(result, tier)
        yield ""
        yield from first_step(result["first_step"])
        yield ""
        yield from audit(result)
    yield ""
    yield f"{result['seconds']:.0f} s"


def answer(result: Mapping) -> Iterator[str]:
    verdict = VERDICTS[result["status"]]
    if result["status"] == "not judged":
        yield from wrapped(f"{verdict}: {result['summary']}")
        if result["said"]:
            yield ""
            yield from ("    " + line[-400:] for line in result["said"].splitlines()[-12:])
        return
    failed = [(tier, row) for tier, rows in result["checks"].items() for row in rows]
    failed = [(tier, row) for tier, row in failed if not row["passed"]]
    if not failed:
        errors = [f["finding"] for f in result["findings"] if f["severity"] == "error"]
        but = f": it computes what the reference computes, but {errors[0]}." if errors else ""
        yield from wrapped(verdict + but)
        return
    tier, row = failed[0]
    yield from wrapped(f"{verdict}: {tier}, {CHECKS[row['check']]}: {how_far(result, tier, row)}.")
    yield from wrapped(f"Likely cause: {result['cause']['sentence']}.")
    for sentence in result["evidence"]:
        yield from wrapped(f"The first step says: {sentence}.")
    shown = {array["name"] for array in result["first_step"]["arrays"]}
    if (tier, row["step"]) == ("float64", 1) and not (
        result["evidence"] or {"pixels", "logits"} <= shown
    ):
        yield from wrapped("It would say more if the port handed over its `pixels` and `logits`.")


def how_far(result: Mapping, tier: str, row: Mapping) -> str:
    """Where a check first fails, by how much there, and at most."""
    if row["check"] == "identical_steps":
        return f"{row['deviation']:.0%}; {row['limit']:.0%} is allowed"
    if row["deviation"] is None:
        most = "some are missing or not finite"
    else:
        most = f"off by up to {row['deviation']:.1e}"
    allowed = f"{row['limit']:.1e} is allowed"
    if not row["step"]:
        return f"{most}; {allowed}"
    losses = {each["step"]: each for each in result["losses"][tier]}
    at = losses.get(row["step"], {"loss": None})
    if row["check"] not in ("steps", "first_steps") or at["loss"] is None:
        return f"first at step {row['step']}, {most}; {allowed}"
    first = abs(at["loss"] - at["reference"])
    return f"first at step {row['step']}, off by {first:.1e} there, {most}; {allowed}"


def tier_table(result: Mapping, tier: str) -> Iterator[str]:
    yield f"{tier:<34}{'deviation':>12}{'limit':>12}{'first outside':>16}"
    for row in result["checks"][tier]:
        deviation = "-" if row["deviation"] is None else f"{row['deviation']:.1e}"
        outside = "" if row["passed"] else f"step {row['step']}" if row["step"] else "yes"
        yield f"  {CHECKS[row['check']]:<32}{deviation:>12}{row['limit']:>12.1e}{outside:>16}"
    steps = result["losses"][tier]
    yield f"  {'step':<10}" + "".join(f"{row['step']:>18}" for row in steps)
    for name in ("loss", "reference"):
        numbers = ("-" if row[name] is None else f"{row[name]:.12g}" for row in steps)
        yield f"  {name:<10}" + "".join(f"{number:>18}" for number in numbers)


def first_step(step: Mapping) -> Iterator[str]:
    yield (
        f"{'first step, float64':<20}{'norm':>13}{'right':>13}{'largest diff.':>15}{'ratio':>11}"
        + (f"{'digest':>14}{'right':>14}")
    )
    for row in step["arrays"]:
        norm = "not finite" if row["norm"] is None else f"{row['norm']:.6g}"
        largest, ratio = "-", "-"
        if row["shape"] != row["reference_shape"]:
            largest = "other shape"
        elif row["largest_difference"] is not None:
            largest, ratio = f"{row['largest_difference']:.1e}", f"{row['ratio']:.6g}"
        yield f"  {row['name']:<18}" + "".join(
            [
                f"{norm:>13}{row['reference_norm']:>13.6g}",
                f"{largest:>15}{ratio:>11}",
                f"{row['sha256']:>14}{row['reference_sha256']:>14}",
            ]
        )


def audit(result: Mapping) -> Iterator[str]:
    watched = "clock, threads and files"
    if not result["toolbox"]:
        yield f"{watched}: not watched, since the trainer has no toolbox"
    else:
        yield f"{watched}:" if result["findings"] else f"{watched}: nothing found"
    for finding in result["findings"]:
        found = f"{finding['severity']}, {finding['check']}: {finding['finding']}"
        yield from wrapped(found, "  ")


def wrapped(text: str, indent: str = "") -> list[str]:
    return textwrap.wrap(text, WIDTH, initial_indent=indent, subsequent_indent=indent + "  ")
