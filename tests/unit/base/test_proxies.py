"""Whom a request comes from: X-Forwarded-* is believed only of proxies that the settings name."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import uvicorn
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from secretariat.app import configuration
from secretariat.base.settings import NodeSettings


def config(*trusted: str) -> uvicorn.Config:
    settings = NodeSettings(party="KR", name="K", trusted_proxies=trusted)
    app: Any = SimpleNamespace(state=SimpleNamespace(node=SimpleNamespace(settings=settings)))
    return configuration(app)


def test_nobody_is_believed_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the loopback nor what an environment variable of uvicorn names."""
    monkeypatch.setenv("FORWARDED_ALLOW_IPS", "*")
    assert config().proxy_headers is False


def test_named_proxies_are_believed_and_no_others() -> None:
    found = config("10.0.0.7", "192.0.2.0/24")
    assert found.proxy_headers is True
    trusted = ProxyHeadersMiddleware(None, found.forwarded_allow_ips).trusted_hosts  # type: ignore[arg-type]
    assert "10.0.0.7" in trusted
    assert "192.0.2.44" in trusted
    assert "127.0.0.1" not in trusted
