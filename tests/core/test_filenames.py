"""Names from the network choose no path and do no harm."""

from __future__ import annotations

import os
from pathlib import PurePosixPath, PureWindowsPath

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wxsdk.core.filenames import name_from_header, safe_name, unique_in


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
        ("attachment; filename=..", "file"),
        ("attachment; filename=../", "file"),
        ('attachment; filename=""', "file"),
        ("attachment; filename*=UTF-8''a%00b%0d%0a.txt", "ab.txt"),
        ("attachment; filename*=UTF-8''%E2%80%AEgpj.exe", "gpj.exe"),
        ("attachment; filename=CON", "_CON"),
        ("attachment; filename=nul.txt", "_nul.txt"),
        ("attachment; filename=com1.tar.gz", "_com1.tar.gz"),
        ("attachment; filename=console.txt", "console.txt"),
        ("attachment; filename=a.txt:hidden", "a.txt_hidden"),
        ("attachment; filename=trailing.txt. . ", "trailing.txt"),
        ("attachment", "file"),
        ("", "file"),
        (None, "file"),
    ],
)
def test_a_header_gives_a_harmless_name(header: str, name: str) -> None:
    assert name_from_header(header) == name


def test_the_fallback_is_made_harmless_too() -> None:
    assert name_from_header(None, "../image.jpg") == "image.jpg"
    assert name_from_header(None, "..") == "file"


def test_a_long_name_keeps_its_extension() -> None:
    name = safe_name("报" * 200 + ".pdf", "file")
    assert name.endswith("报.pdf")
    assert 250 < len(name.encode()) <= 255
    assert len(safe_name("a" * 300, "file")) == 255
    assert len(safe_name("a." + "b" * 300, "file").encode()) == 255


@settings(max_examples=400, deadline=None)
@given(st.text(max_size=300) | st.text(alphabet="./\\:%con1 \x00\u202e报", max_size=40))
def test_no_name_leaves_its_folder(text: str) -> None:
    for name in (safe_name(text, "file"), name_from_header(f"attachment; filename={text}")):
        assert name not in ("", ".", "..")
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
