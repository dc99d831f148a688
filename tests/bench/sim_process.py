"""A simulator in a process of its own, so that its time and memory are not taken for the client's."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from typing import Any, Dict, Iterator

ILINK = """
import json, os, sys
from wxsdk.sim import ILinkSim
folder = "/dev/shm" if os.path.isdir("/dev/shm") else None  # its disk is not what is measured
with ILinkSim(verify_uploads=False, quota_limit=None, window=None, folder=folder) as sim:
    alice = sim.user("alice")
    alice.says("so that there is a conversation")
    facts = {"base_url": sim.base_url, "cdn_base_url": sim.cdn_base_url, "token": sim.token}
    print(json.dumps({**facts, "context_token": alice.context_token}), flush=True)
    for line in sys.stdin:
        exec(line)
        print("done", flush=True)
"""

AIBOT = """
import json, sys
from wxsdk.sim import AiBotSim
from wxsdk.sim.aibot.content import Generated
with AiBotSim() as sim:
    print(json.dumps({"ws_url": sim.ws_url, "bot_id": sim.bot_id, "secret": sim.secret}), flush=True)
    for line in sys.stdin:
        exec(line)
        print("done", flush=True)
"""


class SimProcess:
    """What the simulator said of itself is in ``facts``; ``tell`` runs one line of code beside it."""

    def __init__(self, process: Any) -> None:
        self._process = process
        self.facts: Dict[str, str] = json.loads(process.stdout.readline())

    def tell(self, line: str) -> None:
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        assert self._process.stdout.readline() == "done\n"


@contextlib.contextmanager
def sim_process(program: str) -> Iterator[SimProcess]:
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    )
    try:
        yield SimProcess(process)
    finally:
        process.kill()
        process.communicate()
