"""A test double of nvidia-ml-py: GPUs, on the first of which a process appears once one watches.

FAKE_NVML=absent stands for a machine without a driver, FAKE_NVML=idle for a run that never used the
GPU, FAKE_NVML=old for a GPU that tells neither energy nor how busy it is and a driver that lacks
newer functions, FAKE_NVML=mig for a GPU that is split, FAKE_NVML=mps for one whose processes share
it through a server, FAKE_NVML=broken for a driver whose answers make no sense. FAKE_NVML_DRIVER is
the driver's version and the CUDA that it is for, as in "570.1 12080".
"""

import os
from types import SimpleNamespace

NVML_CLOCK_SM, NVML_CLOCK_MEM, NVML_TEMPERATURE_GPU = 1, 2, 0
asked = {"processes": 0, "energy": 0}
mode = os.environ.get("FAKE_NVML")
driver, cuda = os.environ.get("FAKE_NVML_DRIVER", "570.1 12080").split()


class NVMLError(Exception):
    pass


def gpu(uuid, name="A Made-Up GPU", gibibytes=8, parts=None):
    """A GPU; `parts`: its MIG devices, None where MIG is off."""
    return SimpleNamespace(uuid=uuid, name=name, gibibytes=gibibytes, parts=parts)


def part(uuid, instance, profile="1g.2gb", gibibytes=2):
    """A MIG device."""
    name = f"A Made-Up GPU MIG {profile}"
    return SimpleNamespace(uuid=uuid, name=name, gibibytes=gibibytes, instance=instance)


SPLIT = [part("MIG-1", 1), None, part("MIG-2", 2)]  # the place between them is empty
gpus = [gpu("GPU-1", parts=SPLIT if mode == "mig" else None)]


def nvmlInit():
    if mode == "absent":
        raise NVMLError("NVML Shared Library Not Found")


def nvmlDeviceGetCount():
    return len(gpus)


def nvmlDeviceGetHandleByIndex(index):
    if not 0 <= index < len(gpus):
        raise NVMLError("Invalid Argument")
    return gpus[index]


def whole(handle):
    """What has no answer about a MIG device."""
    if not hasattr(handle, "parts"):
        raise NVMLError("Not Supported")


def nvmlDeviceGetMigMode(handle):
    whole(handle)
    if mode == "old":
        raise NVMLError("Function Not Found")
    return [int(handle.parts is not None)] * 2


def nvmlDeviceGetMaxMigDeviceCount(handle):
    return len(handle.parts)


def nvmlDeviceGetMigDeviceHandleByIndex(handle, index):
    if handle.parts[index] is None:
        raise NVMLError("Not Found")
    return handle.parts[index]


def nvmlDeviceGetGpuInstanceId(handle):
    return handle.instance


def nvmlDeviceGetComputeInstanceId(handle):
    return 0


def nvmlSystemGetCudaDriverVersion():
    return int(cuda)


def nvmlSystemGetDriverVersion():
    return driver


def nvmlDeviceGetCudaComputeCapability(handle):
    whole(handle)
    return (8, 6)


def nvmlDeviceGetName(handle):
    return handle.name


def nvmlDeviceGetUUID(handle):
    return handle.uuid


def nvmlDeviceGetMemoryInfo(handle):
    return SimpleNamespace(total=handle.gibibytes << 30)


def nvmlDeviceGetTotalEnergyConsumption(handle):
    whole(handle)
    if mode == "old":
        raise NVMLError("Not Supported")
    asked["energy"] += 1
    return 2500 * asked["energy"]  # mJ


def nvmlDeviceGetUtilizationRates(handle):
    if mode == "old":
        raise NVMLError("Not Supported")
    return SimpleNamespace(gpu=0 if mode == "idle" else 97)  # percent


def processes_that_compute(handle):
    """Another process from the beginning; from the second question on, a process of ours."""
    asked["processes"] += 1
    there = [SimpleNamespace(pid=1, usedGpuMemory=7 << 20)]
    if asked["processes"] > 1 and mode == "mps":
        there.append(SimpleNamespace(pid=2, usedGpuMemory=900 << 20))  # the server
    elif asked["processes"] > 1 and mode != "idle":
        there.append(SimpleNamespace(pid=999_999, usedGpuMemory=300 << 20))
    return there


def nvmlDeviceGetComputeRunningProcesses(handle):
    if mode == "old":
        raise NVMLError("Function Not Found")
    return processes_that_compute(handle)


def nvmlDeviceGetComputeRunningProcesses_v2(handle):
    return processes_that_compute(handle)


def nvmlDeviceGetMPSComputeRunningProcesses(handle):
    if mode == "mps" and asked["processes"] > 1:
        return [SimpleNamespace(pid=999_999, usedGpuMemory=300 << 20)]
    return []


def nvmlSystemGetProcessName(pid):
    names = {1: "/usr/bin/other", 2: "/usr/bin/nvidia-cuda-mps-server"}
    if pid not in names:
        raise NVMLError("Not Found")
    return names[pid]


def nvmlDeviceGetPowerUsage(handle):
    whole(handle)
    return 70_000  # mW


def nvmlDeviceGetClockInfo(handle, clock):
    whole(handle)
    if mode == "broken":
        raise ValueError("no clock")
    return {NVML_CLOCK_SM: 1400, NVML_CLOCK_MEM: 5000}[clock]


def nvmlDeviceGetTemperature(handle, sensor):
    raise NVMLError("Not Supported")


def reasons(handle):
    whole(handle)
    return 0x4 | 0x1  # power cap; and idle, which is no reason


if mode == "old":  # as in old versions of nvidia-ml-py, too
    nvmlDeviceGetCurrentClocksThrottleReasons = reasons
    del nvmlDeviceGetMPSComputeRunningProcesses
else:
    nvmlDeviceGetCurrentClocksEventReasons = reasons
