"""One streamed answer against a platform that behaves as docs/protocol/aibot, 4 says."""

from __future__ import annotations

import base64
import hashlib
import random
from typing import Any, Callable, Dict, List, Optional, Tuple

import pytest

from wxsdk.aibot.bodies import ReplyMsgItem, markdown_body
from wxsdk.aibot.checks import MAX_CONTENT_BYTES, check_push, check_reply
from wxsdk.aibot.errors import error_for
from wxsdk.aibot.stream_notices import StreamNotices
from wxsdk.aibot.stream_rules import Done, Pace, Push, SendFrame, StreamOutcome, StreamState, WaitUntil
from wxsdk.aibot.stream_text import is_visible, utf8_len
from wxsdk.errors import AckTimeout, ApiError, ConfigError, ConnectionLost, LimitExceeded, WxError

EXPIRED = error_for(846608, "expired")
OVER = error_for(846604, "over")
RATE = error_for(45009, "too fast")
CONFLICT = error_for(6000, "conflict")
SPAM = error_for(40201, "spam")
LOST = ConnectionLost("gone", may_have_been_sent=True)
UNSENT = ConnectionLost("gone", may_have_been_sent=False)
TIMEOUT = AckTimeout("no ack")
NOTICES = StreamNotices()
PNG = b"\x89PNG\r\n\x1a\n" + b"0" * 20


class Platform:
    """What a user finally sees. ``answers`` scripts the results of the coming frames; None or nothing: accepted."""

    def __init__(self) -> None:
        self.shown: Dict[str, str] = {}
        self.finished: List[str] = []
        self.unsure: List[str] = []
        self.pushed: List[str] = []
        self.replied: List[str] = []
        self.times: List[float] = []
        self.history: List[Tuple[str, str, bool]] = []
        self.feedback: List[Any] = []
        self.pictures: List[Any] = []
        self.answers: List[Optional[WxError]] = []

    def take(self, action: Any, now: float) -> Optional[WxError]:
        error = self.answers.pop(0) if self.answers else None
        self.times.append(now)
        if isinstance(action, Push):
            check_push(markdown_body(action.text))
            if error is None:
                self.pushed.append(action.text)
            return error
        check_reply(action.body)
        if action.body["msgtype"] == "markdown":
            if error is None:
                self.replied.append(action.body["markdown"]["content"])
            return error
        stream = action.body["stream"]
        assert stream["finish"] is action.final
        if stream["id"] in self.finished:
            assert stream["id"] in self.unsure, "a frame after the last one"
            return EXPIRED
        if getattr(error, "may_have_been_sent", False):
            self.unsure.append(stream["id"])
        self.history.append((stream["id"], stream["content"], stream["finish"]))
        if "feedback" in stream:
            self.feedback.append(stream["feedback"])
        if error is None or getattr(error, "may_have_been_sent", False):
            self._apply(stream)
        return error

    def _apply(self, stream: Dict[str, Any]) -> None:
        name = stream["id"]
        if stream["finish"]:
            assert self.shown.get(name) != stream["content"], "a final frame equal to the one before is dropped"
            assert is_visible(stream["content"]), "an invisible last frame leaves the chat thinking"
            self.finished.append(name)
            self.pictures += stream.get("msg_item", [])
        self.shown[name] = stream["content"]

    @property
    def texts(self) -> List[str]:
        return [self.shown[name] for name in self.shown]

    @property
    def thinking(self) -> bool:
        return any(name not in self.finished for name in self.shown)


class Stage:
    """A stream, a platform and a clock."""

    def __init__(self, **settings: Any) -> None:
        self.platform = Platform()
        pace = Pace(**{name: settings.pop(name) for name in Pace._fields if name in settings})
        self.state = StreamState("s1", **{"chat": "wr1", "pace": pace, **settings})
        self.now = 0.0

    def run(self, until: Optional[float] = None) -> Optional[StreamOutcome]:
        """Carry out actions: with *until* up to that time, else until nothing is due now."""
        for _ in range(10_000):
            action = self.state.next_action(self.now)
            if isinstance(action, Done):
                return action.outcome
            if isinstance(action, WaitUntil):
                if until is None or action.at is None or action.at > until:
                    self.now = max(self.now, until or 0.0)
                    return None
                assert action.at > self.now, "waiting for the past would spin"
                self.now = action.at
                continue
            self.state.on_result(self.platform.take(action, self.now), self.now)
        raise AssertionError("it never comes to rest")

    def end(self, text: Optional[str] = None, msg_item: Any = None) -> StreamOutcome:
        self.state.finish(text, msg_item)
        outcome = self.run(until=self.now + 100)
        assert outcome is not None
        return outcome


def test_a_short_answer_arrives_whole() -> None:
    stage = Stage()
    for token in ("你", "好", "，世界", "。\n"):
        stage.state.write(token)
        stage.run()
        stage.now += 0.1
    outcome = stage.end()
    assert (outcome.state, outcome.rescued, outcome.error) == ("delivered", False, None)
    assert stage.platform.texts == ["你好，世界。\n"]
    assert stage.platform.finished == ["s1"]
    assert outcome.frames == len(stage.platform.history)


