"""download_file and save_file against the simulator's media server."""

from __future__ import annotations

import base64
import gzip
import os
import socket
import ssl
import threading
from pathlib import Path
from typing import Any, List

import pytest

from tests.aibot.conftest import MakeClient
from tests.runtime.servers import RawServer, answering
from wxsdk.aibot.aes import cbc_encrypt
from wxsdk.aibot.client import WSClient
from wxsdk.aibot.config import WSClientOptions
from wxsdk.errors import ConfigError, DecryptError, DownloadFailed, LimitExceeded
from wxsdk.sim.aibot.simulator import HOSTILE_NAMES, AiBotSim, Generated, SimMedia
from wxsdk.testing import no_leaks

GZIP = "Content-Encoding: gzip\r\n"  # then the body's length is not known before its end
OTHER_KEY = base64.b64encode(bytes(range(32))).decode()


def offer(sim: AiBotSim, content: Any = b"hello", name: str = "note.txt", **how: Any) -> SimMedia:
    """Something a user has sent; nobody needs to be connected for that."""
    return sim.user("alice").sends(content, kind="file", name=name, wait=0, **how).media[0]


def test_a_file_is_decrypted_and_keeps_its_name(sim: AiBotSim, client: WSClient) -> None:
    media = offer(sim, b"hello \x00 world", "会议 纪要.txt")
    assert client.download_file(media.url, media.aeskey) == (b"hello \x00 world", "会议 纪要.txt")


@pytest.mark.parametrize("disposition", ["both", "star", "quoted", "bare", "percent"])
def test_every_way_to_name_a_file_is_read(sim: AiBotSim, client: WSClient, disposition: str) -> None:
    media = offer(sim, name="note.txt", disposition=disposition)
    assert client.download_file(media.url, media.aeskey)[1] == "note.txt"


def test_without_a_key_the_bytes_come_as_they_are(sim: AiBotSim, client: WSClient) -> None:
    media = offer(sim, b"plain", encrypt=False)
    assert client.download_file(media.url) == (b"plain", "note.txt")


def test_a_key_without_its_padding_is_a_key(sim: AiBotSim, client: WSClient) -> None:
    media = offer(sim, padded_key=False)
    assert client.download_file(media.url, media.aeskey)[0] == b"hello"


def test_a_private_certificate_authority_serves_media_too(
    certificate: Path, server_tls: ssl.SSLContext, tmp_path: Path
) -> None:
    trusting = ssl.create_default_context(cafile=str(certificate))
    with RawServer(answering(b"private"), tls=server_tls) as server:
        url = f"{server.url}/note.txt"
        client = WSClient(WSClientOptions("bot", "secret", ssl_context=trusting))
        assert client.download_file(url)[0] == b"private"
        assert client.save_file(url, None, tmp_path).read_bytes() == b"private"
        with pytest.raises(DownloadFailed, match="TLS"):
            WSClient(WSClientOptions("bot", "secret")).download_file(url)
        assert client.disconnect()


def test_disconnect_closes_what_downloads_kept_open_without_any_connect() -> None:
    with RawServer(answering(b"x")) as server:
        client = WSClient(WSClientOptions("bot", "secret"))
        with no_leaks():
            client.download_file(f"{server.url}/note.txt")
            assert client.disconnect()


def test_every_length_up_to_256_bytes_comes_back(sim: AiBotSim, client: WSClient, tmp_path: Path) -> None:
    for length in range(256):
        data = os.urandom(length)
        media = offer(sim, data, f"{length}.bin")
        assert client.download_file(media.url, media.aeskey)[0] == data
        if length % 32 in (0, 1, 31):
            assert client.save_file(media.url, media.aeskey, tmp_path).read_bytes() == data


