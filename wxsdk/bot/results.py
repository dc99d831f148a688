"""SendResults as JSON values, for the journal."""

from __future__ import annotations

from typing import Any, Dict, List

from ..ilink.frames_out import SendResult


def dump_result(result: SendResult) -> Dict[str, Any]:
    """Return a SendResult as JSON values."""
    parts: List[Any] = [dump_result(part) for part in result.parts]
    return {"id": result.client_id, "message": result.message_id, "confirmed": result.confirmed, "parts": parts}


def load_result(value: Any) -> SendResult:
    """Return what ``dump_result`` wrote."""
    parts = tuple(load_result(part) for part in value.get("parts", ()))
    return SendResult(value["id"], value["message"], value["confirmed"], parts)
