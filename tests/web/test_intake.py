"""Intake on pages: a file becomes proposals beside the marked text; decisions stay."""

from __future__ import annotations

import re

from secretariat.register import store
from secretariat.register.model import stix_id

TEXT = """Joint press statement

Seoul, 24 May 2019

The second meeting of Japan and the Republic of Korea on network security was held in Seoul on 23 May 2019.
Japan will circulate a draft form by 30 September 2019. <script>alert(1)</script>
No text of the form has yet been received.
"""


def _taken(client, text=TEXT, name="statement.txt"):
    answer = client.post(
        "/register/intake",
        data={"kind": "primary", "url": "", "date": ""},
        files={"file": (name, text.encode(), "text/plain")},
        follow_redirects=False,
    )
    assert answer.status_code == 303, answer.text
    return answer.headers["location"]


def test_a_file_is_read_and_marked(site):
    client = site("officer")
    where = _taken(client)
    shown = client.get(where).text
    assert "<script>alert(1)" not in shown
    assert 'class="p' in shown
    assert 'id="t-1"' in shown
    assert "held in Seoul on 23 May 2019" in re.sub(r"<[^>]+>", "", shown)
    assert "2019-05-23" in shown
    assert _taken(client) == where, "the same bytes are the same intake"
    assert "Joint press statement" in client.get("/register/intake").text


def test_accepting_records_with_span_and_keeps_the_place(site):
    client = site("officer")
    where = _taken(client)
    answer = client.post(
        f"{where}/1", data={"deed": "accept", "seen": "1", "title": "Second meeting"}, follow_redirects=False
    )
    assert answer.status_code == 303, answer.text
    assert answer.headers["location"].endswith("?at=2#p-2")
    shown = client.get(where).text
    key = re.search(r"<code>(doc-[0-9a-f]{12}-1)</code>", shown)
    assert key is not None
    with client.node.database.app("live") as tx:
        stix = stix_id("sct-meeting", "KR", key[1])
        body = store.newest(tx, [stix])[stix].body
    assert body["title"] == "Second meeting"
    cite = body["cites"][0]
    assert TEXT[cite["start"] : cite["end"]] == cite["quote"]


def test_the_second_officer_is_told(site):
    first, second = site("officer"), site("officer")
    where = _taken(first)
    first.post(
        f"{where}/1", data={"deed": "reject", "seen": "1", "reason": "not ours"}, follow_redirects=False
    )
    answer = second.post(f"{where}/1", data={"deed": "accept", "seen": "1"}, follow_redirects=False)
    assert answer.status_code == 409
    assert "rejected by" in answer.text


def test_refusals_are_said_in_words(site):
    client = site("officer")
    for name, data, said in (
        ("empty.txt", b" \n", "empty"),
        ("picture.pdf", b"\x89PNG\r\n\x1a\n", "not read"),
        ("broken.docx", b"PK\x03\x04garbage", "broken"),
    ):
        answer = client.post("/register/intake", data={"kind": "press"}, files={"file": (name, data)})
        assert answer.status_code == 422, (name, answer.text)
        assert said in answer.text, name
    answer = client.post("/register/intake", data={"kind": "press", "url": "https://example.org/"})
    assert answer.status_code == 403


def test_only_officers_take_in(site):
    assert site("auditor").get("/register/intake").status_code == 403
