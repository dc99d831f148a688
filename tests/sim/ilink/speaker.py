"""A bare speaker of the iLink protocol, so that the simulator is tested without the client it is there to
test.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import random
import secrets
import threading
import time
from types import TracebackType
from typing import Any, Dict, Iterator, List, Optional, Tuple, Type

import requests
from Crypto.Cipher import AES
from Crypto.Util.Padding import pad

from wxsdk.sim.ilink.simulator import ILinkSim

BASE_INFO = {"channel_version": "2.4.9", "bot_agent": "speaker/1.0 (tests)"}
UPDATES = {"get_updates_buf": "", "base_info": BASE_INFO}  # the body of a first poll
KEY = bytes(range(16))  # of files that are uploaded
TIMEOUT = 10


def uin() -> str:
    return base64.b64encode(str(random.SystemRandom().getrandbits(32)).encode()).decode()


class Speaker:
    """Speaks correctly unless told otherwise."""

    def __init__(self, sim: ILinkSim, token: Optional[str] = None) -> None:
        self.sim = sim
        self.token = token or sim.token
        self.session = requests.Session()
        self.session.trust_env = False  # neither a proxy nor a CA bundle of the machine
        self.cursor = ""

    def __enter__(self) -> Speaker:
        return self

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        # Session.close() leaves connections to the end of their pool, and a failed request's traceback
        # puts that off.
        for adapter in self.session.adapters.values():
            pools = adapter.poolmanager.pools  # type: ignore[attr-defined]
            for key in pools.keys():  # noqa: SIM118  # it has keys() and cannot be iterated
                pools[key].close()
        self.session.close()

    def headers(self, **changes: Optional[str]) -> Dict[str, str]:
        headers: Dict[str, Optional[str]] = {
            "iLink-App-Id": "bot",
            "iLink-App-ClientVersion": "132105",
            "Content-Type": "application/json",
            "AuthorizationType": "ilink_bot_token",
            "X-WECHAT-UIN": uin(),
            "Authorization": f"Bearer {self.token}",
        }
        headers.update({name.replace("_", "-"): value for name, value in changes.items()})
        return {name: value for name, value in headers.items() if value is not None}

    def post(self, call: str, body: Any, **headers: Optional[str]) -> requests.Response:
        url = f"{self.sim.base_url}/ilink/bot/{call}"
        return self.session.post(url, json=body, headers=self.headers(**headers), timeout=TIMEOUT)

    def call(self, call: str, **body: Any) -> Any:
        answer = self.post(call, {**body, "base_info": BASE_INFO})
        answer.raise_for_status()
        return answer.json() if answer.content else None

    def poll(self, cursor: Optional[str] = None) -> Any:
        answer = self.call("getupdates", get_updates_buf=self.cursor if cursor is None else cursor)
        if cursor is None:
            self.cursor = answer.get("get_updates_buf", self.cursor)
        return answer

    @contextlib.contextmanager
    def held_poll(self) -> Iterator[List[Any]]:
        """A poll that the simulator holds while the block is entered; behind the block its answer is in the list."""
        answers: List[Any] = []
        poll = threading.Thread(target=lambda: answers.append(self.poll()))
        poll.start()
        self.sim.wait_for(lambda: self.sim.polls_in_flight == 1)
        yield answers
        poll.join(5)

    @property
    def address(self) -> Tuple[str, int]:
        """Where a bare socket connects to."""
        host, _, port = self.sim.host.partition(":")
        return host, int(port)

    def bytes_of_a_poll(self) -> bytes:
        """A first poll as a bare socket writes it; the connection ends behind its answer."""
        body = json.dumps(UPDATES).encode()
        lines = ["POST /ilink/bot/getupdates HTTP/1.1", f"Host: {self.sim.host}", f"Content-Length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in self.headers().items()]
        return ("\r\n".join([*lines, "Connection: close"]) + "\r\n\r\n").encode() + body

    def message(self, to: str, item: Dict[str, Any], **changes: Any) -> Dict[str, Any]:
        return {
            "from_user_id": "",
            "to_user_id": to,
            "client_id": f"speaker:{int(time.time() * 1000)}-{secrets.token_hex(4)}",
            "message_type": 2,
            "message_state": 2,
            "item_list": [item],
            **changes,
        }

    def send(self, to: str, text: str, **changes: Any) -> Any:
        return self.send_item(to, {"type": 1, "text_item": {"text": text}}, **changes)

    def send_item(self, to: str, item: Dict[str, Any], **changes: Any) -> Any:
        return self.call("sendmessage", msg=self.message(to, item, **changes))

    def announce(self, data: bytes, key: bytes = KEY, to: str = "alice", kind: int = 3, **changes: Any) -> Any:
        fields = {
            "filekey": secrets.token_hex(16),
            "media_type": kind,
            "to_user_id": to,
            "rawsize": len(data),
            "rawfilemd5": hashlib.md5(data).hexdigest(),
            "filesize": (len(data) // 16 + 1) * 16,
            "no_need_thumb": True,
            "aeskey": key.hex(),
        }
        return self.call("getuploadurl", **{**fields, **changes})

    def upload(self, url: str, data: bytes, key: bytes = KEY) -> requests.Response:
        cipher = AES.new(key, AES.MODE_ECB).encrypt(pad(data, 16))
        kind = {"Content-Type": "application/octet-stream"}
        return self.session.post(url, data=cipher, headers=kind, timeout=TIMEOUT)

    def store(self, data: bytes, key: bytes = KEY, to: str = "alice") -> requests.Response:
        """Announce *data* and upload it."""
        return self.upload(self.announce(data, key, to)["upload_full_url"], data, key)

    def send_file(self, to: str, data: bytes, name: str) -> Any:
        key = secrets.token_bytes(16)
        stored = self.store(data, key, to)
        media = {
            "encrypt_query_param": stored.headers["x-encrypted-param"],
            "aes_key": base64.b64encode(key.hex().encode()).decode(),
            "encrypt_type": 1,
        }
        return self.send_item(to, {"type": 4, "file_item": {"media": media, "file_name": name, "len": str(len(data))}})
