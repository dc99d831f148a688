"""Simulates the iLink platform of personal WeChat on a loopback port, for tests, demos and looking around.

    with ILinkSim() as sim:
        config = WeixinConfig(token=sim.token, base_url=sim.base_url, cdn_base_url=sim.cdn_base_url)
        with WeixinClient(config, EchoBot()):
            alice = sim.user("alice")
            alice.says("hello")
            assert alice.expects().text == "hello"
        assert sim.violations == []

It holds polls, gives out cursors and context tokens, encrypts media, counts quotas and windows as the
platform does, checks every request strictly, and makes trouble on demand (`ILinkSim.faults`). Requests that
break the protocol are refused and listed in `ILinkSim.violations`.
"""

from __future__ import annotations

import ssl
import time
from dataclasses import replace
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple, TypeVar, Union

from ..changes import Listener
from . import saved
from .cdn import Cdn
from .faults import DEFAULT_WAIT, Faults
from .http import ILinkApp, WsgiApp
from .login import QrCode
from .people import SimMessage, SimUser
from .records import Seen
from .server import LoopbackServer
from .state import BURST, QUOTA, TYPING_TTL, WINDOW, Conversation, Limits, Mailbox
from .world import HOLD, Settings, World

__all__ = ["Faults", "ILinkSim", "Seen", "Settings", "SimMessage", "SimUser"]

T = TypeVar("T")


