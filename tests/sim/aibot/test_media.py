from __future__ import annotations

import base64
import hashlib
import threading
from pathlib import Path
from typing import Any

import pytest
import requests
from Crypto.Cipher import AES

from tests.sim.aibot.raw_bot import RawBot
from wxsdk.sim.aibot.simulator import HOSTILE_NAMES, AiBotSim, Generated

PNG = b"\x89PNG\r\n\x1a\n" + b"pixels"


def opened(data: bytes, aeskey: str) -> bytes:
    key = base64.b64decode(aeskey + "=" * (-len(aeskey) % 4))
    plain = AES.new(key, AES.MODE_CBC, iv=key[:16]).decrypt(data)
    assert plain[-plain[-1] :] == bytes([plain[-1]]) * plain[-1]
    return plain[: -plain[-1]]


def fetch(url: str, **options: Any) -> requests.Response:
    return requests.get(url, timeout=5, **options)


def test_a_file_is_offered_encrypted_with_its_own_key(sim: AiBotSim, bot: RawBot) -> None:
    first = sim.user("a").sends(b"hello file", name="报告.pdf")
    sim.user("a").sends(b"hello file")
    body, other = bot.read()["body"], bot.read()["body"]
    assert body["msgtype"] == "file"
    assert body["file"]["aeskey"] != other["file"]["aeskey"]
    answer = fetch(body["file"]["url"])
    assert opened(answer.content, body["file"]["aeskey"]) == b"hello file"
    assert answer.headers["Content-Disposition"].endswith("filename*=UTF-8''%E6%8A%A5%E5%91%8A.pdf")
    assert (first.media[0].downloads, first.media[0].data) == (1, b"hello file")
    assert body["file"]["url"] not in repr(first.media)


def test_the_kind_is_guessed_from_name_and_bytes(sim: AiBotSim, bot: RawBot, tmp_path: Path) -> None:
    movie = tmp_path / "a.mp4"
    movie.write_bytes(b"frames")
    alice = sim.user("a")
    alice.sends(PNG)
    alice.sends(movie)
    alice.sends(str(movie), kind="file", name="renamed.bin")
    alice.sends(b"x", name="photo.JPG")
    assert [bot.read()["body"]["msgtype"] for _ in range(4)] == ["image", "video", "file", "image"]


def test_a_mixed_message_has_text_and_pictures(sim: AiBotSim, bot: RawBot) -> None:
    sent = sim.user("a").mixed(["look", PNG, {"msgtype": "file", "file": {"url": "u"}}], chat="g")
    body = bot.read()["body"]
    items = body["mixed"]["msg_item"]
    assert (body["msgtype"], body["chatid"]) == ("mixed", "g")
    assert [item["msgtype"] for item in items] == ["text", "image", "file"]
    assert opened(fetch(items[1]["image"]["url"]).content, items[1]["image"]["aeskey"]) == PNG
    assert sent.media[0].downloads == 1


def test_without_a_key_the_bytes_come_as_they_are(sim: AiBotSim, bot: RawBot) -> None:
    sim.user("a").sends(b"plain", encrypt=False, disposition="none")
    part = bot.read()["body"]["file"]
    assert set(part) == {"url"}
    answer = fetch(part["url"])
    assert answer.content == b"plain"
    assert "Content-Disposition" not in answer.headers


def test_a_key_may_lack_its_padding(sim: AiBotSim, bot: RawBot) -> None:
    sim.user("a").sends(b"x", padded_key=False)
    part = bot.read()["body"]["file"]
    assert not part["aeskey"].endswith("=")
    assert opened(fetch(part["url"]).content, part["aeskey"]) == b"x"


@pytest.mark.parametrize("name", HOSTILE_NAMES)
@pytest.mark.parametrize("disposition", ["both", "star", "quoted", "bare"])
def test_hostile_names_reach_the_client(sim: AiBotSim, bot: RawBot, name: str, disposition: str) -> None:
    sim.user("a").sends(b"x", "file", name, disposition=disposition)
    answer = fetch(bot.read()["body"]["file"]["url"])
    assert answer.status_code == 200
    assert answer.headers["Content-Disposition"].startswith("attachment; filename")


def test_a_whole_disposition_can_be_given(sim: AiBotSim, bot: RawBot) -> None:
    sim.user("a").sends(b"x", disposition="attachment; filename*=UTF-8''..%2F..%2Fetc%2Fpasswd")
    answer = fetch(bot.read()["body"]["file"]["url"])
    assert answer.headers["Content-Disposition"] == "attachment; filename*=UTF-8''..%2F..%2Fetc%2Fpasswd"


