"""Pages of private questions: administrators turn them on, releasers ask and decide; limits are plain."""

from __future__ import annotations

import pytest

from secretariat.base.clock import now
from secretariat.exchange import private_store as tables
from secretariat.exchange.private_values import epoch_of


def put(client, **more):
    """Write a question as it may stand here."""
    given = {
        "side": "answers",
        "party": "JP",
        "type": "domain-name",
        "epoch": epoch_of(now()),
        "under": "jp-rok-gsomia-2016",
        "state": "waiting",
        "stage": "",
        "size": 120,
        "why": "",
        "by": "",
        "at": now(),
        **more,
    }
    with client.node.database.app("live") as tx:
        return tables.add_question(tx, **given)


def test_everybody_who_reads_sees_what_is_not_protected(site):
    client = site("analyst")
    shown = client.get("/questions").text
    assert "every IPv4 address can be tried" in shown
    assert "not on with any partner" in shown
    assert '<form method="post" action="/questions"' not in shown
    number = put(client)
    shown = client.get(f"/questions/{number}").text
    assert "every IPv4 address can be tried" in shown
    assert "Answer it?" not in shown  # an analyst decides nothing
    assert client.post(f"/questions/{number}/answer", data={"word": "yes"}).status_code == 403
    assert client.post("/questions", data={"what": "JP/url"}).status_code == 403
    assert client.get("/admin/questions").status_code == 403
    assert "Domain names" in client.get("/questions?download=questions.csv").text


def test_a_releaser_says_yes_or_no_once(site):
    client = site("releaser")
    number = put(client)
    shown = client.get(f"/questions/{number}").text
    assert "JP will learn how many of its 120 values we have" in shown
    assert "Private questions that wait for us" in client.get("/").text
    assert client.post(f"/questions/{number}/answer", data={"word": "maybe"}).status_code == 422
    done = client.post(f"/questions/{number}/answer", data={"word": "no"}, follow_redirects=False)
    assert done.status_code == 303
    assert client.post(f"/questions/{number}/answer", data={"word": "yes"}).status_code == 403
    assert "a person said no" in client.get(f"/questions/{number}").text
    assert "Private questions that wait for us" not in client.get("/").text
    other = put(client, type="url", state="answered", stage="wanted")
    assert "Show which they are?" in client.get(f"/questions/{other}").text
    client.post(f"/questions/{other}/matches", data={"word": "yes"})
    with client.node.database.app("live") as tx:
        assert tables.question(tx, other).stage == "allowed"


def test_asking_needs_the_box_and_what_is_turned_on(site):
    client = site("releaser")
    refused = client.post("/questions", data={"what": "JP/url"})
    assert refused.status_code == 422
    assert "say that you read what it does not protect" in refused.text
    refused = client.post("/questions", data={"what": "JP/url", "understood": "yes"})
    assert refused.status_code == 404  # no such partner
    assert client.post("/questions", data={"what": "nonsense", "understood": "yes"}).status_code in {404, 422}
    assert client.get("/questions/999").status_code == 404
    number = put(client, side="asks", state="counted", result=40, their_size=130)
    shown = client.get(f"/questions/{number}").text
    assert "40 values are in both sets." in shown
    client.post(f"/questions/{number}/open")
    assert "decides whether they are shown" in client.get(f"/questions/{number}").text
    assert client.post(f"/questions/{number}/open").status_code == 409


@pytest.mark.parametrize(
    "bad",
    [
        {"under": "JP/jp-rok-gsomia-2016", "type": "url", "elements": "many"},
        {"under": "JP/jp-rok-gsomia-2016", "elements": "10"},
        {"under": "JP/jp-rok-gsomia-2016", "type": "mutex", "elements": "10"},
        {"under": "JP/jp-rok-gsomia-2016", "type": "url", "elements": "0"},
        {"under": "", "type": "url", "elements": "10"},
        {},
    ],
)
def test_an_administrator_turns_nothing_wrong_on(site, bad):
    client = site("admin")
    assert "They are on with nobody." in client.get("/admin/questions").text
    assert client.post("/admin/questions", data=bad).status_code in {404, 422}
    assert client.post("/admin/questions/JP/forbid").status_code == 404


@pytest.mark.parametrize("language", ["en", "ja", "ko", "zh-Hans"])
def test_the_pages_are_in_every_language(site, language):
    client = site("releaser")
    number = put(client)
    for path in ("/questions", f"/questions/{number}"):
        assert client.get(f"{path}?lang={language}").status_code == 200
