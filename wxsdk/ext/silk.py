"""Turns voice messages of WeChat into WAV files, with the extra ``silk`` (the package pilk).

.. code-block:: python

    from wxsdk.ext.silk import to_wav

    def on_message(ctx):
        if ctx.media is not None and ctx.media.kind == "voice":
            wav = to_wav(ctx.download_media(ctx.media, "voices"))
"""

from __future__ import annotations

import os
import tempfile
import wave
from pathlib import Path
from typing import Optional, Union

import pilk

from ..errors import DecryptError, MediaError

__all__ = ["is_silk", "to_wav"]

RATE = 24_000  # Hz; what WeChat records with, as the sample_rate of voice items says
SAMPLE_BYTES = 2  # pilk decodes to 16-bit samples, one channel
MAGICS = (b"\x02#!SILK_V3", b"#!SILK_V3")  # Tencent's form, and the plain one

PathLike = Union[str, "os.PathLike[str]"]


def is_silk(path: PathLike) -> bool:
    """Return whether the file at *path* begins as SILK does. Raises MediaError when it cannot be read."""
    try:
        with open(path, "rb") as file:
            return file.read(len(MAGICS[0])).startswith(MAGICS)
    except OSError as exc:
        raise MediaError(f"The voice file cannot be read ({exc.strerror}).") from exc


def to_wav(source: PathLike, dest: Optional[PathLike] = None, *, rate: int = RATE) -> Path:
    """Decode the SILK file *source* into a WAV file of 16-bit samples, one channel, at *rate* Hz; its path.

    dest: None for the same name with the ending .wav. Blocks for about a hundredth of the recording's length. Raises
    MediaError when a file cannot be read or written, DecryptError when *source* is no SILK.
    """
    target = Path(dest) if dest is not None else Path(source).with_suffix(".wav")
    if not is_silk(source):
        raise DecryptError("The file is no SILK recording.", remedy="Look at encode_type of the voice item.")
    with tempfile.TemporaryDirectory() as folder:
        raw = os.path.join(folder, "samples.pcm")
        try:
            pilk.decode(os.fspath(source), raw, pcm_rate=rate)
            with open(raw, "rb") as samples, wave.open(os.fspath(target), "wb") as wav:
                wav.setnchannels(1)
                wav.setsampwidth(SAMPLE_BYTES)
                wav.setframerate(rate)
                while block := samples.read(1 << 16):
                    wav.writeframesraw(block)
        except OSError as exc:
            raise MediaError(f"The recording cannot be written ({exc.strerror}).") from exc
        except Exception as exc:  # pilk raises bare exceptions of its own for broken data
            raise DecryptError("The file begins as SILK and cannot be decoded.") from exc
    return target
