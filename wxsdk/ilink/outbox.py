"""Outbox: messages to users that cannot go out now, kept in the store until they can."""

from __future__ import annotations

import os
import random
import secrets
from pathlib import Path
from typing import Any, Dict, List, Optional

from ..core.outbox_rules import Entry, OutboxItem, Sent, Verdict
from ..errors import WxError
from ..runtime.clock import Clock
from ..runtime.files import PathLike, SourceFile
from ..runtime.outbox_worker import Keep, OutboxCalls, Postbox
from ..runtime.store import Store
from .config import WeixinConfig
from .endpoints import new_client_id
from .frames_out import check_recipient
from .outbox_rules import Attempt, Payload, after_failure, is_refusal, payload_of
from .send_limits import Allowance
from .sending import Sender
from .tables import OUTBOX
from .tokens import ContextTokenStore


class Outbox(OutboxCalls):
    """``client.outbox``, off unless ``WeixinConfig(outbox=True)``.

    A message is written to the store and goes out as soon as the client is started and the platform takes it: at once,
    when the network is back, when the user writes again and so opens a new window. Messages to one user go out in the
    order of the calls; those to others do not wait for them, and neither do direct sends (``client.send_text``), which
    use up the same quota. With a durable store they outlive the process, and under their client_id, which is chosen
    when they are stored, none arrives twice. What waits longer than outbox_max_age, or is refused for good, goes to
    ``MessageHandler.on_outbox_given_up``.
    """

    def __init__(self, box: Postbox, sender: Sender, config: WeixinConfig, clock: Clock) -> None:
        super().__init__(box)
        self._sender = sender
        self._config = config
        self._clock = clock

    def send_text(self, to: str, text: str) -> OutboxItem:
        """Take in *text* for the user *to*, in several messages when it is long, and return at once.

        Raises, before anything is stored, ConfigError or Unsupported as ``client.send_text`` does, LimitExceeded when
        outbox_max_count messages wait, and what the store raises.
        """
        self._box.check_enabled()
        items = self._sender.text_items(text)
        return self._put(check_recipient(to), "text", items)

    def send_media(self, to: str, path: PathLike, caption: Optional[str] = None) -> OutboxItem:
        """Take in a file for the user *to*, with a text before it, and return at once.

        Only the path is kept: the file must still be there, with what is to be sent, when its turn comes; one that
        cannot be read then is given up. Raises as ``send_text`` does, and UploadFailed when it cannot be read now.
        """
        self._box.check_enabled()
        check_recipient(to)
        items = [] if caption in (None, "") else self._sender.text_items(caption, name="caption")
        with SourceFile(path):
            return self._put(to, "media", items, str(Path(os.path.abspath(path))))

    def _put(self, to: str, kind: str, items: List[Dict[str, Any]], path: Optional[str] = None) -> OutboxItem:
        now_ms = int(self._clock.wall() * 1000)
        prefix = self._config.client_id_prefix
        count = len(items) + (path is not None)
        ids = [new_client_id(prefix, now_ms, secrets.token_hex(4)) for _ in range(count)]
        return self._box.put(to, kind, payload_of(items, ids, path))


class Delivery:
    """One try of a stored message, for the thread of the outbox."""

    def __init__(self, sender: Sender, tokens: ContextTokenStore, allowance: Allowance, config: WeixinConfig) -> None:
        self._sender = sender
        self._tokens = tokens
        self._allowance = allowance
        self._config = config

    def __call__(self, entry: Entry, row: int, keep: Keep) -> Verdict:
        """Send what is left of *entry*. Raises what the store raises."""
        entry.attempts += 1
        steps: List[Payload] = entry.payload["steps"]
        try:
            self._upload(entry.to, steps[-1], keep)
        except WxError as error:
            return self._after(error, entry, row, outdated=False)
        while steps:
            step, newest = steps[0], self._tokens.get(entry.to) or ""
            if "token" not in step:
                # Before the try, so that a process killed in it makes the very same try again.
                step["token"] = str(newest)
                keep()
            try:
                self._sender.send_once(entry.to, step["item"], step["client_id"], step["token"] or None)
            except WxError as error:
                outdated = step["token"] != newest
                if is_refusal(error):
                    del step["token"]
                return self._after(error, entry, row, outdated)
            del steps[0]
            entry.failures = 0
        return Sent()

    def _upload(self, to: str, step: Payload, keep: Keep) -> None:
        if "item" in step:
            return
        step["item"] = self._sender.upload_item(to, step["path"])
        keep()

    def _after(self, error: WxError, entry: Entry, row: int, outdated: bool) -> Verdict:
        quota = self._allowance.quota(entry.to)
        attempt = Attempt(
            failures=entry.failures + 1,
            row=row + 1,
            closed=quota.remaining == 0 or quota.window_left == 0,
            outdated=outdated,
            unit=random.random(),
        )
        config = self._config
        return after_failure(
            error, attempt, retry_delay=config.send_retry_delay, stale_token_pause=config.stale_token_pause
        )


def make_outbox(
    store: Store,
    config: WeixinConfig,
    clock: Clock,
    sender: Sender,
    tokens: ContextTokenStore,
    allowance: Allowance,
) -> Postbox:
    """The box of one client, without what it offers to users."""
    return Postbox(
        store,
        OUTBOX,
        clock,
        enabled=config.outbox,
        setting="outbox=True in WeixinConfig",
        max_age=config.outbox_max_age,
        max_count=config.outbox_max_count,
        deliver=Delivery(sender, tokens, allowance, config),
    )
