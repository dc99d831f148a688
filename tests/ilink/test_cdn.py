from __future__ import annotations

import os
import secrets
import socket
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Callable, Iterator, List, Optional, Tuple
from urllib.parse import quote

import pytest

from wxsdk.core.redact import Secret
from wxsdk.errors import ConfigError, DecryptError, DownloadFailed, LimitExceeded, UploadFailed
from wxsdk.ilink.api import ILinkApi
from wxsdk.ilink.cdn import MediaDoor
from wxsdk.ilink.frames_out import Uploaded, wire_key
from wxsdk.ilink.inbound import to_inbound
from wxsdk.ilink.media import MediaInfo
from wxsdk.ilink.wire import CDNMedia, decode_updates
from wxsdk.runtime.files import SourceFile
from wxsdk.sim import ILinkSim

from .bots import config_for

Calls = List[Tuple[int, int]]


class Doors:
    """A media door with its API, and the waits between tries noted instead of made."""

    def __init__(self, sim: ILinkSim, **settings: Any) -> None:
        self.sim = sim
        self.config = config_for(sim, **settings)
        self.api = ILinkApi(self.config)
        self.pauses: List[float] = []
        self.door = MediaDoor(self.config, self.api, pause=self._pause)

    def _pause(self, seconds: float) -> bool:
        self.pauses.append(seconds)
        return True

    def upload(self, path: Path, progress: Optional[Callable[[int, int], Any]] = None) -> Uploaded:
        with SourceFile(path) as source:
            return self.door.upload("alice", source, progress=progress)

    def received(self) -> MediaInfo:
        """The file of the newest message that a user sent."""
        updates = decode_updates(self.api.get_updates().to_dict())
        assert updates.msgs
        media = to_inbound(updates.msgs[-1]).media
        assert media is not None
        return media

    def close(self) -> None:
        self.door.close()
        self.api.close()


@pytest.fixture
def doors(sim: ILinkSim) -> Iterator[Doors]:
    made = Doors(sim)
    yield made
    made.close()


def stored(sim: ILinkSim, uploaded: Uploaded) -> bytes:
    found = sim.cdn.find(str(uploaded.download_param))
    assert found is not None
    return found.data()


