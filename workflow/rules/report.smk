# What people read: the tutorial's statements today, the pictures, the page.

FIGURES = ["loss", "seconds", "ratio", "waiting", "tracks", "phases", "limit", "gate"]
FIGURES += ["loaders", "sizes"]


rule check_statements:
    """The tutorial's statements, checked in a framework's own environment."""
    input:
        program=f"{CODE}/statements/check_statements.py",
        code=[f"{CODE}/statements/observing.py", f"{CODE}/statements/{{framework}}_statements.py"],
        toolbox=TOOLBOX,
        receipt="results/environments/{framework}-{device}.json",
    output:
        "results/statements/{framework}-{device}.json",
    log:
        "logs/check_statements/{framework}-{device}.log",
    conda:
        "../../envs/{framework}-{device}.yaml"
    container:
        "results/images/{framework}-{device}.sif"
    resources:
        gpu=JOBS.gpus,
    params:
        python=JOBS.python,
        variables=JOBS.variables,
    shell:
        "{params.python} {input.program:q}"
        " --framework {wildcards.framework}"
        " --device {wildcards.device}"
        " --receipt {input.receipt:q}"
        " --output {output:q}"
        " --set {params.variables}"
        " > {log:q} 2>&1"


rule statements:
    """Every statement with each framework's answers, in the report's language."""
    input:
        code=code_of("statements"),
        answers=JOBS.answers,
        catalogue=f"{CODE}/statements/statements.yaml",
        comparison="results/comparison.csv",
        claims="results/claims.csv",
        runs=f"results/runs.{FORM}",
    output:
        json="results/statements.json",
        csv="results/statements.csv",
        markdown="results/statements.md",
    log:
        "logs/statements.log",
    localrule: True  # seconds, less than a cluster's job costs
    conda:
        MAIN
    params:
        language=config["language"],
    script:
        "../scripts/statements.py"


rule figures:
    """Every figure of the report, as SVG and as PNG, and as an SVG for phones."""
    input:
        code=code_of("figures"),
        configuration="results/configuration.json",
        runs=f"results/runs.{FORM}",
        epochs=f"results/epochs.{FORM}",
        audit="results/audit.csv",
        comparison="results/comparison.csv",
        loaders="results/loaders.csv",
        sizes="results/sizes.csv",
        gate_steps="results/gate_steps.csv",
        axes=JOBS.axis_files("frameworks", "tracks"),
        claims=CLAIMS,
        text=f"{CODE}/scripts/evenhand/report/text.{config['language']}.yaml",
        english=f"{CODE}/scripts/evenhand/report/text.en.yaml",
    output:
        svg=expand("results/figures/{figure}.svg", figure=FIGURES),
        narrow=expand("results/figures/{figure}-narrow.svg", figure=FIGURES),
        png=[
            report(
                f"results/figures/{figure}.png",
                category="Figures",
                caption=f"../report/figure_{figure}.rst",
            )
            for figure in FIGURES
        ],
    log:
        "logs/figures.log",
    localrule: True
    conda:
        MAIN
    script:
        "../scripts/figures.py"


rule report:
    """The report, as one HTML page."""
    input:
        code=code_of("report"),
        configuration="results/configuration.json",
        runs=f"results/runs.{FORM}",
        epochs=f"results/epochs.{FORM}",
        audit="results/audit.csv",
        ranking="results/ranking.csv",
        comparison="results/comparison.csv",
        remarks="results/remarks.csv",
        thread_effect="results/thread_effect.csv",
        gains="results/gains.csv",
        claims="results/claims.csv",
        about=CLAIMS,
        loaders="results/loaders.csv",
        sizes="results/sizes.csv",
        nodes="results/nodes.csv",
        gate=f"results/gate.{FORM}",
        tutorial_check=f"results/tutorial_check.{FORM}",
        statements="results/statements.json",
        environments=files_of_all("results/environments/{competitor}.json"),
        trainers=JOBS.all_trainers,
        datasets=files_of_all("results/data/{dataset}/facts.json"),
        axes=JOBS.axis_files("frameworks", "tracks"),
        of_datasets=files_of_all(f"{CODE}/datasets/{{dataset}}.yaml"),
        figures=rules.figures.output.svg + rules.figures.output.narrow,
        text=f"{CODE}/scripts/evenhand/report/text.{config['language']}.yaml",
        template=f"{CODE}/scripts/evenhand/report/template.html.j2",
        style=f"{CODE}/scripts/evenhand/report/style.css",
        script=f"{CODE}/scripts/evenhand/report/page.js",
    output:
        report=report("results/report.html", category="Page", caption="../report/page.rst"),
        headline="results/headline.txt",  # for the terminal
    log:
        "logs/report.log",
    localrule: True
    conda:
        MAIN
    script:
        "../scripts/report.py"
