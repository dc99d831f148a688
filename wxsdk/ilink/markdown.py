"""Takes out of Markdown what WeChat cannot show, while the text is still being written (docs/protocol/ilink, 4).

Kept: code, tables, rules, bold, H1–H4, quotes, ``~~``. Of an image, its description and address stay as plain text, or
nothing does, as with the official filter. Taken out: the marks of H5 and H6, and the marks of emphasis (``*…*``,
``***…***``, ``_…_``, ``___…___``) around content with CJK. Everything happens within one line: the output of a line is
a function of the whole line, and while it grows, the part that no later character can change is given at once. So the
chunking never matters.

What is no Markdown must pass. The rules for what is emphasis are those of CommonMark, stricter where plain text looks
like it (file names, products, URLs, globs), and milder beside CJK, where words have no spaces around them.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from typing import Dict, List, NamedTuple, Optional, Tuple

from ..core.textsplit import Fence, closes, opening_fence
from ..errors import ConfigError

EAGER_CHARS = 512  # a line up to here is looked at again with every delta, a longer one whenever it grew by an eighth
IMAGES = ("text", "drop")  # what may become of images
MAX_EMPHASIS = 3  # marks in a row; more are no emphasis
_CJK = re.compile("[\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff]")  # docs/protocol/ilink, 4
_TOKEN = re.compile(
    r"\\[!-/:-@\[-`{-~]"  # an escaped mark
    r"|`+|!\[|\*+|_+"
    r"|https?://[^\s<>\"`，。；：、！？（）《》【】「」“”‘’]*",  # nothing within a URL is a mark
    re.I,
)
_PARTIAL_URL = re.compile(r"h(?:t(?:t(?:ps?(?::/?)?)?)?)?\Z", re.I)
_AFTER_URL = "*~?!.,:;'\")]}"  # at its end, these are not the URL's
_BLANKS = re.compile(r"[ \t]*")
_BACKTICKS = re.compile(r"`+")
_BRACKETS = re.compile(r"\\.|[\[\]()]")
_NEVER_FIRST = set(".,;:!?)]}/\\|=+&%^>")  # emphasis begins with none of these: *.txt, a*=b
_NEVER_LAST = set("([{/\\|=+&<@$")
_BEFORE_NAME = set("/\\.@=&#%+-$^?")  # an underscore after, or before, one of these is part of a name or a path
_AFTER_NAME = set("/\\@=&#%+$^([")
_INSIDE_NAME = set(".-:?")  # likewise where a letter follows


class StreamingMarkdownFilter:
    """Filters a text that comes in pieces. ``feed`` and ``flush`` give what can be sent; one text, one thread.

    images: "text" to leave the description and the address of an image as plain text, "drop" to take images out
    wholly, as the official filter does. ConfigError for anything else.
    """

    def __init__(self, *, images: str = "text") -> None:
        if images not in IMAGES:
            raise ConfigError("images is not usable.", remedy='Give "text" or "drop".')
        self._keeps_images = images == "text"
        self._reset()

    def _reset(self) -> None:
        self._fence: Optional[Fence] = None
        self._begin_line()

    def _begin_line(self) -> None:
        self._pieces: List[str] = []  # of the current line
        self._length = 0
        self._given = 0  # characters of the line's output that were given already
        self._head_gone = False  # the line's beginning was decided and dropped
        self._look_at = 1  # length of the line at which it is worth looking again

    def feed(self, delta: str) -> str:
        """Take *delta* and return the text that is ready, "" when nothing is. ConfigError when *delta* is no str."""
        if not isinstance(delta, str):
            raise ConfigError(f"The text is not a str but {type(delta).__name__}.", remedy="Give text.")
        *ended, rest = delta.split("\n")
        ready = []
        for piece in ended:
            self._take(piece)
            ready += [self._end_line(), "\n"]
        if rest:
            self._take(rest)
            ready.append(self._grow())
        return "".join(ready)

    def flush(self) -> str:
        """The end of the text: all that was held back. The filter then is as new."""
        ready = self._end_line() if self._length else ""
        self._reset()
        return ready

    def _take(self, piece: str) -> None:
        self._pieces.append(piece)
        self._length += len(piece)

    def _end_line(self) -> str:
        line = "".join(self._pieces)
        output = self._render(line, True).output
        given = self._given
        if self._fence is None:
            self._fence = None if self._head_gone else opening_fence(line)
        elif closes(line, self._fence):
            self._fence = None
        self._begin_line()
        return output[given:]

    def _grow(self) -> str:
        if self._length < self._look_at:
            return ""
        line = "".join(self._pieces)
        rendered = self._render(line, False)
        ready = rendered.output[self._given :]
        self._given = len(rendered.output)
        if rendered.plain_to > 1:
            # Nothing before this matters any more, but for the character that stands before the next mark.
            line = line[rendered.plain_to - 1 :]
            self._given, self._head_gone = 1, True
        self._pieces, self._length = [line], len(line)
        self._look_at = self._length + max((self._length - EAGER_CHARS) // 8, 1)
        return ready

    def _render(self, line: str, final: bool) -> _Rendered:
        if self._fence is not None:
            return _Rendered(line)
        begin = 0 if self._head_gone else _line_begin(line, final)
        if begin is None:
            return _Rendered(line if final else "")
        if begin < 0:
            return _Rendered(line)
        return _Inline(line, begin, final, keeps_images=self._keeps_images).rendered()


def filter_markdown(text: str, *, images: str = "text") -> str:
    """Return *text* without the Markdown that WeChat cannot show; ConfigError when it is not a str.

    images: as of StreamingMarkdownFilter.
    """
    whole = StreamingMarkdownFilter(images=images)
    return whole.feed(text) + whole.flush()


class _Rendered(NamedTuple):
    """output: of a line, as far as it is decided. plain_to: up to where the line has no mark at all, 0 for no claim."""

    output: str
    plain_to: int = 0


_VERBATIM = -1


def _line_begin(line: str, final: bool) -> Optional[int]:
    """Where the line's inline text begins: 0, or past the mark of H5 or H6; _VERBATIM for tables, rules and fences.

    None when the line is too short to tell.
    """
    at = _BLANKS.match(line).end()  # type: ignore[union-attr]
    if at == len(line):
        return 0 if final else None
    first = line[at]
    if first == "|":
        return _VERBATIM
    if first == "#":
        return _heading(line, final) if at == 0 else 0
    if first in "-*_":
        if line.strip(f" \t\r{first}"):
            return 0
        return (_VERBATIM if line.count(first) >= 3 else 0) if final else None
    if first in "`~":
        marks = len(line) - at - len(line[at:].lstrip(first))
        if marks >= 3 or at + marks == len(line):
            return (_VERBATIM if opening_fence(line) is not None else 0) if final else None
    return 0


def _heading(line: str, final: bool) -> Optional[int]:
    marks = len(line) - len(line.lstrip("#"))
    if marks == len(line):
        return 0 if final else None
    return marks + 1 if marks in (5, 6) and line[marks] == " " else 0


class _Opener(NamedTuple):
    at: int
    end: int
    left: int  # marks not used yet


class _Inline:
    """One look at the inline text of a line, from left to right, each character once."""

    def __init__(self, line: str, begin: int, final: bool, *, keeps_images: bool) -> None:
        self._line = line
        self._keeps_images = keeps_images
        self._begin = begin
        self._final = final
        self._cut = len(line)  # what stands from here on is not decided
        self._removed: Dict[int, int] = {}  # index -> how many characters go there
        self._put: Dict[int, str] = {}  # index -> what comes in their place
        # By mark and marks left: apart, so that a search never passes over openers that do not fit.
        self._openers: Dict[Tuple[str, int], List[_Opener]] = {(mark, n): [] for mark in "*_" for n in (1, 2, 3)}
        self._last_cjk = -1  # index of a CJK character in the last stretch between two runs that has one
        self._stretch = begin
        self._code: Optional[Dict[int, List[int]]] = None
        self._pairs: Optional[Dict[int, int]] = None

    def rendered(self) -> _Rendered:
        token = _TOKEN.search(self._line, self._begin)
        plain = token is None
        while token is not None:
            after = self._step(token)
            if after is None:
                self._cut = token.start()
                break
            token = _TOKEN.search(self._line, after)
        if not self._final:
            self._hold_back()
        return _Rendered(self._output(), self._cut if plain and self._cut > self._begin else 0)

    def _step(self, token: re.Match[str]) -> Optional[int]:
        """Deal with *token*; where to go on, None when the line must grow first."""
        kind, at, end = token.group()[0], token.start(), token.end()
        if kind == "\\":
            return end
        if kind == "`":
            return self._code_span(at, end)
        if kind == "!":
            return self._image(at, end)
        if kind in "*_":
            return self._run(kind, at, end)
        if end == len(self._line) and not self._final:
            return None
        return at + len(token.group().rstrip(_AFTER_URL))

    def _hold_back(self) -> None:
        """Move the cut before what may turn into a mark, and before emphasis that is still open."""
        line = self._line
        if line.endswith(("\\", "!")):
            self._cut = min(self._cut, len(line) - 1)
        partial = _PARTIAL_URL.search(line, max(len(line) - 8, 0))
        if partial is not None:
            self._cut = min(self._cut, partial.start())
        # Bold stays as it is, so it need not be waited for.
        waiting = [stack[0].at for (_, left), stack in self._openers.items() if stack and left != 2]
        self._cut = max(min([self._cut, *waiting]), self._begin)

    def _output(self) -> str:
        parts, at = [], self._begin
        for index in sorted(self._removed):
            if index >= self._cut:
                break
            parts.append(self._line[at:index] + self._put.get(index, ""))
            at = index + self._removed[index]
        parts.append(self._line[at : self._cut])
        return "".join(parts)

    def _code_span(self, at: int, end: int) -> Optional[int]:
        """Past the code that begins with the backticks at *at*; past them alone when nothing closes it."""
        if self._code is None:
            self._code = {}
            for run in _BACKTICKS.finditer(self._line):
                if self._final or run.end() < len(self._line):
                    self._code.setdefault(run.end() - run.start(), []).append(run.start())
        length = end - at
        runs = self._code.get(length, [])
        following = bisect_right(runs, at)
        if following < len(runs):
            return runs[following] + length
        return end if self._final else None

    def _image(self, at: int, end: int) -> Optional[int]:
        """Return the end of the image that begins at *at*, which is replaced; of its mark alone when it is none."""
        if self._pairs is None:
            self._pairs = _matching_brackets(self._line, at)
        close = self._pairs.get(end - 1)
        if close is not None and close + 1 < len(self._line) and self._line[close + 1] != "(":
            return end
        last = self._pairs.get(close + 1) if close is not None else None
        if last is None:
            return end if self._final else None
        if self._keeps_images:
            if last + 1 == len(self._line) and not self._final:
                return None  # whether a space has to follow the address depends on the next character
            self._put[at] = self._image_text(at, end, close, last)  # type: ignore[arg-type]
        self._removed[at] = last + 1 - at
        return last + 1

    def _image_text(self, at: int, end: int, close: int, last: int) -> str:
        """Return description and address of the image at *at*, apart from what stands beside them."""
        description, address = self._line[end:close].strip(), _destination(self._line[close + 2 : last])
        if "![" not in description:
            description = _Inline(description, 0, True, keeps_images=True).rendered().output
        text = f"{description} {address}".strip()
        before, after = self._line[at - 1 : at], self._line[last + 1 : last + 2]
        if text and not description and before.strip():
            text = f" {text}"
        return f"{text} " if text and address and after.strip() else text

    def _run(self, mark: str, at: int, end: int) -> Optional[int]:
        """Match a run of marks with the openers before it, and keep what is left of it as an opener."""
        following = self._line[end : end + 2]
        if not self._final and (not following or following in _INSIDE_NAME):
            return None  # whether it opens or closes depends on the next character, on two if the first is one of these
        if end - at > MAX_EMPHASIS:
            return end
        seen = _CJK.search(self._line, self._stretch, at)
        self._last_cjk = seen.start() if seen is not None else self._last_cjk
        self._stretch = end
        opening, closing = _flanks(self._line, mark, at, end)
        left = end - at
        while left and closing:
            opener = self._nearest_opener(mark, left)
            if opener is None:
                break
            used = _marks_used(opener.left, left)
            if used != 2 and self._last_cjk >= opener.end:
                for index in (opener.at, at):
                    self._removed[index] = self._removed.get(index, 0) + used
            if opener.left > used:
                self._openers[mark, opener.left - used].append(opener._replace(left=opener.left - used))
            left -= used
        if left and opening:
            self._openers[mark, left].append(_Opener(at, end, left))
        return end

    def _nearest_opener(self, mark: str, left: int) -> Optional[_Opener]:
        """Take out the nearest opener that *left* closing marks can close, and all that opened after it."""
        fitting = [self._openers[mark, other][-1:] for other in (1, 2, 3) if _marks_used(other, left)]
        candidates = [opener for last in fitting for opener in last]
        if not candidates:
            return None
        nearest = max(candidates)
        for stack in self._openers.values():
            while stack and stack[-1].at >= nearest.at:
                stack.pop()
        return nearest


def _destination(inside: str) -> str:
    """Return the address between an image's parentheses, without a title; "" when it holds the image itself."""
    text = inside.strip()
    address = text[1:].partition(">")[0] if text.startswith("<") else (text.split(None, 1) or [""])[0]
    return "" if address.lower().startswith("data:") else address


