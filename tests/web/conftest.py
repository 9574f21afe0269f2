"""A node with people and a browser-less client for each of them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

import pytest
from litestar.testing import TestClient

from secretariat.app import build
from secretariat.base.clock import now
from secretariat.ledger.node import Node
from secretariat.people import service
from secretariat.people.model import Role

PASSWORD = "correct horse battery"


@pytest.fixture
def site(node: Callable[..., Node]) -> Iterator[Callable[..., TestClient]]:
    """Give a factory of clients of one node: `site()` is a stranger, `site("releaser")` signs in."""
    with contextlib.ExitStack() as stack:
        one = node("KR", name="Korea <b>&amp;</b>")
        with one.database.app("live") as tx:
            for role in Role:
                service.add_person(
                    tx,
                    login=role.value,
                    name=f"One {role.value}",
                    password=PASSWORD,
                    roles=[role],
                    by="test",
                    now=now(),
                )
        application = build(one)
        stack.enter_context(TestClient(application, base_url="http://kr.local:8400"))

        def make(role: str | None = None) -> TestClient:
            client = TestClient(application, base_url="http://kr.local:8400", raise_server_exceptions=False)
            client.headers["accept"] = "text/html"
            client.node = one
            if role is not None:
                answer = client.post(
                    "/sign-in", data={"login": role, "password": PASSWORD}, follow_redirects=False
                )
                assert answer.status_code == 303, answer.text
            return client

        yield make
