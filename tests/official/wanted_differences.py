"""Where wxsdk means to differ from the vendors' clients on the wire, and why. Whatever else differs is a fault.

A pattern is matched against ``<action>:<place>`` as fnmatch does; tests fail for a difference that no pattern allows,
and for a pattern that allows nothing any more.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Collection, Iterable, List, NamedTuple, Set

from tests.official.compare import Difference


class Wanted(NamedTuple):
    pattern: str
    reason: str


AIBOT: List[Wanted] = [
    Wanted(
        "*:handshake.headers.sec-websocket-extensions",
        "wxsdk offers no compression: the frames are small or base64 of what is compressed already, and a gateway that "
        "is offered none has to send plain frames.",
    ),
    Wanted("download:downloads.*.accept", "A default of the vendor's HTTP library; what is fetched is no JSON."),
    Wanted("download:downloads.*.content-type", "Likewise; a GET has no content."),
    Wanted("download:downloads.*.accept-encoding", "What is encrypted does not get smaller, and sizes are capped."),
    Wanted("download:downloads.*.connection", "keep-alive is what HTTP/1.1 does without saying so."),
    Wanted("download:downloads.*.user-agent", "Each client gives its own name."),
]

_FETCH = "Only Node's fetch adds it, of its own accord; the plugin does not ask for it, and nobody is known to read it."

ILINK: List[Wanted] = [
    Wanted("*.headers.accept", _FETCH),
    Wanted("*.headers.accept-language", _FETCH),
    Wanted("*.headers.sec-fetch-mode", _FETCH),
    Wanted("*.headers.connection", "keep-alive is what HTTP/1.1 does without saying so."),
    Wanted(
        "*.headers.accept-encoding",
        "wxsdk asks for answers as they are: they are small or encrypted, and sizes are capped as they come.",
    ),
    Wanted("*.headers.user-agent", "Each client gives its own name."),
    Wanted(
        "*.json.msg.client_id", "The prefix is the client's own name (setting client_id_prefix); the rest is alike."
    ),
]


DECISIONS: List[Wanted] = [
    Wanted(
        "an agent string with a bracket that is never closed",
        "The plugin drops everything behind the bracket, wxsdk that word only: less of what the user wrote is lost.",
    ),
    Wanted(
        "how often a refused subscribe, or a failed connect, is tried",
        "The SDK's number counts the further tries, ours all of them (docs/protocol/aibot, 2).",
    ),
    Wanted(
        "emphasis in inline code, in fences of tildes and in tables",
        "The plugin takes the marks out there too; what is code or a table is shown as it was written.",
    ),
    Wanted(
        "underscores within words, and escaped marks",
        "The plugin takes them out beside CJK; they are names and paths, or meant to be seen (docs/protocol/ilink, 4).",
    ),
    Wanted(
        "images with brackets in their text or address",
        "The plugin leaves such an image, or the end of its address, in the text; wxsdk takes all of it out.",
    ),
]

# Markdown -> what wxsdk makes of it, where the plugin makes something else of it.
MARKDOWN = {
    "`code *甲*`": "`code *甲*`",
    "`` a`*甲* ``": "`` a`*甲* ``",
    "~~~\n*甲*\n~~~": "~~~\n*甲*\n~~~",
    "| a | b |\n|---|---|\n| *甲* | _乙_ |": "| a | b |\n|---|---|\n| *甲* | _乙_ |",
    "中文_强调_中文": "中文_强调_中文",
    "foo_甲_bar": "foo_甲_bar",
    "_甲_bar": "_甲_bar",
    "$a_1$ _甲_": "$a_1$ 甲",
    "\\*甲\\*": "\\*甲\\*",
    "![a [b]](c)": "",
    "![a](b(c)d)": "",
}


class Ledger:
    """Which actions were compared, and which wanted differences were met by them."""

    def __init__(self, wanted: List[Wanted]) -> None:
        self._wanted = wanted
        self._compared: Set[str] = set()
        self._met: Set[str] = set()

    def unwanted(self, action: str, found: Iterable[Difference]) -> List[str]:
        """The differences that no pattern allows."""
        self._compared.add(action)
        left = []
        for difference in found:
            where = f"{action}:{difference.where}"
            allowed = [one.pattern for one in self._wanted if fnmatchcase(where, one.pattern)]
            self._met.update(allowed)
            if not allowed:
                left.append(str(difference))
        return left

    def outdated(self, actions: Collection[str]) -> List[str]:
        """The patterns that nothing needs any more; none as long as not all *actions* were compared."""
        if not self._compared.issuperset(actions):
            return []
        return [one.pattern for one in self._wanted if one.pattern not in self._met]
