"""What the files of the axes ask of the launcher."""

from collections.abc import Mapping


def assignments(values: Mapping[str, str]) -> list[str]:
    """Each as NAME=VALUE."""
    return [f"{name}={value}" for name, value in values.items()]


def settings(framework: Mapping, device: Mapping, of_track: Mapping[str, str]) -> list[str]:
    """The variables that a run of a framework on a device gets, each as NAME=VALUE."""
    return assignments({**framework["variables"], **device["variables"], **of_track})


def launch_options(framework: Mapping, device: Mapping, of_track: Mapping[str, str]) -> list[str]:
    """The launcher's flags for a framework on a device; `of_track`: the track's variables there."""
    options = {
        "--thread-variables": framework["threads"]["variables"],
        "--set": settings(framework, device, of_track),
        "--recorded": [*framework["recorded"], *device["recorded"]],
        "--unrecorded": device["unrecorded"],
        "--library-folders": [device["library_folders"]] if device["library_folders"] else [],
    }
    flags = [part for flag, values in options.items() if values for part in (flag, *values)]
    return flags + ["--gpu"] * device["gpu"]
