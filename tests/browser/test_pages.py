"""The pages in a real browser: read in four languages, by keyboard alone, without script, on paper, live."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest

pytestmark = pytest.mark.browser

CHECKS = (Path(__file__).parent / "checks.js").read_text()
SHOTS = os.environ.get("SECRETARIAT_SHOTS")
"""A folder that gets a picture of every page looked at."""


def addresses(place):
    advisory, annex = place.report["kr_advisory"], place.report["kr_annex"]
    return {
        "desk": "/",
        "reports": "/reports",
        "report": f"/reports/{advisory}",
        "release": f"/reports/{annex}/release",
        "matrix": "/agreements",
        "instruments": "/agreements/instruments",
        "instrument": "/agreements/instruments/jp-rok-gsomia-2016",
        "explain": "/agreements/explain?from=KR&to=JP&level=ROK_MIL/II&kind=defence",
        "past": "/agreements/explain?from=KR&to=JP&level=ROK_MIL/II&kind=defence"
        "&true_on=2013-03-21&known_by=2013-03-21",
        "ledger": "/ledger",
        "checkpoints": "/ledger/checkpoints",
        "receipts": "/ledger/receipts",
        "partners": "/ledger/partners",
        "releases": "/releases",
        "import": "/reports/import",
        "standings": "/releases/standing",
        "narrow": f"/reports/{advisory}/narrow",
        "public": "/reports?knowledge=public&zone=Asia/Seoul",
        "then": "/ledger/receipts?recorded_by=2026-01-01&zone=Asia/Tokyo",
    }


def look(page, name):
    found = page.evaluate(CHECKS)
    if SHOTS:
        page.screenshot(path=str(Path(SHOTS) / f"{name}.png"), full_page=True)
    return {name: found} if found else {}


def check(page, name):
    assert look(page, name) == {}


@pytest.mark.parametrize("language", ["en", "ja", "ko", "zh-Hans"])
def test_every_page_reads_well(visit, place, language):
    page, found = visit(), {}
    for name, address in addresses(place).items():
        answer = page.goto(f"{address}{'&' if '?' in address else '?'}lang={language}")
        assert answer.status == 200, (name, page.inner_text("main"))
        assert page.get_attribute("html", "lang") == language
        found |= look(page, f"{name}-{language}")
    assert found == {}


@pytest.mark.parametrize(
    ("name", "options"),
    [("dark", {"color_scheme": "dark"}), ("phone", {"viewport": {"width": 390, "height": 844}})],
)
def test_in_the_dark_and_on_a_phone(visit, place, name, options):
    page, found = visit(**options), {}
    for what, address in addresses(place).items():
        page.goto(address)
        found |= look(page, f"{what}-{name}")
    assert found == {}


def test_a_file_is_sent_and_its_result_shown(visit, tmp_path):
    page = visit("jun")
    file = tmp_path / "bundle.json"
    name = "identity--7c1f6c5a-6d3e-4b7e-9d37-0a5e1f2b3c01"
    stamp = "2026-11-01T00:00:00.000Z"
    good = {"type": "identity", "spec_version": "2.1", "id": name, "created": stamp, "modified": stamp}
    good |= {"name": "A bank", "identity_class": "organization"}
    file.write_text(json.dumps({"type": "bundle", "id": "bundle--" + name[10:], "objects": [good, {}]}))
    page.goto("/reports/import")
    page.set_input_files("#i-file", str(file))
    page.click("form.fields button.main")
    page.wait_for_selector("dl.numbers")
    assert "/objects/1" in page.inner_text("main")
    assert page.evaluate("document.activeElement.tagName") == "MAIN"
    check(page, "import-result")


def test_admin(visit):
    page, found = visit("root"), {}
    for name in ("", "/roles", "/tokens", "/partners", "/reads"):
        page.goto(f"/admin{name}")
        found |= look(page, f"admin{name.replace('/', '-')}")
    assert found == {}
    page.goto("/admin/tokens")
    page.fill("#k-label", "SIEM of the CERT")
    page.click("form.fields button")
    assert page.inner_text("#secret").startswith("sct_")
    page.reload()


def test_keyboard_alone(visit, place):
    page = visit(None)
    page.goto("/reports")
    assert page.evaluate("document.activeElement.id") == "login"
    page.keyboard.type("mina")
    page.keyboard.press("Tab")
    page.keyboard.type("correct horse battery")
    page.keyboard.press("Enter")
    page.wait_for_url("**/reports")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") == "search"
    page.keyboard.type("indicators")
    page.keyboard.press("Enter")
    page.wait_for_url("**/reports?q=indicators")
    page.keyboard.press("?")
    assert page.locator("dialog#keys").is_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/reports/{place.report['kr_indicators']}")
    page.keyboard.press("Tab")
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.keyboard.press("t")
    page.keyboard.type("2013-03-21")
    page.keyboard.press("Enter")
    page.wait_for_url("**true_on=2013-03-21**")
    assert page.locator("h1").count() == 1


def test_the_past_offers_nothing_to_act(visit, place):
    page = visit()
    page.goto(f"/reports/{place.report['kr_annex']}/release?true_on=2013-03-21&known_by=2013-03-21")
    assert "2013-03-21" in page.inner_text(".band")
    assert page.locator("main button:has-text('Propose')").count() == 0
    assert page.locator("main input[type=checkbox]").count() == 0
    japan = page.locator("details.row", has_text="JP")
    assert "NOT" in japan.locator("summary").first.inner_text()
    page.click(".band a")
    assert page.locator("main input[type=checkbox]").count() > 0


def test_two_persons_release_and_the_desk_moves_by_itself(visit, place):
    annex = place.report["kr_annex"]
    mina, jun = visit("mina"), visit("jun")
    jun.goto("/")
    jun.wait_for_selector("[data-live-state=open]")
    mina.goto(f"/reports/{annex}/release")
    mina.locator("details.row", has_text="JP").locator("summary").first.click()
    assert "jp-rok-gsomia-2016" in mina.locator("details.row", has_text="JP").inner_text()
    check(mina, "release-open")
    mina.check("#to-JP")
    mina.click("button[value=propose]")
    assert "not confirmed" in mina.inner_text("[role=alert]")
    mina.check("#to-JP")
    mina.check("input[name=confirmed]")
    mina.click("button[value=propose]")
    mina.wait_for_url("**/releases/*")
    assert mina.locator("button:has-text('Refuse')").count() == 0
    jun.wait_for_selector("section[aria-labelledby=h-waiting] a", timeout=10_000)
    jun.click("section[aria-labelledby=h-waiting] a")
    jun.wait_for_url("**/releases/*")
    check(jun, "one-release")
    jun.locator("input[name=confirmed]").evaluate("box => { box.required = false }")
    jun.click("form[action$='/approve'] button")
    assert "not confirmed" in jun.inner_text("[role=alert]"), "who decides confirms, whoever proposed"
    jun.check("input[name=confirmed]")
    jun.click("form[action$='/approve'] button")
    jun.wait_for_load_state()
    assert "released" in jun.inner_text(".head")
    jun.click("dl.facts a")
    assert "verified" in jun.inner_text("main")
    check(jun, "entry")
    jun.goto(f"/reports/{annex}")
    assert "JP" in jun.inner_text("main table >> nth=0")


def test_withdraw_wants_the_code_typed(visit, place):
    page = visit()
    page.goto(f"/reports/{place.report['kr_community']}/release")
    page.check("#to-JP")
    if page.locator("input[name=confirmed]").count():
        page.check("input[name=confirmed]")
    page.click("button[value=release]")
    page.wait_for_url("**/releases/*")
    page.goto(f"/reports/{place.report['kr_community']}/withdraw")
    check(page, "withdraw")
    page.fill("#w-reason", "a wrong address")
    page.fill("#w-code", "nothing")
    page.click("main button.main")
    assert page.locator("[role=alert]").is_visible()
    assert page.input_value("#w-reason") == "a wrong address"


def test_narrow_takes_back_from_the_holders_chosen(visit, place):
    page, report = visit(), place.report["kr_community"]
    page.goto(f"/reports/{report}")
    if not page.locator("#holders ~ .scroll >> nth=0", has_text="JP").count():
        page.goto(f"/reports/{report}/release")
        page.check("#to-JP")
        if page.locator("input[name=confirmed]").count():
            page.check("input[name=confirmed]")
        page.click("button[value=release]")
        page.wait_for_url("**/releases/*")
    page.goto("/ledger")
    entry = page.inner_text("main tbody tr:first-child th")
    page.goto(f"/reports/{report}/narrow")
    check(page, "narrow-granted")
    page.fill("#n-reason", "sent by mistake")
    page.fill("#n-code", report.rpartition("--")[2][:6])
    page.click("main button.main")
    assert "chosen" in page.inner_text("[role=alert]")
    page.check("input[name=to][value=JP]")
    page.fill("#n-code", report.rpartition("--")[2][:6])
    page.click("main button.main")
    page.wait_for_url("**#holders")
    assert "JP" in page.inner_text("#holders ~ .scroll >> nth=0")
    page.goto(f"/reports/{report}/narrow")
    assert page.locator("input[name=to][value=JP]").count() == 0
    page.goto(f"/reports/{report}?recorded_by={entry}")
    then = page.inner_text("#holders ~ .scroll >> nth=0")
    assert "JP" in then
    assert "cannot answer" not in then


def test_without_script(visit, place):
    page = visit(java_script_enabled=False)
    page.select_option("#language", "ja")
    page.click(".who form:has(select) button")
    assert page.get_attribute("html", "lang") == "ja"
    page.goto(f"/reports/{place.report['kr_advisory']}/release")
    page.locator("details.row summary").first.click()
    assert page.locator("details.row .inside").first.is_visible()
    page.goto("/agreements/explain?from=KR&to=JP&tlp=AMBER&lang=en")
    assert re.search("MAY|NOT", page.inner_text(".answer"))


def test_the_exercise_cannot_be_taken_for_real(visit):
    page = visit(realm="exercise")
    assert page.title().startswith("EXERCISE")
    assert page.locator(".rehearsal").count() == 2
    assert page.get_attribute("html", "class") == "exercise"
    accent = page.evaluate("getComputedStyle(document.documentElement).getPropertyValue('--accent').trim()")
    assert accent == "#5a2d82"
    check(page, "exercise")
    live = visit(None)
    live.goto("/reports")
    assert "/sign-in" in live.url


@pytest.mark.parametrize("language", ["en", "ja", "ko", "zh-Hans"])
def test_on_paper(visit, place, language):
    page = visit()
    page.goto(f"/reports/{place.report['kr_advisory']}?lang={language}")
    page.emulate_media(media="print")
    assert page.locator(".highest").first.is_visible()
    for bar in (".top", ".asof", ".rail", ".acts"):
        assert not page.locator(bar).first.is_visible(), bar
    if SHOTS:
        page.pdf(path=str(Path(SHOTS) / f"report-{language}.pdf"), prefer_css_page_size=True)
        page.goto(f"/reports/{place.report['kr_annex']}/release?lang={language}")
        page.pdf(path=str(Path(SHOTS) / f"release-{language}.pdf"), prefer_css_page_size=True)
