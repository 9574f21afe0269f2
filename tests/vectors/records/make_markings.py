"""Writes markings.json: objects with their markings, and the label that every node must read from them.

The expected labels are written by hand after the rules of docs/objects.md; the script computes only the
ids of classification markings. Run: python make_markings.py
"""

import json
from pathlib import Path
from typing import Any

from secretariat.records.markings import classification_marking, tlp_marking

WHITE_1 = "marking-definition--613f2e26-407d-48c7-9eca-b8e91df99dc9"
GREEN_1 = "marking-definition--34098fce-860f-48ae-8e50-ebd3cc5e41da"
RED_1 = "marking-definition--5e57c739-391a-4eb3-b6be-7d15ca92d5ed"
UUID = "d81f86b9-975b-4c0b-875e-810c5ad45a4f"


def ours(**says: Any) -> dict[str, Any]:
    return classification_marking(**says)


def tlp(word: str) -> str:
    return str(tlp_marking(word)["id"])


def other(**more: Any) -> dict[str, Any]:
    return {"type": "marking-definition", "spec_version": "2.1", "id": f"marking-definition--{UUID}", **more}


SECRET = ours(originator="KR", scheme="ROK_MIL", level="II", kind="defence")
OC = ours(originator="US", scheme="US", level="U", controls=["OC"])
REL = ours(originator="KR", rel_to=["JP", "US"], compartments=["X"])
NOFORN_REL = ours(originator="US", scheme="US", level="S", controls=["NF", "REL KOR"])
PURPLE = other(definition_type="tlp", definition={"tlp": "purple"})
CASES: list[tuple[str, dict[str, Any], list[dict[str, Any]], dict[str, Any]]] = [
    ("no marking: the node's default", {}, [], {"orig": "KR", "tlp": "AMBER"}),
    ("TLP 2.0", {"object_marking_refs": [tlp("GREEN")]}, [], {"orig": "KR", "tlp": "GREEN"}),
    ("WHITE is CLEAR", {"object_marking_refs": [WHITE_1]}, [], {"orig": "KR", "tlp": "CLEAR"}),
    ("strict", {"object_marking_refs": [tlp("AMBER+STRICT")]}, [], {"orig": "KR", "tlp": "AMBER+STRICT"}),
    (
        "two words: the closed one",
        {"object_marking_refs": [tlp("GREEN"), RED_1]},
        [],
        {"orig": "KR", "tlp": "RED"},
    ),
    (
        "versions 1 and 2 together",
        {"object_marking_refs": [GREEN_1, tlp("CLEAR")]},
        [],
        {"orig": "KR", "tlp": "GREEN"},
    ),
    (
        "a word nobody knows is RED",
        {"object_marking_refs": [PURPLE["id"]]},
        [PURPLE],
        {"orig": "KR", "tlp": "RED"},
    ),
    (
        "a marking nobody sent is RED",
        {"object_marking_refs": [PURPLE["id"]]},
        [],
        {"orig": "KR", "tlp": "RED"},
    ),
    (
        "a marking of a kind nobody reads is RED",
        {"object_marking_refs": [PURPLE["id"]]},
        [other(definition_type="secret-sauce", definition={"x": 1})],
        {"orig": "KR", "tlp": "RED"},
    ),
    (
        "a statement says nothing of who",
        {"object_marking_refs": [PURPLE["id"]]},
        [other(definition_type="statement", definition={"statement": "(c)"})],
        {"orig": "KR", "tlp": "AMBER"},
    ),
    (
        "a part in RED makes the whole RED",
        {
            "object_marking_refs": [tlp("CLEAR")],
            "granular_markings": [{"marking_ref": RED_1, "selectors": ["description"]}],
            "description": "x",
        },
        [],
        {"orig": "KR", "tlp": "RED"},
    ),
    (
        "a part in RED that was left out marks nothing of the copy",
        {
            "object_marking_refs": [tlp("CLEAR")],
            "granular_markings": [{"marking_ref": RED_1, "selectors": ["description", "labels.[0]"]}],
        },
        [],
        {"orig": "KR", "tlp": "CLEAR"},
    ),
    (
        "a classification needs no TLP",
        {"object_marking_refs": [SECRET["id"]]},
        [SECRET],
        {"orig": "KR", "level": "II", "scheme": "ROK_MIL", "kind": "defence"},
    ),
    (
        "release list and compartments",
        {"object_marking_refs": [REL["id"], tlp("AMBER")]},
        [REL],
        {"orig": "KR", "tlp": "AMBER", "rel_to": ["JP", "US"], "compartments": ["X"]},
    ),
    (
        "another originator's marking: derived from",
        {"object_marking_refs": [OC["id"], tlp("GREEN")]},
        [OC],
        {
            "orig": "KR",
            "tlp": "GREEN",
            "derived_from": [{"orig": "US", "level": "U", "scheme": "US", "controls": ["OC"]}],
        },
    ),
    (
        "two classifications: both must permit",
        {"object_marking_refs": [SECRET["id"], REL["id"], tlp("AMBER")]},
        [SECRET, REL],
        {
            "orig": "KR",
            "tlp": "AMBER",
            "level": "II",
            "scheme": "ROK_MIL",
            "kind": "defence",
            "derived_from": [{"orig": "KR", "rel_to": ["JP", "US"], "compartments": ["X"]}],
        },
    ),
    (
        "contradictory caveats stay side by side",
        {"object_marking_refs": [NOFORN_REL["id"]]},
        [NOFORN_REL],
        {
            "orig": "KR",
            "tlp": "AMBER",
            "derived_from": [{"orig": "US", "level": "S", "scheme": "US", "controls": ["NF", "REL KOR"]}],
        },
    ),
]


def main() -> None:
    cases = [
        {
            "name": name,
            "originator": "KR",
            "default_tlp": "AMBER",
            "object": {"type": "indicator", **obj},
            "markings": markings,
            "label": label,
        }
        for name, obj, markings, label in CASES
    ]
    text = json.dumps({"maker": "make_markings.py", "cases": cases}, indent=1)
    Path(__file__).with_name("markings.json").write_text(text + "\n", encoding="utf-8")


main()
