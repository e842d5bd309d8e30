"""Tell what the examinations found, a line each: ok or a remedy. An unfit competitor fails it."""

import json
import sys
from pathlib import Path


def lines(verdicts: list[dict]) -> list[str]:
    """A line for each finding about a competitor, then for each last remark about a node."""
    findings = [(v["competitor"], *finding) for v in verdicts for finding in v["findings"]]
    remarks = {(v["node"], what): rest for v in verdicts for what, *rest in v["remarks"]}
    told = findings + [(*about, *rest) for about, rest in remarks.items()]
    return [f"{who}: {what:<12}{'ok' if ok else 'NO':<4}{words}" for who, what, ok, words in told]


if __name__ == "__main__":
    # Not into the log alone: this is what one looks for on the terminal.
    verdicts = [json.loads(Path(path).read_text()) for path in snakemake.input.verdicts]
    text = "\n".join(lines(verdicts))
    for place in (sys.stderr, open(snakemake.log[0], "w")):
        print(text, file=place, flush=True)
    if unfit := [verdict["competitor"] for verdict in verdicts if not verdict["fit"]]:
        sys.exit(f"unfit: {', '.join(unfit)}. Started again, Snakemake leaves that out.")
    Path(snakemake.output[0]).write_text(text + "\n")
