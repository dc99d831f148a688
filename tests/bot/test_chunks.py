from __future__ import annotations

from types import SimpleNamespace as Holder
from typing import Any

import pytest

from wxsdk.bot.chunks import text_of


def completion(content: Any) -> Any:
    return Holder(choices=[Holder(delta=Holder(content=content, role=None))])


@pytest.mark.parametrize(
    ("chunk", "text"),
    [
        ("words", "words"),
        ("", ""),
        (completion("words"), "words"),
        (completion(None), ""),
        (Holder(choices=[], usage=Holder(total_tokens=5)), ""),
        (Holder(choices=[Holder(text="words")]), "words"),
        ({"choices": [{"delta": {"content": "words"}}]}, "words"),
        ({"choices": [{"delta": {"role": "assistant"}}]}, ""),
        (Holder(type="response.output_text.delta", delta="words"), "words"),
        (Holder(type="response.created"), ""),
        (Holder(type="response.function_call_arguments.delta", delta='{"a"'), ""),
        (5, None),
        (None, None),
        (b"words", None),
        ({"text": "words"}, None),
    ],
)
def test_the_text_of_a_chunk(chunk: Any, text: Any) -> None:
    assert text_of(chunk) == text
