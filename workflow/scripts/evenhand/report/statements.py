"""What the frameworks answered to the checked statements, in the report's language."""

import inspect

import pandas as pd

from evenhand.core.identity import Competitor

# What explains a speed: columns of runs.csv, and what the catalogue's sentences call them.
EXPLAINS = {"median_epoch_seconds": "epoch", "loader_pass_seconds": "loader", "wait_share": "waits"}
EXPLAINS |= {"threads_at_work": "cores", "helpers_at_work": "helpers"}


def speed_status(verdict: str, ratio: float, low: float, high: float, claimed: float) -> str:
    """Does a claimed ratio of times, below 1, hold? `low` to `high` is the interval of `ratio`.

    The claim needs an interval that reaches it and lies, in logarithms, nearer to it than to 1: one
    so wide that it merely reaches the claim proves nothing.
    """
    if verdict == "same" or (verdict in ("faster", "slower") and ratio > 1):
        return "no longer"
    if verdict == "faster" and low > claimed:
        return "changed"
    if verdict == "faster" and high < claimed**0.5:
        return "holds"
    return "undecided"


def speed_answers(catalogue: dict, comparison: pd.DataFrame, runs: pd.DataFrame) -> list[dict]:
    """Answers to the statements that claim a ratio of times, which no framework can give alone.

    The catalogue's `claim` says of which two frameworks, in which track and scenario; there is an
    answer for each device on which the comparison has both.
    """
    mirrored = comparison.rename(columns={"a": "b", "b": "a"}).assign(
        ratio=1 / comparison["ratio"],
        low=1 / comparison["high"],
        high=1 / comparison["low"],
        verdict=comparison["verdict"].replace({"faster": "slower", "slower": "faster"}),
    )
    pairs = pd.concat([comparison, mirrored])
    return [
        _speed_answer(statement, entry["claim"], device, pairs, runs)
        for statement, entry in catalogue["statements"].items()
        if "claim" in entry
        for device in runs["device"].unique()
        if len(_of_claim(pairs, entry["claim"], device))
    ]


def _of_claim(pairs: pd.DataFrame, claim: dict, device: str) -> pd.DataFrame:
    """The row of a claim's two frameworks on a device, in its track and scenario."""
    a, b = (str(Competitor(claim[role], device)) for role in ("faster", "slower"))
    here = pairs[(pairs["track"] == claim["track"]) & (pairs["scenario"] == claim["scenario"])]
    return here[(here["a"] == a) & (here["b"] == b)]


def _speed_answer(
    statement: str, claim: dict, device: str, pairs: pd.DataFrame, runs: pd.DataFrame
) -> dict:
    """The answer on one device, with what was measured there and in the track's other scenarios."""
    (pair,) = _of_claim(pairs, claim, device).to_dict("records")
    measured = {}
    if pd.notna(pair["ratio"]):  # otherwise the two are not comparable, or not ranked yet
        measured = {key: pair[key] for key in ("ratio", "low", "high", "rounds")}
        own = runs[(runs["track"] == claim["track"]) & (runs["scenario"] == claim["scenario"])]
        medians = own.groupby("competitor")[list(EXPLAINS)].median().rename(columns=EXPLAINS)
        for framework in (claim["slower"], claim["faster"]):
            of_framework = medians.loc[str(Competitor(framework, device))]
            measured |= of_framework.add_prefix(f"{framework}_").to_dict()
    elsewhere = pairs[
        (pairs["track"] == claim["track"])
        & (pairs["scenario"] != claim["scenario"])
        & (pairs["a"] == pair["a"])
        & (pairs["b"] == pair["b"])
    ]
    elsewhere = elsewhere.dropna(subset="ratio")[["scenario", "ratio", "low", "high"]]
    interval = (pair[key] for key in ("ratio", "low", "high"))
    return {
        "statement": statement,
        "framework": claim["faster"],
        "device": device,
        "status": speed_status(pair["verdict"], *interval, claim["ratio"]),
        "lost": False,
        "code": inspect.getsource(speed_status).strip(),
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
