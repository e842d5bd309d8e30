"""The NVIDIA GPU under a run, as its driver's management library (NVML) tells it.

Asked from the launcher's side: outside the trainer's process, on a thread of its own. pynvml comes
from the package nvidia-ml-py, which every environment for cuda has.
"""

import importlib.metadata
import os
import statistics
import threading

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


class NoGpu(Exception):
    """No NVIDIA GPU can be used here; the message says what was looked for and found."""


class Gpu:
    """The GPU that the trainer will see first. Raises NoGpu where there is none."""

    domain = "gpu"  # what its counter of energy covers, see toolbox/energy.py

    def __init__(self):
        visible = os.environ.get("CUDA_VISIBLE_DEVICES")
        setting = f"CUDA_VISIBLE_DEVICES is {'not set' if visible is None else repr(visible)}"
        try:
            import pynvml
        except ImportError:
            raise NoGpu("the environment lacks nvidia-ml-py") from None
        self.nvml = pynvml
        if visible == "":
            raise NoGpu(f"cuda was requested, but {setting}")
        try:
            pynvml.nvmlInit()
            first = (visible or "0").partition(",")[0].strip()
            by = pynvml.nvmlDeviceGetHandleByIndex if first.isdecimal() else None
            by = by or pynvml.nvmlDeviceGetHandleByUUID
            self.handle = by(int(first) if first.isdecimal() else first)
        except pynvml.NVMLError as error:
            found = f"the driver's NVML says: {error}"
            raise NoGpu(
                f"cuda was requested, but no NVIDIA GPU was found: {found}; {setting}"
            ) from None

    def uuid(self) -> str:
        """What tells this GPU from all others."""
        return self.nvml.nvmlDeviceGetUUID(self.handle)

    def facts(self) -> dict:
        """What does not change while a run lasts, and is the same for every GPU of its kind."""
        nvml, handle = self.nvml, self.handle
        cuda = nvml.nvmlSystemGetCudaDriverVersion()
        major, minor = nvml.nvmlDeviceGetCudaComputeCapability(handle)
        return {
            "name": nvml.nvmlDeviceGetName(handle),
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

    def joules(self) -> float:
        """Energy of the whole GPU since its driver was loaded; OSError where it does not tell."""
        try:
            return self.nvml.nvmlDeviceGetTotalEnergyConsumption(self.handle) / 1000
        except self.nvml.NVMLError as error:
            raise OSError(f"the driver's NVML says: {error}") from None

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

    def __enter__(self) -> "Watch":
        self.joules = self.meter.joules()
        self.start()
        return self

    def __exit__(self, *_) -> None:
        self.over.set()
        self.join()

    def ask(self, question: str, *arguments):
        """The answer to one of NVML's questions, or None where this GPU has none."""
        try:
            return getattr(self.gpu.nvml, question)(self.gpu.handle, *arguments)
        except self.gpu.nvml.NVMLError:
            return None

    def processes(self) -> dict[int, int]:
        """Bytes of GPU memory by process; 0 where the driver does not tell how many."""
        running = self.ask("nvmlDeviceGetComputeRunningProcesses") or []
        return {process.pid: process.usedGpuMemory or 0 for process in running}

    def run(self) -> None:
        nvml = self.gpu.nvml
        while not self.over.wait(INTERVAL):
            milliwatts = self.ask("nvmlDeviceGetPowerUsage")
            # In a container the driver may name the process by the host's number: ours is the
            # one that was not there before.
            ours = {
                pid: size for pid, size in self.processes().items() if pid not in self.strangers
            }
            self.samples.append(
                {
                    "sm_clock_mhz": self.ask("nvmlDeviceGetClockInfo", nvml.NVML_CLOCK_SM),
                    "memory_clock_mhz": self.ask("nvmlDeviceGetClockInfo", nvml.NVML_CLOCK_MEM),
                    "temperature_celsius": self.ask(
                        "nvmlDeviceGetTemperature", nvml.NVML_TEMPERATURE_GPU
                    ),
                    "power_watts": None if milliwatts is None else milliwatts / 1000,
                    "reasons": self.ask("nvmlDeviceGetCurrentClocksThrottleReasons") or 0,
                    "seen": bool(ours),
                    "memory": ours.get(self.pid, max(ours.values(), default=0)),
                }
            )

    def summary(self) -> dict:
        """Of all samples: least, median and largest; energy in joules over the whole process."""
        joules = self.meter.joules()
        reasons = 0
        for sample in self.samples:
            reasons |= sample["reasons"]
        return {
            "samples": len(self.samples),
            "process_seen": any(sample["seen"] for sample in self.samples),
            "process_memory_bytes": max((s["memory"] for s in self.samples), default=0),
            "energy_joules": None if joules is None else joules - self.joules,
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
