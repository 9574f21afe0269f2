"""The matrix of receipts, the way of the object and the duties: four languages, dark, on a phone."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

import pytest

from secretariat.base.clock import now
from secretariat.exchange.model import Due, Holding
from secretariat.exchange.postgres import transaction
from simulator import indicator, sealed

pytestmark = pytest.mark.browser

CHECKS = (Path(__file__).parent / "checks.js").read_text()
SHOTS = os.environ.get("SECRETARIAT_SHOTS")
NAME = "Phishing page that takes passwords of a ministry"
OBJECT = {**indicator("receipts"), "name": NAME}


@pytest.fixture(scope="module")
def told(place):
    """One object at seven holders in every state, and duties of ours in every form."""
    node, moment = place.node, now()
    since, later = moment - timedelta(days=5), moment + timedelta(days=30)
    version = sealed(node.keyring("live"), OBJECT)
    asked = {"via": "KR", "origin": node.origin("live"), "position": 1, "root": version.root}
    due = {"due": moment - timedelta(days=2), "article": "demo-jp-kr-mou/6"}
    with transaction(node, "live", since) as store:
        store.publish([version], ["JP", "US", "TW", "CN", "KISIA"])
        store.hold(
            [
                Holding(holder="JP", state="asked", at=since, **asked, **due),
                Holding(holder="US", state="asked", at=moment, **asked),
                Holding(holder="TW", state="kept-by-law", at=since, note="archives-act/4", **asked),
                Holding(holder="CN", state="destroyed", at=since, **asked),
                Holding(holder="NZ", state="asked", at=since, **{**asked, "via": "CN", "position": -1}),
                Holding(holder="AU", state="destroyed", at=since, **{**asked, "via": "CN", "position": -1}),
            ]
        )
        store.owe(
            [
                Due(root=version.root, duty="report_loss", article="demo-nda/3", owed_to="JP", at=since),
                Due(root=version.root, duty="keep_by_law", article="archives-act/4", owed_to="JP", at=later),
                Due(root=version.root, duty="destroy_or_return", article="demo-nda/9", owed_to="JP", at=None),
            ]
        )
    yield str(OBJECT["id"])
    with transaction(node, "live", moment) as store:
        store.destroy([version.root])


@pytest.mark.parametrize(
    ("words", "options"),
    [
        ("en", {"viewport": {"width": 1360, "height": 850}}),
        ("ja", {"color_scheme": "dark"}),
        ("ko", {"viewport": {"width": 390, "height": 844}}),
        ("zh-Hans", {"viewport": {"width": 768, "height": 1024}}),
    ],
)
def test_the_matrix_and_the_duties_fit_are_labelled_and_keep_contrast(visit, told, words, options):
    page = visit(locale=words, **options)
    for name, address in (("matrix", f"/reports/{told}/receipts"), ("duties", "/ledger/duties")):
        assert page.goto(f"{address}?lang={words}").status == 200, address
        complaints = page.evaluate(CHECKS)
        if SHOTS:
            Path(SHOTS).mkdir(parents=True, exist_ok=True)
            page.screenshot(path=f"{SHOTS}/receipts-{name}-{words}.png", full_page=True)
        assert complaints == [], f"{name} {words}"
        for said in ("demo-jp-kr-mou/6",) if name == "matrix" else ("demo-nda/3", "demo-nda/9"):
            assert said in page.content()
    page.goto(f"/reports/{told}/receipts")
    assert page.locator("svg.chart").count() == 1
