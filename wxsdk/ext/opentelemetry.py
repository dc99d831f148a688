"""Reports what bots do to OpenTelemetry: a span for each handling and each send, and counters.

.. code-block:: python

    from wxsdk.ext.opentelemetry import install

    install()  # with the providers that the program has set

Spans are ``wxsdk handle`` and ``wxsdk send`` with the attributes ``wxsdk.platform``, ``error.type`` and
``wxsdk.errcode``. The counter ``wxsdk.events`` counts every event by ``wxsdk.kind`` and ``wxsdk.platform``. No text and
no name of a person goes out.
"""

from __future__ import annotations

from typing import Any, Callable, Dict, Optional

from opentelemetry import metrics, trace

from .. import hooks

__all__ = ["install"]

_SPANS = {"handled": "wxsdk handle", "sent": "wxsdk send", "refused": "wxsdk send"}
_NANOSECONDS = 1_000_000_000


def install(*, tracer: Optional[Any] = None, meter: Optional[Any] = None) -> Callable[[], None]:
    """Report from now on, with *tracer* and *meter* or those of the global providers; call what it returns to stop."""
    reporter = _Reporter(tracer or trace.get_tracer("wxsdk"), meter or metrics.get_meter("wxsdk"))
    hooks.add(reporter)
    return lambda: hooks.remove(reporter)


class _Reporter:
    def __init__(self, tracer: Any, meter: Any) -> None:
        self._tracer = tracer
        self._events = meter.create_counter("wxsdk.events", description="What happened in wxsdk's clients.")

    def __call__(self, event: hooks.Event) -> None:
        self._events.add(1, {"wxsdk.kind": event.kind, "wxsdk.platform": event.platform})
        name = _SPANS.get(event.kind)
        if name is None or event.seconds is None:
            return
        attributes: Dict[str, Any] = {"wxsdk.platform": event.platform}
        if event.error is not None:
            attributes["error.type"] = event.error
        if event.errcode is not None:
            attributes["wxsdk.errcode"] = event.errcode
        ended = int(event.at * _NANOSECONDS)
        began = ended - int(event.seconds * _NANOSECONDS)
        span = self._tracer.start_span(name, start_time=began, attributes=attributes)
        if event.error is not None:
            span.set_status(trace.StatusCode.ERROR, event.error)
        span.end(end_time=ended)