def test_an_answer_written_at_once_is_one_frame() -> None:
    stage = Stage()
    stage.state.write("done")
    assert stage.end() == StreamOutcome("delivered", frames=1)
    assert stage.platform.history == [("s1", "done", True)]


def test_it_never_floods_and_the_newest_text_wins() -> None:
    stage = Stage(interval=0.3)
    for number in range(1000):
        stage.state.write(f"w{number} ")
        stage.run()
        stage.now += 0.01
    stage.end()
    gaps = [after - before for before, after in zip(stage.platform.times, stage.platform.times[1:])]
    assert min(gaps[:-1]) >= 0.299
    assert len(gaps) <= 36
    assert stage.platform.texts == ["".join(f"w{number} " for number in range(1000))]


def test_one_frame_is_in_flight_at_most() -> None:
    state = StreamState("s1")
    state.write("hello")
    assert isinstance(state.next_action(0.0), SendFrame)
    state.write(" world")
    assert state.next_action(5.0) == WaitUntil(None)
    state.finish()
    assert state.next_action(5.0) == WaitUntil(None)
    state.on_result(None, 5.0)
    action = state.next_action(5.0)
    assert isinstance(action, SendFrame)
    assert action.body["stream"] == {"id": "s1", "finish": True, "content": "hello world"}


def test_snapshots_hold_the_last_visible_character_back() -> None:
    stage = Stage()
    stage.state.write("Hello\n")
    stage.run()
    assert stage.platform.history == [("s1", "Hell", False)]
    stage.end()
    assert stage.platform.texts == ["Hello\n"]


def test_a_shorter_replacement_differs_by_an_invisible_character() -> None:
    stage = Stage()
    stage.state.write("Hello")
    stage.run()
    stage.end("Hell")
    assert stage.platform.texts == ["Hell\u200b"]


def test_replace_shows_the_new_text() -> None:
    stage = Stage()
    stage.state.write("searching…")
    stage.run()
    stage.now += 1
    stage.state.replace("found it")
    stage.run()
    assert stage.end().state == "delivered"
    assert stage.platform.texts == ["found it"]


def test_thinking_is_shown_until_there_is_text() -> None:
    stage = Stage()
    stage.state.thinking()
    stage.run()
    assert stage.platform.texts == ["<think></think>"]
    stage.now += 1
    stage.state.write("answer")
    stage.run()
    assert stage.platform.texts == ["answe"]
    stage.end()
    assert stage.platform.texts == ["answer"]


@pytest.mark.parametrize("text", ["", "  ", "<think>hm</think>", "<think>hm"])
def test_an_answer_of_thoughts_alone_becomes_visible(text: str) -> None:
    stage = Stage()
    stage.state.thinking()
    stage.run()
    stage.state.write(text)
    assert stage.end().state == "delivered"
    assert stage.platform.texts[0].endswith(NOTICES.empty)
    assert not stage.platform.thinking


def test_thoughts_alone_without_a_frame_before_become_visible_too() -> None:
    stage = Stage()
    stage.state.write("<think>hm</think>")
    stage.end()
    assert is_visible(stage.platform.texts[0])


def test_an_answer_of_nothing_sends_nothing() -> None:
    stage = Stage()
    assert stage.end() == StreamOutcome("delivered", frames=0)
    assert stage.platform.history == []


def test_finishing_while_the_first_frame_is_in_flight_still_ends_it() -> None:
    state = StreamState("s1")
    state.thinking()
    state.next_action(0.0)
    state.finish()
    state.on_result(None, 0.1)
    action = state.next_action(0.1)
    assert isinstance(action, SendFrame)
    assert action.body["stream"]["content"] == NOTICES.empty


def test_pictures_go_with_the_last_frame_only() -> None:
    stage = Stage()
    stage.state.write("look")
    stage.run()
    stage.end(msg_item=[ReplyMsgItem.of(PNG)])
    picture = {"base64": base64.b64encode(PNG).decode(), "md5": hashlib.md5(PNG).hexdigest()}
    assert stage.platform.pictures == [{"msgtype": "image", "image": picture}]
    assert stage.platform.texts == ["look"]


def test_pictures_alone_get_a_word() -> None:
    stage = Stage()
    stage.end(msg_item=[ReplyMsgItem.of(PNG)])
    assert stage.platform.texts == [NOTICES.pictures]


def test_odd_pictures_leave_the_stream_open() -> None:
    stage = Stage()
    stage.state.write("x")
    with pytest.raises(LimitExceeded):
        stage.state.finish(msg_item=[ReplyMsgItem.of(PNG)] * 11)
    stage.state.write("y")
    stage.end()
    assert stage.platform.texts == ["xy"]


