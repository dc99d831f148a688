"""A ThreadPoolExecutor whose threads cannot keep the interpreter from ending."""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import thread as _futures_thread
from typing import Any, Callable, List, TypeVar

T = TypeVar("T")


class DaemonThreadPoolExecutor(ThreadPoolExecutor):
    """ThreadPoolExecutor with daemon threads that are not joined at the interpreter's exit.

    The standard one joins its threads at exit, so one callback that never returns would keep a finished program alive
    for ever.
    """

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        if threading.current_thread().daemon:
            future = super().submit(fn, *args, **kwargs)
        else:
            # A new thread inherits "daemon" from the thread that makes it, so a daemon has to make it.
            made: List[Future[T]] = []
            failed: List[BaseException] = []
            maker = threading.Thread(target=self._submit_into, args=(made, failed, fn, args, kwargs), daemon=True)
            maker.start()
            maker.join()
            if failed:
                raise failed[0]
            future = made[0]
        self._forget_at_exit()
        return future

    def threads(self) -> List[threading.Thread]:
        """The threads made so far."""
        return list(self._threads)

    def _submit_into(
        self, made: List[Future[T]], failed: List[BaseException], fn: Callable[..., T], args: Any, kwargs: Any
    ) -> None:
        try:
            made.append(super().submit(fn, *args, **kwargs))
        except RuntimeError as exc:  # shut down, or the interpreter is ending: the caller's to hear
            failed.append(exc)

    def _forget_at_exit(self) -> None:
        queues = getattr(_futures_thread, "_threads_queues", {})
        for thread in list(self._threads):
            queues.pop(thread, None)
