"""Makes the HTML that a notebook shows: tables and progress bars. Escapes everything that came from outside."""

from __future__ import annotations

import html
from typing import Any, Iterable, Mapping, Sequence

from ..health import Health

MAX_TEXT = 300  # characters of a message that a cell shows


def facts_table(facts: Mapping[str, Any]) -> str:
    """Return a table with a row for each of *facts* that is not None."""
    given = {name: value for name, value in facts.items() if value is not None}
    rows = "".join(f"<tr><th>{_cell(name)}</th>{_data(value)}</tr>" for name, value in given.items())
    return f"<table>{rows}</table>"


def health_table(health: Health) -> str:
    """Return *health* as a table."""
    return facts_table(
        {
            "state": health.state.value,
            "since": health.since,
            "last message in": health.last_inbound,
            "last message out": health.last_outbound,
            "waiting": health.queued,
            "last error": health.last_error,
            "what to do": health.remedy,
        }
    )


def messages_table(caption: str, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> str:
    """Return *rows* as a table, the newest first as they come."""
    head = "".join(f"<th>{_cell(column)}</th>" for column in columns)
    body = "".join(f"<tr>{''.join(_data(row.get(column)) for column in columns)}</tr>" for row in rows)
    return f"<table><caption>{_cell(caption)}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def progress_bar(label: str, done: int, total: int) -> str:
    """Return a bar that says in words, too, how far *done* of *total* bytes are."""
    percent = 100 * done // max(total, 1)
    return f'<label>{_cell(label)} <progress max="100" value="{percent}">{percent} %</progress> {percent} %</label>'


def _data(value: Any) -> str:
    return f'<td style="text-align:left">{"" if value is None else _cell(value)}</td>'


def _cell(value: Any) -> str:
    text = str(value)
    return html.escape(text if len(text) <= MAX_TEXT else f"{text[:MAX_TEXT]}…")
