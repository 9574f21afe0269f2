"""The Register in a real browser: three languages, in the dark, on a phone, without script, live."""

from __future__ import annotations

from pathlib import Path

import pytest

from secretariat.base.clock import now
from secretariat.people import service as people
from secretariat.people.model import Role
from secretariat.people.store import person_by_login
from secretariat.register import record_file
from secretariat.register.sample import sample

pytestmark = pytest.mark.browser

CHECKS = (Path(__file__).parent / "checks.js").read_text()
TCCS = "/register/statements/cjk-c-tccs-launch"
ADDRESSES = (
    "/register?q=cyber",
    TCCS,
    f"{TCCS}?true_on=2010-06-01&known_by=2010-06-01",
    "/register/sources",
    "/register/sources/S003",
    "/register/instruments",
    "/register/parties",
    "/register/parties/JP",
    "/register/dialogue/CN,JP,KR",
    "/register/diff?from=2012-06-01&to=2012-09-03",
)
EDITING = ("/register/record", "/register/record/meeting", f"{TCCS}/amend", f"{TCCS}/retract")


@pytest.fixture(scope="module", autouse=True)
def recorded(place):
    """An officer, and the sample record."""
    record_file.import_bytes(place.node, "live", sample(), by="test", now=now())
    with place.node.database.app("live") as tx:
        if person_by_login(tx, "ofi") is None:
            people.add_person(
                tx,
                login="ofi",
                name="Ofi",
                password="correct horse battery",
                roles=[Role.OFFICER],
                by="test",
                now=now(),
            )


def look(page, addresses, language=""):
    found = {}
    for address in addresses:
        answer = page.goto(
            f"{address}{'&' if '?' in address else '?'}lang={language}" if language else address
        )
        assert answer.status == 200, (address, page.inner_text("main"))
        complaints = page.evaluate(CHECKS)
        if complaints:
            found[address] = complaints
    return found


@pytest.mark.parametrize("language", ["en", "ja", "ko"])
def test_every_page_reads_well(visit, language):
    assert look(visit("ofi"), (*ADDRESSES, *EDITING), language) == {}


def test_in_the_dark_and_on_a_phone(visit):
    page = visit("ofi", color_scheme="dark", viewport={"width": 390, "height": 844})
    assert look(page, (*ADDRESSES, *EDITING)) == {}


def test_a_meeting_is_recorded_without_script_and_a_fault_keeps_what_was_typed(visit):
    page = visit("ofi", java_script_enabled=False)
    page.goto("/register/record/meeting")
    page.fill("#f-title", "Eighth round")
    page.fill("#f-true_from", "2026-02-30")
    page.click("button.main")
    assert page.input_value("#f-title") == "Eighth round"
    assert page.get_attribute("#f-true_from", "aria-invalid") == "true"
    page.fill("#f-true_from", "2026-02-27")
    page.click("button.main")
    assert page.inner_text("h1") == "Eighth round"


def test_a_statement_updates_itself_and_what_was_opened_stays_open(visit):
    reader, writer = visit("ofi"), visit("ofi")
    reader.goto(TCCS)
    reader.click("#sum-1 summary")
    reader.wait_for_selector("[data-live-state=open]")
    writer.goto(f"{TCCS}/amend")
    writer.fill("#f-summary", "Mended just now.")
    writer.click("button.main")
    reader.wait_for_selector("text=Mended just now.", timeout=10_000)
    assert reader.get_attribute("#sum-1", "open") is not None
