# Who is faster, by how much, and how sure that is.


checkpoint fix_rounds:
    """How many rounds each contest has in all, where a precision is asked: once, by the first ones."""
    input:
        records=files_of_all("results/runs/{track}/{scenario}/{round}/{competitor}.json"),
        rounds=files_of_all("results/rounds/{track}/{scenario}/{round}.json"),
        code=code_of("fix_rounds"),
    output:
        "results/rounds.json",
    log:
        "logs/fix_rounds.log",
    priority: 1_000_000_000  # at once: rounds wait for it
    localrule: True
    conda:
        MAIN
    params:
        fixing=EXPERIMENT.fixing,
        excluded=EXPERIMENT.excluded,
    script:
        "../scripts/fix_rounds.py"


rule compare:
    """Each pair's ratio with its interval, the verdict that the rounds allow, and remarks on it."""
    input:
        code=code_of("compare"),
        configuration="results/configuration.json",
        runs=f"results/runs.{FORM}",
        audit="results/audit.csv",
        gate=f"results/gate.{FORM}",
        tutorial_check=f"results/tutorial_check.{FORM}",
        axes=JOBS.axis_files("tracks"),
        claims=CLAIMS,
        text=f"{CODE}/scripts/evenhand/report/text.en.yaml",
    output:
        ranking=report(
            "results/ranking.csv",
            category="Comparison",
            caption="../report/ranking.rst",
        ),
        comparison=report(
            "results/comparison.csv",
            category="Comparison",
            caption="../report/comparison.rst",
        ),
        remarks=report(
            "results/remarks.csv",
            category="Comparison",
            caption="../report/remarks.rst",
        ),
        markdown=report(
            "results/comparison.md",
            category="Comparison",
            caption="../report/comparison_markdown.rst",
        ),
        thread_effect=report(
            "results/thread_effect.csv",
            category="Comparison",
            caption="../report/thread_effect.rst",
        ),
        gains=report(
            "results/gains.csv",
            category="Comparison",
            caption="../report/gains.rst",
        ),
        claims=report(
            "results/claims.csv",
            category="Comparison",
            caption="../report/claims.rst",
        ),
        loaders=report(
            "results/loaders.csv",
            category="Comparison",
            caption="../report/loaders.rst",
        ),
        sizes=report(
            "results/sizes.csv",
            category="Comparison",
            caption="../report/sizes.rst",
        ),
    log:
        "logs/compare.log",
    localrule: True  # seconds, less than a cluster's job costs
    conda:
        MAIN
    script:
        "../scripts/compare.py"


rule compare_nodes:
    """The ratios apart for each kind of machine that took part."""
    input:
        code=code_of("compare_nodes"),
        runs=f"results/runs.{FORM}",
        audit="results/audit.csv",
        comparison="results/comparison.csv",
    output:
        "results/nodes.csv",
    log:
        "logs/compare_nodes.log",
    localrule: True
    conda:
        MAIN
    params:
        confidence=config["comparison"]["confidence"],
        first=EXPERIMENT.first_rounds,
    script:
        "../scripts/compare_nodes.py"
