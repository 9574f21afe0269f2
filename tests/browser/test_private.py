"""Private questions in a real browser: four languages, in the dark, on a phone; turned on, asked, decided."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import pytest

from secretariat.base.clock import now
from secretariat.exchange import private_store as tables
from secretariat.exchange.private_values import epoch_of

pytestmark = pytest.mark.browser

CHECKS = (Path(__file__).parent / "checks.js").read_text()
SHOTS = os.environ.get("SECRETARIAT_SHOTS")
UNDER = "jp-rok-gsomia-2016"
FOUND = ("secure-login.example", "update-check.example", "xn--n8j107l.example")


def question(tx, kind, **more):
    given = {
        "side": "answers",
        "party": "JP",
        "type": kind,
        "epoch": epoch_of(now()),
        "under": UNDER,
        "state": "waiting",
        "stage": "",
        "size": 1_204,
        "why": "",
        "by": "",
        "at": now(),
    }
    return tables.add_question(tx, **{**given, **more})


@pytest.fixture(scope="module")
def numbers(place):
    """Questions of every kind, and what is turned on with JP."""
    allowance = tables.Allowance(
        "JP", UNDER, ["domain-name", "file-sha256", "ipv4-addr"], 10_000, False, "root", now()
    )
    with place.node.database.app("live") as tx:
        tables.put_allowance(tx, allowance)
        done = question(
            tx,
            "domain-name",
            side="asks",
            state="counted",
            stage="opened",
            result=3,
            shown=2,
            their_size=2_310,
            set_position=1,
            entry=2,
            their_position=41,
            by="mina",
        )
        tables.put_parts(tx, done, tables.MATCHED, [msgspec.json.encode(FOUND)])
        return {
            "done": done,
            "waiting": question(tx, "url"),
            "wanted": question(tx, "email-addr", state="answered", stage="wanted", their_size=340, result=7),
            "refused": question(
                tx, "ipv4-addr", side="asks", state="refused", why="denied: private_minimum", by="mina"
            ),
        }


def look(page, addresses, mark, query=""):
    found = {}
    for name, address in addresses.items():
        answer = page.goto(f"{address}{query}")
        assert answer.status == 200, (name, page.inner_text("main"))
        complaints = page.evaluate(CHECKS)
        if SHOTS:
            page.screenshot(path=str(Path(SHOTS) / f"private-{name}-{mark}.png"), full_page=True)
        if complaints:
            found[name] = complaints
    return found


def addresses(numbers):
    return {"list": "/questions", **{name: f"/questions/{one}" for name, one in numbers.items()}}


@pytest.mark.parametrize("language", ["en", "ja", "ko", "zh-Hans"])
def test_every_page_reads_well(visit, numbers, language):
    query = f"?lang={language}"
    assert look(visit(), addresses(numbers), language, query) == {}
    assert look(visit("root"), {"admin": "/admin/questions"}, language, query) == {}


@pytest.mark.parametrize(
    ("name", "options"),
    [("dark", {"color_scheme": "dark"}), ("phone", {"viewport": {"width": 390, "height": 844}})],
)
def test_in_the_dark_and_on_a_phone(visit, numbers, name, options):
    assert look(visit(**options), addresses(numbers), name) == {}
    assert look(visit("root", **options), {"admin": "/admin/questions"}, name) == {}


def test_it_is_turned_on_and_a_question_says_why_it_cannot_go(visit, numbers):
    admin = visit("root")
    admin.goto("/admin/questions")
    admin.select_option("#q-under", f"JP/{UNDER}")
    admin.fill("#q-elements", "5000")
    admin.check("input[name=type][value=file-sha256]")
    assert admin.is_visible("text=can be guessed")
    page = visit()
    page.goto("/questions")
    page.select_option("#q-what", "JP/file-sha256")
    page.check("input[name=understood]")
    page.click("form.fields button.main")
    assert "not an accepted partner" in page.inner_text(".flash.bad")
    page.goto(f"/questions/{numbers['waiting']}")
    page.click("button[value=no]")
    page.wait_for_selector("text=a person said no")
