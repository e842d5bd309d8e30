"""What the files of the axes ask of the launcher."""

from collections.abc import Mapping


def launch_options(framework: Mapping, device: Mapping, of_track: Mapping[str, str]) -> list[str]:
    """The launcher's flags for a framework on a device; `of_track`: the track's variables there."""
    variables = {**framework["variables"], **device["variables"], **of_track}
    options = {
        "--thread-variables": framework["threads"]["variables"],
        "--set": [f"{name}={value}" for name, value in variables.items()],
        "--recorded": [*framework["recorded"], *device["recorded"]],
        "--unrecorded": device["unrecorded"],
        "--library-folders": [device["library_folders"]] if device["library_folders"] else [],
    }
    flags = [part for flag, values in options.items() if values for part in (flag, *values)]
    return flags + ["--gpu"] * device["gpu"]
