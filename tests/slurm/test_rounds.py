"""Rounds on a Slurm cluster: one job, one node, the random order, several rounds at a time."""

import json
import shutil

from project import FRAMEWORKS, ROOT


def requests(project, cluster) -> list[str]:
    """What this project's jobs asked Slurm for, each on a line of scontrol's."""
    told = cluster("scontrol", "--oneliner", "show", "job").splitlines()
    return [job for job in told if f"WorkDir={project.folder} " in job]


def test_rounds_run_on_several_nodes_each_in_its_random_order(project, cluster):
    assert project.run() == 0, project.said()
    runs = project.runs().sort_values(["round", "started"])
    assert len(runs) == 3 * len(FRAMEWORKS)
    assert runs["position"].tolist() == [0, 1, 2] * 3
    assert project.audit().empty

    rounds = [json.loads(path.read_text()) for path in project.results.glob("rounds/*/*/*.json")]
    jobs = {opened["where"]["job"] for opened in rounds}
    assert len(jobs) == len({opened["machine"]["job"] for opened in rounds}) == 3
    records = [json.loads((project.folder / path).read_text()) for path in runs["record"]]
    assert {record["where"]["job"] for record in records} == jobs
    assert len({job.split()[1] for job in jobs}) > 1, "all rounds waited for one node"

    requested = requests(project, cluster)
    rounds = [job for job in requested if "/group_round-" in job]
    rehearsals = [job for job in requested if "/group_rehearse-" in job]
    assert len(rounds) == len(rehearsals) == 3
    assert len(requested) == 6, "something besides rounds and rehearsals was submitted"
    assert not any("gpu" in job for job in requested), "a job without GPUs asks for one"
    assert all("OverSubscribe=NO" in job for job in requested), "a job shares its node"


def test_a_round_with_a_cuda_device_gets_a_gpu(project, cluster):
    """The scheduler's part alone: what is called numpy-cuda here computes on the processor.

    The driver's part is a test double, which lies where the launcher finds it.
    """
    folder = project.folder
    shutil.copy(ROOT / "tests/support/fake_nvml/pynvml.py", folder / "workflow/trainers")
    for kind in ("yaml", "lock"):
        shutil.copy(folder / f"envs/numpy-cpu.{kind}", folder / f"envs/numpy-cuda.{kind}")
    project.configure(frameworks=["numpy"], devices=["cpu", "cuda"], rounds=1)
    assert project.run("--profile", "profiles/slurm-gpu") == 0, project.said()
    (job,) = [job for job in requests(project, cluster) if "/group_round-" in job]
    assert "OverSubscribe=NO" in job and "TresPerJob=gres:gpu:1" in job
    record = json.loads(
        (project.results / "runs/controlled/baseline/0/numpy-cuda.json").read_text()
    )
    assert record["where"]["gpu"] == "GPU-1"
    assert "CUDA_VISIBLE_DEVICES" not in record["environment"]["variables"], "which, not how"
    errors = project.audit().query("severity == 'error'")
    of_whom = errors[["competitor", "check"]].values.tolist()
    assert of_whom == [["numpy-cuda", "device"]] * 2, "in run and rehearsal the stand-in is found"