@pytest.mark.parametrize("size", [0, 1, 15, 16, 17, 262143, 262144, 262145, 1_000_003])
def test_a_file_of_any_size_goes_up_and_down_unchanged(size: int, doors: Doors, tmp_path: Path) -> None:
    path = tmp_path / "file.bin"
    path.write_bytes(os.urandom(size))
    up: Calls = []
    uploaded = doors.upload(path, lambda done, total: up.append((done, total)))
    assert stored(doors.sim, uploaded) == path.read_bytes()
    assert (uploaded.size, uploaded.cipher_size) == (size, (size // 16 + 1) * 16)
    doors.sim.user("alice").sends(path, kind="file")
    down: Calls = []
    copy = doors.door.download(
        doors.received(), tmp_path / "copy.bin", progress=lambda done, total: down.append((done, total))
    )
    assert copy.read_bytes() == path.read_bytes()
    for calls in (up, down):
        assert calls[-1] == (size, size)
        assert [done for done, _ in calls] == sorted(done for done, _ in calls)
        assert all(done <= total for done, total in calls)
    assert doors.sim.violations == []


@pytest.mark.parametrize("urls", ["both", "param", "full_url"])
def test_every_form_of_upload_address_works(urls: str, doors: Doors, payload: Path) -> None:
    doors.sim.settings.upload_urls = urls
    assert stored(doors.sim, doors.upload(payload)) == payload.read_bytes()
    assert doors.sim.violations == []


@pytest.mark.parametrize("address", ["both", "param", "full_url"])
@pytest.mark.parametrize(
    ("kind", "key"),
    [
        ("image", "hex"),
        ("image", "raw"),
        ("image", "aeskey"),
        ("image", None),
        ("video", "hex"),
        ("video", "raw"),
        ("file", "hex"),
        ("file", "raw"),
        ("voice", "hex"),
        ("voice", "raw"),
    ],
)
def test_every_form_of_download_works(
    kind: str, key: Optional[str], address: str, doors: Doors, payload: Path, tmp_path: Path
) -> None:
    doors.sim.user("alice").sends(payload, kind=kind, key=key, address=address)
    copy = doors.door.download(doors.received(), tmp_path / "copy")
    assert copy.read_bytes() == payload.read_bytes()


def test_a_failed_upload_is_tried_again_and_progress_does_not_go_back(doors: Doors, payload: Path) -> None:
    doors.sim.faults.next("upload", status=500)
    doors.sim.faults.drop_header("upload", "x-encrypted-param")
    calls: Calls = []
    uploaded = doors.upload(payload, lambda done, total: calls.append((done, total)))
    assert stored(doors.sim, uploaded) == payload.read_bytes()
    assert doors.sim.count("upload") == 3
    assert len(doors.pauses) == 2
    assert [done for done, _ in calls] == sorted({done for done, _ in calls})


def test_an_upload_is_given_up_after_three_tries(doors: Doors, payload: Path) -> None:
    doors.sim.faults.next("upload", status=503, forever=True)
    with pytest.raises(UploadFailed, match="503"):
        doors.upload(payload)
    assert doors.sim.count("upload") == 3


def test_a_cut_upload_is_tried_again(doors: Doors, payload: Path) -> None:
    doors.sim.faults.cut("upload", at="mid_request", after=100_000)
    assert stored(doors.sim, doors.upload(payload)) == payload.read_bytes()


def test_a_refused_upload_fails_at_once_and_says_why_without_secrets(doors: Doors, payload: Path) -> None:
    said = "bad filekey, encrypted_query_param=topsecretvalue"
    doors.sim.faults.next("upload", status=403, body=b"", headers={"x-error-message": said})
    with pytest.raises(UploadFailed, match="bad filekey") as caught:
        doors.upload(payload)
    assert doors.sim.count("upload") == 1
    assert "topsecretvalue" not in str(caught.value)


SIGNED = "a+b/c=d%secret"
ECHOES = {
    "as it is": lambda value: value,
    "encoded": lambda value: quote(value, safe=""),
    "encoded in small letters": lambda value: quote(value, safe="").replace("%2B", "%2b").replace("%2F", "%2f"),
    "encoded but for slashes": quote,
    "encoded twice": lambda value: quote(quote(value, safe=""), safe=""),
    "in JSON": lambda value: value.replace("/", "\\/"),
}


@pytest.mark.parametrize("echo", sorted(ECHOES))
@pytest.mark.parametrize("whole_address", [False, True])
def test_no_form_of_the_signed_parameter_shows_when_the_cdn_echoes_it(
    echo: str, whole_address: bool, doors: Doors, payload: Path, tmp_path: Path
) -> None:
    said = {"x-error-message": f"param {ECHOES[echo](SIGNED)} refused"}
    address = f"{doors.sim.cdn_base_url}/upload?encrypted_query_param={quote(SIGNED, safe='')}"
    doors.sim.faults.next(
        "getuploadurl", json={"upload_full_url": address} if whole_address else {"upload_param": SIGNED}
    )
    doors.sim.faults.next("upload", status=403, body=b"", headers=said)
    with pytest.raises(UploadFailed, match=r"param \*\*\* refused"):
        doors.upload(payload)
    doors.sim.faults.next("download", status=403, body=b"", headers=said)
    media = CDNMedia(full_url=Secret(address.replace("upload", "download")))
    if not whole_address:
        media = CDNMedia(encrypt_query_param=Secret(SIGNED))
    with pytest.raises(DownloadFailed, match=r"param \*\*\* refused"):
        doors.door.download(MediaInfo("image", None, None, media), tmp_path / "x")


def test_no_key_shows_when_the_cdn_names_it(doors: Doors, payload: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key, filekey = b"k" * 16, b"f" * 16
    drawn = iter([key, filekey])
    monkeypatch.setattr("wxsdk.ilink.cdn.secrets", SimpleNamespace(token_bytes=lambda size: next(drawn)))
    doors.sim.faults.next(
        "upload",
        status=403,
        body=b"",
        headers={"x-error-message": f"{key.hex()} {filekey.hex()} {wire_key(key)!s} odd"},
    )
    with pytest.raises(UploadFailed, match=r"\(\*\*\* \*\*\* \*\*\* odd\)"):
        doors.upload(payload)


def test_a_file_that_changes_on_the_way_is_no_upload(doors: Doors, payload: Path) -> None:
    def meddle(done: int, total: int) -> None:
        with payload.open("ab") as file:
            file.write(b"!")

    with pytest.raises(UploadFailed, match="changed"):
        doors.upload(payload, meddle)


def test_progress_that_cannot_be_called_is_refused_before_any_request(doors: Doors, payload: Path) -> None:
    odd: Any = 5
    with pytest.raises(ConfigError, match="progress"):
        doors.upload(payload, odd)
    with pytest.raises(ConfigError, match="progress"):
        doors.door.download(MediaInfo("image", None, None, CDNMedia()), payload, progress=odd)
    assert doors.sim.requests == []


def test_what_progress_raises_ends_the_upload_at_once(doors: Doors, payload: Path) -> None:
    def cancel(done: int, total: int) -> None:
        raise ValueError("cancelled by the user")

    with pytest.raises(ValueError, match="cancelled"):
        doors.upload(payload, cancel)
    assert doors.pauses == []


def test_what_progress_raises_ends_the_download_and_leaves_nothing(doors: Doors, payload: Path, tmp_path: Path) -> None:
    def cancel(done: int, total: int) -> None:
        raise ValueError("cancelled by the user")

    folder = tmp_path / "saved"
    folder.mkdir()
    doors.sim.user("alice").sends(payload)
    with pytest.raises(ValueError, match="cancelled"):
        doors.door.download(doors.received(), folder, progress=cancel)
    assert os.listdir(folder) == []


FAILING_DOWNLOADS = {
    "404": (lambda sim: sim.faults.next("download", status=404), DownloadFailed, 1),
    "403 with a reason": (lambda sim: sim.faults.next("download", status=403), DownloadFailed, 1),
    "500": (lambda sim: sim.faults.next("download", status=500, forever=True), DownloadFailed, 3),
    "cut": (lambda sim: sim.faults.cut("download", at="mid_body", forever=True), DownloadFailed, 3),
    "garbage": (lambda sim: sim.faults.next("download", body=b"x" * 160), DecryptError, 1),
    "half a block": (lambda sim: sim.faults.next("download", body=b"x" * 24), DecryptError, 1),
    "nothing": (lambda sim: sim.faults.next("download", body=b""), DecryptError, 1),
}


@pytest.mark.parametrize("how", sorted(FAILING_DOWNLOADS))
def test_a_failed_download_leaves_nothing(how: str, doors: Doors, payload: Path, tmp_path: Path) -> None:
    make_trouble, error, tries = FAILING_DOWNLOADS[how]
    folder = tmp_path / "saved"
    folder.mkdir()
    doors.sim.user("alice").sends(payload)
    media = doors.received()
    make_trouble(doors.sim)  # type: ignore[no-untyped-call]
    with pytest.raises(error):
        doors.door.download(media, folder)
    assert os.listdir(folder) == []
    assert doors.sim.count("download") == tries


def test_a_cut_download_is_tried_again_and_whole(doors: Doors, payload: Path, tmp_path: Path) -> None:
    doors.sim.user("alice").sends(payload)
    media = doors.received()
    doors.sim.faults.cut("download", at="mid_body")
    calls: Calls = []
    copy = doors.door.download(media, tmp_path / "x", progress=lambda done, total: calls.append((done, total)))
    assert copy.read_bytes() == payload.read_bytes()
    assert [done for done, _ in calls] == sorted(done for done, _ in calls)


def test_the_wrong_key_is_told(doors: Doors, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:  # always the same key: one wrong one in 250 pads correctly by chance
        patch.setattr(secrets, "token_bytes", bytes)
        doors.sim.user("alice").sends(b"always the same", kind="file", name="a.txt")
    media = doors.received()
    media.media.aes_key = Secret("MDEyMzQ1Njc4OWFiY2RlZg==")
    with pytest.raises(DecryptError):
        doors.door.download(media, tmp_path / "x")


@pytest.mark.parametrize("announced", [True, False])
def test_a_file_beyond_the_limit_is_refused(announced: bool, sim: ILinkSim, payload: Path, tmp_path: Path) -> None:
    doors = Doors(sim, max_download_bytes=1000)
    sim.user("alice").sends(payload, kind="file" if announced else "voice")
    with pytest.raises(LimitExceeded) as caught:
        doors.door.download(doors.received(), tmp_path / "x")
    assert caught.value.limit == 1000
    assert sim.count("download") == (0 if announced else 1)
    assert not (tmp_path / "x").exists()
    doors.close()


def test_a_file_of_exactly_the_limit_is_not(sim: ILinkSim, tmp_path: Path) -> None:
    doors = Doors(sim, max_download_bytes=1000)
    sim.user("alice").sends(b"x" * 1000, kind="video")
    assert doors.door.download(doors.received(), tmp_path / "x").stat().st_size == 1000
    sim.user("alice").sends(b"x" * 1001, kind="voice")
    with pytest.raises(LimitExceeded):
        doors.door.download(doors.received(), tmp_path / "y")
    doors.close()


@pytest.mark.parametrize(
    ("name", "saved"), [("../../etc/passwd", "passwd"), ("C:\\x\\y.txt", "y.txt"), ("..", "file.bin"), ("a/b", "b")]
)
def test_a_name_from_the_network_chooses_no_path(name: str, saved: str, doors: Doors, tmp_path: Path) -> None:
    doors.sim.user("alice").sends(b"data", kind="file", name=name)
    path = doors.door.download(doors.received(), tmp_path)
    assert path == tmp_path / saved


def test_what_cannot_be_downloaded_is_refused_before_any_request(doors: Doors, tmp_path: Path) -> None:
    nowhere = MediaInfo("file", "a", 1, CDNMedia(aes_key=Secret("MDEyMzQ1Njc4OWFiY2RlZg==")))
    keyless = MediaInfo("file", "a", 1, CDNMedia(encrypt_query_param=Secret("x")))
    bad_key = MediaInfo("image", "a", 1, CDNMedia(encrypt_query_param=Secret("x"), aes_key=Secret("x")))
    for media, error in ((nowhere, DownloadFailed), (keyless, DownloadFailed), (bad_key, DecryptError)):
        with pytest.raises(error):
            doors.door.download(media, tmp_path / "x")
    with pytest.raises(ConfigError):
        doors.door.download("media", tmp_path / "x")  # type: ignore[arg-type]
    with pytest.raises(ConfigError):
        doors.door.download(MediaInfo("image", None, 1, CDNMedia(full_url=Secret("http://x"))), tmp_path / "no" / "x")
    assert doors.sim.requests == []


def test_a_redirect_goes_to_trusted_hosts_only(sim: ILinkSim, payload: Path, tmp_path: Path) -> None:
    sim.user("alice").sends(payload)
    doors = Doors(sim, trusted_media_hosts=())
    media = doors.received()
    full = str(media.media.full_url)
    sim.faults.next("download", status=302, headers={"Location": full}, body=b"", forever=True)
    with pytest.raises(DownloadFailed, match="redirected"):
        doors.door.download(media, tmp_path / "x")
    doors.close()
    sim.faults.clear()
    sim.faults.next("download", status=302, headers={"Location": full}, body=b"")
    doors = Doors(sim)
    assert doors.door.download(media, tmp_path / "x").read_bytes() == payload.read_bytes()
    doors.close()


def test_a_private_address_that_a_redirect_leads_to_is_not_touched(sim: ILinkSim, tmp_path: Path) -> None:
    sim.user("alice").sends(b"data", kind="file", name="a.bin")
    doors = Doors(sim, trusted_media_hosts=())
    media = doors.received()
    said = []
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.socket() as closed:
        listener.setblocking(False)
        closed.bind(("127.0.0.1", 0))  # nobody else gets this port, and nobody listens on it
        for sock in (listener, closed):
            target = f"http://127.0.0.1:{sock.getsockname()[1]}/internal"
            sim.faults.next("download", status=302, headers={"Location": target}, body=b"")
            with pytest.raises(DownloadFailed) as caught:
                doors.door.download(media, tmp_path / "x")
            said.append(str(caught.value))
        with pytest.raises(BlockingIOError):
            listener.accept()
    assert said[0] == said[1]
    assert (sim.count("download"), doors.pauses) == (2, [])
    doors.close()


def test_an_announcement_that_fails_on_the_way_is_repeated(doors: Doors, payload: Path) -> None:
    doors.sim.faults.next("getuploadurl", status=502)
    assert stored(doors.sim, doors.upload(payload)) == payload.read_bytes()


def test_an_answer_without_an_address_is_an_upload_failure(doors: Doors, payload: Path) -> None:
    doors.sim.faults.next("getuploadurl", json={"ret": 0})
    with pytest.raises(UploadFailed, match="address"):
        doors.upload(payload)


def test_an_answer_without_the_parameter_says_what_is_missing_and_what_usually_answers_so(
    doors: Doors, payload: Path
) -> None:
    doors.sim.faults.drop_header("upload", "x-encrypted-param", forever=True)
    with pytest.raises(UploadFailed) as raised:
        doors.upload(payload)
    assert "x-encrypted-param" in raised.value.what
    assert "proxy" in raised.value.remedy
