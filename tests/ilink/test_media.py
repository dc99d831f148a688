"""Which file a message carries, how a file is sent, what it may be called, and where it lies."""

from __future__ import annotations

import pytest

from wxsdk.ilink.media import MediaInfo, choose_media, download_url, kind_for, saved_name, upload_url
from wxsdk.ilink.wire import CDNMedia, MessageItem, UploadUrlReply

PLAIN = {"encrypt_query_param": "p"}
KEYED = {"encrypt_query_param": "p", "aes_key": "k"}
IMAGE = {"type": 2, "image_item": {"media": PLAIN, "hd_size": 9, "aeskey": "00"}}
VIDEO = {"type": 5, "video_item": {"media": KEYED, "video_size": 8}}
FILE = {"type": 4, "file_item": {"media": KEYED, "file_name": "a.txt", "len": "7"}}
VOICE = {"type": 3, "voice_item": {"media": KEYED}}


def chosen(*items):
    return choose_media([MessageItem.from_dict(item) for item in items])


def test_image_wins_over_video_over_file_over_voice():
    kinds = [
        chosen(*given).kind for given in ([VOICE, FILE, VIDEO, IMAGE], [VOICE, FILE, VIDEO], [VOICE, FILE], [VOICE])
    ]
    assert kinds == ["image", "video", "file", "voice"]


def test_what_is_announced_is_told():
    image, video, file = chosen(IMAGE), chosen(VIDEO), chosen(FILE)
    assert (image.size, image.aeskey, video.size) == (9, "00", 8)
    assert (file.file_name, file.size, file.media.aes_key) == ("a.txt", 7, "k")


def test_a_voice_with_a_transcript_is_no_media():
    assert chosen({"type": 3, "voice_item": {"media": KEYED, "text": "hello"}}) is None


def test_what_cannot_be_downloaded_is_passed_over():
    nowhere = {"type": 2, "image_item": {"media": {"aes_key": "k"}}}
    keyless = {"type": 5, "video_item": {"media": PLAIN}}
    assert chosen(nowhere, keyless, FILE).kind == "file"
    assert chosen(nowhere, keyless, {"type": 2}, {"type": 4, "file_item": {}}) is None


def test_an_item_without_a_type_is_what_it_contains():
    assert chosen({"type": 0, "image_item": {"media": PLAIN}}).kind == "image"


@pytest.mark.parametrize("announced", ["", "x", "-5", "9" * 40, "１２"])
def test_an_odd_length_is_no_length(announced):
    assert chosen({"type": 4, "file_item": {"media": KEYED, "len": announced}}).size is None


def test_no_repr_shows_keys_or_addresses():
    media = {"encrypt_query_param": "canary", "aes_key": "canary", "full_url": "canary"}
    info = chosen({"type": 2, "image_item": {"media": media, "aeskey": "canary"}})
    assert "canary" not in repr(info)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.PNG", "image"),
        ("a.jpeg", "image"),
        ("b.mp4", "video"),
        ("c.silk", "file"),
        ("d.mp3", "file"),
        ("e", "file"),
        (".png", "file"),
    ],
)
def test_a_file_goes_as_its_name_says(name, kind):
    assert kind_for(name) == kind


@pytest.mark.parametrize(
    ("given", "kind", "head", "name"),
    [
        (None, "image", b"\x89PNG\r\n\x1a\n", "image.png"),
        (None, "image", b"GIF89a", "image.gif"),
        (None, "image", b"?", "image.jpg"),
        (None, "video", b"?", "video.mp4"),
        (None, "voice", b"\x02#!SILK_V3", "voice.silk"),
        (None, "file", b"?", "file.bin"),
        ("报告.pdf", "file", b"PK\x03\x04", "报告.pdf"),
        ("../x", "file", b"?", "x"),
    ],
)
def test_a_file_is_saved_under_its_name_or_its_kind_and_type(given, kind, head, name):
    assert saved_name(MediaInfo(kind, given, None, CDNMedia()), head) == name


def test_the_platforms_address_wins_over_one_built():
    media = CDNMedia.from_dict({"encrypt_query_param": "a+b/c=", "full_url": "https://x/y?z=1"})
    assert download_url(media, "http://cdn/c2c") == "https://x/y?z=1"
    media.full_url = None
    assert download_url(media, "http://cdn/c2c/") == "http://cdn/c2c/download?encrypted_query_param=a%2Bb%2Fc%3D"
    assert download_url(CDNMedia(), "http://cdn") is None


def test_an_upload_goes_where_the_platform_says_or_to_the_cdn():
    full = UploadUrlReply.from_dict({"upload_full_url": "https://x/u", "upload_param": "p"})
    built = UploadUrlReply.from_dict({"upload_param": "p&q"})
    assert upload_url(full, "ff", "http://cdn") == "https://x/u"
    assert upload_url(built, "ff", "http://cdn") == "http://cdn/upload?encrypted_query_param=p%26q&filekey=ff"
    assert upload_url(UploadUrlReply(), "ff", "http://cdn") is None