def test_a_large_file_is_saved_whole(sim: AiBotSim, client: WSClient, tmp_path: Path) -> None:
    content = Generated(3 * 2**20 + 5)
    media = offer(sim, content, "big.bin")
    saved = client.save_file(media.url, media.aeskey, tmp_path / "made" / "on the way")
    assert saved == tmp_path / "made" / "on the way" / "big.bin"
    assert saved.read_bytes() == b"".join(content.blocks())


def test_a_taken_name_gets_a_number_and_nothing_is_overwritten(sim: AiBotSim, client: WSClient, tmp_path: Path) -> None:
    media = offer(sim)
    (tmp_path / "note.txt").write_text("mine")
    saved = [client.save_file(media.url, media.aeskey, tmp_path).name for _ in range(2)]
    assert saved == ["note (2).txt", "note (3).txt"]
    assert (tmp_path / "note.txt").read_text() == "mine"


def test_names_from_the_network_stay_inside_the_folder(sim: AiBotSim, client: WSClient, tmp_path: Path) -> None:
    folder = tmp_path / "inside"
    for name in HOSTILE_NAMES:
        for disposition in ("star", "quoted", "bare"):
            media = offer(sim, name=name, disposition=disposition)
            saved = client.save_file(media.url, media.aeskey, folder)
            assert saved.parent == folder
            assert saved.read_bytes() == b"hello"
    media = offer(sim, disposition="attachment; filename*=UTF-8''..%2F..%2Fetc%2Fpasswd")
    assert client.save_file(media.url, media.aeskey, tmp_path / "last").name == "passwd"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["inside", "last"]


def test_a_wrong_key_is_an_error_and_leaves_nothing(sim: AiBotSim, client: WSClient, tmp_path: Path) -> None:
    media = offer(sim, b"x" * 100)
    # Always the same bytes: one wrong key in 250 pads correctly by chance.
    sim.faults.media(body=bytes(128), times=None)
    for key in (OTHER_KEY, "not a key"):
        with pytest.raises(DecryptError):
            client.save_file(media.url, key, tmp_path)
        with pytest.raises(DecryptError):
            client.download_file(media.url, key)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("body", [b"", b"x" * 31, b"x" * 33])
def test_a_truncated_file_is_an_error(sim: AiBotSim, client: WSClient, body: bytes) -> None:
    media = offer(sim)
    sim.faults.media(body=body)
    with pytest.raises(DecryptError):
        client.download_file(media.url, media.aeskey)


