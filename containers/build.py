"""Build the images of environments, or of the whole workflow, from containers/Containerfile.

    python containers/build.py                        an image for each configured competitor
    python containers/build.py numpy-cpu mxnet-cpu    for these two
    python containers/build.py all                    for each environment in envs/: tens of GB
    python containers/build.py workflow               Snakemake and all configured ones in one

Configured are the frameworks in config/config.yaml, on its devices. An image also has the programs
that its frameworks call.

Uses the first of docker, podman and buildah that answers. An image is named after its environment
and the digest of its lock, so `snakemake --config runtime=docker` finds the one for today's lock.
One that is there already, built by this recipe from this base, is not built again.
"""

import argparse
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
sys.path.append(str(ROOT / "workflow/scripts"))

from evenhand.core import axes  # noqa: E402, found through the line above
from evenhand.core.commit import commit  # noqa: E402
from evenhand.core.config import checked  # noqa: E402
from evenhand.core.experiment import Experiment  # noqa: E402
from evenhand.core.identity import Competitor  # noqa: E402
from evenhand.core.proxies import named_proxies, proxies  # noqa: E402
from evenhand.core.schemas import Refused  # noqa: E402
from evenhand.core.words import last_line  # noqa: E402
from evenhand.environments import containers, locks  # noqa: E402

BUILDERS = ("docker", "podman", "buildah")
BASE = "docker.io/library/python:3.11-slim-bookworm"
RECIPE = ROOT / "containers/Containerfile"
LOOK = "import platform; print(platform.python_version(), *platform.libc_ver())"
ENVIRONMENTS = sorted(path.stem for path in ROOT.glob("envs/*.lock"))


def configured() -> list[str]:
    """The environments that a start with config/config.yaml looks for."""
    config = yaml.safe_load((ROOT / "config/config.yaml").read_text())
    names = Experiment(checked(config)).all_competitors
    if missing := [name for name in names if name not in ENVIRONMENTS]:
        raise Refused(f"{', '.join(missing)}: no lock in envs/; python workflow/scripts/lock.py")
    return names


def locked(content: str) -> str:
    """The file that pins what an image's environment holds, or the workflow's own."""
    return "requirements.txt" if content == "workflow" else f"envs/{content}.lock"


def packages(environments: list[str]) -> set[str]:
    """Debian packages with the programs that the frameworks of these environments call."""
    frameworks = (axes.framework(Competitor.parse(name).framework) for name in environments)
    return {package for facts in frameworks for package in facts["programs"].values()}


def said(*command: str) -> str:
    """What a command says on standard output, or a ContainerError with its last words."""
    run = subprocess.run(command, capture_output=True, text=True)
    if run.returncode:
        why = last_line(run.stderr, run.returncode)
        raise containers.ContainerError(f"{' '.join(command[:3])} failed: {why}")
    return run.stdout.strip()


def about_base(engine: str, name: str) -> dict[str, str]:
    """A base image as build arguments: itself, by digest, and what its digest, Python and libc are.

    A tag may mean another image tomorrow; the digest of what it means today, where a registry gave
    one, is built from and kept in the labels. It is pulled where the engine does not have it.
    """
    if engine == "buildah":
        ask = [engine, "inspect", "--type", "image", "--format", "{{.FromImageDigest}}", name]
    else:
        digests = "{{range .RepoDigests}}{{println .}}{{end}}{{.Id}}"
        ask = [engine, "image", "inspect", "--format", digests, name]
    if subprocess.run(ask, capture_output=True).returncode:
        if subprocess.run([engine, "pull", name]).returncode:
            raise containers.ContainerError(
                f"The base image {name} is not here and was not pulled; {engine} says why above. "
                f"Another one: --base IMAGE.{named_proxies()}"
            )
    first, *_ = said(*ask).splitlines()
    _, at, digest = first.partition("@")
    try:
        if engine == "buildah":
            container = said(engine, "from", "--pull-never", name)
            try:
                seen = said(engine, "run", container, "--", "python3", "-c", LOOK)
            finally:
                said(engine, "rm", container)
        else:
            run = [engine, "run", "--rm", "--network", "none", "--entrypoint", "python3"]
            seen = said(*run, name, "-c", LOOK)
    except containers.ContainerError as error:
        raise containers.ContainerError(f"{name} has no python3 that starts: {error}") from None
    python, libc = seen.split(" ", 1)
    if not python.startswith(f"{locks.PYTHON}."):
        raise containers.ContainerError(f"{name} has Python {python}, not {locks.PYTHON}")
    return {
        "BASE": first if at else name,
        "BASE_NAME": name,
        "BASE_DIGEST": digest or f"sha256:{first.removeprefix('sha256:')}",
        "PYTHON": python,
        "LIBC": libc,
    }


def recipe_of(engine: str, name: str) -> str | None:
    """The recipe that an engine's image was built by; None if there is no such image, or no word.

    buildah is not asked: it builds each time.
    """
    image = None if engine == "buildah" else containers.inspect(engine, name)
    return image and image.labels.get(containers.RECIPE)


