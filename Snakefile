# Evenhand: the same perceptron in several frameworks, compared so that it can be believed.
#
#   download ── prepare ───────────────┐
#   protocol ──────────────────────────┼─ round ── train (× frameworks, in a drawn order) ─┐
#   environment (× f-d) ─┬─ examine ───┘                                                   ├─ collect ─ compare ─ figures ─ report
#                        └─ rehearse ──┐                                                   ├─ audit ───┘
#                           reference ─┴─ gate ────────────────────────────────────────────┘
#
# snakemake --cores 4                                               the whole comparison
# snakemake --cores 4 --configfile config/presets/quick.yaml        the same in a minute, on less data
# snakemake plan                                                    runs, rounds, hours: nothing runs
# snakemake --dry-run                                               every job that would run


configfile: "config/config.yaml"


include: "workflow/rules/common.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/environments.smk"
include: "workflow/rules/doctor.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/analysis.smk"
include: "workflow/rules/report.smk"


# Seconds each, less than a cluster's job costs: they run where Snakemake runs.
localrules:
    protocol,
    collect,
    audit,
    gate,
    tutorial_check,
    compare,
    compare_nodes,
    statements,
    figures,
    report,


rule all:
    default_target: True
    input:
        "results/report.html",


rule plan:
    """The plan alone, which every start prints before its first job."""
    localrule: True


onstart:
    from plan import plan  # with pandas, which takes its time

    check_images()
    if ALONE:
        orphans.cancel(os.getcwd())
    print(plan(config), file=sys.stderr)
