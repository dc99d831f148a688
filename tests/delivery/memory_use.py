"""Memory that one transfer takes, measured in a process of its own: its peak over what it held before.

Run as a program, it does one transfer and prints bytes:  memory_use.py <what> <facts as JSON>
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, Dict

import pytest

MIB = 2**20
OVER_IDLE = 16 * MIB  # bytes that a transfer of any size may take

PEAK = re.compile(r"VmHWM:\s+(\d+) kB")
RESET = Path("/proc/self/clear_refs")  # 5 written into it resets the peak; proc(5)

needs_proc = pytest.mark.skipif(not RESET.exists(), reason="only Linux tells the peak of a process that can be reset")


def _peak(*, reset: bool = False) -> int:
    if reset:
        RESET.write_text("5")  # a process starts with the peak of the one that started it
    found = PEAK.search(Path("/proc/self/status").read_text())
    assert found is not None
    return int(found.group(1)) * 1024


def upload(facts: Dict[str, Any]) -> int:
    from wxsdk.ilink.client import WeixinClient
    from wxsdk.ilink.config import WeixinConfig

    config = WeixinConfig(facts["token"], base_url=facts["base_url"], cdn_base_url=facts["cdn_base_url"], proxy="")
    client = WeixinClient(config)
    client.send_text("alice", "warm", context_token=facts["context_token"])
    idle = _peak(reset=True)
    client.send_media("alice", facts["path"], context_token=facts["context_token"])
    return _peak() - idle


def save_file(facts: Dict[str, Any]) -> int:
    from wxsdk.aibot.client import WSClient
    from wxsdk.aibot.config import WSClientOptions

    options = WSClientOptions("bot", "secret", ws_url=facts["ws_url"], max_download_bytes=1 << 40)
    client = WSClient(options)
    client.save_file(facts["small"], facts["small_key"], facts["folder"]).unlink()
    idle = _peak(reset=True)
    client.save_file(facts["url"], facts["key"], facts["folder"]).unlink()
    return _peak() - idle


def upload_media(facts: Dict[str, Any]) -> int:
    from wxsdk.aibot.client import WSClient
    from wxsdk.aibot.config import WSClientOptions

    with WSClient(WSClientOptions(facts["bot_id"], facts["secret"], ws_url=facts["ws_url"])) as client:
        client.upload_media(b"warm", type="file")
        idle = _peak(reset=True)
        client.upload_media(facts["path"], type="file")
        return _peak() - idle


def measured(what: str, **facts: Any) -> int:
    """Bytes over idle, of "upload", "upload_media" or "save_file"."""
    program = Path(__file__)
    done = subprocess.run(
        [sys.executable, str(program), what, json.dumps(facts)],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=program.parents[2],
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).parents[2])
    print(
        {"upload": upload, "upload_media": upload_media, "save_file": save_file}[sys.argv[1]](json.loads(sys.argv[2]))
    )
