"""upload_media against the simulator."""

from __future__ import annotations

import io
import threading
from pathlib import Path
from typing import Any, Callable, List, Optional, Tuple

import pytest

from tests.aibot.conftest import MakeClient
from wxsdk.aibot.client import WSClient
from wxsdk.aibot.frames import WsFrame
from wxsdk.aibot.upload_rules import CHUNK_BYTES, MAX_FILE_BYTES
from wxsdk.errors import ConfigError, ConnectionLost, LimitExceeded, UploadFailed
from wxsdk.sim.aibot.simulator import AiBotSim, Generated

AMR = b"#!AMR\n" + b"\x3c" * 100


def some_bytes(size: int, seed: int = 1) -> bytes:
    return b"".join(Generated(size, seed).blocks())


class Pipe(io.RawIOBase):
    """A binary file that can neither be sought nor tells its size."""

    def __init__(self, data: bytes) -> None:
        self._data = io.BytesIO(data)

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        return self._data.read(min(size, 1000))


class Disk(io.BytesIO):
    """A file that can be read *good* times; then every read raises *error*."""

    def __init__(self, data: bytes, good: int, error: Exception) -> None:
        super().__init__(data)
        self._good = good
        self._error = error

    def read(self, size: Optional[int] = -1) -> bytes:
        self._good -= 1
        if self._good < 0:
            raise self._error
        return super().read(size)


class Lazy(io.RawIOBase):
    """A raw file that can be sought and gives at most 1000 bytes at once, as io.RawIOBase allows."""

    def __init__(self, data: bytes) -> None:
        self._data = io.BytesIO(data)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._data.seek(offset, whence)

    def tell(self) -> int:
        return self._data.tell()

    def read(self, size: int = -1) -> bytes:
        return self._data.read(min(size, 1000))


def in_memory(data: bytes, _: Path) -> Any:
    return data


def at_a_path(data: bytes, folder: Path) -> Any:
    path = folder / "report.bin"
    path.write_bytes(data)
    return path


def in_an_open_file(data: bytes, _: Path) -> Any:
    file = io.BytesIO(b"skipped" + data)
    file.seek(7)
    return file


def in_a_pipe(data: bytes, _: Path) -> Any:
    return Pipe(data)


def in_a_lazy_file(data: bytes, _: Path) -> Any:
    return Lazy(data)


@pytest.mark.parametrize("given", [in_memory, at_a_path, in_an_open_file, in_a_pipe, in_a_lazy_file])
def test_a_file_arrives_byte_for_byte_however_it_is_given(
    sim: AiBotSim, client: WSClient, tmp_path: Path, given: Callable[[bytes, Path], Any]
) -> None:
    data = some_bytes(5 * CHUNK_BYTES + 17)
    sim.user("alice")
    with client.connect(wait=5):
        result = client.upload_media(given(data, tmp_path), type="file", filename="报告.bin")
        client.send_media_message("alice", result.type, result.media_id)
        shown = sim.user("alice").expects()
    assert (shown.kind, shown.name, shown.data == data) == ("file", "报告.bin", True)
    assert (result.type, result.downgraded) == ("file", False)
    assert not sim.violations


def test_the_name_comes_from_the_path_when_none_is_given(sim: AiBotSim, client: WSClient, tmp_path: Path) -> None:
    path = tmp_path / "picture.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n")
    with client.connect(wait=5):
        client.upload_media(str(path), type="image")
        with path.open("rb") as file:
            client.upload_media(file, type="image")
        client.upload_media(b"x", type="file")
    assert [upload.filename for upload in sim.uploads] == ["picture.png", "picture.png", "file"]


def test_progress_never_goes_back_and_ends_at_the_size(sim: AiBotSim, client: WSClient) -> None:
    seen: List[Tuple[int, int]] = []
    data = some_bytes(11 * CHUNK_BYTES + 1)
    with client.connect(wait=5):
        client.upload_media(data, type="file", progress=lambda done, total: seen.append((done, total)))
    assert seen == sorted(seen)
    assert seen[-1] == (len(data), len(data))
    assert len(seen) == 12


@pytest.mark.parametrize(("chunks", "at_once"), [(1, 1), (4, 4), (5, 3), (10, 3), (11, 2)])
def test_only_some_chunks_are_in_flight_at_once(sim: AiBotSim, client: WSClient, chunks: int, at_once: int) -> None:
    held = sim.faults.hold_acks("aibot_upload_media_chunk")
    with client.connect(wait=5):
        uploading = threading.Thread(
            target=lambda: client.upload_media(some_bytes(chunks * CHUNK_BYTES), type="file"), daemon=True
        )
        uploading.start()
        held.wait_held(at_once)
        assert held.held == at_once
        sim.faults.release_acks()
        uploading.join(10)
        assert not uploading.is_alive()


def test_a_lost_chunk_ack_is_answered_by_a_repeat(sim: AiBotSim, make_client: MakeClient) -> None:
    sim.faults.ack("aibot_upload_media_chunk", lost=True, times=1)
    client = make_client(chunk_ack_timeout=0.1)
    data = some_bytes(3 * CHUNK_BYTES)
    with client.connect(wait=5):
        client.upload_media(data, type="file")
    (upload,) = sim.uploads
    assert sorted(upload.arrived) in ([0, 0, 1, 2], [0, 1, 1, 2], [0, 1, 2, 2])
    assert upload.media_id


