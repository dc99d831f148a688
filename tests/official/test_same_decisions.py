"""Where wxsdk decides something that is then on the wire, it decides as the vendors' clients do: on many inputs."""

from __future__ import annotations

import base64
import hashlib
import random
import re
from typing import Any, List

import pytest

from tests.official.node import Node, OfficialError
from tests.official.wanted_differences import MARKDOWN
from wxsdk import DecryptError, generate_req_id
from wxsdk.aibot.callback_crypto import WecomCrypto
from wxsdk.core.redact import Secret
from wxsdk.ilink import aes, endpoints
from wxsdk.ilink.markdown import filter_markdown
from wxsdk.ilink.media import download_url, kind_for, upload_url
from wxsdk.ilink.quotes import select_part
from wxsdk.ilink.wire import CDNMedia, PartialText, UploadUrlReply
from wxsdk.sim.ilink.people import partial_text

dice = random.Random(20)  # the same inputs in every run
AGENT_PARTS = ["a/1", "bot_x.y-z/1.0+b", "bad", "/1", "a/", "(c)", "(two words)", "(open", "close)", "ü/1", "(ü)", "()"]
AGENT_PARTS += [
    "x" * 32 + "/1",
    "x" * 33 + "/1",
    "a/" + "1" * 32,
    "(" + "c" * 64 + ")",
    "(" + "c" * 65 + ")",
    "((a))",
    "\t",
]
_UNCLOSED = re.compile(r"(^|\s)\((?!.*\)(\s|$))")
PARAMS = ["abc", "a+b/c==", "a b%20&c=d", "你好", "x" * 300]
ENDINGS = "png jpg JPEG gif webp bmp mp4 mov webm mkv avi pdf txt mp3 silk heic svg m4v zip gz"
NAMES = [f"a.{ending}" for ending in ENDINGS.split(" ")]

DOCUMENTS = [
    "# H1\ntext",
    "## H2",
    "### H3",
    "#### H4",
    "##### H5 title",
    "###### H6 标题\nmore",
    "####### seven",
    "#no space",
    "##### ",
    "text ##### not head",
    "**bold** and **粗体**",
    "*italic* and *斜体*",
    "***both*** and ***都***",
    "_it_ and _斜_",
    "__b__ and __粗__",
    "___x___ and ___都___",
    "~~gone~~ ~~删~~",
    "> quote *斜* **b**",
    "- item *a*\n- item *甲*",
    "* star item\n* 星",
    "1. one\n2. 二",
    "```\n*甲* ![a](b)\n```",
    "```py\n# x\n##### y\n```\nafter *甲*",
    "![alt](http://x/y.png)",
    "before ![图](u) after",
    "[link](http://x)",
    "[![img](a)](b)",
    "---",
    "***",
    "___",
    "* * *",
    "a_b_c",
    "https://x.y/a_b_c?d=_e_",
    "snake_case_变量_名",
    "2*3*4",
    "价格*100*元",
    "*甲 乙*",
    "* 甲*",
    "*甲*乙*",
    "**甲*乙**",
    "*unclosed 甲",
    "_unclosed 甲",
    "![unclosed](",
    "![a",
    "中文*强调*中文",
    "**加粗**中文",
    "*甲*\n*乙*",
    "*line\n甲*",
    "日本語*テスト*です",
    "한국어 *강조* 끝",
    "*mixed 中 en*",
    "    ##### indented",
    " ##### one space",
    "#####\ttab",
    "##### H5 *甲*",
    "> ##### quoted h5",
    "- ##### list h5",
    "~~*甲*~~",
    "**_甲_**",
    "*__甲__*",
    "text\r\n##### crlf\r\n",
    "<b>*甲*</b>",
    "foo _甲_",
    "*甲*bar",
    "![a](b)![c](d)",
    '![a](b "t")',
    "emoji 😀 *甲*",
    "",
]


def mapped(node: Node, module: str, name: str, *lists: List[Any]) -> List[Any]:
    """What an exported function of the vendor's plugin gives for each list of arguments."""
    found: List[Any] = node.call("map", module=module, name=name, lists=lists)
    return found


def test_agent_strings_are_cleaned_alike(ilink_node: Node) -> None:
    agents = ["", " ", *AGENT_PARTS]
    agents += [" ".join(dice.choices(AGENT_PARTS, k=dice.randint(1, 14))) for _ in range(2000)]
    agents = [agent for agent in agents if not _UNCLOSED.search(agent)]  # see wanted_differences
    theirs = mapped(ilink_node, "api/api.js", "sanitizeBotAgent", *([agent] for agent in agents))
    ours = [endpoints.sanitise_bot_agent(agent) for agent in agents]
    named = [own.replace(endpoints.DEFAULT_BOT_AGENT, "OpenClaw") for own in ours]
    assert [row for row in zip(agents, theirs, named) if row[1] != row[2]] == []


def test_files_are_sent_as_the_same_kind(ilink_node: Node) -> None:
    names = [*NAMES, "no extension", ".png", "a.tar.gz", "a.png.txt", "a.", "目录.PNG", "dir.png/file"]
    mimes = mapped(ilink_node, "media/mime.js", "getMimeFromFilename", *([name] for name in names))
    kinds = [mime.split("/")[0] if mime.split("/")[0] in ("image", "video") else "file" for mime in mimes]
    unsure = (".webp", ".webm", ".mkv", ".avi")  # not every WeChat shows them, so they go as files unless asked
    wanted = ["file" if name.lower().endswith(unsure) else kind for name, kind in zip(names, kinds)]
    assert [kind_for(name) for name in names] == wanted