def test_feedback_goes_with_the_first_frame_alone() -> None:
    stage = Stage(feedback={"id": "f1"})
    for _ in range(3):
        stage.state.write("word ")
        stage.run()
        stage.now += 1
    stage.end("x" * 30_000)
    assert stage.platform.feedback == [{"id": "f1"}]
    assert len(stage.platform.history[0]) == 3


def test_feedback_goes_again_when_the_first_frame_was_never_sent() -> None:
    stage = Stage(feedback={"id": "f1"})
    stage.platform.answers = [UNSENT]
    stage.state.write("word ")
    stage.run()
    stage.end()
    assert stage.platform.feedback == [{"id": "f1"}, {"id": "f1"}]


def test_bad_feedback_is_refused_at_once() -> None:
    with pytest.raises(LimitExceeded):
        StreamState("s1", feedback={"id": "f" * 257})


@pytest.mark.parametrize("move", [lambda s: s.write("x"), lambda s: s.replace("x"), lambda s: s.thinking()])
def test_a_finished_stream_takes_no_more(move: Callable[[StreamState], None]) -> None:
    state = StreamState("s1")
    state.finish("done")
    state.finish("twice")
    with pytest.raises(ConfigError, match="finished"):
        move(state)


@pytest.mark.parametrize("text", [None, 5, b"x"])
def test_text_is_a_str(text: Any) -> None:
    with pytest.raises(ConfigError):
        StreamState("s1").write(text)
    with pytest.raises(ConfigError):
        StreamState("s1").replace(text)


# -- long answers ----------------------------------------


def plain(texts: List[str]) -> str:
    return "".join("".join(texts).split())