def test_a_chunk_that_is_refused_for_good_ends_the_upload(sim: AiBotSim, client: WSClient) -> None:
    sim.faults.ack("aibot_upload_media_chunk", errcode=40058, times=None)
    with client.connect(wait=5), pytest.raises(UploadFailed, match="Chunk 1 of 1") as caught:
        client.upload_media(b"x", type="file")
    assert getattr(caught.value.__cause__, "errcode", None) == 40058


def test_a_refused_finish_is_an_upload_failed(sim: AiBotSim, client: WSClient) -> None:
    sim.faults.ack("aibot_upload_media_finish", errcode=40058)
    with client.connect(wait=5), pytest.raises(UploadFailed, match="did not complete"):
        client.upload_media(b"x", type="file")


def test_a_lost_connection_ends_the_upload(sim: AiBotSim, client: WSClient) -> None:
    held = sim.faults.hold_acks("aibot_upload_media_chunk")
    errors: List[BaseException] = []

    def upload() -> None:
        try:
            client.upload_media(b"x", type="file")
        except UploadFailed as exc:
            errors.append(exc)

    with client.connect(wait=5):
        uploading = threading.Thread(target=upload, daemon=True)
        uploading.start()
        held.wait_held()
        sim.faults.reset()
        uploading.join(5)
    assert isinstance(errors[0].__cause__, ConnectionLost)


def test_too_large_for_its_type_goes_as_a_file_and_says_so(sim: AiBotSim, client: WSClient) -> None:
    with client.connect(wait=5):
        voice = client.upload_media(b"ID3 no AMR", type="voice", filename="song.mp3")
        speech = client.upload_media(AMR, type="voice", filename="speech.amr")
        picture = client.upload_media(some_bytes(10 * 2**20 + 1), type="image", filename="big.png")
    assert (voice.type, voice.downgraded) == ("file", True)
    assert (speech.type, speech.downgraded) == ("voice", False)
    assert (picture.type, picture.downgraded) == ("file", True)


def test_what_the_platform_would_refuse_is_refused_before_the_wire(
    sim: AiBotSim, client: WSClient, tmp_path: Path
) -> None:
    with client.connect(wait=5):
        for given, error in (
            (b"", ConfigError),
            (bytes(MAX_FILE_BYTES + 1), LimitExceeded),
            (Pipe(bytes(MAX_FILE_BYTES + 1)), LimitExceeded),
            (tmp_path / "nothing there", ConfigError),
            (tmp_path, ConfigError),
            ("half of a character \ud800", ConfigError),
            ("a null byte \0", ConfigError),
            (io.StringIO("text"), ConfigError),
            (17, ConfigError),
        ):
            with pytest.raises(error):
                client.upload_media(given, type="file")  # type: ignore[arg-type]
        with pytest.raises(ConfigError):
            client.upload_media(b"x", type="animation")
    assert not sim.uploads


def closed_file(_: Path) -> Any:
    file = io.BytesIO(b"x")
    file.close()
    return file


def released_view(_: Path) -> Any:
    view = memoryview(b"x")
    view.release()
    return view


class OddPath:
    def __fspath__(self) -> Any:
        return 5


@pytest.mark.parametrize(
    "make",
    [
        closed_file,
        released_view,
        lambda folder: (folder / "written").open("wb", buffering=0),
        lambda _: Disk(b"x", 0, OSError(5, "Input/output error")),
        lambda _: Disk(b"x", 1, EOFError()),
        lambda _: Disk(b"x" * 10, 1, OSError()),
        lambda _: io.TextIOWrapper(io.BytesIO(b"text")),
        lambda _: OddPath(),
    ],
)
def test_a_file_that_cannot_be_read_is_named_before_the_wire(
    sim: AiBotSim, client: WSClient, tmp_path: Path, make: Callable[[Path], Any]
) -> None:
    file = make(tmp_path)
    with client.connect(wait=5), pytest.raises(ConfigError, match=r"^file ") as caught:
        client.upload_media(file, type="file")
    assert "Errno" not in str(caught.value)
    assert not sim.uploads
    if hasattr(file, "close"):
        file.close()


def test_a_file_that_fails_in_the_middle_is_a_failed_upload(sim: AiBotSim, client: WSClient) -> None:
    data = some_bytes(3 * CHUNK_BYTES)
    error = OSError(5, "Input/output error")
    with client.connect(wait=5), pytest.raises(UploadFailed, match=r"Chunk 2 of 3 .* Input/output error") as caught:
        client.upload_media(Disk(data, 5, error), type="file")  # its beginning, the checksum's 3 pieces, and one chunk
    assert caught.value.__cause__ is not None
    assert caught.value.__cause__.__cause__ is error
    assert [upload.media_id for upload in sim.uploads] == [None]


def test_a_progress_that_cannot_be_called_is_refused_before_the_wire(sim: AiBotSim, client: WSClient) -> None:
    with client.connect(wait=5), pytest.raises(ConfigError, match="progress"):
        client.upload_media(b"x", type="file", progress=5)  # type: ignore[arg-type]
    assert not sim.uploads


def test_a_handler_may_upload_and_answer_with_the_file(sim: AiBotSim, client: WSClient) -> None:
    @client.on_message_text
    def send_back(frame: WsFrame) -> None:
        text = frame.body.text.content.encode()
        result = client.upload_media(text, type="file", filename="you said.txt")
        client.reply_media(frame, result.type, result.media_id)

    with client:
        sim.user("alice").says("in a file, please")
        assert sim.user("alice").expects().data == b"in a file, please"
