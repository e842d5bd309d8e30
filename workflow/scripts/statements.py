"""Gather what the frameworks answered to the tutorial's statements, in the report's language."""

import inspect
import json
import sys
from pathlib import Path

import pandas as pd
import yaml
from tables import read_table

# What tells the reason for a speed, by its column in runs.csv: what statement 16 calls it.
WHY = {"median_epoch_seconds": "epoch", "loader_pass_seconds": "loader", "wait_share": "waits"}


def speed_verdict(verdict: str, ratio: float, low: float, high: float) -> str:
    """Is MXNet twice as fast? `ratio` is its seconds over PyTorch's, `low` to `high` the interval.

    The claim needs an interval that reaches 0.5 and lies, in logarithms, nearer to it than to 1:
    one so wide that it merely reaches 0.5 proves nothing.
    """
    if verdict == "same" or (verdict in ("faster", "slower") and ratio > 1):
        return "no longer"
    if verdict == "faster" and low > 0.5:
        return "changed"
    if verdict == "faster" and high < 0.5**0.5:
        return "holds"
    return "undecided"


def twice_as_fast(comparison: pd.DataFrame, runs: pd.DataFrame) -> list[dict]:
    """Statement 16, which no framework can answer alone: MXNet against PyTorch on each device.

    The verdict rests on the tutorial track's scenario `baseline`; without it there is no answer.
    """
    mirrored = comparison.rename(columns={"a": "b", "b": "a"}).assign(
        ratio=1 / comparison["ratio"],
        low=1 / comparison["high"],
        high=1 / comparison["low"],
        verdict=comparison["verdict"].replace({"faster": "slower", "slower": "faster"}),
    )
    pairs = pd.concat([comparison, mirrored]).query("track == 'tutorial'")
    medians = runs.query("track == 'tutorial' and scenario == 'baseline'")
    medians = medians.groupby("competitor")[list(WHY)].median().rename(columns=WHY)
    answers = []
    for device in runs["device"].unique():
        mxnet, pytorch = f"mxnet-{device}", f"pytorch-{device}"
        of_device = pairs.query("a == @mxnet and b == @pytorch")
        others = of_device.query("scenario != 'baseline'").dropna(subset="ratio")
        for pair in of_device.query("scenario == 'baseline'").to_dict("records"):
            measured = {}
            if pd.notna(pair["ratio"]):  # otherwise the two are not comparable, or not ranked yet
                measured = {key: pair[key] for key in ("ratio", "low", "high", "rounds")}
                for name, competitor in (("pytorch", pytorch), ("mxnet", mxnet)):
                    measured |= medians.loc[competitor].add_prefix(f"{name}_").to_dict()
            verdict = speed_verdict(pair["verdict"], pair["ratio"], pair["low"], pair["high"])
            answers.append(
                {
                    "statement": "twice_as_fast",
                    "framework": "mxnet",
                    "device": device,
                    "verdict": verdict,
                    "lost": False,
                    "code": inspect.getsource(speed_verdict).strip(),
                    "output": "\n".join(f"{k} {v:.3g}" for k, v in measured.items()),
                    "versions": {},
                    "measured": measured,
                    "elsewhere": others[["scenario", "ratio", "low", "high"]].to_dict("records"),
                }
            )
    return answers


def in_words(catalogue: dict, answers: list[dict], language: str) -> list[dict]:
    """The statements in the catalogue's order with their answers, texts in `language`.

    Each answer gains `verdict_words` and `observed`, the catalogue's sentence for its verdict, with
    what was measured after it; ValueError if the catalogue has none.
    """
    statements = {
        slug: {
            "id": entry["id"],
            "slug": slug,
            "text": entry["text"][language],
            "then": entry.get("then", {}),
            "answers": [],
        }
        for slug, entry in catalogue["statements"].items()
    }
    for answer in answers:
        slug, framework, verdict = answer["statement"], answer["framework"], answer["verdict"]
        try:
            entry = catalogue["statements"][slug]
            seen = catalogue["lost"] if answer["lost"] else entry["observed"][framework][verdict]
        except KeyError as missing:
            wanted = f"{slug}, {framework}, {verdict}, {language}"
            raise ValueError(f"statements.yaml: nothing for {wanted}: {missing}") from None
        said = [seen[language]]
        if answer.get("measured"):
            said.append(entry["measured"][language].format(**answer["measured"]))
            said += [entry["elsewhere"][language].format(**row) for row in answer["elsewhere"]]
        observed = catalogue["space"][language].join(said)
        statements[slug]["answers"].append(
            {key: answer[key] for key in ("framework", "device", "verdict")}
            | {"verdict_words": catalogue["verdicts"][verdict][language], "observed": observed}
            | {key: answer[key] for key in ("output", "code", "versions")}
        )
    return list(statements.values())


def tidy(statements: list[dict]) -> pd.DataFrame:
    """One row for each answer."""
    columns = ["id", "statement", "framework", "device", "verdict", "observed"]
    rows = [
        answer | {"id": statement["id"], "statement": statement["slug"]}
        for statement in statements
        for answer in statement["answers"]
    ]
    return pd.DataFrame(rows, columns=columns)


def markdown(statements: list[dict]) -> str:
    """The table of statements by competitors; a dash where a competitor has no answer."""
    rows = [
        {"": str(statement["id"]), " ": statement["text"]}
        | {
            f"{answer['framework']}-{answer['device']}": (
                f"**{answer['verdict_words']}**: {answer['observed']}"
            )
            for answer in statement["answers"]
        }
        for statement in statements
    ]
    table = pd.DataFrame(rows).fillna("-")
    lines = [table.columns, ["---"] * len(table.columns), *table.to_numpy()]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


if __name__ == "__main__":
    sys.stderr = sys.stdout = open(snakemake.log[0], "w", buffering=1)
    catalogue = yaml.safe_load(Path(snakemake.input.catalogue).read_bytes())
    answers = [a for path in snakemake.input.answers for a in json.loads(Path(path).read_text())]
    answers += twice_as_fast(
        read_table(snakemake.input.comparison), read_table(snakemake.input.runs)
    )
    language = snakemake.params.language
    statements = in_words(catalogue, answers, language)
    whole = json.dumps({"language": language, "statements": statements}, indent=1)
    Path(snakemake.output.json).write_text(whole)
    tidy(statements).to_csv(snakemake.output.csv, index=False)
    Path(snakemake.output.markdown).write_text(markdown(statements), encoding="utf-8")
    print(f"{sum(len(s['answers']) for s in statements)} answers to {len(statements)} statements")