@pytest.mark.parametrize("unit", ["word and word. ", "一句中文的话。", "line\n", "para\n\n", "x"])
def test_a_long_answer_goes_on_in_further_messages(unit: str) -> None:
    stage, whole = Stage(), unit * (60_000 // len(unit.encode()))
    for place in range(0, len(whole), 500):
        stage.state.write(whole[place : place + 500])
        stage.run()
        stage.now += 0.31
    outcome = stage.end()
    assert outcome.state == "delivered"
    assert plain(stage.platform.texts) == plain([whole])
    assert 3 <= len(stage.platform.texts) <= 4
    assert all(utf8_len(text) <= MAX_CONTENT_BYTES for _, text, _ in stage.platform.history)
    assert list(stage.platform.shown) == stage.platform.finished
    assert stage.platform.finished[:3] == ["s1", "s1_2", "s1_3"]


def test_what_was_shown_does_not_move_to_another_message() -> None:
    stage, chance = Stage(), random.Random(5)
    words = ["字" * chance.randrange(1, 9) + chance.choice(["。", " ", "\n", "\n\n"]) for _ in range(6000)]
    for word in words:
        stage.state.write(word)
        stage.run()
        stage.now += 0.05
    stage.end()
    final = stage.platform.shown
    assert len(final) >= 3
    for name, content, _ in stage.platform.history:
        assert final[name].startswith(content)


def test_code_is_closed_and_reopened_between_messages() -> None:
    stage, lines = Stage(), [f"print({number})\n" for number in range(4000)]
    stage.state.write("Code:\n```python\n")
    for line in lines:
        stage.state.write(line)
        stage.run()
        stage.now += 0.02
    stage.state.write("```\nDone.")
    stage.end()
    assert len(stage.platform.texts) >= 3
    for text in stage.platform.texts:
        assert text.count("```") == 2
    assert all(sum(line in text for text in stage.platform.texts) == 1 for line in lines[100::371])
    assert stage.platform.texts[1].startswith("```python\nprint(")


def test_a_long_thought_does_not_leave_the_chat_thinking() -> None:
    stage = Stage()
    stage.state.write("<think>")
    for number in range(12_000):
        stage.state.write(f"{number} ")
        if number % 100 == 0:
            stage.run()
            stage.now += 1
    stage.state.write("</think>The answer is 42.")
    assert stage.end().state == "delivered"
    assert not stage.platform.thinking
    assert len(stage.platform.texts) == 1
    assert stage.platform.texts[0].endswith("</think>The answer is 42.")


def test_white_space_alone_makes_no_message() -> None:
    stage = Stage()
    stage.state.write("\n" * 50_000 + "x")
    assert stage.end().state == "delivered"
    assert [text.strip() for text in stage.platform.texts] == ["x"]


# -- time ----------------------------------------


def test_a_silent_stream_is_kept_alive() -> None:
    stage = Stage()
    stage.state.write("working")
    stage.run(until=500.0)
    assert stage.platform.times == [0.0, 1.0, 241.0, 481.0]
    assert stage.platform.texts == ["working"]


def test_how_long_a_stream_is_silent_and_lives_can_be_set() -> None:
    stage = Stage(keepalive=100.0, life=250.0)
    stage.state.write("working")
    stage.run(until=500.0)
    assert stage.platform.times == [0.0, 1.0, 101.0, 201.0, 250.0]
    assert not stage.platform.thinking


def test_nothing_is_kept_alive_before_anything_was_shown() -> None:
    stage = Stage()
    stage.run(until=5000.0)
    assert stage.platform.history == []


def test_a_stream_ends_before_the_platform_ends_it_and_the_answer_follows_as_one_push() -> None:
    stage = Stage()
    stage.state.write("half an answer")
    stage.run(until=2000.0)
    assert stage.platform.times[-1] == 570.0
    assert not stage.platform.thinking
    assert stage.platform.texts == ["half an answe\n\n" + NOTICES.later]
    stage.state.write(" and the other half")
    stage.run(until=2100.0)
    assert stage.platform.pushed == []
    outcome = stage.end()
    assert (outcome.state, outcome.rescued) == ("delivered", True)
    assert stage.platform.pushed == ["half an answer and the other half"]


def test_thinking_for_too_long_ends_with_a_word() -> None:
    stage = Stage()
    stage.state.thinking()
    stage.run(until=600.0)
    assert stage.platform.texts == [NOTICES.later]
    stage.end("late but here")
    assert stage.platform.pushed == ["late but here"]


def test_each_message_has_its_own_life() -> None:
    stage = Stage()
    stage.state.write("字" * 6000)
    stage.run(until=400.0)
    stage.state.write("字" * 6000)
    stage.run(until=900.0)
    assert stage.platform.finished == ["s1"]
    assert stage.end().rescued is False


# -- trouble ----------------------------------------


@pytest.mark.parametrize("error", [EXPIRED, OVER])
def test_an_expired_stream_is_rescued_by_one_push(error: WxError) -> None:
    stage = Stage()
    stage.state.write("first ")
    stage.run()
    stage.now += 1
    stage.platform.answers = [error]
    stage.state.write("second ")
    stage.run()
    frames = len(stage.platform.history)
    stage.state.write("third")
    stage.run(until=stage.now + 1000)
    assert len(stage.platform.history) == frames
    outcome = stage.end()
    assert (outcome.state, outcome.rescued, outcome.error) == ("delivered", True, None)
    assert stage.platform.pushed == ["first second third"]


def test_expiry_found_by_the_last_frame_is_rescued_too() -> None:
    stage = Stage()
    stage.state.write("answer")
    stage.run()
    stage.platform.answers = [EXPIRED]
    outcome = stage.end()
    assert (outcome.state, outcome.rescued) == ("delivered", True)
    assert stage.platform.pushed == ["answer"]


def test_a_long_rescue_takes_several_pushes() -> None:
    stage = Stage()
    stage.platform.answers = [EXPIRED]
    stage.state.write("start")
    stage.run()
    stage.end("一句中文的话。" * 3000)
    assert len(stage.platform.pushed) == 4
    assert plain(stage.platform.pushed) == "一句中文的话。" * 3000


def test_messages_that_arrived_are_not_pushed_again() -> None:
    stage = Stage()
    stage.state.write("字" * 7000)
    stage.run()
    stage.now += 1
    stage.platform.answers = [EXPIRED]
    stage.run()
    stage.state.write("尾")
    assert stage.end().rescued
    assert plain([stage.platform.texts[0], *stage.platform.pushed]) == "字" * 7000 + "尾"


def test_without_a_chat_nothing_can_be_rescued() -> None:
    stage = Stage(chat="")
    stage.platform.answers = [EXPIRED]
    stage.state.write("answer")
    assert stage.end() == StreamOutcome("failed", False, 1, EXPIRED)


@pytest.mark.parametrize(("error", "state"), [(SPAM, "failed"), (TIMEOUT, "unknown"), (LOST, "unknown")])
def test_a_rescue_that_fails_says_so(error: WxError, state: str) -> None:
    stage = Stage()
    stage.platform.answers = [EXPIRED, error]
    stage.state.write("answer")
    assert stage.end() == StreamOutcome(state, True, 2, error)


@pytest.mark.parametrize("error", [TIMEOUT, LOST, UNSENT, CONFLICT, RATE])
def test_a_lost_snapshot_is_made_good(error: WxError) -> None:
    stage = Stage()
    stage.platform.answers = [error]
    stage.state.write("hello")
    stage.run()
    stage.run(until=5.0)
    assert stage.platform.texts == ["hello"]
    assert len(stage.platform.times) == 2
    assert stage.platform.times[1] >= 1.0
    assert stage.end().state == "delivered"


def test_rate_limits_slow_the_stream_down() -> None:
    stage = Stage(interval=1.0)
    stage.platform.answers = [RATE, RATE]
    for number in range(40):
        stage.state.write(f"{number} ")
        stage.run(until=stage.now + 0.5)
    gaps = [round(after - before, 3) for before, after in zip(stage.platform.times, stage.platform.times[1:])]
    assert gaps[:3] == [2.0, 4.0, 4.0]


def test_a_refusal_stops_the_snapshots_and_the_last_frame_is_tried_once() -> None:
    stage = Stage()
    stage.platform.answers = [SPAM, SPAM]
    stage.state.write("hello")
    stage.run()
    stage.state.write(" world")
    stage.run(until=300.0)
    assert len(stage.platform.history) == 1
    assert stage.end() == StreamOutcome("delivered", True, 3)
    assert stage.platform.replied == ["hello world"]


def test_a_refused_first_snapshot_does_not_doom_the_answer() -> None:
    stage = Stage()
    stage.platform.answers = [error_for(40058, "bad")]
    stage.state.write("hello")
    stage.run()
    assert stage.end().state == "delivered"


@pytest.mark.parametrize("errors", [[RATE], [CONFLICT, CONFLICT], [UNSENT, UNSENT], [error_for(846609, "x")]])
def test_the_last_frame_is_tried_again_where_that_helps(errors: List[WxError]) -> None:
    stage = Stage()
    stage.state.write("hello")
    stage.run()
    stage.platform.answers = [*errors]
    assert stage.end().state == "delivered"
    assert stage.platform.texts == ["hello"]


def test_the_last_frame_is_not_tried_for_ever() -> None:
    stage = Stage()
    stage.platform.answers = [CONFLICT] * 3
    stage.state.write("hello")
    assert stage.end() == StreamOutcome("delivered", True, 4)
    assert stage.platform.times == [0.0, 1.0, 3.0, 3.0]
    assert stage.platform.replied == ["hello"]


def test_after_a_rate_limit_the_answer_goes_later_than_the_minute_that_the_platform_counts_in() -> None:
    stage = Stage()
    stage.platform.answers = [RATE] * 4
    stage.state.write("hello")
    assert stage.end() == StreamOutcome("delivered", False, 5)
    assert stage.platform.times == [0.0, 2.0, 10.0, 30.0, 70.0]
    assert "late" in str(stage.state.trouble)
    stage = Stage()
    stage.platform.answers = [RATE] * 9
    stage.state.write("hello")
    assert stage.end() == StreamOutcome("failed", False, 5, RATE)


def test_a_last_frame_without_ack_is_unknown() -> None:
    stage = Stage()
    stage.platform.answers = [TIMEOUT]
    stage.state.write("hello")
    assert stage.end() == StreamOutcome("unknown", False, 1, TIMEOUT)


def test_a_last_frame_lost_with_the_connection_goes_once_more_so_that_no_chat_is_left_thinking() -> None:
    state = StreamState("s1", "wr1")
    state.write("hello")
    state.finish()
    first = state.next_action(0.0)
    state.on_result(LOST, 0.0)
    assert state.next_action(0.5) == WaitUntil(1.0)
    assert state.next_action(1.0) == first
    state.on_result(None, 1.0)
    assert state.outcome == StreamOutcome("delivered", False, 2)


def test_a_second_try_refused_since_the_first_arrived_is_unknown_and_pushes_nothing() -> None:
    state = StreamState("s1", "wr1")
    state.write("hello")
    state.finish()
    state.next_action(0.0)
    state.on_result(LOST, 0.0)
    state.next_action(1.0)
    state.on_result(EXPIRED, 1.0)
    assert state.outcome == StreamOutcome("unknown", False, 2, LOST)


def test_a_part_without_ack_makes_the_whole_unknown() -> None:
    stage = Stage()
    stage.platform.answers = [TIMEOUT]
    outcome = stage.end("字" * 10_000)
    assert (outcome.state, outcome.error) == ("unknown", TIMEOUT)
    assert plain(stage.platform.texts) == "字" * 10_000


def test_the_whole_text_of_a_refused_part_and_what_follows_it_is_pushed() -> None:
    stage = Stage()
    stage.platform.answers = [SPAM]
    assert stage.end("字" * 10_000) == StreamOutcome("delivered", True, 3)
    assert plain(stage.platform.pushed) == "字" * 10_000


# -- a block that raises ----------------------------------------


def test_a_broken_answer_ends_with_what_there_is_and_a_notice() -> None:
    stage = Stage()
    stage.state.write("so far\n```py\ncode")
    stage.run()
    stage.state.fail()
    stage.run()
    assert stage.platform.texts == [f"so far\n```py\ncode\n```\n\n{NOTICES.broken}"]
    assert not stage.platform.thinking
    stage.state.fail()
    stage.state.finish()


def test_a_block_that_raises_before_any_text_leaves_no_chat_thinking() -> None:
    stage = Stage()
    stage.state.thinking()
    stage.run()
    stage.state.fail()
    stage.run()
    assert stage.platform.texts == [NOTICES.broken]


@pytest.mark.parametrize("thinking", [True, False])
def test_an_answer_that_breaks_off_before_anything_was_shown_says_nothing(thinking: bool) -> None:
    stage = Stage()
    if thinking:
        stage.state.thinking()
    stage.state.fail()
    outcome = stage.run()
    assert outcome is not None
    assert (outcome.state, outcome.frames, stage.platform.history) == ("failed", 0, [])
    assert "nothing was sent" in str(outcome.error)


@pytest.mark.parametrize("end", [StreamState.fail, StreamState.finish])
def test_a_thinking_sign_that_never_left_needs_no_notice_on_the_next_connection(end: Any) -> None:
    state = StreamState("s1", "wr1")
    state.thinking()
    assert isinstance(state.next_action(0.0), SendFrame)
    end(state)
    state.on_result(UNSENT, 0.1)
    assert isinstance(state.next_action(100.0), Done)
    assert state.outcome is not None
    assert state.outcome.frames == 0


@pytest.mark.parametrize("refusal", [SPAM, OVER], ids=["refused", "too late"])
def test_a_refused_thinking_sign_is_followed_by_no_notice_and_is_a_failure(refusal: WxError) -> None:
    stage = Stage()
    stage.platform.answers = [refusal]
    stage.state.thinking()
    stage.run()
    assert stage.end() == StreamOutcome("failed", False, 1, refusal)
    assert (stage.platform.pushed, len(stage.platform.history)) == ([], 1)


def test_an_answer_that_breaks_off_between_two_messages_says_so_in_the_second() -> None:
    stage = Stage()
    stage.state.write("字" * 10_000)
    stage.run(until=10.0)
    stage.state.fail()
    stage.run(until=20.0)
    assert len(stage.platform.finished) == 2
    assert stage.platform.texts[1].endswith(NOTICES.broken)


# -- what the error of a failure says ----------------------------------------


def failure(begin: Callable[[StreamState], Any], *errors: WxError) -> StreamOutcome:
    """The outcome of an answer that is begun, and whose last frame meets *errors* until the stream gives up."""
    stage = Stage()
    begin(stage.state)
    stage.run()
    stage.platform.answers = list(errors)
    return stage.end("the whole answer")


def unsent() -> List[WxError]:
    return [ConnectionLost("Gone.") for _ in range(3)]


def test_a_failure_of_the_only_frame_delivered_nothing() -> None:
    outcome = failure(lambda state: None, *unsent())
    assert (outcome.state, outcome.frames, str(outcome.error)) == ("failed", 0, "Gone. Nothing was delivered.")


def test_a_failure_after_a_snapshot_says_that_it_is_shown() -> None:
    outcome = failure(lambda state: state.write("the beginning"), *unsent())
    assert (outcome.state, outcome.frames) == ("failed", 1)
    assert str(outcome.error) == "Gone. A part of the answer is shown. The rest was not delivered."


def test_a_failure_after_the_thinking_sign_says_that_it_is_shown() -> None:
    outcome = failure(StreamState.thinking, *unsent())
    assert str(outcome.error) == "Gone. The thinking sign is shown. The rest was not delivered."


def test_a_refusal_after_a_snapshot_says_that_it_is_shown() -> None:
    outcome = failure(lambda state: state.write("the beginning"), error_for(40201, "spam"))
    assert (outcome.state, outcome.rescued) == ("delivered", True)
    outcome = failure(lambda state: state.write("the beginning"), *[error_for(40201, "spam")] * 3)
    assert outcome.state == "failed"
    assert "A part of the answer is shown." in str(outcome.error)


def test_a_failure_after_a_snapshot_without_ack_says_that_it_may_be_shown() -> None:
    stage = Stage()
    stage.platform.answers = [AckTimeout("No ack."), *unsent()]
    stage.state.write("the beginning")
    stage.run()
    outcome = stage.end("the whole answer")
    assert outcome.state == "failed"
    assert str(outcome.error) == "Gone. A part of the answer may be shown. The rest was not delivered."


def test_an_answer_of_unknown_fate_never_says_that_nothing_was_delivered() -> None:
    outcome = failure(lambda state: None, ConnectionLost("Cut.", may_have_been_sent=True), *unsent())
    assert (outcome.state, str(outcome.error)) == ("unknown", "Cut. It may have been delivered.")
    outcome = failure(lambda state: state.write("begun"), ConnectionLost("Cut.", may_have_been_sent=True), *unsent())
    assert str(outcome.error) == "Cut. A part of the answer was shown. The rest may have been delivered."


def test_a_rescue_that_fails_half_way_says_that_a_part_is_shown() -> None:
    stage = Stage()
    stage.platform.answers = [EXPIRED]
    stage.state.write("begun")
    stage.run()
    stage.platform.answers = [None, *unsent()]
    outcome = stage.end("字" * 10_000)
    assert (outcome.state, len(stage.platform.pushed)) == ("failed", 1)
    assert str(outcome.error) == "Gone. A part of the answer is shown. The rest was not delivered."


@pytest.mark.parametrize("seed", range(60))
def test_whatever_happens_it_ends_and_no_chat_is_left_thinking(seed: int) -> None:
    chance = random.Random(seed)
    stage = Stage(interval=0.2)
    troubles = [None] * 12 + [TIMEOUT, LOST, UNSENT, CONFLICT, RATE]
    stage.platform.answers = [chance.choice(troubles) for _ in range(40)]
    for _ in range(chance.randrange(60)):
        move = chance.random()
        if move < 0.7:
            stage.state.write(chance.choice(["token ", "字", "。\n\n", "```\n", "x" * 5000]))
        elif move < 0.8:
            stage.state.replace(chance.choice(["anew", "y" * 25_000]))
        elif move < 0.9:
            stage.state.thinking()
        stage.run(until=stage.now + chance.choice([0.05, 1.0, 30.0]))
    stage.platform.answers = []
    if chance.random() < 0.3:
        stage.state.fail()
    else:
        stage.state.finish()
    outcome = stage.run(until=stage.now + 1000)
    assert outcome is not None
    assert outcome.state in ("delivered", "unknown") or outcome.error is not None
    assert outcome.state == "failed" or not stage.platform.thinking


def test_a_failure_in_the_middle_does_not_make_writing_raise() -> None:
    stage = Stage()
    stage.platform.answers = unsent()
    stage.state.write("字" * 10_000)
    outcome = stage.run(until=10.0)
    assert outcome is not None
    assert (outcome.state, outcome.frames) == ("failed", 0)
    stage.state.write("more")
    stage.state.replace("other")
    stage.state.thinking()
    assert stage.end().state == "failed"


# -- pauses ----------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "Your code is 4711",
        "4",
        "好",
        "see https://example.com/a/4711",
        "https://example.com/1",
        "**bold**",
        "```py\nprint(1)\n```",
        "~~~\nopen",
        "e\u0301",
        "\U0001f468\u200d\U0001f469\u200d\U0001f467",
        "ends in a line\n\n",
        "| a | b |\n|---|---|\n| 1 | 2 |",
        "x" * 18_000,
        "字" * 6_820,
        "```\n" + "code\n" * 4_050 + "```",
    ],
)
def test_a_pause_of_the_writer_shows_all_of_the_text(text: str) -> None:
    stage = Stage()
    stage.state.write(text)
    stage.run(until=2.5)
    assert "".join(stage.platform.texts).replace("\u200b", "") == text.rstrip()
    frames = len(stage.platform.history)
    stage.run(until=200.0)
    assert len(stage.platform.history) == frames, "what is shown is not sent again"
    assert stage.end().state == "delivered"  # the platform of this test takes no final frame like the one before
    final = "".join(stage.platform.texts)
    assert final.replace("\u200b", "").rstrip() == text.rstrip()
    if "://" in text:
        assert final.endswith(text.split()[-1]), "an invisible character behind an address would become a part of it"
    if text.startswith("```"):
        assert "\n```\n" in final, "a fence with something behind it does not close"
    assert all(utf8_len(content) <= MAX_CONTENT_BYTES for _, content, _ in stage.platform.history)


