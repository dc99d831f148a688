"""Checks a project's settings for the bot, as part of ``manage.py check``."""

from __future__ import annotations

from typing import Any, List

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning
from django.utils.module_loading import import_string


def check_settings(**_: Any) -> List[CheckMessage]:
    """Return what is wrong with the settings of wxsdk. Makes no client and reaches no network."""
    path = getattr(settings, "WXSDK_CLIENT", None)
    if path is None:
        return [
            Warning(
                "wxsdk.ext.django is installed, and no WXSDK_CLIENT is set.",
                hint='Set WXSDK_CLIENT = "myproject.bot.client", the dotted path of a client or of a function.',
                id="wxsdk.W001",
            )
        ]
    if not isinstance(path, str):
        return [Error("WXSDK_CLIENT must be a str.", hint='Such as "myproject.bot.client".', id="wxsdk.E001")]
    found: List[CheckMessage] = []
    try:
        named = import_string(path)
    except Exception as exc:  # noqa: BLE001  the project's module may raise anything
        found.append(Error(f"WXSDK_CLIENT names {path}, which cannot be imported: {exc}", id="wxsdk.E002"))
    else:
        if not callable(named) and not hasattr(named, "health"):
            found.append(Error(f"WXSDK_CLIENT names {path}, which is not a client of wxsdk.", id="wxsdk.E003"))
    if not isinstance(getattr(settings, "WXSDK_AUTOSTART", False), bool):
        found.append(Error("WXSDK_AUTOSTART must be True or False.", id="wxsdk.E004"))
    age = getattr(settings, "WXSDK_CONN_MAX_AGE", 0)
    if age is not None and (isinstance(age, bool) or not isinstance(age, (int, float)) or age < 0):
        found.append(Error("WXSDK_CONN_MAX_AGE must be a number of seconds, or None.", id="wxsdk.E005"))
    return found
