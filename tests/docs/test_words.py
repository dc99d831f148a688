"""Public docstrings and pages are in plain English: a small list, not a style police."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import Iterator, Tuple

import wxsdk

ROOT = Path(wxsdk.__file__).parents[1]
TICS = {  # the word, and what to write in its place
    "told": "reported, logged or distinguished",
    "nobody": "the thread, caller or program by its name",
    "somebody": "the thread, caller or program by its name",
    "whoever": "the thread, caller or program by its name",
    "whom": "the thread, caller or program by its name",
    "under way": "in progress, or running",
    "of ours": "our, or of wxsdk",
}
FOUND = re.compile(rf"\b({'|'.join(TICS)})\b", re.IGNORECASE)
LITERAL = re.compile(r"``[^`]*``|^    .*$", re.MULTILINE)  # code, and literal blocks


def docstrings() -> Iterator[Tuple[str, str]]:
    for name in wxsdk.__all__:
        thing = getattr(wxsdk, name)
        yield name, inspect.getdoc(thing) or ""
        for inner, member in vars(thing).items() if inspect.isclass(thing) else ():
            if not inner.startswith("_") and (callable(member) or isinstance(member, property)):
                yield f"{name}.{inner}", member.__doc__ or ""


def complaints(texts: Iterator[Tuple[str, str]]) -> Iterator[str]:
    for place, text in texts:
        for word in FOUND.findall(text):
            yield f"{place}: {word!r}; write {TICS[word.lower()]}"


def test_public_docstrings_are_in_plain_words() -> None:
    assert not list(complaints(docstrings()))


def test_the_pages_are_in_plain_words() -> None:
    pages = [*(ROOT / "docs").rglob("*.rst"), ROOT / "README.rst", ROOT / "CONTRIBUTING.rst", ROOT / "CHANGELOG.rst"]
    texts = ((str(path.relative_to(ROOT)), LITERAL.sub("", path.read_text("utf-8"))) for path in pages)
    assert not list(complaints(texts))


def test_a_tic_would_be_found() -> None:
    assert list(complaints(iter([("here", "Nobody is told.")]))) == [
        "here: 'Nobody'; write the thread, caller or program by its name",
        "here: 'told'; write reported, logged or distinguished",
    ]
