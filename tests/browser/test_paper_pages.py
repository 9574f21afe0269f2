"""The brief and notes in a real browser: four languages, dark, on a phone, without script."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from secretariat.base.clock import now
from secretariat.register import record_file
from secretariat.register.sample import sample

pytestmark = pytest.mark.browser

CHECKS = (Path(__file__).parent / "checks.js").read_text()
SHOTS = os.environ.get("SECRETARIAT_SHOTS")
TEXT = "## A heading\n\nOne.[^1] Two.[^2]\n\n- a point\n\n> quoted"


@pytest.fixture(scope="module")
def filled(place):
    """The node with the sample record and one note."""
    record_file.import_bytes(place.node, "live", sample(), by="test", now=now(), tlp="GREEN")
    return place


@pytest.fixture
def note(filled, visit):
    page = visit("sora")
    page.goto("/register/notes/new?about=cjk-c-tccs-launch")
    page.fill("#n-title", "What became of it")
    page.fill("#n-text", TEXT.replace("[^1]", "").replace("[^2]", ""))
    for number in (0, 1):
        page.locator("button[value^='insert:']").nth(number).click()
    assert "[^1][^2]" in page.input_value("#n-text")
    page.fill("#n-text", TEXT)
    page.click("button[value=save]")
    page.wait_for_url("**/register/notes/kr-note-*")
    return page.url


def addresses(note):
    return {
        "brief-choose": "/register/brief",
        "brief": "/register/brief?of=CN,JP,KR",
        "brief-then": "/register/brief?of=cjk-cyber2-2015&true_on=2015-10-14&known_by=2015-10-14",
        "notes": "/register/notes",
        "note": note,
        "note-new": "/register/notes/new?about=cjk-c-tccs-launch",
        "note-edit": f"{note}/edit",
    }


def look(page, name):
    found = page.evaluate(CHECKS)
    if SHOTS:
        page.screenshot(path=str(Path(SHOTS) / f"{name}.png"), full_page=True)
    return {name: found} if found else {}


@pytest.mark.parametrize("language", ["en", "ja", "ko", "zh-Hans"])
def test_they_read_well(visit, note, language):
    page, found = visit("sora"), {}
    for name, address in addresses(note).items():
        answer = page.goto(f"{address}{'&' if '?' in address else '?'}lang={language}")
        assert answer.status == 200, (name, page.inner_text("main"))
        found |= look(page, f"{name}-{language}")
    assert found == {}


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("dark", {"color_scheme": "dark"}),
        ("phone", {"viewport": {"width": 390, "height": 844}}),
        ("plain", {"java_script_enabled": False}),
    ],
)
def test_in_the_dark_on_a_phone_and_without_script(visit, note, name, options):
    page, found = visit("sora", **options), {}
    for what, address in addresses(note).items():
        answer = page.goto(address)
        assert answer.status == 200
        if name != "plain":
            found |= look(page, f"{what}-{name}")
    assert found == {}


def test_a_number_leads_to_its_source_and_the_file_comes_down(visit, filled):
    page = visit("sora")
    page.goto("/register/brief?of=CN,JP,KR&true_on=2012-09-03&known_by=2012-09-03")
    page.locator("sup a").first.click()
    assert page.url.endswith("#note-1")
    with page.expect_download() as waiting:
        page.click("text=PDF")
    assert waiting.value.suggested_filename == "KR-brief-CN-JP-KR-2012-09-03-TLP-GREEN.pdf"
