"""What the frameworks answered to the checked statements, in the report's language."""

import inspect

import pandas as pd

from evenhand.comparison.claims import mirrored, status
from evenhand.comparison.compare import of_scenario
from evenhand.core.identity import Competitor

# What explains a speed: columns of runs.csv, and what the catalogue's sentences call them.
EXPLAINS = {"median_epoch_seconds": "epoch", "loader_pass_seconds": "loader", "wait_share": "waits"}
EXPLAINS |= {"threads_at_work": "cores", "helpers_at_work": "helpers"}


def speed_answers(
    catalogue: dict, claims: pd.DataFrame, comparison: pd.DataFrame, runs: pd.DataFrame
) -> list[dict]:
    """Answers to the statements that claim a ratio of times, which no framework can give alone.

    The catalogue's `claim` names a file in config/claims; `claims` is the table of what became of
    each, and the first scenario that it was judged in answers.
    """
    return [
        _speed_answer(statement, row, comparison, runs)
        for statement, entry in catalogue["statements"].items()
        if "claim" in entry
        for row in claims[claims["claim"] == entry["claim"]].head(1).itertuples()
    ]


def _speed_answer(statement: str, claim, comparison: pd.DataFrame, runs: pd.DataFrame) -> dict:
    """A judged claim with what was measured there, and in the track's other scenarios."""
    measured, faster = {}, Competitor.parse(claim.faster)
    if pd.notna(claim.ratio):  # otherwise the two are not comparable, or not ranked yet
        measured = {key: getattr(claim, key) for key in ("ratio", "low", "high", "rounds")}
        own = of_scenario(runs, claim.track, claim.scenario)
        medians = own.groupby("competitor")[list(EXPLAINS)].median().rename(columns=EXPLAINS)
        for name in (claim.slower, claim.faster):
            measured |= (
                medians.loc[name].add_prefix(f"{Competitor.parse(name).framework}_").to_dict()
            )
    pairs = pd.concat([comparison, mirrored(comparison)])
    elsewhere = pairs[
        (pairs["track"] == claim.track)
        & (pairs["scenario"] != claim.scenario)
        & (pairs["a"] == claim.faster)
        & (pairs["b"] == claim.slower)
    ]
    elsewhere = elsewhere.dropna(subset="ratio")[["scenario", "ratio", "low", "high"]]
    return {
        "statement": statement,
        "framework": faster.framework,
        "device": faster.device,
        "status": claim.status,
        "lost": False,
        "code": inspect.getsource(status).strip(),
        "output": "\n".join(f"{k} {v:.3g}" for k, v in measured.items()),
        "versions": {},
        "measured": measured,
        "elsewhere": elsewhere.to_dict("records"),
    }


def in_words(catalogue: dict, answers: list[dict], language: str) -> list[dict]:
    """The statements in the catalogue's order with their answers, texts in `language`.

    Each answer gains `status_words` and `observed`, the catalogue's sentence for its status, with
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
        slug, framework, status = answer["statement"], answer["framework"], answer["status"]
        try:
            entry = catalogue["statements"][slug]
            seen = catalogue["lost"] if answer["lost"] else entry["observed"][framework][status]
        except KeyError as missing:
            wanted = f"{slug}, {framework}, {status}, {language}"
            raise ValueError(f"statements.yaml: nothing for {wanted}: {missing}") from None
        said = [seen[language]]
        if answer.get("measured"):
            said.append(entry["measured"][language].format(**answer["measured"]))
            said += [entry["elsewhere"][language].format(**row) for row in answer["elsewhere"]]
        observed = catalogue["space"][language].join(said)
        statements[slug]["answers"].append(
            {key: answer[key] for key in ("framework", "device", "status")}
            | {"status_words": catalogue["statuses"][status][language], "observed": observed}
            | {key: answer[key] for key in ("code", "output", "versions")}
        )
    return list(statements.values())


def tidy(statements: list[dict]) -> pd.DataFrame:
    """One row for each answer."""
    columns = ["id", "statement", "framework", "device", "status", "observed"]
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
            str(Competitor(answer["framework"], answer["device"])): (
                f"**{answer['status_words']}**: {answer['observed']}"
            )
            for answer in statement["answers"]
        }
        for statement in statements
    ]
    table = pd.DataFrame(rows).fillna("-")
    return table.to_markdown(index=False, disable_numparse=True) + "\n"
