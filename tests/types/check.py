"""Checks that a type checker says of right.py and wrong.py what it should.

``python -m tests.types.check mypy --strict`` or ``… pyright``; exits with 1 and says what is missing.
"""

from __future__ import annotations

import pathlib
import re
import subprocess
import sys
from typing import List

HERE = pathlib.Path(__file__).parent
_REPORT = re.compile(r"(right|wrong)\.py:(\d+)(?::\d+)?(?::| -) (error|note|information): (.*)")
_REVEALED = re.compile(r'(?:Revealed type is|Type of ".*" is) "(?:builtins\.)?(\w+)"')


def complaints(command: List[str]) -> List[str]:
    """Run *command* (a checker and its options) over both files; what it failed to say, or said too much."""
    files = [str(HERE / name) for name in ("right.py", "wrong.py")]
    run = subprocess.run([*command, *files], capture_output=True, text=True, cwd=HERE.parents[1], timeout=300)
    errors, types = set(), {}
    for file, number, grade, text in _REPORT.findall(run.stdout):
        revealed = _REVEALED.search(text)
        if grade == "error":
            errors.add((file, int(number)))
        elif revealed:
            types[file, int(number)] = revealed.group(1)
    found = []
    for path in map(pathlib.Path, files):
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
            place = (path.stem, number)
            # A decorator is refused in its own line or in that of the function.
            is_refused = place in errors or (line.startswith("@") and (path.stem, number + 1) in errors)
            if is_refused is not line.endswith("# refused") and not (path.stem == "wrong" and "def " in line):
                found.append(f"{path.name}:{number}: {'refused' if is_refused else 'not refused'}: {line}")
            wanted = line.partition("  # is ")[2]
            if wanted and types.get(place) != wanted:
                found.append(f"{path.name}:{number}: {types.get(place)}, not {wanted}: {line}")
    return found + ([run.stdout + run.stderr] if found else [])


if __name__ == "__main__":
    failures = complaints(sys.argv[1:])
    print("\n".join(failures) or "The types of handlers and frames are as they should be.")
    sys.exit(bool(failures))