def build(engine: str, image: str, base: dict[str, str], args: argparse.Namespace) -> str:
    """Build the image of one environment, or of the workflow, unless it is there; its name.

    `base`: as `about_base` has it.
    """
    if image == "workflow":
        target, environments, name = image, configured(), f"{args.prefix}{image}:latest"
        contents = [image, *environments]
        print(f"{name} will hold what is configured: {', '.join(environments)}", flush=True)
        version = re.search("^version: (.+)$", (ROOT / "CITATION.cff").read_text(), re.MULTILINE)[1]
    else:
        target, environments = "environment", [image]
        contents = environments
        name = containers.image_name(args.prefix, ROOT / f"envs/{image}.lock")
        version = name.rpartition(":")[2]
    installed = (ROOT / locked(content) for content in contents)
    arguments = {
        "LOCKS": hashlib.sha256(b"".join(lock.read_bytes() for lock in installed)).hexdigest(),
        "PACKAGES": " ".join(sorted(packages(environments))),
        "ENVIRONMENTS": " ".join(contents),
        "TITLE": f"Evenhand: {image}",
        "VERSION": version,
        **base,
    }
    of_recipe = json.dumps([RECIPE.read_text(), arguments], sort_keys=True)
    arguments["RECIPE"] = hashlib.sha256(of_recipe.encode()).hexdigest()
    arguments["REVISION"] = commit() or "unknown"
    if target == "environment" and recipe_of(engine, name) == arguments["RECIPE"]:
        print(f"{name} is there already", flush=True)
        return name
    command = [engine, "build", "--file", RECIPE, "--target", target, "--tag", name]
    if engine != "docker":  # which finds the file by its name
        command += ["--ignorefile", f"{RECIPE}.dockerignore"]
        command += ["--security-opt", "label=disable"]  # or SELinux refuses the mounted project
    else:  # the others pass on the variables that name proxies
        command += [word for name in proxies() for word in ("--build-arg", name)]
    for key, value in arguments.items():
        command += ["--build-arg", f"{key}={value}"]
    for secret, path in (("certificates", args.ca_certificates), ("pip", args.pip_config)):
        if path:
            command += ["--secret", f"id={secret},src={path.absolute()}"]
    # Docker's older builder knows neither mounts nor stages that can be left out.
    if subprocess.run([*command, ROOT], env=os.environ | {"DOCKER_BUILDKIT": "1"}).returncode:
        why = f"{engine} says why above.{named_proxies()}"
        raise containers.ContainerError(f"{name} was not built; {why}")
    print(f"built {name} with {engine}", flush=True)
    return name


def is_archived(engine: str, name: str, sif: Path) -> bool:
    """Whether a .sif holds the environment of an engine's image: it would be another file anew."""
    recipe = recipe_of(engine, name)
    there = recipe and sif.is_file() and shutil.which(containers.apptainer())
    return bool(there) and containers.labels_of_sif(sif).get(containers.RECIPE) == recipe


def archive(engine: str, name: str, path: Path) -> Path:
    """Write an image to a .tar, and where Apptainer is installed turn that into a .sif."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)  # podman adds to an archive that is there
    save = {
        "docker": ["docker", "save", "--output", path, name],
        "podman": ["podman", "save", "--output", path, name],
        "buildah": ["buildah", "push", name, f"docker-archive:{path}:{name}"],
    }
    if subprocess.run(save[engine]).returncode:
        raise containers.ContainerError(f"{path} was not written; {engine} says why above.")
    apptainer = containers.apptainer()
    if not shutil.which(apptainer):
        return path
    sif = path.with_suffix(".sif")
    if subprocess.run([apptainer, "build", "--force", sif, f"docker-archive:{path}"]).returncode:
        raise containers.ContainerError(f"{sif} was not built; {apptainer} says why above.")
    path.unlink()
    return sif


def file(text: str) -> Path:
    """A file that is there, for argparse."""
    path = Path(text)
    if not path.is_file():
        raise argparse.ArgumentTypeError(f"there is no file {text}")
    return path


def main(argv: list[str]) -> None:
    usage, _, details = __doc__.partition("\n\n")
    parser = argparse.ArgumentParser(
        description=usage, epilog=details, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("images", nargs="*", metavar="IMAGE")
    parser.add_argument("--base", default=BASE, help=f"image with Python 3.11, in place of {BASE}")
    parser.add_argument("--ca-certificates", type=file, help="of a proxy that inspects TLS (.pem)")
    parser.add_argument("--pip-config", type=file, help="pip.conf, as for an institute's mirror")
    parser.add_argument("--prefix", default=containers.PREFIX, help="how the names of images begin")
    parser.add_argument("--archive", type=Path, help="folder for .tar files, or .sif for Apptainer")
    args = parser.parse_args(argv)
    known = [*ENVIRONMENTS, "workflow", "all"]
    if unknown := sorted({*args.images}.difference(known)):
        parser.error(f"no such image: {', '.join(unknown)} ({', '.join(known)})")
    try:
        engine = containers.engines(BUILDERS)[0]
        images = ENVIRONMENTS if "all" in args.images else args.images or configured()
        base = about_base(engine, args.base)
        for image in images:
            name = build(engine, image, base, args)
            if args.archive:
                path = args.archive / f"{image}.tar"
                if image != "workflow" and is_archived(engine, name, path.with_suffix(".sif")):
                    print(f"{path.with_suffix('.sif')} is there already")
                else:
                    print(f"wrote {archive(engine, name, path)}")
    except (containers.ContainerError, Refused, OSError) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main(sys.argv[1:])