@pytest.mark.parametrize("size", [*range(20_210, 20_225), *range(20_470, 20_486)])
@pytest.mark.parametrize("ending", ["x", "\n```"])
def test_at_the_limit_of_a_message_a_pause_hides_nothing_either(size: int, ending: str) -> None:
    stage = Stage()
    head = "```\n" if "`" in ending else ""
    lines = "".join(f"{number:05d} word\n" for number in range(2000))
    text = head + lines[: size - len(head) - len(ending)] + ending
    stage.state.write(text)
    stage.run(until=5.0)
    seen = "".join(stage.platform.texts)
    assert plain([seen.replace("```", "")]) == plain([text.replace("```", "")])
    assert stage.end().state == "delivered"
    assert all(utf8_len(content) <= MAX_CONTENT_BYTES for _, content, _ in stage.platform.history)


def test_what_a_pause_has_shown_stays_when_the_writer_goes_on() -> None:
    stage, chance = Stage(), random.Random(7)
    for _ in range(300):
        stage.state.write(chance.choice(["word ", "字字。", "a\n\n", "`code` ", "x" * 900]))
        stage.run(until=stage.now + chance.choice([0.1, 0.4, 2.0]))
    stage.end()
    final = stage.platform.shown
    assert len(final) >= 2
    for name, content, _ in stage.platform.history:
        assert final[name].replace("\u200b", "").startswith(content.replace("\u200b", ""))


