"""What WeChat cannot show goes, everything else passes, however the text comes in."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wxsdk.errors import ConfigError
from wxsdk.ilink.markdown import StreamingMarkdownFilter, filter_markdown

KEPT = [
    "```py\n*中* _文_ ![a](b)\n##### x\n```",
    "~~~\n*中*\n~~~",
    "```\n*中* never closed",
    "  ```\n  *中*\n  ```",
    "`*中*` and ``_中_ ` ``",
    "| *名称* | _值_ |\n|---|---|\n| 一 | ![a](b) |",
    "---",
    "***",
    "_ _ _",
    "* * *\t",
    "**粗体** 和 __粗体__",
    "# 一\n## 二\n### 三\n#### 四",
    "####### 七",
    "##### ",
    "#####标题",
    "> 引用\n> > 再引",
    "~~删除~~",
    "*english* and ***english*** and _english_ and ___english___",
    "- 项目\n* 项目\n1. 项目",
    "\\*中文\\* \\_中文\\_ !\\[a](b)",
    "[链接](https://example.com/a_b_c)",
    "*中文 never closed",
    "***中文 never closed",
    "_中文 never closed\n_",
    "![never closed",
    "![never](closed",
    "![no image] (a)",
    "[no](image)!",
    "`never *closed",
    "**中*",
    "****中****",
    "* 中*",
    "*中 *",
    "",
    "\n\n",
    "\r\n",
]


@pytest.mark.parametrize("text", [text for text in KEPT if text != "##### "])
def test_what_wechat_shows_is_kept(text):
    assert filter_markdown(text) == text


STRIPPED = [
    ("*中文*", "中文"),
    ("_中文_", "中文"),
    ("***中文***", "中文"),
    ("___中文___", "中文"),
    ("这是*强调*的", "这是强调的"),
    ("这是 _强调_ 的", "这是 强调 的"),
    ("（_强调_）", "（强调）"),
    ("这是*“强调”*的", "这是“强调”的"),
    ("*注意!*后文", "注意!后文"),
    ("*한국어* *ひらがな* *豈*", "한국어 ひらがな 豈"),
    ("*mixed 中 words*", "mixed 中 words"),
    ("*中* and *latin* and *文*", "中 and *latin* and 文"),
    ("**粗*斜*粗**", "**粗斜粗**"),
    ("**粗*斜***", "**粗斜**"),
    ("***斜*粗**", "**斜粗**"),
    ("**_中_**", "**中**"),
    ("*中**粗**文*", "中**粗**文"),
    ("*_中_*", "中"),
    ("*中`a*b`文*", "中`a*b`文"),
    ("*a_b_中*", "a_b_中"),
    ("> *引用*", "> 引用"),
    ("- *项*", "- 项"),
    ("# *题*", "# 题"),
    ("##### 标题", "标题"),
    ("###### 标题\n正文", "标题\n正文"),
    ("##### *标题*", "标题"),
    ("*来源：https://a.com*", "来源：https://a.com"),
    ("*中*\r\n_文_\r\n", "中\r\n文\r\n"),
]


@pytest.mark.parametrize(("text", "shown"), STRIPPED)
def test_what_wechat_cannot_show_goes(text, shown):
    assert filter_markdown(text) == shown


IMAGES = [  # the text, what is shown of it, and what the official filter leaves
    ("看![图](http://x/y.png)后", "看图 http://x/y.png 后", "看后"),
    ('![a](b_(c).png)![d](<e> "f")', "a b_(c).png d e", ""),
    ("![a [b] c](d)", "a [b] c d", ""),
    ("![](x)\n文", "x\n文", "\n文"),
    ("看![](x)", "看 x", "看"),
    ("*中![a](b)文*", "中a b 文", "中文"),
    ("![chart](https://x.cn/_a_.png)", "chart https://x.cn/_a_.png", ""),
    ("![*图*](u), more", "图 u , more", ", more"),
    ("![](data:image/png;base64,AAAA)![点](data:image/png;base64,AA)", "点", ""),
    ("![]( )|![]()", "|", "|"),
    ("![![a](b)](c)", "![a](b) c", ""),
]


@pytest.mark.parametrize(("text", "shown", "dropped"), IMAGES)
def test_an_image_stays_as_its_description_and_address_unless_it_is_to_be_dropped(text, shown, dropped):
    assert filter_markdown(text) == shown
    assert filter_markdown(text, images="drop") == dropped
    for images in ("text", "drop"):
        streaming = StreamingMarkdownFilter(images=images)
        assert "".join(map(streaming.feed, text)) + streaming.flush() == filter_markdown(text, images=images)


def test_what_may_become_of_images_is_checked():
    with pytest.raises(ConfigError):
        filter_markdown("x", images="show")


PLAIN = [
    "变量a_b_c的值",
    "文件_中文_名称.txt",
    "见 用户_名称_字段 和 _",
    "2*3*4",
    "2*3、4*5",
    "3*数量，4*价格",
    "a * 中 * b",
    "把*.txt和*.md文件都删掉",
    "https://example.com/a_b_c?x=_中_&y=*中*&z_=1",
    "请看https://example.com/_中_/x，再看http://h/_文_。",
    "./docs/_草稿_/a.md 和 _草稿_.md",
    "__init__.py、__中文__、_private、snake_case_name、SCREAMING_中_CASE",
    "f(x)*中+g(y)*z",
    "*args 和 **kwargs",
    "int *p, *q;",
    "key=_值_&other=_值_",
    "user_中_@example.com",
    "5 < 6 > 4 # 号 ~ 约 | 管",
    "感叹!(不是图) [也不是]",
    "C:\\_目录_\\x",
]


@pytest.mark.parametrize("text", PLAIN)
def test_plain_text_passes(text):
    assert filter_markdown(text) == text


words = st.text(alphabet="abcXYZ019变量名称的", min_size=1, max_size=5)
names = st.lists(words, min_size=1, max_size=4).map("_".join)
latin = st.text(alphabet="abc019", min_size=1, max_size=4)
products = st.lists(latin, min_size=2, max_size=4).map("*".join)
urls = st.text(alphabet="abc_/-.?=&#%:+~019变", max_size=20).map(lambda path: f"https://example.com/{path}")


@given(st.lists(names | products | urls, max_size=12), st.sampled_from([" ", "，", "。", "\n", " - ", "：", "（"]))
def test_names_products_and_urls_pass_whatever_stands_around_them(pieces, between):
    text = between.join(pieces)
    assert filter_markdown(text) == text


@given(st.text(alphabet=st.characters(exclude_characters="*_#![`~\\")))
def test_text_without_marks_passes(text):
    assert filter_markdown(text) == text


@given(st.text(alphabet=st.characters(exclude_characters="![#", max_codepoint=0x2E7F)))
def test_without_cjk_headings_and_images_nothing_changes(text):
    assert filter_markdown(text) == text


MARKS = "* ** *** _ __ ___ ` `` ``` ~~~ ![ ]( ) [ ] \\ ! ##### # | - > . ， 中 文字 a 1 http :// https://x.cn/_中"
marks = st.lists(st.sampled_from([*MARKS.split(), " ", "\n", "\r\n", "\t", "b c"]), max_size=40).map("".join)


@given(marks, st.lists(st.integers(1, 6), min_size=1, max_size=20))
def test_the_chunking_does_not_matter(text, sizes):
    stream, at, given_out, turn = StreamingMarkdownFilter(), 0, [], 0
    while at < len(text):
        size = sizes[turn % len(sizes)]
        given_out.append(stream.feed(text[at : at + size]))
        at, turn = at + size, turn + 1
    given_out.append(stream.flush())
    assert "".join(given_out) == filter_markdown(text)


@given(marks)
def test_only_marks_ever_go(text):
    left = iter(text)
    assert all(char in left for char in filter_markdown(text))


@given(marks)
def test_filtering_again_keeps_every_word(text):
    once = filter_markdown(text)
    assert [char for char in filter_markdown(once) if char in "，http"] == [
        char for char in once if char in "，http"
    ] or "![" in once


def test_plain_text_is_given_at_once():
    stream = StreamingMarkdownFilter()
    assert [stream.feed(delta) for delta in ("你好", "，世", "界 a", "_b **", "粗** ", "x\n")] == [
        "你好",
        "，世",
        "界 a",
        "_b ",
        "**粗** ",
        "x\n",
    ]


def test_emphasis_is_held_until_it_closes():
    stream = StreamingMarkdownFilter()
    assert [stream.feed(char) for char in "a*中文*，b"] == ["a", "", "", "", "", "中文，", "b"]


def test_a_long_line_is_given_as_it_comes():
    stream = StreamingMarkdownFilter()
    assert sum(len(stream.feed("中")) for _ in range(5000)) == 5000
    assert stream.feed("*文*") == ""
    assert stream.feed("，，") == "文，，"


def test_flush_gives_the_rest_and_the_filter_is_as_new():
    stream = StreamingMarkdownFilter()
    assert stream.feed("```\n*中") == "```\n*中"
    assert stream.flush() == ""
    assert stream.feed("*中") + stream.flush() == "*中"
    assert stream.feed("*中*") + stream.flush() == "中"
    assert stream.flush() == ""


@pytest.mark.parametrize("odd", [None, b"x", 5])
def test_what_is_no_text_is_refused(odd):
    with pytest.raises(ConfigError):
        filter_markdown(odd)
    with pytest.raises(ConfigError):
        StreamingMarkdownFilter().feed(odd)


HOSTILE = [
    "*a ",
    "*中",
    "**中 ",
    "***中*",
    "_中 _",
    "`",
    "` `` ",
    "![",
    "![a](",
    "[",
    "[(",
    "\\",
    "https://x",
    "-",
    "中",
    "*中_文",
    "http",
    "#",
    "|",
    "*中* ",
]


@pytest.mark.parametrize("unit", HOSTILE)
def test_the_time_is_linear_in_a_line(unit):
    text = unit * (40_000 // len(unit))
    began = time.perf_counter()
    whole = filter_markdown(text)
    stream = StreamingMarkdownFilter()
    pieces = [stream.feed(text[at : at + 50]) for at in range(0, len(text), 50)]
    assert "".join(pieces) + stream.flush() == whole
    assert time.perf_counter() - began < 10.0  # takes about 0.2; a quadratic way takes minutes
