"""Names from the network choose no path and do no harm."""

from __future__ import annotations

import os
from pathlib import PurePosixPath, PureWindowsPath

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wxsdk.core.filenames import extension_of, file_name, kind_of, name_from_header, safe_name, unique_in


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ('attachment; filename="report.pdf"', "report.pdf"),
        ("attachment; filename=report.pdf", "report.pdf"),
        ("attachment;filename=report.pdf;size=5", "report.pdf"),
        ('filename="report.pdf"', "report.pdf"),
        ("attachment; FileName=report.pdf", "report.pdf"),
        ("attachment; filename=two words.pdf ; x=1", "two words.pdf"),
        ('attachment; filename="a;b.txt"', "a;b.txt"),
        (r'attachment; filename="say \"hi\".txt"', "say _hi_.txt"),
        ("attachment; filename*=UTF-8''%E6%8A%A5%E5%91%8A.pdf", "报告.pdf"),
        ("attachment; filename=\"x.pdf\"; filename*=utf-8'zh'%E6%8A%A5.pdf", "报.pdf"),
        ("attachment; filename*=UTF-8''%E6%8A%A5.pdf; filename=x.pdf", "报.pdf"),
        ("attachment; filename*=GBK''%B1%A8.pdf", "报.pdf"),
        ("attachment; filename*=iso-8859-1''%A3.pdf", "£.pdf"),
        ("attachment; filename*=UTF-8''%ff.pdf; filename=x.pdf", "x.pdf"),
        ("attachment; filename*=UTF-8''%zz.pdf; filename=x.pdf", "x.pdf"),
        ("attachment; filename*=zip''abc; filename=x.pdf", "x.pdf"),
        ("attachment; filename*=nonsense; filename=x.pdf", "x.pdf"),
        ("attachment; filename=%E6%8A%A5.pdf", "报.pdf"),
        ('attachment; filename="%E6%8A%A5.pdf"', "报.pdf"),
        ("attachment; filename=100%.pdf", "100%.pdf"),
        ("attachment; filename=50%zz.pdf", "50%zz.pdf"),
        ("attachment; filename=" + "报告.pdf".encode().decode("latin-1"), "报告.pdf"),
        ("attachment; filename=报告.pdf", "报告.pdf"),
        ("attachment; filename=caf\xe9.pdf", "café.pdf"),
        ('attachment; filename="unfinished.pdf', "unfinished.pdf"),
        (r'attachment; filename="C:\temp\a.txt"', "a.txt"),
        ("attachment; filename*=UTF-8''..%2F..%2Fetc%2Fpasswd", "passwd"),
        ("attachment; filename=../../etc/passwd", "passwd"),
        ("attachment; filename*=UTF-8''..%5C..%5Cboot.ini", "boot.ini"),
        ("attachment; filename=..", ""),
        ("attachment; filename=../", ""),
        ('attachment; filename=""', ""),
        ("attachment; filename*=UTF-8''a%00b%0d%0a.txt", "ab.txt"),
        ("attachment; filename*=UTF-8''%E2%80%AEgpj.exe", "gpj.exe"),
        ("attachment; filename=CON", "_CON"),
        ("attachment; filename=nul.txt", "_nul.txt"),
        ("attachment; filename=com1.tar.gz", "_com1.tar.gz"),
        ("attachment; filename=console.txt", "console.txt"),
        ("attachment; filename=a.txt:hidden", "a.txt_hidden"),
        ("attachment; filename=trailing.txt. . ", "trailing.txt"),
        ("attachment", ""),
        ("", ""),
        (None, ""),
    ],
)
def test_a_header_gives_a_harmless_name(header: str, name: str) -> None:
    assert name_from_header(header) == name


