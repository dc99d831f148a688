"""The text in what a handler's iterator yields: str, or a chunk of a chat model's stream. Decides only."""

from __future__ import annotations

from typing import Any, Optional


def text_of(chunk: Any) -> Optional[str]:
    """The text of *chunk*, "" when it carries none (a role, a usage count); None when it is nothing that is known.

    Known are str, and by their attributes alone the chunks of OpenAI-compatible streams: of chat completions
    (``choices[0].delta.content``), of completions (``choices[0].text``), and events of responses (``type`` ending in
    ``output_text.delta``, ``delta``). The same as dicts.
    """
    if isinstance(chunk, str):
        return chunk
    choices = _get(chunk, "choices")
    if isinstance(choices, (list, tuple)):
        return _of_choice(choices[0]) if choices else ""
    kind = _get(chunk, "type")
    if isinstance(kind, str) and "." in kind:
        delta = _get(chunk, "delta")
        return delta if kind.endswith("output_text.delta") and isinstance(delta, str) else ""
    return None


def _of_choice(choice: Any) -> str:
    delta = _get(choice, "delta")
    content = _get(delta, "content") if delta is not None else _get(choice, "text")
    return content if isinstance(content, str) else ""


def _get(holder: Any, name: str) -> Any:
    if isinstance(holder, dict):
        return holder.get(name)
    return getattr(holder, name, None)
