"""Two recordings of the same action, the vendor's and ours, made comparable and compared."""

from __future__ import annotations

import json
import re
from typing import Any, Dict, Iterator, List, Mapping, NamedTuple, Tuple

from wxsdk.sim.aibot.simulator import AiBotSim
from wxsdk.sim.ilink.simulator import ILinkSim

Record = Dict[str, Any]


class Absent:
    """In the place of what only one side has."""

    def __repr__(self) -> str:
        return "absent"


ABSENT = Absent()


class Difference(NamedTuple):
    """*where* is the way to a value, such as ``0.headers.accept``: the first request, its headers, their accept."""

    where: str
    official: Any
    ours: Any

    def __str__(self) -> str:
        return f"{self.where}: official {self.official!r}, ours {self.ours!r}"


def differences(official: Any, ours: Any, where: str = "") -> Iterator[Difference]:
    """Everything that differs. Types count: 1 is neither True nor "1", and null is not absent."""
    if isinstance(official, dict) and isinstance(ours, dict):
        for name in sorted({*official, *ours}):
            yield from differences(official.get(name, ABSENT), ours.get(name, ABSENT), f"{where}.{name}".lstrip("."))
    elif isinstance(official, list) and isinstance(ours, list):
        for number in range(max(len(official), len(ours))):
            pair = [side[number] if number < len(side) else ABSENT for side in (official, ours)]
            yield from differences(pair[0], pair[1], f"{where}.{number}".lstrip("."))
    elif type(official) is not type(ours) or official != ours:
        yield Difference(where, official, ours)


# -- WeCom ----------------------------------------


def aibot_record(sim: AiBotSim, requests: List[str]) -> List[Record]:
    """Every frame that the simulator got. *requests*: the req_ids of the callbacks that were answered.

    Chunks of an upload stand in the order of their index: several are under way at once.
    """
    names = {req_id: f"<callback {number}>" for number, req_id in enumerate(requests)}
    for number, upload in enumerate(sim.uploads):
        names[upload.upload_id] = f"<upload {number}>"
        names[upload.media_id or ""] = f"<media {number}>"
    frames = sorted(enumerate(sim.frames), key=lambda pair: (_chunk_rank(sim, pair[0]), pair[0]))
    return [_renamed(_own_req_id(frame.data), names) for _, frame in frames]


def _chunk_rank(sim: AiBotSim, place: int) -> Tuple[int, int]:
    """Chunks that follow one another in the record are one place, ordered by index."""
    frames = sim.frames
    if frames[place].cmd != "aibot_upload_media_chunk":
        return place, 0
    first = place
    while frames[first - 1].cmd == "aibot_upload_media_chunk":
        first -= 1
    return first, int(frames[place].body["chunk_index"])


def _own_req_id(frame: Record) -> Record:
    cmd = frame["cmd"]
    if re.fullmatch(rf"{cmd}_\d{{13}}_[0-9a-f]{{8}}", frame["headers"]["req_id"]):
        return {**frame, "headers": {**frame["headers"], "req_id": f"{cmd}_<ms>_<8 hex>"}}
    return frame


def handshake(sim: AiBotSim) -> Record:
    """The WebSocket handshake of the first connection."""
    record = sim.connections[0]
    headers = {name.lower(): value for name, value in record.headers}
    headers["sec-websocket-key"] = f"<{len(headers['sec-websocket-key'])} characters>"
    headers["host"] = headers["host"].replace(str(sim.port), "<port>")
    return {"path": record.path, "headers": headers}


# -- iLink ----------------------------------------

# What every request draws afresh, by where it stands; the shape must be the same on both sides.
_SHAPES = {
    "content-length": r"\d+",
    "bot_agent": r"OpenClaw|wxsdk/.*",
    "qrcode": r"[0-9a-f]{32}",
    "authorization": r"Bearer ilinkbot_[0-9a-f]{40}",
    "local_token_list": r"ilinkbot_[0-9a-f]{40}",
    "x-wechat-uin": r"(?=.{4,16}$)[A-Za-z0-9+/]+=*",
    "client_id": r"[^:]+:\d{13}-[0-9a-f]{8}",
    "filekey": r"[0-9a-f]{32}",
    "aeskey": r"[0-9a-f]{32}",
    "aes_key": r"[A-Za-z0-9+/]{43}=",
    "create_time_ms": r"\d{13}",
    "run_id": r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}",
}
_SERVERS = ("encrypt_query_param", "encrypted_query_param", "typing_ticket", "context_token", "get_updates_buf")


def ilink_record(sim: ILinkSim, *places: str) -> List[Record]:
    """The requests to *places* (the last parts of paths), or all."""
    seen = [one for one in sim.requests if not places or one.place in places]
    return [
        {
            "method": one.method,
            "path": one.path,
            "query": _plain(one.query, sim),
            "headers": _plain({name.lower(): value for name, value in one.headers.items()}, sim),
            "json": _plain(one.json, sim),
            "written": _written(one.body),
        }
        for one in seen
    ]


def _written(body: bytes) -> str:
    """How the JSON is written, whatever it says."""
    try:
        compact = json.dumps(json.loads(body), ensure_ascii=False, separators=(",", ":")).encode()
    except ValueError:
        return "no JSON"
    return "compact UTF-8" if body == compact else "in another way"


def _plain(value: Any, sim: ILinkSim, name: str = "") -> Any:
    if isinstance(value, dict):
        return {key: _plain(one, sim, key) for key, one in value.items()}
    if isinstance(value, list):
        return [_plain(one, sim, name) for one in value]
    if name in _SHAPES and re.fullmatch(_SHAPES[name], str(value)):
        kind = "" if isinstance(value, str) else f" {type(value).__name__}"
        prefix = f"{value.partition(':')[0]}:" if name == "client_id" else ""
        return f"{prefix}<{name}{kind}>"
    if name in _SERVERS and value:
        return f"<{name}>"
    return value.replace(sim.host, "<host>") if isinstance(value, str) else value


def _renamed(value: Any, names: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: _renamed(one, names) for key, one in value.items()}
    if isinstance(value, list):
        return [_renamed(one, names) for one in value]
    return names.get(value, value) if isinstance(value, str) and value else value