HEADS = [
    ("image", ".png", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"),
    ("image", ".jpg", b"\xff\xd8\xff\xe0\0\x10JFIF"),
    ("image", ".jpg", b"\xff\xd8\xff\xe1\0\x10Exif"),
    ("image", ".gif", b"GIF87a\1\0"),
    ("image", ".gif", b"GIF89a\1\0"),
    ("image", ".webp", b"RIFF\x24\0\0\0WEBPVP8 "),
    ("image", ".bmp", b"BM\x36\0\0\0\0\0\0\0\x36\0"),
    ("image", ".heic", b"\0\0\0\x18ftypheic"),
    ("image", ".avif", b"\0\0\0\x1cftypavif"),
    ("video", ".mp4", b"\0\0\0\x20ftypisom\0\0\2\0"),
    ("video", ".mov", b"\0\0\0\x14ftypqt  "),
    ("video", ".avi", b"RIFF\x24\0\0\0AVI LIST"),
    ("video", ".webm", bytes.fromhex("1a45dfa39f4286810142f7810142f2810442f381084282847765626d")),
    ("voice", ".amr", b"#!AMR\n"),
    ("voice", ".silk", b"\x02#!SILK_V3"),
    ("file", ".wav", b"RIFF\x24\0\0\0WAVEfmt "),
    ("file", ".pdf", b"%PDF-1.7"),
    ("file", ".zip", b"PK\x03\x04\x14\0"),
    ("file", ".mp3", b"ID3\4\0"),
    ("file", "", b"Beautiful is better than ugly."),
    ("file", "", b"BM is not a picture"),
    ("file", "", b"RIFF"),
    ("file", "", b""),
]


@pytest.mark.parametrize(("kind", "extension", "head"), HEADS)
def test_a_type_is_known_by_its_first_bytes(kind: str, extension: str, head: bytes) -> None:
    assert (kind_of(head), extension_of(head)) == (kind, extension)


@pytest.mark.parametrize(("kind", "extension", "head"), HEADS)
def test_a_name_gets_the_extension_that_it_lacks_and_keeps_the_one_that_it_has(
    kind: str, extension: str, head: bytes
) -> None:
    assert file_name(None, head) == file_name("", head) == file_name("..", head) == f"{kind}{extension}"
    assert file_name("报告", head) == f"报告{extension}"
    assert file_name("a.tar.gz", head) == "a.tar.gz"
    assert file_name(None, head, "image", ".jpg") == f"image{extension or '.jpg'}"
    assert len(file_name("x" * 300, head).encode()) == 255


def test_a_long_name_keeps_its_extension() -> None:
    name = safe_name("报" * 200 + ".pdf", "file")
    assert name.endswith("报.pdf")
    assert 250 < len(name.encode()) <= 255
    assert len(safe_name("a" * 300, "file")) == 255
    assert len(safe_name("a." + "b" * 300, "file").encode()) == 255


@settings(max_examples=400, deadline=None)
@given(st.text(max_size=300) | st.text(alphabet="./\\:%con1 \x00\u202e报", max_size=40))
def test_no_name_leaves_its_folder(text: str) -> None:
    from_header = name_from_header(f"attachment; filename={text}")
    for name in (safe_name(text, "file"), from_header or "file", file_name(text, b"GIF89a"), file_name(text, b"")):
        assert name not in ("", ".", "..")
        assert not name.startswith(".")
        assert PurePosixPath(name).name == PureWindowsPath(name).name == name
        assert not PureWindowsPath(name).drive
        assert len(os.fsencode(name)) <= 255
        assert not any(ord(char) < 32 or ord(char) == 127 for char in name)


def test_a_taken_name_gets_a_number() -> None:
    assert unique_in([], "a.txt") == "a.txt"
    assert unique_in(["A.TXT"], "a.txt") == "a (2).txt"
    assert unique_in(["a.txt", "a (2).txt"], "a.txt") == "a (3).txt"
    assert unique_in([".bashrc"], ".bashrc") == ".bashrc (2)"
    longest = "a" * 251 + ".txt"
    assert len(unique_in([longest], longest)) == 255
