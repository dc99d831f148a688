"""Counts how far a message walks through the code: calls, files and depth of a few everyday walks.

    python -m tests.bench.walks [--json FILE] [--show NAME]

Each walk runs once to warm up, then under a profile that sees every thread, the shortest of three runs. Only calls of
wxsdk's own functions count, the simulators' excluded. ``visited`` is how often the walk enters a file, coming from
another one; ``depth`` is the deepest stack of own functions on any thread. The figures are the same on every machine.
``--show`` prints what one walk calls.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
import tempfile
import threading
from collections import Counter
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Optional

import wxsdk
from wxsdk import SQLiteStore, WeixinClient, WeixinConfig, WSClient, WSClientOptions
from wxsdk.sim import AiBotSim, ILinkSim

HOME = str(Path(wxsdk.__file__).parent) + "/"
BATCH = 10  # messages of the iLink walk; its figures are divided by it
INLINE = (
    "<genexpr>",
    "<listcomp>",
    "<dictcomp>",
    "<setcomp>",
    "<lambda>",
)  # not calls by the same count on each Python
MEDIA_BYTES = 300_000  # one chunk of WeCom's; of iLink's 19 blocks of 16 KiB


class Walk:
    """What was called while ``recording`` was set; one instance is the profile function of all threads."""

    def __init__(self) -> None:
        self.recording = False
        self.divisor = 1
        self.depth = 0
        self.calls: Counter[str] = Counter()
        self.visits: Counter[str] = Counter()
        self._local = threading.local()

    def begin(self) -> None:
        self.depth = 0
        self.calls.clear()
        self.visits.clear()
        self.recording = True

    def __call__(self, frame: Any, event: str, _: Any) -> None:
        code = frame.f_code
        if event not in ("call", "return") or not code.co_filename.startswith(HOME):
            return
        name = code.co_filename[len(HOME) :]
        if name.startswith("sim/") or code.co_name in INLINE:
            return
        stack: List[str] = self._local.__dict__.setdefault("stack", [])
        if event == "return":
            if stack:
                stack.pop()
            return
        if self.recording:
            self.calls[f"{name}:{code.co_name}"] += 1
            if not stack or stack[-1] != name:
                self.visits[name] += 1
            self.depth = max(self.depth, len(stack) + 1)
        stack.append(name)

    def figures(self) -> Dict[str, float]:
        files = {name.partition(":")[0] for name in self.calls}
        return {
            "calls": round(sum(self.calls.values()) / self.divisor, 1),
            "files": len(files),
            "visited": round(sum(self.visits.values()) / self.divisor, 1),
            "depth": self.depth,
        }


@contextlib.contextmanager
def aibot(walk: Walk, on_text: Callable[[WSClient, Any], None]) -> Iterator[Any]:
    with AiBotSim() as sim:
        client = WSClient(WSClientOptions(sim.bot_id, sim.secret, ws_url=sim.ws_url, single_instance=False))
        client.on_message_text(lambda frame: on_text(client, frame))
        with client:
            sim.wait_subscribed()
            yield sim


def wecom_text_and_reply(walk: Walk) -> int:
    """From the frame on the socket to the acknowledged answer."""
    answered = threading.Semaphore(0)

    def answer(client: WSClient, frame: Any) -> None:
        client.reply_stream(frame, "s" + frame.body.msgid, "yes", finish=True)
        answered.release()

    with aibot(walk, answer) as sim:
        sim.user("bob").says("warm")
        assert answered.acquire(timeout=10)
        walk.begin()
        sim.user("bob").says("measured")
        assert answered.acquire(timeout=10)
        walk.recording = False
    return 1


def wecom_stream_token(walk: Walk) -> int:
    """From write() to the frame that the gateway has."""
    opened, measured = threading.Event(), threading.Event()

    def answer(client: WSClient, frame: Any) -> None:
        with client.open_stream(frame) as stream:
            stream.write("one")
            opened.wait(10)
            walk.begin()
            stream.write(" two three")
            measured.wait(10)

    with aibot(walk, answer) as sim:
        sim.user("bob").says("hello")
        sim.wait_for(lambda: len(sim.frames) == 2)  # the subscription, and what opens the stream
        opened.set()
        sim.wait_for(lambda: len(sim.frames) == 3)
        walk.recording = False
        measured.set()
    return 1


def wecom_upload(walk: Walk) -> int:
    with AiBotSim() as sim:
        client = WSClient(WSClientOptions(sim.bot_id, sim.secret, ws_url=sim.ws_url, single_instance=False))
        with client:
            client.upload_media(b"x" * MEDIA_BYTES, type="file", filename="warm.bin")
            walk.begin()
            client.upload_media(b"y" * MEDIA_BYTES, type="file", filename="measured.bin")
            walk.recording = False
    return 1


@contextlib.contextmanager
def ilink(handler: Any = None, store: Any = None) -> Iterator[Any]:
    with ILinkSim() as sim:
        config = WeixinConfig(
            token=sim.token,
            base_url=sim.base_url,
            cdn_base_url=sim.cdn_base_url,
            sends_per_second=None,
            single_instance=False,
        )
        client = WeixinClient(config, handler, store=store)
        try:
            yield sim, client
        finally:
            client.shutdown()


def ilink_batch(walk: Walk) -> int:
    """A batch of BATCH texts of one user with an SQLiteStore; figures are of one message."""
    done, seen = threading.Event(), []

    def on_message(ctx: Any) -> None:
        seen.append(ctx.body)
        if len(seen) == 2 * BATCH:
            done.set()

    with (
        tempfile.TemporaryDirectory() as folder,
        ilink(on_message, SQLiteStore(Path(folder) / "bot.db")) as (sim, client),
    ):
        for number in range(BATCH):
            sim.user("alice").says(f"warm {number}")
        client.start()
        sim.wait_for(lambda: len(seen) == BATCH)
        client.shutdown()
        for number in range(BATCH):
            sim.user("alice").says(f"measured {number}")
        walk.begin()
        client.start()
        assert done.wait(10)
        walk.recording = False
        assert client.shutdown()
    return BATCH


def ilink_send(walk: Walk) -> int:
    with ilink() as (sim, client):
        sim.user("alice").says("hello")
        token = sim.user("alice").context_token
        client.send_text("alice", "warm", token)
        walk.begin()
        client.send_text("alice", "measured", token)
        walk.recording = False
    return 1


def ilink_upload(walk: Walk) -> int:
    with ilink() as (sim, client):
        sim.user("alice").says("hello")
        token = sim.user("alice").context_token
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "bytes.bin"
            path.write_bytes(b"x" * MEDIA_BYTES)
            client.send_media("alice", path, token)
            walk.begin()
            client.send_media("alice", path, token)
            walk.recording = False
    return 1


WALKS: Dict[str, Callable[[Walk], int]] = {
    "wecom-text-and-reply": wecom_text_and_reply,
    "wecom-stream-token": wecom_stream_token,
    "wecom-upload": wecom_upload,
    "ilink-batch-sqlite": ilink_batch,
    "ilink-send-text": ilink_send,
    "ilink-upload": ilink_upload,
}


def measured(name: str) -> Walk:
    """The shortest of three runs: what threads meet on the way differs a little from run to run."""
    return min((_once(name) for _ in range(3)), key=lambda walk: sum(walk.calls.values()))


def _once(name: str) -> Walk:
    walk = Walk()
    threading.setprofile(walk)
    sys.setprofile(walk)
    try:
        walk.divisor = WALKS[name](walk)
    finally:
        sys.setprofile(None)
        threading.setprofile(None)  # type: ignore[arg-type]
        walk.recording = False
    return walk


def main(arguments: Optional[List[str]] = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="write the figures to this file as well")
    parser.add_argument("--show", choices=WALKS, help="print what one walk calls, and nothing else")
    options = parser.parse_args(arguments)
    if options.show:
        walk = measured(options.show)
        for name, count in sorted(walk.calls.items()):
            print(f"{count:6} {name}")
        return
    rows = {}
    print(f"{'walk':24}{'calls':>8}{'files':>8}{'visited':>9}{'depth':>7}")
    for name in WALKS:
        walk = measured(name)
        rows[name] = walk.figures()
        print(f"{name:24}" + "{calls:8}{files:8}{visited:9}{depth:7}".format(**rows[name]))
    if options.json:
        options.json.write_text(json.dumps(rows, indent=2) + "\n", "utf-8")


if __name__ == "__main__":
    main()
