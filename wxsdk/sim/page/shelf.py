"""Keeps the pictures and files of the chats, for the page to show and to download."""

from __future__ import annotations

import hashlib
import threading
from pathlib import Path
from typing import Any, Callable, Dict, Optional, Tuple

PICTURES = (  # magic bytes of what every browser shows and none runs; SVG is not among them
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
)
MAX_KEPT_BYTES = 20 * 2**20  # of a file in the state folder; WeCom takes no larger ones (docs/protocol/aibot, 6)

Loader = Callable[[], bytes]


def picture_type(data: bytes) -> Optional[str]:
    """Return the media type of a picture that a browser may show, None for everything else."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    return next((mime for magic, mime in PICTURES if data.startswith(magic)), None)


class Shelf:
    """Files by their ids. Any thread may use it. With a *folder* they are there again after a restart."""

    def __init__(self, folder: Optional[Path] = None) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._items: Dict[str, Tuple[str, Loader]] = {}

    def put(self, name: str, size: int, load: Loader) -> Dict[str, Any]:
        """Keep a file and return what the page needs to know of it: id, name, size, picture.

        *load* is called now for a file of up to MAX_KEPT_BYTES, and at each download for a larger one.
        """
        data = load() if size <= MAX_KEPT_BYTES else b""
        number = hashlib.sha256(data or name.encode() + str(size).encode()).hexdigest()[:24]
        with self._lock:
            self._items[number] = (name, (lambda: data) if data else load)
        if self._folder is not None and data:
            path = self._folder / number
            if not path.exists():
                path.write_bytes(data)
        return {"id": number, "name": name, "size": size, "picture": picture_type(data) is not None}

    def get(self, number: str) -> Optional[bytes]:
        """Return the file's bytes; None when it is not there (any more)."""
        with self._lock:
            _, load = self._items.get(number, ("", None))
        if load is not None:
            return load()
        if self._folder is None or not number.isalnum():
            return None
        path = self._folder / number
        return path.read_bytes() if path.is_file() else None