def _marks_used(opener: int, closer: int) -> int:
    """How many marks of each side pair up: 1 or 3 are emphasis, 2 are bold, 0 means that the two do not fit."""
    if opener == closer:
        return opener
    if 2 in (opener, closer):
        return 2 if 3 in (opener, closer) else 0
    return 1


def _flanks(line: str, mark: str, at: int, end: int) -> Tuple[bool, bool]:
    """Whether the run of marks may open, and whether it may close, emphasis."""
    before = line[at - 1] if at else " "
    after = line[end] if end < len(line) else " "
    opening = not after.isspace() and after not in _NEVER_FIRST
    closing = not before.isspace() and before not in _NEVER_LAST
    if mark == "_":
        beyond = line[end + 1] if end + 1 < len(line) else " "
        inside = after in _INSIDE_NAME and beyond.isalnum()
        opening = opening and not before.isalnum() and before not in _BEFORE_NAME
        closing = closing and not after.isalnum() and after not in _AFTER_NAME and not inside
        return opening, closing
    if _is_latin(before) and _is_latin(after):
        return False, False  # 2*3, a*b
    product = before.isascii() and before.isdigit()  # 3*数量
    glued = _is_latin(after) and before.isascii() and not before.isspace()  # CommonMark: f(x)*y closes nothing
    return opening and not product, closing and not glued


def _is_latin(char: str) -> bool:
    return char.isascii() and char.isalnum()


def _matching_brackets(line: str, begin: int) -> Dict[int, int]:
    """Index of each bracket's counterpart, for brackets and parentheses apart."""
    pairs: Dict[int, int] = {}
    open_ones: Dict[str, List[int]] = {"]": [], ")": []}
    for match in _BRACKETS.finditer(line, begin):
        char = match.group()
        if char in ("[", "("):
            open_ones["]" if char == "[" else ")"].append(match.start())
        elif open_ones.get(char):
            pairs[open_ones[char].pop()] = match.start()
    return pairs
