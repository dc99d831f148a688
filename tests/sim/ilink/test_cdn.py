"""The CDN: announced uploads, downloads, every way a key can be written down, constant memory."""

from __future__ import annotations

import base64
import os
import threading
from pathlib import Path
from typing import Any, Iterator
from urllib.parse import quote

import pytest
import requests
from Crypto.Cipher import AES
from Crypto.Util.Padding import unpad

from wxsdk.sim import ILinkSim
from wxsdk.sim.ilink.cdn import IN_MEMORY, cipher_size, encrypt, read_key

from .fixtures import sim_with_alice as sim
from .speaker import KEY, Speaker

__all__ = ["sim"]  # a fixture


@pytest.fixture
def bot(sim: ILinkSim) -> Iterator[Speaker]:
    with Speaker(sim) as bot:
        bot.poll()
        yield bot


def fetch(sim: ILinkSim, media: Any) -> bytes:
    url = media.get("full_url")
    if url is None:
        param = quote(media["encrypt_query_param"], safe="")
        url = f"{sim.cdn_base_url}/download?encrypted_query_param={param}"
    answer = requests.get(url, timeout=10)
    answer.raise_for_status()
    return answer.content


def decrypt(data: bytes, key: bytes) -> bytes:
    return unpad(AES.new(key, AES.MODE_ECB).decrypt(data), 16)


@pytest.mark.parametrize("size", [0, 1, 15, 16, 17, 1000, IN_MEMORY, IN_MEMORY + 1, 5 * 1024 * 1024 + 3])
def test_what_a_user_sends_can_be_fetched_and_decrypted(sim: ILinkSim, bot: Speaker, tmp_path: Path, size: int) -> None:
    data = os.urandom(size)
    path = tmp_path / "a.bin"
    path.write_bytes(data)
    for source in (data, path):
        sim.user("alice").sends(source)
        (message,) = bot.poll()["msgs"]
        item = message["item_list"][0]["file_item"]
        assert item["len"] == str(size)
        key = base64.b64decode(item["media"]["aes_key"])
        cipher = fetch(sim, item["media"])
        assert len(cipher) == cipher_size(size)
        assert decrypt(cipher, bytes.fromhex(key.decode())) == data


def test_a_key_is_written_down_in_each_way(sim: ILinkSim, bot: Speaker) -> None:
    for key in ("hex", "raw", "aeskey", None):
        sim.user("alice").sends(b"\x89PNG\r\n\x1a\n" + b"x" * 50, key=key)
    hexed, raw, field, plain = (message["item_list"][0]["image_item"] for message in bot.poll()["msgs"])
    assert len(base64.b64decode(hexed["media"]["aes_key"])) == 32
    assert len(base64.b64decode(raw["media"]["aes_key"])) == 16
    assert "aes_key" not in field["media"]
    assert decrypt(fetch(sim, field["media"]), bytes.fromhex(field["aeskey"])).startswith(b"\x89PNG")
    assert "aes_key" not in plain["media"]
    assert fetch(sim, plain["media"]).startswith(b"\x89PNG")


def test_only_an_image_can_be_plain(sim: ILinkSim) -> None:
    with pytest.raises(ValueError, match="only an image"):
        sim.user("alice").sends(b"x", kind="file", key=None)


def test_a_file_is_addressed_in_each_way(sim: ILinkSim, bot: Speaker) -> None:
    for address in ("both", "full_url", "param"):
        sim.user("alice").sends(b"x", address=address)
    medias = [message["item_list"][0]["file_item"]["media"] for message in bot.poll()["msgs"]]
    assert [("full_url" in media, "encrypt_query_param" in media) for media in medias] == [
        (True, True),
        (True, False),
        (False, True),
    ]
    assert len({len(fetch(sim, media)) for media in medias}) == 1


@pytest.mark.parametrize(
    ("data", "name", "kind"),
    [
        (b"\x89PNG\r\n\x1a\n", None, "image"),
        (b"\xff\xd8\xff", None, "image"),
        (b"\x00\x00\x00\x18ftypmp42", None, "video"),
        (b"anything", None, "file"),
        (b"anything", "a.mp4", "video"),
        (b"anything", "a.pdf", "file"),
    ],
)
def test_the_kind_is_guessed(sim: ILinkSim, bot: Speaker, data: bytes, name: Any, kind: str) -> None:
    sim.user("alice").sends(data, name=name)
    (message,) = bot.poll()["msgs"]
    assert f"{kind}_item" in message["item_list"][0]


def test_a_voice_comes_with_its_transcript(sim: ILinkSim, bot: Speaker) -> None:
    sim.user("alice").speaks(b"\x02#!SILK_V3", "hello there", playtime=1500)
    (message,) = bot.poll()["msgs"]
    voice = message["item_list"][0]["voice_item"]
    assert (voice["text"], voice["encode_type"], voice["playtime"]) == ("hello there", 6, 1500)


