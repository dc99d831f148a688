"""Media as values: which file a message carries, what kind a file is sent as, and where the CDN keeps it.

Facts from docs/protocol/ilink, 3 and 5.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Callable, Dict, Iterable, List, Optional, Tuple
from urllib.parse import quote

from ..core.filenames import file_name
from ..core.redact import Secret
from .wire import CDNMedia, MessageItem, MessageItemType, UploadUrlReply

_EXTENSIONS = {  # what WeChat shows as picture or video; anything else goes as a file
    "image": (".png", ".jpg", ".jpeg", ".gif", ".bmp"),
    "video": (".mp4", ".mov"),
}
# Of a file without a name whose first bytes say nothing: what phones send.
_DEFAULT_EXTENSIONS = {"image": ".jpg", "video": ".mp4", "file": ".bin", "voice": ".silk"}


@dataclass(frozen=True)
class MediaInfo:
    """A file that came with a message, to be fetched with ``download_media``.

    kind: "image", "video", "file" or "voice". file_name: as the sender's phone gave it (not safe as a path), or None.
    size: bytes as announced, None when not; of images and videos it may be the encrypted size, up to 16 more.
    aeskey: the hex key of an image, where it came beside *media*.
    """

    kind: str
    file_name: Optional[str]
    size: Optional[int]
    media: CDNMedia
    aeskey: Optional[Secret] = None


def item_kind(item: MessageItem) -> Optional[int]:
    """The type of *item*; where it says none (0 is seen in quotes), the one that its contents say."""
    if item.type:
        return item.type
    filled = [kind for kind, field in _FIELDS.items() if getattr(item, field) is not None]
    return filled[0] if filled else item.type


_FIELDS: Dict[int, str] = {
    MessageItemType.TEXT: "text_item",
    MessageItemType.IMAGE: "image_item",
    MessageItemType.VIDEO: "video_item",
    MessageItemType.FILE: "file_item",
    MessageItemType.VOICE: "voice_item",
}


def is_media(item: MessageItem) -> bool:
    return item_kind(item) in _READERS


def choose_media(items: Iterable[MessageItem]) -> Optional[MediaInfo]:
    """The first downloadable of IMAGE > VIDEO > FILE > VOICE, a voice with a transcript not counting; else None."""
    listed: List[Tuple[Optional[int], MessageItem]] = [(item_kind(item), item) for item in items]
    for wanted, read in _READERS.items():
        for kind, item in listed:
            found = read(item) if kind == wanted else None
            if found is not None and _downloadable(found):
                return found
    return None


def list_media(items: Iterable[MessageItem]) -> List[MediaInfo]:
    """Every downloadable file among *items*, in their order; a voice with a transcript does not count."""
    found = [_READERS[kind](item) for kind, item in ((item_kind(item), item) for item in items) if kind in _READERS]
    return [media for media in found if media is not None and _downloadable(media)]


def all_media(items: Iterable[MessageItem]) -> List[MediaInfo]:
    """Return every downloadable file of *items*, in their order; a voice counts though it has a transcript."""
    found = []
    for item in items:
        read = _READERS.get(item_kind(item) or 0)
        info = None if read is None else _voice(item, spoken=True) if read is _voice else read(item)
        if info is not None and _downloadable(info):
            found.append(info)
    return found


def _image(item: MessageItem) -> Optional[MediaInfo]:
    image = item.image_item
    if image is None or image.media is None:
        return None
    return MediaInfo("image", None, _size(image.hd_size) or _size(image.mid_size), image.media, image.aeskey or None)


def _video(item: MessageItem) -> Optional[MediaInfo]:
    video = item.video_item
    if video is None or video.media is None:
        return None
    return MediaInfo("video", None, _size(video.video_size), video.media)


def _file(item: MessageItem) -> Optional[MediaInfo]:
    file = item.file_item
    if file is None or file.media is None:
        return None
    announced = file.len or ""
    size = int(announced) if announced.isascii() and announced.isdecimal() and len(announced) <= 18 else None
    return MediaInfo("file", file.file_name or None, _size(size), file.media)


def _voice(item: MessageItem, *, spoken: bool = False) -> Optional[MediaInfo]:
    voice = item.voice_item
    if voice is None or voice.media is None or (voice.text and not spoken):
        return None
    return MediaInfo("voice", None, None, voice.media)


_READERS: Dict[int, Callable[[MessageItem], Optional[MediaInfo]]] = {  # in the order of preference
    MessageItemType.IMAGE: _image,
    MessageItemType.VIDEO: _video,
    MessageItemType.FILE: _file,
    MessageItemType.VOICE: _voice,
}


def _downloadable(info: MediaInfo) -> bool:
    somewhere = info.media.full_url or info.media.encrypt_query_param
    # An image without a key lies there in plain; anything else without one cannot be read.
    return bool(somewhere and (info.kind == "image" or info.media.aes_key))


def _size(value: Optional[int]) -> Optional[int]:
    return value if value is not None and 0 <= value < 1 << 63 else None


def kind_for(file_name: str) -> str:
    """How a file of this name is sent: "image", "video" or "file" (voices too: a voice bubble is never shown)."""
    ending = PurePosixPath(file_name.lower()).suffix  # none of ".png", which is a hidden file and not a picture
    return next((kind for kind, endings in _EXTENSIONS.items() if ending in endings), "file")


def saved_name(media: MediaInfo, head: bytes) -> str:
    """Return a safe name to save *media* under, which begins with *head*."""
    return file_name(media.file_name, head, media.kind, _DEFAULT_EXTENSIONS.get(media.kind, ""))


def download_url(media: CDNMedia, cdn_base_url: str) -> Optional[Secret]:
    """Where to fetch *media*: the address the platform gave, else one built from the parameter, None without either."""
    if media.full_url:
        return media.full_url
    if not media.encrypt_query_param:
        return None
    parameter = quote(media.encrypt_query_param, safe="")
    return Secret(f"{cdn_base_url.rstrip('/')}/download?encrypted_query_param={parameter}")


def upload_url(reply: UploadUrlReply, filekey: str, cdn_base_url: str) -> Optional[Secret]:
    """Where to post the ciphertext: the address the platform gave, else one built, None when it gave neither."""
    if reply.upload_full_url:
        return reply.upload_full_url
    if not reply.upload_param:
        return None
    parameter, key = quote(reply.upload_param, safe=""), quote(filekey, safe="")
    return Secret(f"{cdn_base_url.rstrip('/')}/upload?encrypted_query_param={parameter}&filekey={key}")
