"""The NVIDIA GPU under a run, as its driver's management library (NVML) tells it.

Asked from the launcher's side: outside the trainer's process, on a thread of its own; and outside
of a container, which devices it is to be given. pynvml comes from the package nvidia-ml-py, which
every environment for cuda has, and the main one.
"""

import importlib.metadata
import os
import statistics
import threading
from contextlib import suppress
from typing import NamedTuple

from toolbox.energy import of_gpu

INTERVAL = 0.1  # seconds between samples; the driver itself renews its figures about as often

# Bits of nvmlClocksEventReasons; those that mean "slower than the GPU could".
THROTTLE = {
    0x4: "power cap",
    0x8: "hardware slowdown",
    0x20: "thermal limit in software",
    0x40: "thermal limit in hardware",
    0x80: "power brake",
}
# What serves all processes under MPS, which are listed apart; it computes for them alone.
MPS_SERVER = "nvidia-cuda-mps-server"


class NoGpu(Exception):
    """No NVIDIA GPU can be used here; the message says what was looked for and found."""


class Device(NamedTuple):
    """What CUDA takes for one device: a GPU, or a MIG device, which is a part of one."""

    uuid: str
    handle: object  # NVML's
    gpu: object  # the handle of the whole GPU
    old_uuid: str | None = None  # MIG-GPU-.../1/0, as drivers before 470 name MIG devices


def ask(nvml, questions: str, *arguments):
    """The answer to the first of these questions that has one here, or None.

    `questions`: functions of NVML by their names, separated by spaces. One is without an answer
    where the driver, the GPU or nvidia-ml-py lacks it.
    """
    for question in questions.split():
        if function := getattr(nvml, question, None):
            with suppress(nvml.NVMLError):
                return function(*arguments)
    return None


def devices_of(nvml, gpu) -> list[Device]:
    """What CUDA can use of a GPU: its MIG devices, or the GPU itself where MIG is off."""
    mode, _ = ask(nvml, "nvmlDeviceGetMigMode", gpu) or (0, 0)
    uuid = nvml.nvmlDeviceGetUUID(gpu)
    if not mode:
        return [Device(uuid, gpu, gpu)]
    found = []
    for index in range(ask(nvml, "nvmlDeviceGetMaxMigDeviceCount", gpu) or 0):
        # Without an answer where this place is empty.
        if part := ask(nvml, "nvmlDeviceGetMigDeviceHandleByIndex", gpu, index):
            instances = [
                ask(nvml, f"nvmlDeviceGet{kind}InstanceId", part) for kind in ("Gpu", "Compute")
            ]
            old = "/".join(map(str, [f"MIG-{uuid}", *instances]))
            found.append(Device(nvml.nvmlDeviceGetUUID(part), part, gpu, old))
    return found


def visible(nvml, setting: str | None) -> list[Device]:
    """The devices that CUDA sees where CUDA_VISIBLE_DEVICES is this, in its order.

    `setting`: numbers of GPUs, UUIDs or unambiguous beginnings of these, separated by commas; None
    for all. As CUDA reads it, what follows the first that is not there is not seen. A GPU that is
    split by MIG is its first MIG device. An NVMLError where NVML cannot tell.
    """
    gpus = []
    for index in range(nvml.nvmlDeviceGetCount()):
        gpu = ask(nvml, "nvmlDeviceGetHandleByIndex", index)  # None where it may not be used
        gpus.append(devices_of(nvml, gpu) if gpu else [])
    if setting is None:
        return [device for devices in gpus for device in devices]
    names: dict[str, Device] = {}
    for devices in filter(None, gpus):
        names[nvml.nvmlDeviceGetUUID(devices[0].gpu)] = devices[0]
        for device in devices:
            names[device.uuid] = device
            if device.old_uuid:
                names[device.old_uuid] = device
    found = []
    for word in map(str.strip, setting.split(",")):
        if word.isdecimal():
            meant = gpus[int(word)][:1] if int(word) < len(gpus) else []
        elif word in names:
            meant = [names[word]]
        else:
            begun = [name for name in names if name.startswith(word)]
            meant = [*{names[name].uuid: names[name] for name in begun}.values()]
        if len(meant) != 1 or not word:
            break
        found += meant
    return found