def test_a_writer_who_does_not_pause_gets_no_frame_more() -> None:
    stage = Stage()
    for number in range(30):
        stage.state.write(f"{number} ")
        stage.run(until=stage.now + 0.3)
    assert len(stage.platform.times) <= 31


# -- refused streams ----------------------------------------

BY_REPLY = (600039, 40201, 6000, -1, 40058, 123456)
BY_PUSH = (846605, 846608, 846604)


@pytest.mark.parametrize("code", [*BY_REPLY, *BY_PUSH])
@pytest.mark.parametrize("begun", [False, True], ids=["first frame", "last frame"])
@pytest.mark.parametrize("chat", ["wr1", ""])
def test_the_text_of_a_refused_stream_goes_out_as_markdown(code: int, begun: bool, chat: str) -> None:
    stage = Stage(chat=chat)
    stage.state.write("the answer")
    if begun:
        stage.run()
    stage.platform.answers = [error_for(code, "no")] * (3 if code in (6000, -1) else 1)
    if not begun:
        stage.run()  # nothing more is shown
    outcome = stage.end()
    if begun or code not in (6000, -1, 40201, 40058, 123456):  # else the last frame was taken after all
        saved = code in BY_REPLY or bool(chat)
        assert (outcome.state, outcome.rescued) == (("delivered", True) if saved else ("failed", False))
        texts = ["the answer"] if saved else []
        assert (stage.platform.replied, stage.platform.pushed) == ((texts, []) if code in BY_REPLY else ([], texts))
    trouble = stage.state.trouble
    if outcome.rescued and code in (846608, 846604):
        assert trouble is None  # as planned
    elif outcome.rescued or outcome.state == "failed":
        assert isinstance(trouble, ApiError)
        assert trouble.errcode == code
        assert str(code) in str(trouble)
        assert (chat or "without a name") in str(trouble)
        assert trouble.remedy in str(trouble)
    else:
        assert trouble is None


