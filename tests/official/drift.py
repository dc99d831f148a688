"""What is new between two versions of a vendor's package, as far as the wire is concerned.

    python tests/official/drift.py OLD NEW

OLD and NEW are unpacked packages (``npm pack NAME@VERSION``, ``tar xzf``). It reads their TypeScript: interfaces (what
goes over the wire is one; a ``type`` is the package's own affair), enums, tables of constants, and the names of calls
and commands. It prints a line for each difference; its exit status is 1 when there are any. docs/fidelity.rst tells
what to do with them.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Dict, Iterator, List, Tuple

_COMMENT = re.compile(r"/\*.*?\*/|(?<![:\"'`])//[^\n]*", re.DOTALL)
_HEAD = re.compile(
    r"^(?:export\s+)?(?:declare\s+)?(?:"
    r"interface\s+(?P<interface>\w+)[^{;]*"
    r"|(?:const\s+)?enum\s+(?P<enum>\w+)\s*"
    r"|const\s+(?P<const>\w+)\s*(?::\s*|=\s*)"
    r")\{",
    re.MULTILINE,
)
_MEMBER = re.compile(
    r"(?:readonly\s+)?[\"']?(?P<name>[\w.-]+)[\"']?(?P<optional>\??)\s*[:=]\s*(?P<value>.+)", re.DOTALL
)
_CALL = re.compile(r"[\"'`](ilink/bot/\w[\w/]*|aibot_\w+)")
_OPEN, _CLOSE = "{[(<", "}])>"

Facts = Dict[str, str]


def facts(package: Path) -> Facts:
    """All that *package* says of the wire: a name such as ``TextItem.text?`` for each thing, and its type or value."""
    found: Facts = {}
    for file in _sources(package):
        text = _COMMENT.sub("", file.read_text("utf-8"))
        for head in _HEAD.finditer(text):
            kind, owner = next((kind, name) for kind, name in head.groupdict().items() if name)
            found[f"{kind} {owner}"] = ""
            body = text[head.end() : _end(text, head.end())]
            for member in _members(body):
                found[f"{owner}.{member[0]}"] = member[1]
        for call in _CALL.findall(text):
            found[f"call {call.rstrip('/')}"] = ""
    return found


def differences(old: Facts, new: Facts) -> List[str]:
    """A line for each thing that is new, gone or changed, in that order."""
    said = [f"new      {name}{_value(new[name])}" for name in sorted(new.keys() - old.keys())]
    said += [f"gone     {name}" for name in sorted(old.keys() - new.keys())]
    both = sorted(old.keys() & new.keys())
    return said + [f"changed  {name}: {old[name]} -> {new[name]}" for name in both if old[name] != new[name]]


def _sources(package: Path) -> Iterator[Path]:
    """The sources when the package has them, else the declarations."""
    root = package / "package" if (package / "package").is_dir() else package
    if not (root / "package.json").is_file():
        raise SystemExit(f"{package} is no unpacked package: it has no package.json")
    sources = sorted((root / "src").rglob("*.ts")) if (root / "src").is_dir() else []
    yield from sources or sorted((root / "dist").rglob("*.d.ts"))


def _end(text: str, start: int) -> int:
    """Where the brace that was opened just before *start* is closed."""
    depth = 1
    for place in range(start, len(text)):
        depth += {"{": 1, "}": -1}.get(text[place], 0)
        if not depth:
            return place
    return len(text)


def _members(body: str) -> Iterator[Tuple[str, str]]:
    for part in _split(body):
        found = _MEMBER.match(part)
        if found:
            value = " ".join(found["value"].split()).lstrip("| ")
            yield found["name"] + found["optional"], value


def _split(body: str) -> Iterator[str]:
    """The members of a body: what stands between ``;``, ``,`` and line ends, but not within brackets."""
    depth, start = 0, 0
    for place, sign in enumerate(body):
        if sign in _OPEN:
            depth += 1
        elif sign in _CLOSE and body[place - 1] != "=":  # not the arrow of a function type
            depth -= 1
        elif not depth and (sign in ";," or (sign == "\n" and not _goes_on(body, start, place))):
            yield body[start:place].strip()
            start = place + 1
    yield body[start:].strip()


def _goes_on(body: str, start: int, place: int) -> bool:
    """Whether a member that is broken over lines goes on behind the line end at *place*."""
    before, behind = body[start:place].rstrip(), body[place:].lstrip()
    return before.endswith((":", "|", "=")) or behind.startswith("|")


def _value(value: str) -> str:
    return f": {value}" if value else ""


def main(arguments: List[str]) -> int:
    if len(arguments) != 2:
        raise SystemExit(__doc__)
    old, new = (facts(Path(argument)) for argument in arguments)
    found = differences(old, new)
    print("\n".join(found) or "nothing new")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
