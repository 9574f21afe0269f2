"""Any question gives what a plain model of a collection gives, page by page of any size."""

from __future__ import annotations

import random
import uuid
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from contract.taxii.target import indicator, pages, stamp

if TYPE_CHECKING:
    from contract.taxii.conftest import World

START = datetime(2024, 1, 1, tzinfo=UTC)
TYPES = ("indicator", "malware", "x-case")


def made(rng: random.Random) -> list[dict[str, Any]]:
    """Versions of forty objects of three types, shuffled, so that newer ones come before older ones."""
    out = []
    for number in range(40):
        kind, one = rng.choice(TYPES), uuid.UUID(int=rng.getrandbits(128), version=4)
        for day in rng.sample(range(9), rng.randint(1, 5)):
            made_one = indicator(number, modified=START + timedelta(days=day + 1), one=one)
            out.append({**made_one, "type": kind, "id": f"{kind}--{one}"})
    rng.shuffle(out)
    return out


def question(rng: random.Random, there: list[dict[str, Any]], dates: list[str]) -> dict[str, str]:
    """Ask something that a client may ask."""
    asked: dict[str, str] = {}
    if rng.random() < 0.4:
        asked["match[id]"] = ",".join({one["id"] for one in rng.sample(there, rng.randint(1, 12))})
    if rng.random() < 0.4:
        asked["match[type]"] = ",".join(rng.sample((*TYPES, "nobodys"), rng.randint(1, 3)))
    if rng.random() < 0.3:
        asked["match[spec_version]"] = rng.choice(("2.1", "2.0,2.1", "2.0"))
    if rng.random() < 0.3:
        asked["added_after"] = rng.choice(dates)
    if rng.random() < 0.8:
        words = rng.sample(
            ("first", "last", stamp(START + timedelta(days=rng.randint(1, 9)))), rng.randint(1, 3)
        )
        asked["match[version]"] = rng.choice(("all", ",".join(words)))
    return asked


def answer(there: list[dict[str, Any]], dates: list[str], asked: dict[str, str]) -> list[dict[str, Any]]:
    """What the standard says about it (3.4), the slow way."""
    versions: dict[str, list[str]] = {}
    for one in there:
        versions.setdefault(one["id"], []).append(one["modified"])
    words = asked.get("match[version]", "last").split(",")
    out = []
    for one, date in zip(there, dates, strict=True):
        wanted = {
            min(versions[one["id"]])
            if word == "first"
            else max(versions[one["id"]])
            if word == "last"
            else word
            for word in words
        }
        if (
            ("match[id]" not in asked or one["id"] in asked["match[id]"].split(","))
            and ("match[type]" not in asked or one["type"] in asked["match[type]"].split(","))
            and "2.1" in asked.get("match[spec_version]", "2.1")
            and date > asked.get("added_after", "")
            and ("all" in words or one["modified"] in wanted)
        ):
            out.append(one)
    return out


@pytest.fixture(scope="module")
def filled(standing: World) -> tuple[World, list[dict[str, Any]], list[str]]:
    rng = random.Random(20130320)
    there = made(rng)
    for start in range(0, len(there), 9):
        standing.put("jp", there[start : start + 9])
    with standing.client("jp") as client:
        listed = pages(client, standing.of("jp") + "manifest/", 1000, **{"match[version]": "all"})
    return standing, there, [one["date_added"] for page in listed for one in page["objects"]]


@pytest.mark.parametrize("seed", range(60))
def test_any_question_is_answered_as_the_model_does(
    filled: tuple[World, list[dict[str, Any]], list[str]], seed: int
) -> None:
    world, there, dates = filled
    rng = random.Random(seed)
    asked = question(rng, there, dates)
    expected = answer(there, dates, asked)
    limit = rng.choice((1, 2, 7, 1000)) if len(expected) < 40 else rng.choice((7, 19, 1000))
    with world.client("jp") as client:
        found = pages(client, world.of("jp") + "objects/", limit, **asked)
        listed = pages(client, world.of("jp") + "manifest/", limit, **asked)
    assert [one for page in found for one in page.get("objects", [])] == expected, asked
    records = [one for page in listed for one in page.get("objects", [])]
    assert [(one["id"], one["version"]) for one in records] == [
        (one["id"], one["modified"]) for one in expected
    ]
    assert all(len(page["objects"]) == limit for page in found[:-1])
