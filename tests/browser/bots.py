"""Bots for the browser's tests: they answer what a person asks for, on both protocols."""

from __future__ import annotations

import contextlib
import itertools
import threading
from typing import Any, Dict, Iterator

from wxsdk import WeixinClient, WeixinConfig, WSClient, WSClientOptions
from wxsdk.sim.page import Playground

REPORT = """## Weekly report

Sales rose by **12 %**; *two* regions are ~~late~~ on time. See `report.py` or [the dashboard](https://example.com/d).

| Region | Orders | Trend |
|:-------|-------:|:-----:|
| North  |  1,204 |   ↑   |
| South  |    987 |   →   |

```python
def total(rows):
    return sum(row.amount for row in rows)
```

1. Check the **stock**
2. Call the supplier
   - before Friday

> Numbers are preliminary.
"""
HOSTILE = """<b>not bold</b> <script>window.broken = 1</script> <img src=x onerror="window.broken = 1">

[click](javascript:window.broken=1) ![seen](https://pictures.invalid/spy.png)
"""

LINK = {"type": 1, "url": "https://example.com/"}
CARDS: Dict[str, Dict[str, Any]] = {
    "button_interaction": {
        "source": {"desc": "Operations", "desc_color": 3},
        "main_title": {"title": "Deploy version 2.4?", "desc": "All checks have passed."},
        "horizontal_content_list": [{"keyname": "Branch", "value": "main"}, {"keyname": "Author", "value": "alice"}],
        "button_list": [{"text": "Deploy", "key": "go", "style": 1}, {"text": "Not now", "key": "no", "style": 2}],
        "action_menu": {"desc": "Notices", "action_list": [{"text": "Mute", "key": "mute"}]},
    },
    "vote_interaction": {
        "main_title": {"title": "Where do we eat?"},
        "checkbox": {
            "question_key": "place",
            "mode": 1,
            "option_list": [{"id": "noodles", "text": "Noodles"}, {"id": "rice", "text": "Rice"}],
        },
        "submit_button": {"text": "Vote", "key": "vote"},
    },
    "multiple_interaction": {
        "main_title": {"title": "Book a room"},
        "select_list": [
            {
                "question_key": "room",
                "title": "Room",
                "option_list": [{"id": "blue", "text": "Blue"}, {"id": "red", "text": "Red"}],
            },
            {"question_key": "time", "title": "Time", "option_list": [{"id": "9", "text": "9:00"}]},
        ],
        "submit_button": {"text": "Book", "key": "book"},
    },
    "text_notice": {
        "emphasis_content": {"title": "99.98 %", "desc": "uptime"},
        "sub_title_text": "No incident this week.",
        "jump_list": [{"type": 3, "title": "What happened in May?", "question": "incidents in May"}],
        "card_action": LINK,
    },
    "news_notice": {
        "main_title": {"title": "New office"},
        "card_image": {"url": "https://pictures.invalid/office.png", "aspect_ratio": 2.0},
        "vertical_content_list": [{"title": "Fourth floor", "desc": "From Monday on"}],
        "card_action": LINK,
    },
}


class Bots:
    """Both bots of one playground. `go` lets a slow stream go on, `end` lets it end."""

    def __init__(self, page: Playground) -> None:
        environment = page.environment()
        self.go, self.end = threading.Event(), threading.Event()
        self._numbers = itertools.count(1)
        self.ilink = WeixinClient(
            WeixinConfig(
                token=environment["WXSDK_TOKEN"],
                base_url=environment["WXSDK_BASE_URL"],
                cdn_base_url=environment["WXSDK_CDN_BASE_URL"],
            ),
            self._answer_ilink,
        )
        self.aibot = WSClient(
            WSClientOptions(
                bot_id=environment["WXSDK_BOT_ID"],
                secret=environment["WXSDK_SECRET"],
                ws_url=environment["WXSDK_WS_URL"],
            )
        )
        self.aibot.on_message_text(self._answer_text)
        self.aibot.on_message_mixed(lambda frame: self._say(frame, "A text with a picture."))
        self.aibot.on_message_image(lambda frame: self._say(frame, "A picture."))
        self.aibot.on_message_voice(lambda frame: self._say(frame, f"I heard: {frame.body.voice.content}"))
        self.aibot.on_event_enter_chat(self._welcome)
        self.aibot.on_event_template_card_event(self._clicked)

    def _answer_ilink(self, ctx: Any) -> None:
        quoted = f" (about: {ctx.ref_message.body})" if ctx.ref_message else ""
        ctx.reply_text(f"You said: {ctx.body}{quoted}" if ctx.body else f"Got your {ctx.media.kind}.")

    def _answer_text(self, frame: Any) -> None:
        text = frame.body.text.content
        kind = next((kind for kind in CARDS if kind.split("_")[0] in text), None)
        if kind is not None:
            card = {"card_type": kind, "task_id": f"task-{next(self._numbers)}", **CARDS[kind]}
            self.aibot.reply_template_card(frame, card)
        elif "slow" in text:
            self._slowly(frame)
        else:
            self._say(frame, {"report": REPORT, "hostile": HOSTILE}.get(text.split()[-1], f"You said: {text}"))

    def _slowly(self, frame: Any) -> None:
        with self.aibot.open_stream(frame) as stream:
            stream.thinking()
            self.go.wait(20)
            for number in range(60):
                stream.write(f"Line {number} of a long answer.\n\n")
            self.end.wait(20)
            stream.write("The end.")

    def _say(self, frame: Any, text: str) -> None:
        with self.aibot.open_stream(frame, feedback={"id": f"feedback-{next(self._numbers)}"}) as stream:
            stream.write(text)

    def _welcome(self, frame: Any) -> None:
        self.aibot.reply_welcome(frame, {"msgtype": "text", "text": {"content": "Welcome! Ask me for a *report*."}})

    def _clicked(self, frame: Any) -> None:
        event = frame.body.event.template_card_event
        done = {"title": "Done", "desc": f"{frame.body.from_.userid} chose {event.event_key}"}
        card = {"card_type": "text_notice", "main_title": done, "task_id": event.task_id, "card_action": LINK}
        self.aibot.update_template_card(frame, card)


@contextlib.contextmanager
def running(page: Playground) -> Iterator[Bots]:
    """Both bots, connected."""
    bots = Bots(page)
    with bots.ilink, bots.aibot:
        try:
            yield bots
        finally:
            bots.go.set()
            bots.end.set()
