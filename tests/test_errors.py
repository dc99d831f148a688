"""One root; facts in fields; the sentence is built from them; every error survives pickling."""

from __future__ import annotations

import ast
import copy
import errno
import inspect
import pickle
import re
from pathlib import Path

import pytest

import wxsdk
from wxsdk import errors
from wxsdk.errors import (
    AckTimeout,
    AlreadyRunning,
    ApiError,
    AuthFailed,
    ConfigError,
    ConnectionLost,
    LimitExceeded,
    ReconnectExhausted,
    StoreError,
    TransportError,
    WxError,
)

CLASSES = [kind for kind in vars(errors).values() if inspect.isclass(kind) and issubclass(kind, WxError)]

EXAMPLES = [
    WxError("It broke.", remedy="Mend it."),
    ConfigError("Bad."),
    TransportError("Gone.", kind="tcp", may_have_been_sent=True, client_id="c", status=502),
    ConnectionLost("Gone.", kind="tcp", status=1006),
    AckTimeout("No ack."),
    ApiError(-2, "rejected", endpoint="sendmessage", client_id="c", remedy="Wait."),
    ApiError(45009, cmd="aibot_respond_msg", req_id="r"),
    AuthFailed("Refused.", attempts=3, last=ApiError(40001)),
    ReconnectExhausted("Given up.", attempts=10),
    LimitExceeded("Too long.", limit=20_480, actual=60_000),
    AlreadyRunning("Twice.", pid=7),
    StoreError("Full.", number=errno.ENOSPC, path="/x/store.db"),
]


def test_the_tree_in_the_docstring_is_the_tree() -> None:
    drawn = re.findall(r"^ {4}([ │├└─]*)(\w+)", errors.__doc__ or "", re.MULTILINE)
    parents: list[str] = []
    found = {}
    for branch, name in drawn:
        depth = (len(branch) + 4) // 5  # "" is the root, " ├── " one below it
        del parents[depth:]
        found[name] = parents[-1] if parents else "Exception"
        parents.append(name)
    assert found == {kind.__name__: kind.__bases__[0].__name__ for kind in CLASSES}


def test_each_error_says_what_to_do_with_it_in_its_docstring() -> None:
    for kind in CLASSES:
        assert inspect.getdoc(kind), kind


def test_config_errors_are_value_errors_and_store_errors_are_os_errors() -> None:
    assert issubclass(ConfigError, ValueError)
    assert issubclass(StoreError, OSError)
    assert EXAMPLES[-1].errno == errno.ENOSPC  # type: ignore[attr-defined]


@pytest.mark.parametrize("error", EXAMPLES, ids=lambda error: type(error).__name__)
def test_an_error_survives_pickling_and_copying(error: WxError) -> None:
    for again in (pickle.loads(pickle.dumps(error)), copy.copy(error), copy.deepcopy(error)):
        assert type(again) is type(error)
        assert str(again) == str(error)
        mine, others = dict(vars(error)), dict(vars(again))
        assert str(mine.pop("last", None)) == str(others.pop("last", None))
        assert others == mine
        assert again.args == error.args


def test_the_sentence_says_what_whether_and_what_now() -> None:
    sent = TransportError("No answer.", may_have_been_sent=True, remedy="Try again.")
    assert str(sent) == "No answer. It may have been delivered. Try again."
    assert str(TransportError("No route.")) == "No route. Nothing was delivered."
    limit = LimitExceeded("Too long.", limit=2, actual=3)
    assert str(limit) == f"Too long. The limit is 2, this is 3. {LimitExceeded.usual_remedy}"
    assert str(ApiError(7, "no", endpoint="getconfig")) == "getconfig refused with code 7 (no)."
    assert str(ApiError(7)) == "the platform refused with code 7."


def test_the_sentence_tells_of_what_went_out_before() -> None:
    error = TransportError("No route.")
    assert error.parts == ()
    error.parts = ("one", "two")
    assert str(error) == "No route. It was not delivered. 2 message(s) of the same call had gone out before it."
    assert pickle.loads(pickle.dumps(error)).parts == ("one", "two")


def test_an_ack_that_did_not_come_may_have_been_delivered() -> None:
    assert AckTimeout("x").may_have_been_sent
    assert AckTimeout("x").kind == "timeout"
    assert not ConnectionLost("x").may_have_been_sent


# What helps depends on what was going on, and on the code.
SAID_ON_THE_SPOT = (WxError, TransportError, ConnectionLost, *(kind for kind in CLASSES if issubclass(kind, ApiError)))


@pytest.mark.parametrize("kind", [kind for kind in CLASSES if kind not in SAID_ON_THE_SPOT])
def test_every_error_has_a_remedy_whoever_raises_it(kind: type) -> None:
    assert kind.usual_remedy.endswith(".")  # type: ignore[attr-defined]


def test_no_plain_wxerror_is_raised_without_a_remedy() -> None:
    root = Path(wxsdk.__file__).parent
    bare = []
    for path in sorted(root.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            made = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "WxError"
            if made and all(word.arg != "remedy" for word in node.keywords):  # type: ignore[attr-defined]
                bare.append(f"{path.relative_to(root)}:{node.lineno}")
    assert bare == []


def test_a_remedy_that_is_given_takes_the_place_of_the_usual_one() -> None:
    assert ConfigError("No.", remedy="Do it.").remedy == "Do it."
    assert ConfigError("No.").remedy == ConfigError.usual_remedy
    assert str(ConfigError("No.")) == f"No. {ConfigError.usual_remedy}"
