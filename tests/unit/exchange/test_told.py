"""What `publish` and `withdraw` tell the person who ran them."""

from __future__ import annotations

import pytest

from secretariat.agreements import release_commands
from secretariat.agreements.release import Published, Withheld
from secretariat.exchange import commands
from secretariat.exchange.withdrawal import Called


def test_a_partner_that_has_all_of_it_is_named_too(capsys: pytest.CaptureFixture[str]) -> None:
    withheld = [Withheld("CN", ("indicator--a",), "2026-11-22", "default-deny", None)]
    release_commands._tell(Published(4, 1, {"CN": 0, "JP": 0, "US": 1}, withheld, {}), json=False)
    assert capsys.readouterr().out.splitlines() == [
        "entry 4: 1 objects published",
        "  MAY  US: 1 objects",
        "  HAS  JP: nothing new for it",
        "  NOT  CN: 1 objects, default-deny",
    ]


def test_readers_of_what_was_public_are_not_told_of_as_a_star() -> None:
    told = commands._called("withdrawn", Called("indicator--a", 1, ("JP",), ("*", "KR"), None))
    assert "*" not in told
    assert told.splitlines()[-2:] == [
        "it was public: whoever read it cannot be asked, make it known",
        "KR cannot answer: tell them",
    ]
