"""A test double of nvidia-ml-py: one GPU, on which a process appears once somebody watches.

FAKE_NVML=absent stands for a machine without a driver, FAKE_NVML=idle for a run that never used the
GPU, FAKE_NVML=old for a GPU that does not count energy.
"""

import os
from types import SimpleNamespace

NVML_CLOCK_SM, NVML_CLOCK_MEM, NVML_TEMPERATURE_GPU = 1, 2, 0
asked = {"processes": 0, "energy": 0}


class NVMLError(Exception):
    pass


def nvmlInit():
    if os.environ.get("FAKE_NVML") == "absent":
        raise NVMLError("NVML Shared Library Not Found")


def nvmlDeviceGetHandleByIndex(index):
    if index > 0:
        raise NVMLError("Invalid Argument")
    return "gpu"


def nvmlDeviceGetHandleByUUID(uuid):
    if uuid != "GPU-1":
        raise NVMLError("Not Found")
    return "gpu"


def nvmlSystemGetCudaDriverVersion():
    return 12_080


def nvmlSystemGetDriverVersion():
    return "570.1"


def nvmlDeviceGetCudaComputeCapability(handle):
    return (8, 6)


def nvmlDeviceGetName(handle):
    return "A Made-Up GPU"


def nvmlDeviceGetUUID(handle):
    return "GPU-1"


def nvmlDeviceGetMemoryInfo(handle):
    return SimpleNamespace(total=8 << 30)


def nvmlDeviceGetTotalEnergyConsumption(handle):
    if os.environ.get("FAKE_NVML") == "old":
        raise NVMLError("Not Supported")
    asked["energy"] += 1
    return 2500 * asked["energy"]  # mJ


def nvmlDeviceGetComputeRunningProcesses(handle):
    """Another process from the beginning; from the second question on, a process of ours."""
    asked["processes"] += 1
    there = [SimpleNamespace(pid=1, usedGpuMemory=7 << 20)]
    if asked["processes"] > 1 and os.environ.get("FAKE_NVML") != "idle":
        there.append(SimpleNamespace(pid=999_999, usedGpuMemory=300 << 20))
    return there


def nvmlDeviceGetPowerUsage(handle):
    return 70_000  # mW


def nvmlDeviceGetClockInfo(handle, clock):
    return {NVML_CLOCK_SM: 1400, NVML_CLOCK_MEM: 5000}[clock]


def nvmlDeviceGetTemperature(handle, sensor):
    raise NVMLError("Not Supported")


def nvmlDeviceGetCurrentClocksThrottleReasons(handle):
    return 0x4 | 0x1  # power cap; and idle, which is no reason
