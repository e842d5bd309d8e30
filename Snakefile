# Evenhand: the same perceptron in several frameworks, compared so that the result can be trusted.
#
#   download ── prepare ────────────┐
#   protocol ───────────────────────┼─ round ─┬─ train (× frameworks, in random order) ─┬─ collect ──────────┐
#   environment (× f-d) ── examine ─┘         └─ rehearse (one round, in float64) ──────┼─ audit ────────────┼─ compare ─ figures ─ report
#                                                                                       └─ reference ── gate ┘
#
# Where a precision is asked, fix_rounds stands behind the first rounds: it says how many more there are.
#
# snakemake --cores 4                                               the whole comparison
# snakemake --cores 4 --configfile config/presets/quick.yaml        the same in a minute, on less data
# snakemake plan                                                    runs, rounds, hours: nothing runs
# snakemake --dry-run                                               every job that would run


configfile: "config/config.yaml"


include: "workflow/rules/common.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/environments.smk"
include: "workflow/rules/model.smk"
include: "workflow/rules/rounds.smk"
include: "workflow/rules/checks.smk"
include: "workflow/rules/comparison.smk"
include: "workflow/rules/report.smk"


terminal.watch(workflow, EXPERIMENT)


rule all:
    default_target: True
    input:
        "results/report.html",


onstart:
    from evenhand.rounds.due_jobs import of_default_target
    from evenhand.rounds.plan import plan
    from toolbox.machine import usable_cores

    if workflow.local_exec:
        # Snakemake's limit of jobs a second wakes it up each second, once more for every job that
        # has ended, to look at all waiting jobs: after 140 runs a third of a core, beside the clock.
        workflow.scheduler.job_rate_limiter = None
    alone = "plan" in workflow.dag_settings.targets
    due = of_default_target(workflow) if alone else list(workflow.dag.needrun_jobs())
    # a graph without runs, as that of `doctor`, tells nothing of them
    if alone or any(job.rule.name == "train" for job in workflow.dag.jobs):
        again = {str(path) for job in due for path in job.output}.union(AGAIN)
        # a cluster's nodes are not seen here
        cores = usable_cores() if workflow.local_exec else None
        words = plan(EXPERIMENT, again=again, cores=cores, deployments=DEPLOYMENT.recorded)
        print(words, file=sys.stderr)
    try:
        JOBS.check_images(due)
    except WorkflowError as error:
        if not alone:
            raise
        print(error, file=sys.stderr)
    if not alone:
        if any(job.rule.name == "train" for job in due):
            stale_jobs.cancel(os.getcwd())
        DEPLOYMENT.remove_left(Path.cwd())