class ILinkSim:
    """A simulated iLink platform. A context manager; start() and stop() do the same by hand. Any thread may use
    it.

    `settings` holds what may be changed while it runs. Times are seconds.

    *hold*: how long a getupdates is held. *announced_hold_ms*: the ``longpolling_timeout_ms`` to answer.
    *cursor*: "replays" (an old cursor gets everything after it again) or "forgets" (what was handed out is
    gone). *batch*: most messages in one answer. *cursor_field*: "get_updates_buf", "sync_buf" or "both".
    *quota_limit*, *window*: sends per message of the user and seconds after it; None turns the rule off.
    *burst*: True for the measured rule, or (count, seconds) pairs; *burst_block*: for how long a burst
    blocks. *stale_tokens*: "accepts" or "refuses" older context tokens of a user. *rotate_tokens*: a new one
    with each message. *message_ids*: "number" or "string" on the wire. *confirms*: whether an accepted send
    is told its message_id. *upload_urls*: "both", "param" or "full_url". *verify_uploads*: decrypt each
    upload and compare size and MD5. *strict*: refuse what breaks the protocol; False: only note it. *clock*:
    the wall clock of windows, quotas and typing. *folder*: where files over 4 MiB lie, the system's
    temporary folder unless given. *tls*: an SSL context to serve https with. *port*: the port
    to listen on, a free one when 0.
    """

    def __init__(
        self,
        *,
        hold: float = HOLD,
        announced_hold_ms: Optional[int] = None,
        cursor: str = "replays",
        batch: Optional[int] = None,
        cursor_field: str = "get_updates_buf",
        quota_limit: Optional[int] = QUOTA,
        window: Optional[float] = WINDOW,
        burst: Union[bool, Sequence[Tuple[int, float]]] = False,
        burst_block: float = 0.0,
        stale_tokens: str = "accepts",
        rotate_tokens: bool = True,
        typing_ttl: float = TYPING_TTL,
        message_ids: str = "number",
        confirms: bool = True,
        upload_urls: str = "both",
        verify_uploads: bool = True,
        folder: Optional[str] = None,
        strict: bool = True,
        clock: Callable[[], float] = time.time,
        tls: Optional[ssl.SSLContext] = None,
        port: int = 0,
    ) -> None:
        pairs = BURST if burst is True else () if burst is False else burst
        limits = Limits(quota_limit, window, pairs, burst_block, stale_tokens)
        self.settings = Settings(
            hold=hold,
            announced_hold_ms=announced_hold_ms,
            cursor_field=cursor_field,
            message_ids=message_ids,
            confirms=confirms,
            typing_ttl=typing_ttl,
            strict=strict,
            upload_urls=upload_urls,
            rotate_tokens=rotate_tokens,
            limits=limits,
        )
        self._world = World(self.settings, Mailbox(cursor, batch), Cdn(verify_uploads, folder), clock)
        self._app = ILinkApp(self._world)
        self._server = LoopbackServer(self._app, self.faults, self._world.recorder, "ilink", tls, port)
        self.faults.on_outage(self._server.go_dark, self._server.start)
        self.token = self.mint_token()
        self._running = False

    def __repr__(self) -> str:
        state = f"at {self.base_url}" if self._running else "stopped"
        return f"<ILinkSim {state} requests={len(self.requests)} violations={len(self.violations)}>"

    # life

    def start(self) -> ILinkSim:
        """Listen; returns when requests are served. Again on a running one changes nothing. The port survives
        a stop.
        """
        if not self._running:
            self.faults.begin()
            self._world.hub.begin()
            self._server.start()
            self._world.base_url = self._server.url
            self._world.cdn.open(self.cdn_base_url)
            self._running = True
        return self

    def stop(self) -> bool:
        """End held polls and stalled answers, close every connection, join every thread. True: all threads
        ended. Idempotent.

        What the users received can still be read, files over 4 MiB excepted.
        """
        if not self._running:
            return True
        self._running = False
        self.faults.interrupt()
        self._world.hub.stop()
        ended = self._server.stop()
        self._world.cdn.close()
        return ended

    def __enter__(self) -> ILinkSim:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def mount(self, prefix: str, app: WsgiApp) -> None:
        """Serve a WSGI application under *prefix* on the same port."""
        self._app.mount(prefix, app)

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Report what happens to *listener* until the returned function is called; see `wxsdk.sim.changes.Listener`.

        The words: "request" (a Seen, when it came and when it was answered), "said" (the WeixinMessage of a user),
        "delivered" (the SimMessage that a user got), "changed" (anything).
        """
        return self._world.hub.listen(listener)

    def export_state(self) -> Dict[str, Any]:
        """Return what a later simulator needs to go on from here, as JSON: port, tokens, users, cursors, messages.

        Holds the bot's tokens, so keep it as one keeps a password. Files on the CDN are not part of it.
        """
        return saved.export_state(self._world, self.token, self._server.server_address[1])

    def import_state(self, state: Dict[str, Any]) -> None:
        """Go on from an exported state. Before start(), and only once; ValueError for what export_state never made."""
        if self._running:
            raise RuntimeError("import_state() comes before start()")
        self.token, port = saved.import_state(self._world, state)
        self._server.server_address = (self._server.server_address[0], port)

    # addresses and credentials

    @property
    def base_url(self) -> str:
        """For WeixinConfig.base_url."""
        return self._server.url

    @property
    def cdn_base_url(self) -> str:
        """For WeixinConfig.cdn_base_url."""
        return f"{self._server.url}/c2c"

    @property
    def token_valid(self) -> bool:
        """Whether `token` is good for everything."""
        with self._world.hub.lock:
            return self._world.tokens.accepts(self.token, polling=True)

    @property
    def secrets(self) -> List[str]:
        """Every token that is good for anything, for those who have to hide them."""
        with self._world.hub.lock:
            return [self.token, *self._world.tokens.all()]

    @property
    def host(self) -> str:
        """Host and port, such as "127.0.0.1:40123"."""
        return self._server.url.partition("://")[2]

    @property
    def bot_id(self) -> str:
        """The bot's own user id."""
        return self._world.bot_id

    def mint_token(self) -> str:
        """Make another valid bot token, as a login elsewhere that unbinds no other one does."""
        with self._world.hub.lock:
            return self._world.tokens.mint()

    def revoke_token(self, token: Optional[str] = None, *, may_send: bool = False) -> None:
        """Make *token*, or every token, stale: calls get -14, a held poll at once. With *may_send* only
        getupdates does.
        """
        with self._world.hub.lock:
            self._world.tokens.revoke(token, may_send)
            self._world.hub.notify()

    def restore_token(self, token: Optional[str] = None) -> None:
        """Make a revoked token valid again, `token` itself unless another is given."""
        with self._world.hub.lock:
            self._world.tokens.restore(self.token if token is None else token)
            self._world.hub.notify()

    # people

    def user(self, user_id: str) -> SimUser:
        """The pretend user of that id, always the same object."""
        return self._world.user(user_id)

    @property
    def conversations(self) -> List[Conversation]:
        """Copies of what the platform knows of the bot and each user: quota, window, typing."""
        with self._world.hub.lock:
            return [replace(talk) for talk in self._world.conversations.values()]

    def progress(self, message_id: Any) -> Tuple[bool, bool]:
        """Whether a user's message was handed to the bot, and whether the bot came back with the cursor behind it."""
        with self._world.hub.lock:
            return self._world.mailbox.progress(message_id)

    def expire_typing_tickets(self) -> None:
        """Every typing ticket given out so far stops being good."""
        with self._world.hub.lock:
            for talk in self._world.conversations.values():
                talk.ticket = None

    # what happened

    @property
    def faults(self) -> Faults:
        """Scripts trouble."""
        return self._world.faults

    @property
    def cdn(self) -> Cdn:
        """The files; ``sim.cdn.put(data).media()`` makes a CDNMedia for messages sent with `SimUser.raw`."""
        return self._world.cdn

    @property
    def requests(self) -> List[Seen]:
        """Every request so far, in order."""
        return self._copy(self._world.recorder.requests)

    @property
    def violations(self) -> List[str]:
        """The breaches of the protocol by the client; empty for a good client."""
        return self._copy(self._world.violations)

    @property
    def refusals(self) -> List[str]:
        """Sends answered -2, each with the rule that refused it."""
        return self._copy(self._world.refusals)

    @property
    def duplicates(self) -> List[SimMessage]:
        """Sends whose client_id had been sent before: answered, not delivered again."""
        return self._copy(self._world.duplicates)

    @property
    def dropped(self) -> List[SimMessage]:
        """Sends that were accepted and never shown: native voices, messages with unknown fields."""
        return self._copy(self._world.dropped)

    @property
    def polls_in_flight(self) -> int:
        """The number of getupdates that are held now."""
        return self._world.recorder.in_flight.get("getupdates", 0)

    @property
    def most_polls_in_flight(self) -> int:
        """The most getupdates held at once so far; a good client has 1."""
        return self._world.recorder.most_in_flight.get("getupdates", 0)

    def most_sends_in_flight(self, user_id: str) -> int:
        """The most sends to one user in progress at once so far; a good client has 1."""
        return self._world.recorder.most_in_flight.get(f"sendmessage:{user_id}", 0)

    def count(self, path: str) -> int:
        """Count the requests for *path*: a whole path or its last part, such as "getupdates"."""
        return self._world.recorder.count(path)

    def wait_for(self, predicate: Callable[[], Any], timeout: float = DEFAULT_WAIT) -> Any:
        """Wait until *predicate* is true, looked at whenever something happens here; AssertionError after
        *timeout*.
        """
        return self._world.recorder.wait_for(predicate, timeout)

    # the QR login: the person with the phone

    @property
    def logins(self) -> List[QrCode]:
        """The QR codes given out so far; `local_tokens` of each is what the client sent along."""
        return self._copy(self._world.logins.codes)

    def scan(self, qrcode: Optional[str] = None, user: str = "alice", timeout: float = DEFAULT_WAIT) -> None:
        """*user* scans the QR code (its id or what it shows), or the newest; waits until there is one."""
        with self._world.hub.lock:
            code = self._code(qrcode, timeout)
            code.user = user
            self._step(code, "scan")

    def confirm(self, *, with_bot_id: bool = True) -> str:
        """The person confirms on the phone; the fresh, valid bot token comes back."""
        with self._world.hub.lock:
            code = self._code()
            token = self._world.tokens.mint()
            code.credentials = {"bot_token": token, "baseurl": self.base_url, "ilink_user_id": code.user}
            if with_bot_id:
                code.credentials["ilink_bot_id"] = self.bot_id
            self._step(code, "confirm")
        return token

    def demand_verify_code(self, verify_code: str) -> None:
        """The phone shows a number that the client has to send."""
        with self._world.hub.lock:
            code = self._code()
            code.verify_code = verify_code
            self._step(code, "demand")

    def block_verify_code(self) -> None:
        """Too many wrong numbers: this QR code is blocked."""
        with self._world.hub.lock:
            self._step(self._code(), "block")

    def expire_qrcode(self) -> None:
        """The QR code gets too old."""
        with self._world.hub.lock:
            self._step(self._code(), "expire")

    def bind_already(self) -> None:
        """The person is connected with this bot already."""
        with self._world.hub.lock:
            self._step(self._code(), "bind")

    def redirect(self, host: str) -> None:
        """The login goes on at *host* (with port), once a status poll comes in with that Host header."""
        with self._world.hub.lock:
            code = self._code()
            code.redirect_host = host
            self._step(code, "redirect")

    def _code(self, qrcode: Optional[str] = None, timeout: float = DEFAULT_WAIT) -> QrCode:
        found: Optional[QrCode] = self.wait_for(lambda: self._world.logins.find(qrcode), timeout)
        assert found is not None
        return found

    def _step(self, code: QrCode, event: str) -> None:
        code.step(event)
        self._world.hub.notify()

    def _copy(self, things: List[T]) -> List[T]:
        with self._world.hub.lock:
            return list(things)
