"""Text from outside loses the names in it, and nothing else."""

import pytest

from toolbox import privacy

pytestmark = pytest.mark.fast


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """A working folder in a home folder with a space in its name, on a machine with a domain."""
    home = tmp_path / "Jane Doe"
    folder = home / "evenhand"
    folder.mkdir(parents=True)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(folder)
    monkeypatch.setattr(privacy, "where", lambda: {"node": "n17.cluster.example"})
    return folder


@pytest.mark.parametrize(
    ("text", "shared"),
    [
        ("{cwd}/results/runs.csv: not there", "./results/runs.csv: not there"),
        ("in {cwd} and '{home}'", "in . and '~'"),
        ("{home}/miniconda3/lib/libc.so", "~/miniconda3/lib/libc.so"),
        ("cannot import x (/opt/a/torch/__init__.py)", "cannot import x ((path))"),
        ("-L{home}/lib -I{cwd}/include", "-L~/lib -I./include"),
        ("/scratch/jane/a:/scratch/jane/b", "(path):(path)"),
        ("file:///scratch/jane/a.whl", "(path)"),
        ("file://n17/scratch/jane/a.whl", "(path)"),
        (
            "-L/scratch/jane/lib -/scratch/jane -Wl,-rpath,/scratch/jane",
            "-L(path) -(path) -Wl,-rpath,(path)",
        ),
        ("<</scratch/jane>> </scratch/jane>", "<<(path)>> <(path)>"),
        ("'/scratch/Jane Doe/x.so' and '/y'", "'(path)' and '(path)'"),
        ('File "/scratch/Jane Doe/x.py", line 1', 'File "(path)", line 1'),
        ("`/scratch/Jane Doe` (/scratch/Jane Doe/x.py)", "`(path)` ((path))"),
        ("('/scratch/Jane Doe/x.so: cannot open', '')", "('(path): cannot open', '')"),
        (
            "CUDA_VISIBLE_DEVICES is 'GPU-8f6d5a2e-77aa-4b1c-9d3e-0001'",
            "CUDA_VISIBLE_DEVICES is '(gpu)'",
        ),
        ("on n17.cluster.example, n17: n17-2, an17", "on (host), (host): n17-2, an17"),
    ],
)
def test_names_of_people_and_machines_are_replaced(here, text, shared):
    text = text.format(cwd=here, home=here.parent)
    assert privacy.anonymous(text) == shared


@pytest.mark.parametrize(
    "text",
    [
        "MemoryError: 12.5 GB/s and/or 3 / 4; N/A, 11/25",
        "see https://example.org/a/b?c=d for ./envs/a.yaml, ../b and workflow/rules",
        "tensor([[1., 2.]], grad_fn=<AddBackward0>) </s> ~/x",
        "1/2, a/b, libfoo.so, 3 +/- 1, 'a'/'b', well-known/x",
    ],
)
def test_other_text_stays_as_it_is(text):
    assert privacy.anonymous(text) == text


@pytest.mark.parametrize(
    ("value", "shared"),
    [
        ("/scratch/Jane Doe/x.so", "(path)"),
        ("/scratch/Jane Doe/x.so:/y z;/a,b=/c d", "(path):(path);(path),b=(path)"),
        ("{home}/x.so:{cwd}/y.so", "(path):(path)"),
        ("file:///scratch/Jane Doe/x.so", "(path)"),
        ("-L/scratch/Jane Doe/lib", "-L(path)"),
        ("-/scratch/jane", "-(path)"),
        ("<</scratch/jane>>", "<<(path)"),
        ("x{home}", "x~"),
        ("n17:GPU-8f6d5a2e-77aa-4b1c-9d3e-0001", "(host):(gpu)"),
        *((same, same) for same in ("1/2", "a/b", "libfoo.so", "https://example.org/x y", "")),
    ],
)
def test_a_variable_loses_its_paths_whole_and_all_names(here, value, shared):
    value = value.format(cwd=here, home=here.parent)
    assert privacy.anonymous_variable(value) == shared


def test_a_root_without_a_home_hides_no_slash(monkeypatch):
    monkeypatch.setenv("HOME", "/")
    monkeypatch.chdir("/")
    assert privacy.anonymous("1/2 of /data/x") == "1/2 of (path)"
