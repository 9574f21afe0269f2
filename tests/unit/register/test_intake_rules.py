"""Rules of intake on texts nobody wrote for them: numbers that are no dates, lists of sides, cues."""

from __future__ import annotations

from datetime import date

import pytest

from secretariat.register.intake.dates import read_dates
from secretariat.register.intake.gazetteer import read_mentions
from secretariat.register.intake.proposals import read_text

OWN = date(2025, 6, 18)

DATES = {
    ("ja", "R元.5.1に改正"): ("R元.5.1", "2019-05-01", "2019-05-01"),
    ("ja", "13年秋以降に開く"): ("13年秋", "2013-09", "2013-11"),
    ("ja", "今年度末まで"): ("今年度末", "2026-03", "2026-03"),
    ("ja", "先週金曜日に"): ("先週金曜日", "2025-06-13", "2025-06-13"),
    ("ja", "5/2(金)の会合"): ("5/2", "2025-05-02", "2025-05-02"),
    ("ja", "本日（18日）署名した"): ("本日（18日）", "2025-06-18", "2025-06-18"),
    ("ko", "'23.4.26.(수) 회의"): ("'23.4.26.", "2023-04-26", "2023-04-26"),
    ("ko", "‘24.1월 점검"): ("‘24.1월", "2024-01", "2024-01"),
    ("ko", "2024. 5. 3.(금)~5. 5.(일) 개최"): ("2024. 5. 3.(금)~5. 5.", "2024-05-03", "2024-05-05"),
    ("ko", "지난주 금요일 회신했다"): ("지난주 금요일", "2025-06-13", "2025-06-13"),
    ("ko", "모레(20일) 시작한다"): ("모레(20일)", "2025-06-20", "2025-06-20"),
    ("ko", "작년 동기 대비 늘었다"): ("작년 동기", "2024", "2024"),
    ("zh", "较去年同期增加"): ("去年同期", "2024", "2024"),
    ("zh", "上周五举行"): ("上周五", "2025-06-13", "2025-06-13"),
    ("en", "from 28 February through 3 March"): ("28 February through 3 March", "2025-02-28", "2025-03-03"),
    ("en", "the ministry said Friday."): ("Friday", "2025-06-13", "2025-06-13"),
}


@pytest.mark.parametrize(("lang", "text"), DATES)
def test_a_date_with_its_span(lang, text):
    found = read_dates(text, own=OWN, lang=lang)
    assert [(one.text, one.first, one.last) for one in found] == [DATES[lang, text]]


NO_DATES = (
    "個人情報保護法(平成15年法律第57号)",
    "令和5年政令第12号により",
    "国发〔2023〕15号",
    "Windows Server 2008 and Office 2019",
    "Copyright © 2012-2018 Example Ltd.",
    "under resolution 2094",
    "2박 3일 일정",
    "1일 평균 20만 건",
    "every Friday",
)


@pytest.mark.parametrize("text", NO_DATES)
def test_digits_that_name_something_else(text):
    assert read_dates(text, own=OWN) == []


def test_a_list_item_below_a_date_is_not_its_end():
    found = read_dates(
        "令和6年7月24日\n- 7月20日及び21日、会合が開かれた。", own=date(2024, 7, 24), lang="ja"
    )
    assert [(one.first, one.last) for one in found] == [
        ("2024-07-24", "2024-07-24"),
        ("2024-07-20", "2024-07-21"),
    ]


@pytest.mark.parametrize("text", ["农历八月十五", "음력 8월 15일", "旧暦8月15日", "112年5月3日"])
def test_a_calendar_that_is_not_converted_stays_open_with_the_reason(text):
    (found,) = read_dates(text, own=OWN, lang="zh")
    assert (found.state, found.text) == ("open", text)
    assert "calendar" in found.why or "era" in found.why


@pytest.mark.parametrize(
    ("lang", "text", "codes"),
    [
        ("ko", "미국에서는 국무부와 국방부가, 한국에서는 국방부가 왔다.", ["STATE-US", "DOD-US", "MND-KR"]),
        ("ko", "국방부는 회신했다.", ["MND-KR"]),
        ("ja", "米側からは国務省、国防省が参加した。", ["STATE-US", "DOD-US"]),
        ("zh", "国防部发言人表示", ["MND-CN"]),
        ("zh", "美国国防部", ["DOD-US"]),
        ("en", "according to Seoul's foreign ministry", ["MOFA-KR"]),
    ],
)
def test_a_ministry_belongs_to_the_side_that_is_listed(lang, text, codes):
    assert [one.code for one in read_mentions(text, lang=lang) if one.kind == "body"] == codes


def test_a_dialogue_named_after_states_names_the_states():
    found = read_mentions("The Japan-US Cyber Dialogue met.")
    assert [one.code for one in found if one.kind == "state"] == ["JP", "US"]


def kinds(text: str, lang: str) -> list[str]:
    return [one.kind for one in read_text(text, lang=lang, own=OWN).proposals]


def test_a_name_of_a_body_is_no_cue():
    assert kinds("The Federal Bureau of Investigation sent three people to Seoul.", "en") == []


def test_a_heading_proposes_nothing_that_the_text_says_below():
    text = (
        "Third Round of the Network Security Consultation\n\n"
        "The third round of the consultation was held in Seoul on 3 March 2025. "
        "Officials of Japan and China took part in it and spoke about their contact points at length."
    )
    assert kinds(text, "en") == ["meeting"]


def test_what_nobody_named_says_is_no_statement():
    assert kinds("“It can be looked at,” he said.", "en") == []


@pytest.mark.parametrize(
    ("lang", "text", "kind"),
    [
        ("en", "Japan and Korea shared the view to hold the next round early.", "commitment"),
        ("en", "Agencies of the United States must apply the patch before 3 July 2025.", "commitment"),
        ("en", "Japan and Korea have launched a working group.", "development"),
        ("ja", "日本と韓国は7月に協議を開催すると明らかにした。", "commitment"),
        ("ja", "情報処理推進機構は5月の届出状況を公表しました。", "development"),
        ("ko", "방송통신위원회는 '관심' 경보를 발령했다.", "development"),
        ("ko", "양측은 협력을 이어 나가기로 뜻을 모았다.", "commitment"),
        ("zh", "中日网络论坛今天在首尔开幕。", "meeting"),
    ],
)
def test_words_that_are_a_cue(lang, text, kind):
    assert kind in kinds(text, lang)
