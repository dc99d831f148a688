"""What holds for every test: nothing is left running, nothing leaves this machine, hypothesis has no stopwatch."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any, Generator, Iterator, List

import pytest
from hypothesis import HealthCheck, settings

from tests.guard import loopback_guard
from wxsdk.testing import no_leaks

settings.register_profile(
    "wxsdk", deadline=None, max_examples=50, database=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("wxsdk")

# What starts web servers, databases or builds takes minutes: a step of its own in .ci/run, where WXSDK_SERVERS is set.
if not os.environ.get("WXSDK_SERVERS"):
    collect_ignore = [
        *("aibot/test_types.py", "bot/test_types.py", "docs/test_build.py", "docs/test_translation.py", "fleet"),
        *("callback/test_bot.py", "callback/test_end_to_end.py", "callback/test_workers.py"),
        *("examples/test_as_programs.py", "examples/test_sites.py"),
        *("ext/test_django.py", "ext/test_gevent.py", "ext/test_serving.py", "ext/test_standby.py"),
    ]

_report = Path(tempfile.mkdtemp(prefix="wxsdk-guard-")) / "violations"
_seen = 0  # lines of the report that a test has failed for


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "may_leak(reason): leave out the check for threads and sockets left behind")
    _report.touch()
    os.environ["WXSDK_HOME"] = str(_report.parent / "no-accounts")  # not those of whoever runs the tests
    os.environ.update({**loopback_guard.environment(), loopback_guard.REPORT: str(_report)})
    loopback_guard.install(ends_process=False)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A process that outlived its test may have reached out after the last test had ended."""
    late = _new_violations()
    _report.unlink()
    _report.parent.rmdir()
    if late:
        raise pytest.UsageError("a process of the tests left this machine:\n" + "\n".join(late))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, Any, Any]:
    return (yield from _fails_for_violations())


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, Any, Any]:
    return (yield from _fails_for_violations())


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, Any, Any]:
    return (yield from _fails_for_violations())


def _fails_for_violations() -> Generator[None, Any, Any]:
    try:
        outcome = yield
    finally:
        found = _new_violations()
        if found:
            pytest.fail(
                "the test, or a process that it started, left this machine:\n" + "\n".join(found), pytrace=False
            )
    return outcome


def _new_violations() -> List[str]:
    global _seen
    found = loopback_guard.violations(_report, _seen)
    _seen += len(found)
    return found


@pytest.fixture(autouse=True, scope="session")
def _locks_of_its_own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Bots of this run meet one another, in child processes as well, and none of another run on this machine."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WXSDK_LOCK_FOLDER", str(tmp_path_factory.getbasetemp() / "locks"))
        yield


@pytest.fixture(autouse=True)
def _leaves_nothing_behind(request: pytest.FixtureRequest) -> Iterator[None]:
    marker = request.node.get_closest_marker("may_leak")
    if marker is None:
        with no_leaks():
            yield
    else:
        assert marker.kwargs.get("reason"), "may_leak needs a reason"
        yield


@pytest.fixture(autouse=True, scope="session")
def _no_settings_of_the_environment() -> Iterator[None]:
    """What the environment says of proxies and certificates would take part in every test."""
    patch = pytest.MonkeyPatch()
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        patch.delenv(name, raising=False)
        patch.delenv(name.upper(), raising=False)
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        patch.delenv(name, raising=False)
    yield
    patch.undo()
