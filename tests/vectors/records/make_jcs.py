"""Writes jcs.json: the examples of RFC 8785 as pairs of what comes in and what is kept.

Input and output are transcribed from the RFC (sections 3.2.2, 3.2.3 and appendix B, the rows that survive the
door's rule on integers); this script only gives them their file format. Run: python make_jcs.py
"""

import json
import struct
from pathlib import Path

CASES = [
    (
        "section 3.2.2, primitive types",
        (
            r'{"numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],'
            r' "string": "\u20ac$\u000F\u000aA'
            "'"
            r'\u0042\u0022\u005c\\\"\/", "literals": [null, true, false]}'
        ),
        (
            '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],'
            '"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}'
        ),
    ),
    (
        "section 3.2.3, sorting by UTF-16 units",
        (
            r'{"\u20ac": "Euro Sign", "\r": "Carriage Return", "\ufb33": "Hebrew Letter Dalet With Dagesh",'
            r' "1": "One", "\ud83d\ude00": "Emoji: Grinning Face", "\u0080": "Control",'
            r' "\u00f6": "Latin Small Letter O With Diaeresis"}'
        ),
        (
            '{"\\r":"Carriage Return","1":"One","\x80":"Control","ö":"Latin Small Letter O With Diaeresis",'
            '"€":"Euro Sign","😀":"Emoji: Grinning Face","\ufb33":"Hebrew Letter Dalet With Dagesh"}'
        ),
    ),
]
NUMBERS = [  # appendix B: IEEE 754 bits, JSON
    ("0000000000000000", "0"),
    ("8000000000000000", "0"),
    ("0000000000000001", "5e-324"),
    ("8000000000000001", "-5e-324"),
    ("7fefffffffffffff", "1.7976931348623157e+308"),
    ("ffefffffffffffff", "-1.7976931348623157e+308"),
    ("44b52d02c7e14af5", "9.999999999999997e+22"),
    ("44b52d02c7e14af6", "1e+23"),
    ("44b52d02c7e14af7", "1.0000000000000001e+23"),
    ("444b1ae4d6e2ef50", "1e+21"),
    ("3eb0c6f7a0b5ed8c", "9.999999999999997e-7"),
    ("3eb0c6f7a0b5ed8d", "0.000001"),
    ("41b3de4355555553", "333333333.3333332"),
    ("41b3de4355555554", "333333333.33333325"),
    ("41b3de4355555555", "333333333.3333333"),
    ("41b3de4355555556", "333333333.3333334"),
    ("41b3de4355555557", "333333333.33333343"),
    ("becbf647612f3696", "-0.0000033333333333333333"),
]


def main() -> None:
    cases = [{"name": name, "in": given, "out": kept} for name, given, kept in CASES]
    for bits, written in NUMBERS:
        (number,) = struct.unpack(">d", bytes.fromhex(bits))
        cases.append({"name": f"appendix B, {bits}", "in": f"[{number!r}]", "out": f"[{written}]"})
    text = json.dumps({"source": "RFC 8785", "maker": "make_jcs.py", "cases": cases}, indent=1)
    Path(__file__).with_name("jcs.json").write_text(text + "\n", encoding="utf-8")


main()