@pytest.mark.parametrize("size", [0, 1, 15, 16, 17, 1000, 65536])
def test_files_are_encrypted_to_the_same_bytes(ilink_node: Node, size: int) -> None:
    data, key = dice.randbytes(size), dice.randbytes(16)
    arguments = [{"$base64": base64.b64encode(part).decode()} for part in (data, key)]
    (theirs,) = mapped(ilink_node, "cdn/aes-ecb.js", "encryptAesEcb", arguments)
    assert bytes(theirs["data"]) == aes.encrypt(data, key)
    (padded,) = mapped(ilink_node, "cdn/aes-ecb.js", "aesEcbPaddedSize", [size])
    assert padded == aes.cipher_size(size) == len(aes.encrypt(data, key))


def test_addresses_of_files_are_built_alike(ilink_node: Node) -> None:
    base = "https://cdn.example/c2c"
    down = mapped(ilink_node, "cdn/cdn-url.js", "buildCdnDownloadUrl", *([one, base] for one in PARAMS))
    assert [download_url(CDNMedia(encrypt_query_param=Secret(one)), base) for one in PARAMS] == down
    asked = [[{"cdnBaseUrl": base, "uploadParam": one, "filekey": "f" * 32}] for one in PARAMS]
    up = mapped(ilink_node, "cdn/cdn-url.js", "buildCdnUploadUrl", *asked)
    assert [upload_url(UploadUrlReply(upload_param=Secret(one)), "f" * 32, base) for one in PARAMS] == up


def test_markdown_is_filtered_alike(ilink_node: Node) -> None:
    theirs = ilink_node.call("filter", texts=DOCUMENTS, size=10**6)
    ours = [filter_markdown(text, images="drop") for text in DOCUMENTS]
    assert [row for row in zip(DOCUMENTS, theirs, ours) if row[1] != row[2]] == []


def test_markdown_is_filtered_better_where_that_is_wanted(ilink_node: Node) -> None:
    theirs = ilink_node.call("filter", texts=list(MARKDOWN), size=10**6)
    assert {text: filter_markdown(text, images="drop") for text in MARKDOWN} == MARKDOWN
    assert [text for text, made in zip(MARKDOWN, theirs) if made == MARKDOWN[text]] == [], "no difference any more"


def test_the_quoted_part_is_found_alike(ilink_node: Node) -> None:
    texts = ["".join(dice.choices("ab 一二", k=dice.randint(1, 30))) for _ in range(300)]
    asked: List[Any] = []
    for text in texts:
        begin = dice.randrange(len(text))
        part = text[begin : dice.randint(begin + 1, len(text))]
        asked.append([text, partial_text(text, part)])
        asked.append([text, {**partial_text(text, part), "quotemd5": ""}])
        asked.append([text, {**partial_text(text, part), "quotemd5": hashlib.md5(b"other").hexdigest()}])
        asked.append([text, {**partial_text(text, part), "endindex": dice.randint(0, 4)}])
        asked.append([text, {"start": part[:1], "end": "z", "startindex": 0, "endindex": 0, "quotemd5": ""}])
    theirs = mapped(ilink_node, "messaging/partial-quote.js", "resolvePartialQuote", *asked)
    found = [None if one["fallback"] else one["resolved"] for one in theirs]
    ours = [select_part(text, PartialText.from_dict(part)) for text, part in asked]
    assert [row for row in zip(asked, found, ours) if row[1] != row[2]] == []


def test_req_ids_have_the_same_form(aibot_node: Node) -> None:
    form = re.compile(r"aibot_send_msg_\d{13}_[0-9a-f]{8}")
    assert form.fullmatch(aibot_node.call("reqId", prefix="aibot_send_msg"))
    assert form.fullmatch(generate_req_id("aibot_send_msg"))


# -- callback mode ----------------------------------------

CRYPTO = ("a token", base64.b64encode(bytes(range(32))).decode().rstrip("="), "corp-id")


def crypto(node: Node, method: str, *args: Any, receive_id: str = CRYPTO[2]) -> Any:
    return node.call("crypto", settings=[*CRYPTO[:2], receive_id], method=method, args=args)


@pytest.mark.parametrize("text", ["", "hello", "你好 😀" * 50, '{"a": "\\n"}', "x" * 4096])
def test_each_side_reads_what_the_other_encrypted(aibot_node: Node, text: str) -> None:
    ours = WecomCrypto(*CRYPTO)
    theirs = crypto(aibot_node, "encrypt", text, "1700000000", "nonce")
    assert ours.decrypt(theirs["encrypt"]) == text
    assert ours.verify_signature(theirs["signature"], "1700000000", "nonce", theirs["encrypt"])
    made = ours.encrypt(text, "1700000000", "nonce")
    assert crypto(aibot_node, "decrypt", made.encrypt) == text
    assert crypto(aibot_node, "verifySignature", made.signature, "1700000000", "nonce", made.encrypt) is True


def test_both_refuse_another_receiver(aibot_node: Node) -> None:
    made = WecomCrypto(*CRYPTO).encrypt("x", "1", "2")
    with pytest.raises(OfficialError, match="receiveId mismatch"):
        crypto(aibot_node, "decrypt", made.encrypt, receive_id="other")
    with pytest.raises(DecryptError):
        WecomCrypto(*CRYPTO[:2], "other").decrypt(made.encrypt)
