"""Defines template cards: the parts as dataclasses, and builders for the five kinds (docs/protocol/aibot, 5).

    TemplateCard.button_interaction("请审批", buttons=[Button("同意", key="yes", style=1), Button("拒绝", key="no")])

A builder checks its card against every rule at once; a card made field by field is checked when it is sent. Every
field that may be a part may be a plain dict as well.
"""

from __future__ import annotations

import copy
import uuid
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, Dict, List, Optional, Sequence, Union

from ..core.wiretype import WireType, extra_field
from .bodies import Feedback
from .card_rules import check_card
from .inbound import WireEnum


class TemplateCardType(WireEnum):
    """card_type of a card."""

    TEXT_NOTICE = "text_notice"
    NEWS_NOTICE = "news_notice"
    BUTTON_INTERACTION = "button_interaction"
    VOTE_INTERACTION = "vote_interaction"
    MULTIPLE_INTERACTION = "multiple_interaction"


@dataclass
class CardSource(WireType):
    """Who the card is from. desc_color: 0 grey, 1 black, 2 red, 3 green."""

    desc: Optional[str] = None
    icon_url: Optional[str] = None
    desc_color: Optional[int] = None


@dataclass
class MenuAction(WireType):
    """One entry of the menu in a card's corner; key comes back in the click."""

    text: str
    key: str


@dataclass
class ActionMenu(WireType):
    """The menu in a card's corner, with 1 to 3 entries."""

    desc: str
    action_list: List[MenuAction]


@dataclass
class MainTitle(WireType):
    """The title of a card and the line under it."""

    title: Optional[str] = None
    desc: Optional[str] = None


@dataclass
class EmphasisContent(WireType):
    """A figure in large type and what it means."""

    title: Optional[str] = None
    desc: Optional[str] = None


@dataclass
class CardAction(WireType):
    """What a click on the card does. type: 0 nothing, 1 opens url, 2 opens the mini program appid at pagepath."""

    type: int
    url: Optional[str] = None
    appid: Optional[str] = None
    pagepath: Optional[str] = None

    @classmethod
    def to_url(cls, url: str) -> CardAction:
        """Make a click open *url*."""
        return cls(1, url=url)

    @classmethod
    def to_app(cls, appid: str, pagepath: Optional[str] = None) -> CardAction:
        """Make a click open a mini program."""
        return cls(2, appid=appid, pagepath=pagepath)


@dataclass
class QuoteArea(WireType):
    """A quotation. type as of CardAction."""

    title: Optional[str] = None
    quote_text: Optional[str] = None
    type: Optional[int] = None
    url: Optional[str] = None
    appid: Optional[str] = None
    pagepath: Optional[str] = None


@dataclass
class HorizontalContent(WireType):
    """A line "name: value". type: 0 plain, 1 opens url, 3 opens the profile of userid."""

    keyname: str
    value: Optional[str] = None
    type: Optional[int] = None
    url: Optional[str] = None
    userid: Optional[str] = None


@dataclass
class Jump(WireType):
    """A link under the card. type: 0 plain, 1 opens url, 2 opens the mini program appid, 3 asks the bot question."""

    title: str
    type: Optional[int] = None
    url: Optional[str] = None
    appid: Optional[str] = None
    pagepath: Optional[str] = None
    question: Optional[str] = None

    @classmethod
    def to_url(cls, title: str, url: str) -> Jump:
        """Return a link that opens *url*."""
        return cls(title, 1, url=url)

    @classmethod
    def ask(cls, title: str, question: str) -> Jump:
        """Return a link that sends *question* to the bot in the user's name."""
        return cls(title, 3, question=question)


@dataclass
class CardImage(WireType):
    """The picture of a news card. aspect_ratio: width by height, 1.3 to 2.25."""

    url: str
    aspect_ratio: Optional[float] = None


@dataclass
class ImageTextArea(WireType):
    """A picture with text at its right. type as of CardAction."""

    image_url: str
    title: Optional[str] = None
    desc: Optional[str] = None
    type: Optional[int] = None
    url: Optional[str] = None
    appid: Optional[str] = None
    pagepath: Optional[str] = None


@dataclass
class VerticalContent(WireType):
    """A heading with a paragraph."""

    title: str
    desc: Optional[str] = None


@dataclass
class Option(WireType):
    """One possible answer. is_checked: chosen at the start, in votes only."""

    id: str
    text: str
    is_checked: Optional[bool] = None


@dataclass
class Selection(WireType):
    """A drop-down question with 1 to 10 options. disable: greyed out, in updates only."""

    question_key: str
    option_list: List[Option]
    title: Optional[str] = None
    selected_id: Optional[str] = None
    disable: Optional[bool] = None


@dataclass
class Checkbox(WireType):
    """The question of a vote with 1 to 20 options. mode: 0 one answer, 1 several."""

    question_key: str
    option_list: List[Option]
    mode: Optional[int] = None
    disable: Optional[bool] = None


@dataclass
class Button(WireType):
    """A button. key comes back in the click; style: 1 to 4."""

    text: str
    key: str
    style: Optional[int] = None


@dataclass
class SubmitButton(WireType):
    """The button that sends the answers of a vote or a form."""

    text: str = "提交"
    key: str = "submit"


_INTERACTIVE = ("button_interaction", "vote_interaction", "multiple_interaction")

Part = Union[WireType, Dict[str, Any]]


