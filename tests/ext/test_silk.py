"""Voice messages as WAV files."""

from __future__ import annotations

import math
import struct
import wave
from pathlib import Path

import pytest

from wxsdk import DecryptError, MediaError

pilk = pytest.importorskip("pilk", reason="needs the extra silk, which is compiled")

from wxsdk.ext.silk import RATE, is_silk, to_wav  # noqa: E402  needs pilk


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """One second of a tone, as WeChat sends it."""
    samples = (int(12_000 * math.sin(2 * math.pi * 440 * n / RATE)) for n in range(RATE))
    raw, silk = tmp_path / "tone.pcm", tmp_path / "tone.silk"
    raw.write_bytes(b"".join(struct.pack("<h", sample) for sample in samples))
    pilk.encode(str(raw), str(silk), pcm_rate=RATE, tencent=True)
    return silk


def test_a_voice_message_becomes_a_wav_file_of_its_length(recording: Path) -> None:
    assert is_silk(recording)
    made = to_wav(recording)
    assert made == recording.with_suffix(".wav")
    with wave.open(str(made)) as wav:
        assert (wav.getnchannels(), wav.getsampwidth(), wav.getframerate()) == (1, 2, RATE)
        assert wav.getnframes() / RATE == pytest.approx(1.0, abs=0.1)
        assert max(struct.unpack(f"<{wav.getnframes()}h", wav.readframes(wav.getnframes()))) > 6_000


def test_another_file_is_no_voice_message(tmp_path: Path) -> None:
    (tmp_path / "a.mp3").write_bytes(b"ID3 something else")
    with pytest.raises(DecryptError):
        to_wav(tmp_path / "a.mp3")


def test_a_missing_file_is_a_media_error(tmp_path: Path) -> None:
    with pytest.raises(MediaError):
        to_wav(tmp_path / "none.silk")
