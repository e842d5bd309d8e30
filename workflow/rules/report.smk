rule check_statements:
    """The tutorial's statements, tried in a framework's own environment."""
    input:
        program=f"{CODE}/statements/check_statements.py",
        code=[f"{CODE}/statements/observing.py", f"{CODE}/statements/{{framework}}_statements.py"],
        receipt="results/environments/{framework}-{device}.json",
    output:
        "results/statements/{framework}-{device}.json",
    log:
        "logs/check_statements/{framework}-{device}.log",
    conda:
        "../../envs/{framework}-{device}.yaml"
    container:
        "results/images/{framework}-{device}.sif"
    params:
        python=interpreter,
    shell:
        "{params.python} {input.program:q}"
        " --framework {wildcards.framework}"
        " --device {wildcards.device}"
        " --receipt {input.receipt:q}"
        " --output {output:q}"
        " > {log:q} 2>&1"


rule statements:
    """Every statement with its answers, framework beside framework, in the report's language."""
    input:
        answers=answers(),
        catalogue=f"{CODE}/statements/statements.yaml",
        comparison="results/comparison.csv",
        runs=f"results/runs.{FORM}",
    output:
        json="results/statements.json",
        csv="results/statements.csv",
        markdown="results/statements.md",
    log:
        "logs/statements.log",
    params:
        language=config["language"],
    script:
        "../scripts/statements.py"


rule figures:
    """Every picture of the report, as SVG and as PNG, and as an SVG for phones."""
    input:
        runs=f"results/runs.{FORM}",
        epochs=f"results/epochs.{FORM}",
        audit="results/audit.csv",
        comparison="results/comparison.csv",
        gate_steps=CHECKS["gate_steps"],
        published=PUBLISHED,
        text=f"{CODE}/report/text.{config['language']}.yaml",
        english=f"{CODE}/report/text.en.yaml",
        code=[f"{CODE}/scripts/{part}.py" for part in ("competitors", "report_data")],
    output:
        svg=expand("results/figures/{figure}.svg", figure=FIGURES),
        narrow=expand("results/figures/{figure}-narrow.svg", figure=FIGURES),
        png=expand("results/figures/{figure}.png", figure=FIGURES),
    log:
        "logs/figures.log",
    script:
        "../scripts/figures.py"


rule report:
    """The page."""
    input:
        runs=f"results/runs.{FORM}",
        epochs=f"results/epochs.{FORM}",
        audit="results/audit.csv",
        comparison="results/comparison.csv",
        thread_effect="results/thread_effect.csv",
        nodes="results/nodes.csv",
        gate=CHECKS["gate"],
        gate_steps=CHECKS["gate_steps"],
        tutorial_check=CHECKS["tutorial_check"],
        statements="results/statements.json",
        environments=files_of_all("results/environments/{competitor}.json"),
        trainers=files_of_all(f"{CODE}/trainers/{{track}}/{{framework}}_mlp.py"),
        digits=rules.download.output,
        figures=rules.figures.output.svg + rules.figures.output.narrow,
        published=PUBLISHED,
        text=f"{CODE}/report/text.{config['language']}.yaml",
        template=f"{CODE}/report/template.html.j2",
        style=f"{CODE}/report/style.css",
        code=[
            f"{CODE}/scripts/{part}.py"
            for part in ("report_data", "report_sentences", "report_tables", "competitors")
        ],
    output:
        report="results/report.html",
    log:
        "logs/report.log",
    script:
        "../scripts/report.py"
