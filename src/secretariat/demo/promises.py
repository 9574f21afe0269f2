"""What the demonstration adds to the sample record: accounts of public words, and a promise that is invented.

The record that the package ships is KR's to import and to give. Here stands what each party says itself: its
own account of one trilateral commitment, in our words from sources that the record names. Nobody may be made
to lag, to answer or to be silent in a promise that is real; so the one that is asked about is invented.
"""

from __future__ import annotations

import hashlib
from datetime import date, timedelta

import msgspec

from secretariat.register.model import Account, Cite, Commitment, Request, Source, stix_id

RECORDER = "KR"
"""Whose officer imports the sample record; its statements bear this party's name."""
ABOUT = "cjk-c-permanent-sec"
"""The trilateral commitment of which each party gives its account."""
MARK = "SYNTHETIC (demonstration)"
PROMISE = "demo-c-contact-test"
SPAN = "exchange of test messages between the two points of contact every month"
TEXT = f"""INVENTED PAGE of the demonstration. No such meeting took place and nobody promised this.

Result of the working meeting of 3 June 2024. The two sides agreed on an {SPAN}, beginning in July 2024.

A list of persons and numbers was handed over. It stays with the two sides and stands nowhere but here.
This page is captured in full, so that one can see that its words do not leave the node that captured it.
"""
"""The page as KR captured it: its words but for the span never leave KR's node."""
ASKS = (
    "SYNTHETIC question: when did your point of contact last answer a test message, and is the promise kept?"
)
REPLY = "SYNTHETIC answer: test messages were resumed this week and answered in time; we go on monthly."


class Said(msgspec.Struct, frozen=True):
    """One party's account: what it says, in our words, and the record's source that carries them."""

    party: str
    position: str
    text: str
    source: str


ACCOUNTS = (
    Said(
        "CN",
        "different-reading",
        "Its foreign ministry, as a news service carried it, dates the secretariat from the formal"
        " inauguration on 27 September 2011.",
        "P-crntt11",
    ),
    Said(
        "JP",
        "agrees",
        "The memorandum that its foreign ministry published sets the secretariat up for 2011 and does"
        " not speak of cyber security.",
        "P-memo10",
    ),
    Said(
        "KR",
        "different-reading",
        "Its presidential office, as a newspaper carried it, spoke in 2009 of an online secretariat first,"
        " which would become permanent later.",
        "P-joins09",
    ),
)


def account(said: Said) -> Account:
    """Give a party's account as a statement of its own."""
    return Account(
        key=f"demo-account-{said.party.lower()}-{ABOUT}",
        kind="account",
        title=f"Account of {said.party} (demonstration: public words, the party took no part)",
        true_from="2011-09-29"
        if said.party == "CN"
        else "2010-05-30"
        if said.party == "JP"
        else "2009-10-11",
        parties=(said.party,),
        about_ref=stix_id("sct-commitment", RECORDER, ABOUT),
        said_by=said.party,
        position=said.position,  # type: ignore[arg-type]
        text=said.text,
        lang="en",
        cites=(Cite(source_ref=stix_id("sct-source", RECORDER, said.source)),),
    )


def page() -> Source:
    """Give the invented page as a source."""
    digest = hashlib.sha256(TEXT.encode()).hexdigest()
    return Source(
        key="demo-page",
        kind="source",
        title=f"{MARK}: result of a working meeting",
        source_kind="primary",
        publisher="demonstration",
        true_from="2024-06-03",
        lang="en",
        media_type="text/plain",
        sha256=digest,
        text_sha256=digest,
    )


def promise() -> Commitment:
    """Give the invented promise, with its span in the captured page."""
    start = TEXT.index(SPAN)
    return Commitment(
        key=PROMISE,
        kind="commitment",
        title=f"{MARK}: monthly test of the points of contact",
        true_from="2024-06-03",
        parties=("JP", "KR"),
        owed_by=("JP", "KR"),
        cadence="monthly",
        aim="point-of-contact-test",
        summary="INVENTED for the demonstration: it lags, so that a request about it can be shown.",
        lang="en",
        cites=(
            Cite(
                source_ref=stix_id("sct-source", RECORDER, "demo-page"),
                quote=SPAN,
                start=start,
                end=start + len(SPAN),
                sha256=hashlib.sha256(TEXT.encode()).hexdigest(),
            ),
        ),
    )


def letter(today: date) -> Request:
    """Give an invented letter of last year to JP that nobody answered, recorded only now."""
    asked, due = today - timedelta(days=400), today - timedelta(days=340)
    number = f"KR-{asked.year}-SYNTHETIC"  # the absence that names it says so, too
    return Request(
        key=number,
        kind="request",
        title=f"{MARK}: letter about the test of the points of contact",
        true_from=asked.isoformat(),
        zone="Asia/Seoul",
        parties=("JP", "KR"),
        asked_by="KR",
        asked_of="JP",
        asks=ASKS,
        about_refs=(stix_id("sct-commitment", RECORDER, PROMISE),),
        about_keys=(PROMISE,),
        answer_by=due.isoformat(),
        number=number,
        lang="en",
    )