def granted() -> tuple[object, list[Device]]:
    """NVML, and the devices that CUDA sees in this process's environment; NoGpu if it sees none."""
    setting = os.environ.get("CUDA_VISIBLE_DEVICES")
    shown = f"CUDA_VISIBLE_DEVICES is {'not set' if setting is None else repr(setting)}"
    try:
        import pynvml
    except ImportError:
        raise NoGpu("the environment lacks nvidia-ml-py") from None
    try:
        pynvml.nvmlInit()
        devices, count = visible(pynvml, setting), pynvml.nvmlDeviceGetCount()
        found = f"the driver's NVML lists {count}, and none of them is to be used"
    except pynvml.NVMLError as error:
        devices, found = [], f"the driver's NVML says: {error}"
    if not devices:
        raise NoGpu(f"cuda was requested, but no NVIDIA GPU was found: {found}; {shown}")
    return pynvml, devices


class Gpu:
    """The GPU or MIG device that the trainer will see first. Raises NoGpu where there is none."""

    domain = "gpu"  # what its counter of energy covers, see toolbox/energy.py

    def __init__(self):
        self.nvml, (device, *_) = granted()
        self.handle, self.whole = device.handle, device.gpu

    def uuid(self) -> str:
        """What tells this GPU from all others."""
        return self.nvml.nvmlDeviceGetUUID(self.handle)

    def facts(self) -> dict:
        """What does not change while a run lasts, and is the same for every GPU of its kind."""
        nvml, handle = self.nvml, self.handle
        cuda = nvml.nvmlSystemGetCudaDriverVersion()
        major, minor = nvml.nvmlDeviceGetCudaComputeCapability(self.whole)
        return {
            "name": nvml.nvmlDeviceGetName(handle),  # of a MIG device with its profile
            "driver": nvml.nvmlSystemGetDriverVersion(),
            "driver_cuda": f"{cuda // 1000}.{cuda % 1000 // 10}",
            "compute_capability": f"{major}.{minor}",
            "memory_bytes": nvml.nvmlDeviceGetMemoryInfo(handle).total,
            "libraries": {
                d.name: d.version
                for d in importlib.metadata.distributions()
                if d.name and d.name.startswith(("nvidia-cuda-runtime", "nvidia-cudnn"))
            },
        }

    def model(self) -> str:
        """Its name and memory: GPUs of one name come with memories of several sizes."""
        facts = self.facts()
        return f"{facts['name']}, {facts['memory_bytes'] / 2**30:.0f} GiB"

    def joules(self) -> float:
        """Energy of the whole GPU since its driver was loaded; OSError where it does not tell."""
        try:
            return self.nvml.nvmlDeviceGetTotalEnergyConsumption(self.handle) / 1000
        except self.nvml.NVMLError as error:
            raise OSError(f"the driver's NVML says: {error}") from None

    def works(self) -> bool:
        """Whether it has just computed, for whomever; False where it does not tell."""
        rates = ask(self.nvml, "nvmlDeviceGetUtilizationRates", self.handle)
        return rates is not None and rates.gpu > 0

    def watch(self, pid: int) -> "Watch":
        """Sample this GPU while process `pid` runs; used as a context."""
        return Watch(self, pid)


