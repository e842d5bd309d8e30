"""What a start would have to do, where only its plan is asked for."""

from dataclasses import replace


def of_default_target(workflow) -> list:
    """The jobs that a start with the same flags finds to be done, by the same graph of jobs.

    The graph of the target `plan` has no runs. Snakemake builds a second one, also for what the
    workflow asks of its graph meanwhile, and goes on with the first.
    """
    swapped = ("dag_settings", "_dag", "_persistence", "iocache")
    own = {name: getattr(workflow, name) for name in swapped}
    workflow.dag_settings = replace(workflow.dag_settings, targets=frozenset())
    try:
        workflow._prepare_dag(
            forceall=workflow.dag_settings.forceall,
            ignore_incomplete=workflow.execution_settings.ignore_incomplete,
            lock_warn_only=True,
            nolock=True,
        )
        workflow.async_run(workflow.dag.init())
        workflow.async_run(workflow.dag.update_checkpoint_dependencies())
        return list(workflow.dag.needrun_jobs())
    finally:
        for name, value in own.items():
            setattr(workflow, name, value)