@pytest.mark.parametrize("trouble", [{"status": 404}, {"status": 500}, {"cut_after": 10}])
def test_a_failed_download_leaves_nothing(sim: AiBotSim, client: WSClient, tmp_path: Path, trouble: Any) -> None:
    media = offer(sim, b"x" * 1000)
    sim.faults.media(**trouble)
    with pytest.raises(DownloadFailed):
        client.save_file(media.url, media.aeskey, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_silent_server_is_given_up_after_the_request_timeout(sim: AiBotSim, make_client: MakeClient) -> None:
    media = offer(sim, b"x" * 1000)
    sim.faults.media(stall_after=10)
    with pytest.raises(DownloadFailed):
        make_client(request_timeout=0.1).download_file(media.url, media.aeskey)


def test_a_file_over_the_limit_is_refused(sim: AiBotSim, make_client: MakeClient, tmp_path: Path) -> None:
    client = make_client(max_download_bytes=1000)
    media = offer(sim, b"x" * 2000)
    with pytest.raises(LimitExceeded) as caught:
        client.save_file(media.url, media.aeskey, tmp_path)
    assert caught.value.actual > caught.value.limit
    assert list(tmp_path.iterdir()) == []
    exact = offer(sim, b"x" * 1000)
    assert len(client.download_file(exact.url, exact.aeskey)[0]) == 1000


@pytest.mark.parametrize("announced", [True, False])
@pytest.mark.parametrize("encrypted", [True, False])
def test_the_limit_is_of_the_plain_bytes_to_the_byte(tmp_path: Path, encrypted: bool, announced: bool) -> None:
    key = OTHER_KEY if encrypted else None
    client = WSClient(WSClientOptions("bot", "secret", max_download_bytes=1000))
    for size in (991, 992, 999, 1000, 1001, 1023, 1024, 1056):  # the padding makes 1024 of 992 to 1023
        content = cbc_encrypt(base64.b64decode(OTHER_KEY), b"x" * size) if encrypted else b"x" * size
        handler = answering(content) if announced else answering(gzip.compress(content), headers=GZIP)
        with RawServer(handler) as server:
            if size <= 1000:
                assert len(client.download_file(server.url, key)[0]) == size
            else:
                with pytest.raises(LimitExceeded) as caught:
                    client.save_file(server.url, key, tmp_path)
                assert (caught.value.limit, 1000 < caught.value.actual <= size) == (1000, True)
    assert list(tmp_path.iterdir()) == []
    assert client.disconnect()


def test_a_redirect_to_a_private_address_needs_trust(sim: AiBotSim, make_client: MakeClient) -> None:
    media, other = offer(sim, b"one"), offer(sim, b"two")
    sim.faults.media(redirect_to=other.url)
    with pytest.raises(DownloadFailed, match="private"):
        make_client().download_file(media.url, media.aeskey)
    sim.faults.media(redirect_to=other.url)
    trusting = make_client(trusted_media_hosts=("127.0.0.1",))
    assert trusting.download_file(media.url, other.aeskey)[0] == b"two"


def test_no_error_shows_the_signed_address(sim: AiBotSim, client: WSClient) -> None:
    media = offer(sim)
    sim.faults.media(status=403)
    with pytest.raises(DownloadFailed) as caught:
        client.download_file(media.url, media.aeskey)
    assert media.url.split("?")[-1] not in str(caught.value) + repr(caught.value.__cause__)


def test_an_address_is_needed(client: WSClient, tmp_path: Path) -> None:
    for url in (None, "", 5):
        with pytest.raises(ConfigError):
            client.download_file(url, None)  # type: ignore[arg-type]


@pytest.mark.parametrize("folder", [None, 5, b"folder", "a\0b", "\ud800", ["folder"]])
def test_what_is_no_folder_is_refused_before_the_download(sim: AiBotSim, client: WSClient, folder: Any) -> None:
    media = offer(sim)
    with pytest.raises(ConfigError, match="folder "):
        client.save_file(media.url, media.aeskey, folder)
    assert media.downloads == 0


@pytest.mark.parametrize("key", [0, b"", b"key", False, ["key"]])
def test_a_key_is_a_str_or_none(sim: AiBotSim, client: WSClient, key: Any) -> None:
    media = offer(sim)
    with pytest.raises(ConfigError, match="aes_key "):
        client.download_file(media.url, key)
    assert media.downloads == 0


def test_a_folder_that_cannot_be_written_is_a_failed_download(sim: AiBotSim, client: WSClient, tmp_path: Path) -> None:
    media = offer(sim)
    taken = tmp_path / "file"
    taken.write_text("no folder")
    with pytest.raises(DownloadFailed, match="cannot be saved"):
        client.save_file(media.url, media.aeskey, taken)


def test_disconnect_ends_a_download_under_way(sim: AiBotSim, client: WSClient) -> None:
    errors: List[BaseException] = []

    def download(url: str) -> None:
        try:
            client.download_file(url)
        except DownloadFailed as exc:
            errors.append(exc)

    client.connect(wait=5)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        thread = threading.Thread(target=download, args=(f"http://127.0.0.1:{silent.getsockname()[1]}/",))
        thread.start()
        with silent.accept()[0] as asked:
            assert asked.recv(1000)
            assert client.disconnect()
            thread.join(5)
    assert not thread.is_alive()
    assert len(errors) == 1
    fresh = offer(sim)
    assert client.download_file(fresh.url, fresh.aeskey)[0] == b"hello"