class Watch(threading.Thread):
    """Samples of clocks, temperature, power, throttling, and of the process's memory."""

    def __init__(self, gpu: Gpu, pid: int):
        super().__init__(daemon=True)
        self.gpu, self.pid = gpu, pid
        self.strangers = self.processes().keys() - {pid}
        self.meter = of_gpu(gpu)
        self.over = threading.Event()
        self.samples: list[dict] = []
        self.failure: Exception | None = None

    def __enter__(self) -> "Watch":
        self.begin = self.meter.joules()
        self.start()
        return self

    def __exit__(self, *_) -> None:
        self.over.set()
        self.join()
        self.end = self.meter.joules()

    def ask(self, questions: str, *arguments):
        """As `ask`, about this device."""
        return ask(self.gpu.nvml, questions, self.gpu.handle, *arguments)

    def ask_whole(self, questions: str, *arguments):
        """As `ask`, about the whole GPU, which is what clocks and temperature are of."""
        return ask(self.gpu.nvml, questions, self.gpu.whole, *arguments)

    def processes(self) -> dict[int, int]:
        """Bytes of GPU memory by process; 0 where the driver does not tell how many.

        Those that compute by themselves, and those that compute through the server of MPS.
        """
        found = {}
        for kind in ("nvmlDeviceGetComputeRunning", "nvmlDeviceGetMPSComputeRunning"):
            # The second is what drivers before 510 have.
            for process in self.ask(f"{kind}Processes {kind}Processes_v2") or []:
                if not self.is_mps_server(process.pid):
                    found[process.pid] = process.usedGpuMemory or 0
        return found

    def is_mps_server(self, pid: int) -> bool:
        name = ask(self.gpu.nvml, "nvmlSystemGetProcessName", pid) or ""
        return name.rpartition("/")[2].startswith(MPS_SERVER)

    def run(self) -> None:
        try:
            while not self.over.wait(INTERVAL):
                self.samples.append(self.sample())
        except Exception as error:  # for `summary` to raise, on a thread that somebody waits for
            self.failure = error

    def sample(self) -> dict:
        """What NVML tells now."""
        nvml = self.gpu.nvml
        milliwatts = self.ask("nvmlDeviceGetPowerUsage")
        # In a container the driver may name the process by the host's number: ours is the one that
        # was not there before.
        ours = {pid: size for pid, size in self.processes().items() if pid not in self.strangers}
        return {
            "sm_clock_mhz": self.ask_whole("nvmlDeviceGetClockInfo", nvml.NVML_CLOCK_SM),
            "memory_clock_mhz": self.ask_whole("nvmlDeviceGetClockInfo", nvml.NVML_CLOCK_MEM),
            "temperature_celsius": self.ask_whole(
                "nvmlDeviceGetTemperature", nvml.NVML_TEMPERATURE_GPU
            ),
            "power_watts": None if milliwatts is None else milliwatts / 1000,
            # The second is its older name, which goes with CUDA 14.
            "reasons": self.ask_whole(
                "nvmlDeviceGetCurrentClocksEventReasons nvmlDeviceGetCurrentClocksThrottleReasons"
            )
            or 0,
            "seen": bool(ours),
            "memory": ours.get(self.pid, max(ours.values(), default=0)),
        }

    def summary(self) -> dict:
        """Of all samples: least, median and largest; energy in joules over the whole process.

        Whatever ended the sampling before its time is raised.
        """
        if self.failure:
            raise RuntimeError("the GPU could not be watched to the end") from self.failure
        reasons = 0
        for sample in self.samples:
            reasons |= sample["reasons"]
        return {
            "samples": len(self.samples),
            "process_seen": any(sample["seen"] for sample in self.samples),
            "process_memory_bytes": max((s["memory"] for s in self.samples), default=0),
            "energy_joules": None if self.end is None else self.end - self.begin,
            "throttled": [name for bit, name in THROTTLE.items() if reasons & bit],
        } | {
            key: self.spread(key)
            for key in ("sm_clock_mhz", "memory_clock_mhz", "temperature_celsius", "power_watts")
        }

    def spread(self, key: str) -> dict | None:
        values = [sample[key] for sample in self.samples if sample[key] is not None]
        if not values:
            return None
        middle = statistics.median(values)
        return {"min": min(values), "median": middle, "max": max(values)}