def test_a_url_lives_five_minutes_and_needs_its_signature(sim: AiBotSim, bot: RawBot) -> None:
    sim.user("a").sends(b"x")
    url = bot.read()["body"]["file"]["url"]
    assert fetch(url.partition("?")[0]).status_code == 404
    assert fetch(url + "0").status_code == 404
    sim.advance(299)
    assert fetch(url).status_code == 200
    sim.advance(2)
    assert fetch(url).status_code == 403


def test_a_range_can_be_asked(sim: AiBotSim, bot: RawBot) -> None:
    sim.user("a").sends(b"0123456789", encrypt=False)
    url = bot.read()["body"]["file"]["url"]
    answer = fetch(url, headers={"Range": "bytes=3-5"})
    assert (answer.status_code, answer.content, answer.headers["Content-Range"]) == (
        206,
        b"345",
        "bytes 3-5/10",
    )
    assert fetch(url, headers={"Range": "bytes=8-"}).content == b"89"
    assert fetch(url, headers={"Range": "bytes=99-"}).content == b"0123456789"


def test_generated_content_is_streamed(sim: AiBotSim, bot: RawBot) -> None:
    content = Generated(5 * 2**20 + 3)
    sim.user("a").sends(content)
    part = bot.read()["body"]["file"]
    with fetch(part["url"], stream=True) as answer:
        data = b"".join(answer.iter_content(1 << 16))
    assert int(answer.headers["Content-Length"]) == len(data)
    assert hashlib.sha256(opened(data, part["aeskey"])).hexdigest() == content.digest()


def test_a_download_can_go_wrong_in_many_ways(sim: AiBotSim, bot: RawBot) -> None:
    sim.user("a").sends(b"x" * 100, encrypt=False)
    url = bot.read()["body"]["file"]["url"]
    sim.faults.media(status=503)
    assert fetch(url).status_code == 503
    sim.faults.media(redirect_to=url, times=2)
    assert fetch(url, allow_redirects=False).headers["Location"] == url
    assert len(fetch(url).history) == 1
    sim.faults.media(body=b"")
    assert fetch(url).content == b""
    cut = sim.faults.media(cut_after=10)
    with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        fetch(url)
    assert cut.hits == 1
    sim.faults.media(slow=0.0, piece=7)
    assert fetch(url).content == b"x" * 100


def test_stop_interrupts_a_download_that_stalls_or_crawls(sim: AiBotSim, bot: RawBot) -> None:
    sim.user("a").sends(b"x" * 100, encrypt=False)
    url = bot.read()["body"]["file"]["url"]
    sim.faults.media(stall_after=10)
    sim.faults.media(slow=60.0, piece=10)
    answers = [fetch(url, stream=True) for _ in range(2)]
    for answer in answers:
        assert answer.raw.read(10) == b"x" * 10
    assert sim.stop()
    for answer in answers:
        answer.close()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("wxsdk-sim-aibot")]


def test_uploads_become_messages_with_their_bytes(sim: AiBotSim, bot: RawBot) -> None:
    data = b"uploaded"
    init = {"type": "video", "filename": "a.mp4", "total_size": len(data), "total_chunks": 1}
    upload_id = bot.ask("aibot_upload_media_init", init)["body"]["upload_id"]
    chunk = {"upload_id": upload_id, "chunk_index": 0, "base64_data": base64.b64encode(data).decode()}
    assert bot.ask("aibot_upload_media_chunk", chunk)["errcode"] == 0
    made = bot.ask("aibot_upload_media_finish", {"upload_id": upload_id})["body"]
    sim.user("a")
    video = {"media_id": made["media_id"], "title": "字" * 43, "description": "d"}
    assert bot.send("a", {"msgtype": "video", "video": video}) == 0
    shown = sim.user("a").expects()
    assert (shown.kind, shown.data, shown.name, shown.description) == ("video", data, "a.mp4", "d")
    assert shown.title == "字" * 42
    assert bot.send("a", {"msgtype": "file", "file": {"media_id": made["media_id"]}}) == 40007
    assert bot.send("a", {"msgtype": "video", "video": {}}) == 40007
    said = sim.user("a").says("x")
    bot.read()
    assert bot.reply(said, {"msgtype": "video", "video": {"media_id": made["media_id"]}}) == 0
    sim.advance(3 * 86400 + 1)
    assert bot.send("a", {"msgtype": "video", "video": {"media_id": made["media_id"]}}) == 40007
    assert sim.uploads[0].filename == "a.mp4"
