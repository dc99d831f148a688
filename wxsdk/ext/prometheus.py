"""Counts what bots do as Prometheus metrics.

.. code-block:: python

    from prometheus_client import start_http_server
    from wxsdk.ext.prometheus import install

    install()
    start_http_server(9000)

The metrics are ``wxsdk_messages_received_total``, ``wxsdk_messages_handled_total`` (by ``error``, "" for success),
``wxsdk_messages_sent_total``, ``wxsdk_sends_refused_total`` (by ``error`` and ``errcode``), ``wxsdk_reconnects_total``,
the histograms ``wxsdk_handling_seconds`` and ``wxsdk_sending_seconds``, and the gauge ``wxsdk_queued_messages``; all by
``platform``.
"""

from __future__ import annotations

from typing import Any, Callable, Optional

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram

from .. import hooks

__all__ = ["install"]

HANDLING_BUCKETS = (0.01, 0.05, 0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)  # s; a model's answer takes seconds


def install(registry: Optional[CollectorRegistry] = None) -> Callable[[], None]:
    """Keep the metrics in *registry* (the default one) from now on; call what it returns to stop.

    Raises what the registry raises when it has metrics of these names already.
    """
    metrics = _Metrics(registry or REGISTRY)
    hooks.add(metrics)
    return lambda: metrics.remove()


class _Metrics:
    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry
        given: Any = {"registry": registry}
        self._received = Counter("wxsdk_messages_received", "Messages that came.", ["platform"], **given)
        self._handled = Counter("wxsdk_messages_handled", "Messages handled.", ["platform", "error"], **given)
        self._sent = Counter("wxsdk_messages_sent", "Messages sent.", ["platform"], **given)
        self._refused = Counter("wxsdk_sends_refused", "Messages not taken.", ["platform", "error", "errcode"], **given)
        self._reconnects = Counter("wxsdk_reconnects", "Connections and polls tried again.", ["platform"], **given)
        self._queued = Gauge("wxsdk_queued_messages", "Messages that wait for a worker.", ["platform"], **given)
        self._handling = Histogram(
            "wxsdk_handling_seconds", "Time of a handler.", ["platform"], buckets=HANDLING_BUCKETS, **given
        )
        self._sending = Histogram("wxsdk_sending_seconds", "Time of a send.", ["platform"], **given)

    def __call__(self, event: hooks.Event) -> None:
        if event.queued is not None:
            self._queued.labels(event.platform).set(event.queued)
        if event.kind == "received":
            self._received.labels(event.platform).inc()
        elif event.kind == "handled":
            self._handled.labels(event.platform, event.error or "").inc()
            self._handling.labels(event.platform).observe(event.seconds or 0.0)
        elif event.kind == "sent":
            self._sent.labels(event.platform).inc()
            self._sending.labels(event.platform).observe(event.seconds or 0.0)
        elif event.kind == "refused":
            errcode = "" if event.errcode is None else str(event.errcode)
            self._refused.labels(event.platform, event.error or "", errcode).inc()
        elif event.kind == "reconnect":
            self._reconnects.labels(event.platform).inc()

    def remove(self) -> None:
        hooks.remove(self)
        for metric in vars(self).values():
            if isinstance(metric, (Counter, Gauge, Histogram)):
                self._registry.unregister(metric)
