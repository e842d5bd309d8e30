"""Kinds of nodes: examinations are filed by them, and a round keeps to its own."""

import re


def node_class(resources: list[str]) -> str:
    """A folder's name for the kind of machines that a cluster is asked for by default, or `here`.

    `resources`: Snakemake's --default-resources, "name=value" each. What can train on one kind of
    node may fail on another.
    """
    requested = dict(resource.split("=", 1) for resource in resources)
    kinds = ("slurm_partition", "constraint", "gpu_model")
    kind = [requested[name] for name in kinds if name in requested]
    return re.sub(r"[^\w.-]+", "-", "-".join(kind)).strip("-") or "here"