@pytest.mark.parametrize("second", [846604, 846605, 600039, 40058])
def test_a_reply_that_is_refused_too_is_followed_by_one_push(second: int) -> None:
    stage = Stage()
    stage.platform.answers = [error_for(600039, "no"), error_for(second, "no")]
    stage.state.write("the answer")
    assert stage.end() == StreamOutcome("delivered", True, 3)
    assert stage.platform.pushed == ["the answer"]


def test_a_push_that_is_refused_is_the_end_and_the_report_names_both_refusals() -> None:
    stage = Stage()
    stage.platform.answers = [error_for(600039, "no"), error_for(600039, "no"), error_for(93006, "no")]
    stage.state.write("the answer")
    outcome = stage.end()
    assert (outcome.state, outcome.rescued, outcome.frames) == ("failed", True, 3)
    assert "600039" in str(stage.state.trouble)
    assert "93006" in str(stage.state.trouble)


def test_content_that_is_spam_is_tried_in_one_other_form_only() -> None:
    stage = Stage()
    stage.platform.answers = [SPAM, SPAM]
    stage.state.write("the answer")
    assert (stage.end().state, stage.platform.pushed) == ("failed", [])


def test_a_continuation_refused_by_its_req_id_goes_out_as_one_push() -> None:
    for code in (846605, 846608):
        stage = Stage()
        stage.platform.answers = [None, error_for(code, "no")]
        assert stage.end("字" * 10_000).rescued
        assert len(stage.platform.pushed) == 1
        assert plain([*stage.platform.texts, *stage.platform.pushed]) == "字" * 10_000


