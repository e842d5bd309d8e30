"""Open a round on the machine that will run it."""

from pathlib import Path

from evenhand.core.program import log_to
from evenhand.rounds.opening import open_round
from toolbox.record import write

if __name__ == "__main__":
    log_to(snakemake.log[0])
    wanted, params = snakemake.wildcards, snakemake.params
    content = open_round(
        wanted.track,
        wanted.scenario,
        int(wanted.round),
        params.nodes,
        params.seed,
        params.order,
        params.products,
        Path(snakemake.input.secret).read_text().strip(),
    )
    write(snakemake.output[0], content)
    print(f"{content['id']}: {' then '.join(content['order'])}")
