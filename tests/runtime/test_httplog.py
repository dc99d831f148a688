from __future__ import annotations

import logging

import pytest

from wxsdk.runtime.httplog import own_exchange

ADDRESS = 'http://h "GET /download?encrypted_query_param=secret HTTP/1.1" 200 5'


def test_addresses_of_our_requests_lose_their_queries(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with own_exchange():
        logging.getLogger("urllib3.connectionpool").debug(ADDRESS)
    assert "secret" not in caplog.text
    assert "/download" in caplog.text


def test_those_of_others_stay_as_they_are(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    logging.getLogger("urllib3.connectionpool").debug(ADDRESS)
    assert "secret" in caplog.text