def test_an_answer_that_may_have_arrived_is_not_sent_in_another_form() -> None:
    for error in (TIMEOUT, LOST):
        stage = Stage()
        stage.platform.answers = [error, SPAM, SPAM]
        stage.state.write("the answer")
        outcome = stage.end()
        assert outcome.state == "unknown"
        assert (stage.platform.pushed, stage.platform.replied) == ([], [])
        assert "unknown" in str(stage.state.trouble)


@pytest.mark.parametrize("words", ["all is well", ""])
def test_an_answer_without_trouble_reports_none(words: str) -> None:
    stage = Stage()
    stage.state.write(words)
    stage.end()
    assert stage.state.trouble is None


@pytest.mark.parametrize("code", [600039, 846608])
def test_pictures_alone_cannot_be_rescued_and_no_word_about_them_is_sent(code: int) -> None:
    stage = Stage()
    stage.platform.answers = [error_for(code, "no")]
    outcome = stage.end(msg_item=[ReplyMsgItem.of(PNG)])
    assert outcome.state == "failed"
    assert (stage.platform.pushed, stage.platform.replied) == ([], [])
    assert isinstance(stage.state.trouble, ApiError)


@pytest.mark.parametrize("thinking", [True, False])
@pytest.mark.parametrize("end", [None, SPAM, TIMEOUT, UNSENT])
def test_a_stream_whose_text_went_out_in_another_form_is_ended(thinking: bool, end: Optional[WxError]) -> None:
    stage = Stage()
    stage.state.thinking() if thinking else stage.state.write("the beginning")
    stage.run()
    stage.platform.answers = [SPAM, None, end]
    outcome = stage.end("the whole answer")
    assert (outcome.state, outcome.rescued, outcome.error) == ("delivered", True, None)
    assert stage.platform.replied == ["the whole answer"]
    assert stage.platform.thinking is (end in (SPAM, UNSENT))
    if end is None:
        last = stage.platform.texts[0]
        assert last == NOTICES.later if thinking else last.replace("\u200b", "") == "the beginnin"
