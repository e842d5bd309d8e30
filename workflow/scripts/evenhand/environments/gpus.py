"""The options with which a container is given the GPUs that its job was granted, and no others."""

from collections.abc import Sequence

from evenhand.environments.containers import ContainerError
from toolbox.nvml import NoGpu, granted

EACH, ALL = "{gpu}", "{gpus}"  # what stands in a device's file for UUIDs: of one GPU, or of all


def filled(options: Sequence[str]) -> list[str]:
    """A container engine's options from the file of a device, with UUIDs in their places.

    An option with `{gpu}` is there once for each of the GPUs, or MIG devices, that CUDA would see
    outside of the container; `{gpus}` are all of them, with commas. ContainerError if there are
    none. Only then is there any need of a driver.
    """
    if not any(place in option for option in options for place in (EACH, ALL)):
        return list(options)
    try:
        _, devices = granted()
    except NoGpu as error:
        raise ContainerError(f"No GPU can be passed into a container: {error}") from None
    uuids = [device.uuid for device in devices]
    return [
        option.replace(EACH, uuid).replace(ALL, ",".join(uuids))
        for option in options
        for uuid in (uuids if EACH in option else uuids[:1])
    ]
