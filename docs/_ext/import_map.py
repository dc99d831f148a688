"""Draws the packages of wxsdk and the imports between them: `python docs/_ext/import_map.py` prints Graphviz text.

Nothing is imported to be looked at; the sources are read, so that the picture cannot differ from them.
"""

from __future__ import annotations

import ast
import sys
from collections import Counter
from pathlib import Path
from typing import Dict, Iterator, List, Set, Tuple

ROOT = Path(__file__).resolve().parents[2] / "wxsdk"
BOX = 'shape=box, style="rounded,filled", fillcolor="#eef4fb", color="#5b7fa6", fontname="sans-serif"'
# Rooms from the top of the picture to its bottom: an arrow that goes up would be against the rules of test_purity.
FLOORS = (
    ("cli", "ext", "testing"),
    ("fleet", "sim"),
    ("bot", "accounts", "sim.page"),
    ("callback", "ilink", "aibot", "sim.ilink", "sim.aibot"),
    ("runtime",),
    ("core",),
    ("basics",),
)


def room_of(module: str) -> str:
    """The room that *module* ("wxsdk.sim.ilink.world") stands in.

    That is its package. Of the modules beside the packages, "basics" are those that import nothing (errors, health, the
    version), log belongs to core, "testing" is for users' tests (with the bot's trial
    on the simulators), "accounts" the saved accounts, and "wxsdk" is the front door: the names users import.
    """
    parts = module.split(".")[1:]
    if parts[:1] in (["testing"], ["pytest_plugin"]) or parts == ["bot", "trial"]:
        return "testing"
    if parts == ["accounts"]:
        return "accounts"
    if not parts or parts in (["__main__"], ["hooks"]):
        return "wxsdk"
    if parts == ["log"]:
        return "core"
    if parts[:1] == ["sim"] and len(parts) > 1 and (ROOT / "sim" / parts[1]).is_dir():
        return f"sim.{parts[1]}"
    return parts[0] if parts and (ROOT / parts[0]).is_dir() else "basics"


def module_names() -> Dict[str, Path]:
    """Every module of wxsdk, with its file."""
    found = {}
    for path in sorted(ROOT.rglob("*.py")):
        parts = list(path.relative_to(ROOT.parent).with_suffix("").parts)
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imported(name: str, path: Path, names: Set[str]) -> Iterator[str]:
    """The modules of wxsdk that the module *name* imports when it is loaded or runs; type-checking blocks too."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                here = name.split(".")
                cut = node.level - (path.name == "__init__.py")
                base = ".".join([*here[: len(here) - cut], *([base] if base else [])])
            for alias in node.names:
                inner = f"{base}.{alias.name}"
                if inner in names or base in names:
                    yield inner if inner in names else base


def arrows() -> Counter[Tuple[str, str]]:
    """How many imports lead from one room into another."""
    modules = module_names()
    found: Counter[Tuple[str, str]] = Counter()
    for name, path in modules.items():
        for target in set(imported(name, path, set(modules))):
            pair = room_of(name), room_of(target)
            if pair[0] != pair[1] and target != "wxsdk":
                found[pair] += 1
    return found


def inside(room: str) -> List[Tuple[str, str]]:
    """The imports between the modules of one room, by their last names."""
    modules = {name: path for name, path in module_names().items() if room_of(name) == room}
    return sorted(
        {
            (name.rpartition(".")[2], target.rpartition(".")[2])
            for name, path in modules.items()
            for target in imported(name, path, set(modules))
            if target != name
        }
    )


def house() -> str:
    """The whole picture: a room for each package, an arrow for imports, which is thicker where there are more."""
    counts = Counter(room_of(name) for name in module_names())
    lines = [
        "digraph house {",
        '  graph [rankdir=TB, nodesep=0.35, ranksep=0.55, fontname="sans-serif"];',
        f"  node [{BOX}, fontsize=12];",
        '  edge [color="#8899aa", fontname="sans-serif", fontsize=9, arrowsize=0.7];',
    ]
    for floor in FLOORS:
        here = [room for room in floor if counts[room]]
        lines.append("  { rank=same; " + "; ".join(f'"{room}"' for room in here) + "; }")
        lines += [f'  "{room}" [label="{room}\\n{counts[room]} modules"];' for room in here]
    for (source, target), number in sorted(arrows().items()):
        if target != "basics" and source != "wxsdk":  # all may import the basics, the front door imports all: left out
            lines.append(f'  "{source}" -> "{target}" [label="{number}", penwidth={1 + min(number, 40) / 16:.1f}];')
    return "\n".join([*lines, "}"])


def room(name: str) -> str:
    """The modules of one room and their imports."""
    lines = [
        f'digraph "{name}" {{',
        "  graph [rankdir=LR, nodesep=0.2, ranksep=0.5];",
        f"  node [{BOX}, fontsize=11];",
        '  edge [color="#99aabb", arrowsize=0.6];',
    ]
    lines += [f'  "{source}" -> "{target}";' for source, target in inside(name)]
    return "\n".join([*lines, "}"])


if __name__ == "__main__":
    print(room(sys.argv[1]) if sys.argv[1:] else house())