@dataclass
class TemplateCard(WireType):
    """A card. The builders (``text_notice`` …) make and check one; further fields go in by their wire names."""

    card_type: str
    main_title: Optional[MainTitle] = None
    source: Optional[CardSource] = None
    action_menu: Optional[ActionMenu] = None
    emphasis_content: Optional[EmphasisContent] = None
    quote_area: Optional[QuoteArea] = None
    sub_title_text: Optional[str] = None
    horizontal_content_list: Optional[List[HorizontalContent]] = None
    jump_list: Optional[List[Jump]] = None
    card_action: Optional[CardAction] = None
    card_image: Optional[CardImage] = None
    image_text_area: Optional[ImageTextArea] = None
    vertical_content_list: Optional[List[VerticalContent]] = None
    button_selection: Optional[Selection] = None
    button_list: Optional[List[Button]] = None
    checkbox: Optional[Checkbox] = None
    select_list: Optional[List[Selection]] = None
    submit_button: Optional[SubmitButton] = None
    task_id: Optional[str] = None
    feedback: Optional[Feedback] = None
    extra: Dict[str, Any] = extra_field()

    # No field: it never goes over the wire. An update replaces a made-up task_id by that of the click.
    task_id_is_made_up = False

    @classmethod
    def text_notice(
        cls, title: Optional[str] = None, desc: Optional[str] = None, *, card_action: Union[str, Part], **fields: Any
    ) -> TemplateCard:
        """Return a notice. *card_action*: a URL, or a CardAction. Needs *title* or ``sub_title_text=``."""
        return cls._built("text_notice", title, desc, card_action=_action(card_action), **fields)

    @classmethod
    def news_notice(
        cls, title: str, desc: Optional[str] = None, *, card_action: Union[str, Part], **fields: Any
    ) -> TemplateCard:
        """Return a notice with a picture (``card_image=CardImage(url)``). *card_action*: a URL, or a CardAction."""
        return cls._built("news_notice", title, desc, card_action=_action(card_action), **fields)

    @classmethod
    def button_interaction(
        cls,
        title: str,
        desc: Optional[str] = None,
        *,
        buttons: Sequence[Part],
        task_id: Optional[str] = None,
        **fields: Any,
    ) -> TemplateCard:
        """Return a card with 1 to 6 buttons. *task_id* is made up when there is none."""
        return cls._built("button_interaction", title, desc, button_list=list(buttons), task_id=task_id, **fields)

    @classmethod
    def vote_interaction(
        cls,
        title: Optional[str] = None,
        desc: Optional[str] = None,
        *,
        checkbox: Part,
        submit: Optional[Part] = None,
        task_id: Optional[str] = None,
        **fields: Any,
    ) -> TemplateCard:
        """Return a vote on the question *checkbox*. *submit* is a button "提交" by default; *task_id* as above."""
        fields.update(checkbox=checkbox, submit_button=submit or SubmitButton(), task_id=task_id)
        return cls._built("vote_interaction", title, desc, **fields)

    @classmethod
    def multiple_interaction(
        cls,
        title: Optional[str] = None,
        desc: Optional[str] = None,
        *,
        selects: Sequence[Part],
        submit: Optional[Part] = None,
        task_id: Optional[str] = None,
        **fields: Any,
    ) -> TemplateCard:
        """Return a form of 1 to 3 drop-down questions *selects*. *submit* and *task_id* as above."""
        fields.update(select_list=list(selects), submit_button=submit or SubmitButton(), task_id=task_id)
        return cls._built("multiple_interaction", title, desc, **fields)

    def check(self) -> Dict[str, Any]:
        """Return the wire form. Raises ConfigError or LimitExceeded, naming the field, for a refused one."""
        return check_card(self)

    @classmethod
    def _built(cls, kind: str, title: Optional[str], desc: Optional[str], **fields: Any) -> TemplateCard:
        if title is not None or desc is not None:
            fields["main_title"] = MainTitle(title, desc)
        card = cls(kind, **fields)
        clickable = kind in _INTERACTIVE or card.action_menu is not None
        if clickable and card.task_id is None:
            card.task_id = new_task_id()
            card.task_id_is_made_up = True
        card.check()
        return card


def _action(action: Union[str, Part]) -> Part:
    return CardAction.to_url(action) if isinstance(action, str) else action


def new_task_id() -> str:
    """Return a task_id that no other card has."""
    return f"task_{uuid.uuid4().hex}"


class CardCache:
    """The last *limit* cards sent, by task_id, so that a click's handler can update the very card. Not thread-safe."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._cards: OrderedDict[str, Dict[str, Any]] = OrderedDict()

    def remember(self, wire_card: Dict[str, Any]) -> None:
        """Keep a copy of a card that was sent; one without task_id cannot be clicked and is not kept."""
        task_id = wire_card.get("task_id")
        if not isinstance(task_id, str) or not task_id:
            return
        self._cards[task_id] = copy.deepcopy(wire_card)
        self._cards.move_to_end(task_id)
        if len(self._cards) > self._limit:
            self._cards.popitem(last=False)

    def find(self, task_id: Optional[str]) -> Optional[TemplateCard]:
        """Return a fresh copy of the card, None when it is not known (any more)."""
        wire = self._cards.get(task_id) if task_id else None
        return None if wire is None else TemplateCard.from_dict(copy.deepcopy(wire))

    def __len__(self) -> int:
        return len(self._cards)
