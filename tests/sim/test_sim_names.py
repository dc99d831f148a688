"""The names of ``wxsdk.sim``."""

from __future__ import annotations

import subprocess
import sys


def test_a_shell_is_shown_the_simulators_before_they_are_imported() -> None:
    command = [sys.executable, "-c", "import wxsdk.sim; print(dir(wxsdk.sim))"]
    assert subprocess.check_output(command, text=True, timeout=30).strip() == "['AiBotSim', 'ILinkSim']"
