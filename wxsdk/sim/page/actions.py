"""Does what a person does on the page: say, send, press, rate, log in, make trouble."""

from __future__ import annotations

import re
import secrets
from typing import Any, Callable, Dict, List, Optional
from urllib.parse import urlsplit

from ..aibot.errors import SimError
from ..aibot.simulator import AiBotSim
from ..ilink.simulator import ILinkSim
from .ledger import Entry, Ledger
from .shelf import Shelf, picture_type
from .trouble import Trouble

BOT_NAME = "Bot"  # what a mention calls it
LOOPBACK = ("127.0.0.1", "localhost", "::1")
MAX_NAME = 40  # characters of a user's or a group's name
SILENCE = b"\x02#!SILK_V3" + b"\x0c\x00" + b"\xb0" * 12 + b"\xff\xff"  # a SILK file with one short frame

_MENTION = re.compile(rf"@{BOT_NAME}(?![\w-])")

Data = Dict[str, Any]


class Unknown(LookupError):
    """There is no action of that name."""


class Actions:
    """Every method named after an action takes the page's JSON. Any thread. LookupError and ValueError say in a
    sentence what cannot be done.
    """

    def __init__(self, ilink: ILinkSim, aibot: AiBotSim, ledger: Ledger, shelf: Shelf, trouble: Trouble) -> None:
        self._ilink, self._aibot = ilink, aibot
        self._ledger, self._shelf, self._trouble = ledger, shelf, trouble
        self._known: Dict[str, Callable[[Data], Any]] = {
            "user": lambda data: self._ledger.add_user(_name(data, "name")),
            "group": self._group,
            "clear": lambda data: self._ledger.clear(_str(data, "side"), _str(data, "chat")),
            "say": self._say,
            "voice": self._voice,
            "again": self._again,
            "enter": lambda data: self._aibot.user(_str(data, "user")).enters_chat(wait=0),
            "press": self._press,
            "rate": self._rate,
            "login": self._login,
            "fault": self._fault,
            "callback": self._callback,
            "clear-faults": lambda data: self._trouble.clear(),
        }

    def do(self, name: str, data: Data) -> Any:
        """Carry out one action and return what the page is to know. Raises Unknown, LookupError or ValueError."""
        action = self._known.get(name)
        if action is None:
            raise Unknown(f"There is no action {name!r}.")
        try:
            found = action(data)
        except SimError as error:
            raise ValueError(f"{str(error)[:1].upper()}{str(error)[1:]}.") from error
        return found if isinstance(found, dict) else None

    # people

    def _group(self, data: Data) -> Dict[str, str]:
        members = [str(one) for one in data.get("members") or [] if str(one).strip()]
        if not members:
            raise ValueError("A group needs members.")
        chat = str(data.get("id") or f"group-{secrets.token_hex(4)}")
        self._aibot.group(chat, members)
        self._ledger.set_group(chat, _name(data, "name"), members)
        return {"id": chat}

    # saying

    def _say(self, data: Data) -> None:
        side, user, chat, text = (_str(data, name) for name in ("side", "user", "chat", "text"))
        quoted = self._ledger.get(str(data["quote"])) if data.get("quote") else None
        if side == "ilink":
            self._say_ilink(user, text, quoted)
            return
        group = chat if chat in self._ledger.groups else None
        if group is not None and not _MENTION.search(text):
            self._only_shown(user, chat, text, quoted)
            return
        quote = None if quoted is None else self._quote(quoted)
        self._aibot.user(user).says(text, chat=group, quote=quote, wait=0)

    def _say_ilink(self, user: str, text: str, quoted: Optional[Entry]) -> None:
        person = self._ilink.user(user)
        if quoted is None:
            person.says(text)
            return
        message_id = str(quoted.get("message_id", ""))
        received = next((one for one in person.received if one.message_id == message_id), None)
        person.quotes(received if received is not None else message_id, text)

    def _only_shown(self, user: str, chat: str, text: str, quoted: Optional[Entry]) -> None:
        """Show a message of a group that does not mention the bot: the platform keeps it from the bot."""
        self._ledger.put(
            f"page-{secrets.token_hex(8)}",
            side="aibot",
            chat=chat,
            who="user",
            user=user,
            at=self._aibot.now(),
            kind="text",
            text=text,
            state="unmentioned",
            quote=None if quoted is None else {"text": quoted.get("text", ""), "kind": quoted.get("kind", "")},
        )

    def _quote(self, entry: Entry) -> Any:
        text = str(entry.get("text") or "")
        if not text and entry.get("media"):
            text = f"[{entry['kind']}] {entry['media'][0]['name']}"
        return text or f"[{entry['kind']}]"

    def _voice(self, data: Data) -> None:
        side, user, chat = (_str(data, name) for name in ("side", "user", "chat"))
        transcript = str(data.get("text") or "")
        if side == "ilink":
            seconds = min(60, max(1, int(data.get("seconds") or 2)))
            self._ilink.user(user).speaks(SILENCE, transcript or None, playtime=seconds * 1000)
            return
        if not transcript:
            raise ValueError("WeCom hands a voice message over as its transcript, so it needs one.")
        self._aibot.user(user).speaks(transcript, chat=self._chat(chat), wait=0)

    def file(self, side: str, user: str, chat: str, name: str, content: bytes, text: str) -> None:
        """Send a picture or file, with *text* in one message where the platform has that."""
        name = name.replace("\\", "/").rpartition("/")[2] or "file.bin"
        if side == "ilink":
            person = self._ilink.user(user)
            person.sends(content, name=name, kind="image" if picture_type(content) else None)
            if text:
                person.says(text)
            return
        someone, group = self._aibot.user(user), self._chat(chat)
        if text and picture_type(content):
            someone.mixed([text, content], chat=group, wait=0)
            return
        someone.sends(content, name=name, chat=group, wait=0)
        if text:
            self._say({"side": side, "user": user, "chat": chat, "text": text})

    def _again(self, data: Data) -> None:
        entry = self._entry(data, "entry")
        if entry.get("kind") == "text":
            self._say({**data, "side": entry["side"], "chat": entry["chat"], "text": entry["text"]})
        elif entry.get("media"):
            media = entry["media"][0]
            content = self._shelf.get(media["id"])
            if content is None:
                raise LookupError("The file is not there any more.")
            self.file(entry["side"], _str(data, "user"), entry["chat"], media["name"], content, entry.get("text") or "")
        else:
            raise ValueError("This cannot be sent again.")

    # cards and votes

    def _press(self, data: Data) -> None:
        entry = self._entry(data, "entry")
        message = self._aibot.find(str(entry["id"])[len("aibot-b") :])
        selected = data.get("selected")
        chosen: Optional[Dict[str, List[str]]] = None
        if isinstance(selected, dict):
            chosen = {str(key): [str(one) for one in ids] for key, ids in selected.items()}
        person = self._aibot.user(_str(data, "user"))
        if data.get("submit"):
            person.votes(message, chosen or {}, wait=0)
        else:
            person.clicks(message, _str(data, "key"), selected=chosen, wait=0)

    def _rate(self, data: Data) -> None:
        entry = self._entry(data, "entry")
        kind = _str(data, "type")
        reasons = [int(one) for one in data.get("reasons") or []]
        message = self._aibot.find(str(entry["id"])[len("aibot-b") :])
        self._aibot.user(_str(data, "user")).feedback(message, kind, str(data.get("text") or ""), reasons, wait=0)
        self._ledger.put(str(entry["id"]), rated="" if kind == "cancel" else kind)

    # the login

    def _login(self, data: Data) -> None:
        step = _str(data, "step")
        steps: Dict[str, Callable[[], Any]] = {
            "scan": lambda: self._ilink.scan(user=_str(data, "user"), timeout=0.1),
            "confirm": self._ilink.confirm,
            "demand": lambda: self._ilink.demand_verify_code(f"{secrets.randbelow(900_000) + 100_000}"),
            "block": self._ilink.block_verify_code,
            "expire": self._ilink.expire_qrcode,
            "bind": self._ilink.bind_already,
            "redirect": lambda: self._ilink.redirect(self._ilink.host),
        }
        if step not in steps:
            raise Unknown(f"A login has no step {step!r}.")
        try:
            steps[step]()
        except AssertionError:
            raise LookupError("No bot has asked for a QR code yet.") from None
        except RuntimeError as error:
            raise ValueError(f"{str(error)[:1].upper()}{str(error)[1:]}.") from error

    def _fault(self, data: Data) -> None:
        self._trouble.make(_str(data, "name"), str(data.get("user") or "alice"), bool(data.get("on")))

    def _callback(self, data: Data) -> None:
        """Call this address for what the users of the WeCom side say; an empty one goes back to connections."""
        url = str(data.get("url") or "").strip()
        if not url:
            self._aibot.callback_url = None
            return
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or parts.hostname not in LOOPBACK:
            raise ValueError("The playground calls bots on this machine alone: http://127.0.0.1:8000/, for example.")
        before = self._aibot.callback_url
        self._aibot.callback_url = url
        try:
            self._aibot.verify_callback()
        except SimError:
            self._aibot.callback_url = before
            raise

    # parts

    def _chat(self, chat: str) -> Optional[str]:
        return chat if chat in self._ledger.groups else None

    def _entry(self, data: Data, name: str) -> Entry:
        entry = self._ledger.get(_str(data, name))
        if entry is None:
            raise LookupError("This message is not there any more.")
        return entry


def _str(data: Data, name: str) -> str:
    value = data.get(name)
    if not isinstance(value, str) or not value:
        raise ValueError(f"{name} is missing.")
    return value


def _name(data: Data, name: str) -> str:
    value = _str(data, name).strip()
    if not value or len(value) > MAX_NAME or not value.isprintable():
        raise ValueError(f"A name has 1 to {MAX_NAME} printable characters.")
    return value