@pytest.mark.parametrize("urls", ["both", "param", "full_url"])
def test_an_upload_goes_to_whichever_address_was_given(urls: str) -> None:
    with ILinkSim(upload_urls=urls) as sim, Speaker(sim) as bot:
        answer = bot.announce(b"abc")
        assert ("upload_param" in answer, "upload_full_url" in answer) == (
            urls != "full_url",
            urls != "param",
        )
        url = answer.get("upload_full_url")
        if url is None:
            filekey = sim.requests[0].json["filekey"]
            param = quote(answer["upload_param"], safe="")
            url = f"{sim.cdn_base_url}/upload?encrypted_query_param={param}&filekey={filekey}"
        stored = bot.upload(url, b"abc")
        assert stored.status_code == 200
        assert fetch(sim, {"encrypt_query_param": stored.headers["x-encrypted-param"]}) == encrypt(b"abc", KEY)
        assert sim.violations == []


@pytest.mark.parametrize(
    ("announced", "sent", "key", "sentence"),
    [
        (b"abc", b"abd", KEY, "the MD5 of the decrypted upload is not the announced rawfilemd5"),
        (b"abc", b"ab", KEY, "the upload decrypts to 2 bytes, rawsize said 3"),
        (b"abc", b"abc", bytes(16), "the upload does not decrypt with the announced aeskey"),
        (b"abc", b"abc" * 10, KEY, "Content-Length is 32, filesize said 16"),
    ],
)
def test_an_upload_that_is_not_what_was_announced_is_refused_and_noted(
    sim: ILinkSim, bot: Speaker, announced: bytes, sent: bytes, key: bytes, sentence: str
) -> None:
    answer = bot.upload(bot.announce(announced)["upload_full_url"], sent, key)
    assert answer.status_code == 400
    assert answer.headers["x-error-message"] == "bad upload"
    assert sentence in sim.violations[0]


def test_unchecked_uploads_are_stored_as_they_come() -> None:
    with ILinkSim(verify_uploads=False) as sim, Speaker(sim) as bot:
        assert bot.upload(bot.announce(b"abc")["upload_full_url"], b"xyz").status_code == 200
        assert sim.violations == []


def test_an_unknown_parameter_is_refused(sim: ILinkSim, bot: Speaker) -> None:
    upload = bot.upload(f"{sim.cdn_base_url}/upload?encrypted_query_param=x&filekey=y", b"abc")
    assert (upload.status_code, upload.headers["x-error-message"]) == (403, "bad encrypted_query_param")
    download = requests.get(f"{sim.cdn_base_url}/download?encrypted_query_param=x", timeout=5)
    assert (download.status_code, download.headers["x-error-message"]) == (404, "no such file")


def test_the_token_must_not_be_shown_to_the_cdn(sim: ILinkSim, bot: Speaker) -> None:
    stored = sim.cdn.put(b"abc")
    requests.get(stored.url, headers={"Authorization": "Bearer secret"}, timeout=5)
    assert sim.violations == ["download: Authorization was sent to the CDN"]


def test_a_key_that_is_not_the_uploads_is_refused_and_noted(sim: ILinkSim, bot: Speaker) -> None:
    stored = bot.store(b"abc")
    media = {"encrypt_query_param": stored.headers["x-encrypted-param"], "encrypt_type": 1}
    media["aes_key"] = base64.b64encode(bytes(16).hex().encode()).decode()
    item = {"type": 4, "file_item": {"media": media, "file_name": "a", "len": "4"}}
    assert bot.send_item("alice", item)["ret"] == -3
    assert sim.violations == [
        "sendmessage: the media's aes_key is not the key of the upload",
        "sendmessage: len is '4', the file has 3 bytes",
    ]


def test_small_files_can_be_read_after_the_end_and_large_ones_say_why_not() -> None:
    with ILinkSim() as sim, Speaker(sim) as bot:
        alice = sim.user("alice")
        alice.says("hello")
        bot.send_file("alice", b"small", "a")
        bot.send_file("alice", b"L" * (IN_MEMORY + 1), "b")
        small, large = alice.expects(), alice.expects()
    assert small.data == b"small"
    with pytest.raises(LookupError, match="dropped its large files"):
        _ = large.data


def test_an_upload_cut_by_its_sender_leaves_the_server_alive(sim: ILinkSim, bot: Speaker) -> None:
    url = bot.announce(b"x" * 5_000_000)["upload_full_url"]

    def half() -> Iterator[bytes]:
        yield b"x" * 1_000_000
        raise ZeroDivisionError

    headers = {"Content-Type": "application/octet-stream", "Content-Length": str(cipher_size(5_000_000))}
    with pytest.raises(ZeroDivisionError), requests.Session() as session:
        session.send(requests.Request("POST", url, data=half(), headers=headers).prepare())
    assert bot.upload(url, b"x" * 5_000_000).status_code == 200


def test_many_downloads_at_once_are_byte_identical(sim: ILinkSim) -> None:
    stored = sim.cdn.put(os.urandom(6_000_000))
    bodies = []
    threads = [
        threading.Thread(target=lambda: bodies.append(requests.get(stored.url, timeout=20).content)) for _ in range(4)
    ]
    for one in threads:
        one.start()
    for one in threads:
        one.join(20)
    assert [body == b"".join(stored.blob.blocks()) for body in bodies] == [True] * 4


@pytest.mark.parametrize(
    "key", ["not base64!", base64.b64encode(b"x" * 15).decode(), base64.b64encode(b"g" * 32).decode()]
)
def test_a_key_of_any_other_form_is_an_error(key: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        read_key(key)
