"""Rules of intake on texts nobody wrote for them: numbers that are no dates, lists of sides, cues."""

from __future__ import annotations

import time
from datetime import date

import httpx2
import pytest

from secretariat.base.errors import DeniedError, InputError, LimitError, UnavailableError
from secretariat.register.intake import fetching
from secretariat.register.intake.capture import Limits, read_document
from secretariat.register.intake.contained import read_contained, rules_contained
from secretariat.register.intake.dates import read_dates
from secretariat.register.intake.gazetteer import read_mentions
from secretariat.register.intake.proposals import read_text
from secretariat.register.intake.wording import reason
from secretariat.web.words import set_language

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


def test_the_rules_run_under_the_time_limit():
    text = "The third meeting was held in Seoul on 3 March 2025. " * 20_000
    with pytest.raises(LimitError, match="more than 1 seconds"):
        rules_contained(text, lang="en", own=None, limits=Limits(seconds=1))


@pytest.mark.parametrize("text", ["1." * 20_000, "a.b-" * 10_000, "x@" * 20_000])
def test_no_text_makes_the_rules_of_dates_slow(text):
    started = time.perf_counter()
    read_dates(text, own=OWN)
    assert time.perf_counter() - started < 10


HIDDEN = (
    "The\u200b third meeting\u202e was held\u2066 in Seoul\u00ad on 3\u00a0March 2025.\x00 \ufeffJapan came."
)


def test_offsets_are_those_of_the_stored_text():
    (one,) = read_document(HIDDEN.encode())
    read = read_text(one.text, lang=one.lang)
    assert "\x00" not in one.text
    for found in (*read.dates, *read.mentions):
        assert one.text[found.start : found.end] == found.text
    for found in read.proposals:
        assert one.text[found.start : found.end] == found.quote
    assert [found.first for found in read.dates] == ["2025-03-03"]


@pytest.mark.parametrize("depth", [400, 9_000])
def test_deeply_nested_html_is_read_or_refused_in_words(depth):
    page = b"<html><body>" + b"<div>" * depth + b"Held in Seoul on 3 March 2025." + b"</div>" * depth
    try:
        said = read_contained(page, "a.html", limits=Limits(seconds=30))[0].text
    except (InputError, LimitError) as refusal:
        said = refusal.what
    assert "3 March 2025" in said or "nested" in said or "reader stopped" in said or "no text" in said


def test_hidden_text_and_scripts_of_a_page_propose_nothing():
    page = (
        "<html><body><p>Japan and China met in Seoul on 3 March 2025, and this is the visible part.</p>"
        "<p style='display:none'>Japan withdrew on 4 April 2025.</p><p hidden>Signed on 5 May 2025.</p>"
        "<script>var d = '7 July 2025'</script></body></html>"
    )
    (one,) = read_document(page.encode(), "a.html")
    assert [found.first for found in read_dates(one.text)] == ["2025-03-03"]


def test_a_wrong_charset_in_the_header_does_not_win_over_the_bytes():
    text = "外務省は3月3日、協議を開催した。"
    (one,) = read_document(text.encode("utf-8"), "a.txt", charset="iso-8859-1")
    assert one.text == text


@pytest.mark.parametrize(
    "url",
    [
        "http://2130706433/",
        "http://0x7f.1/",
        "http://[::1]/",
        "http://[::ffff:10.0.0.1]/",
        "http://[fe80::1]/",
    ],
)
def test_an_address_that_hides_a_private_one_is_refused(url):
    with pytest.raises((DeniedError, UnavailableError)):
        fetching.checked(url)


def test_a_name_that_changes_its_address_between_is_asked_at_the_checked_one():
    answers = iter([["93.184.216.34"], ["127.0.0.1"]])
    asked = []

    def answer(request):
        asked.append(request.url.host)
        return httpx2.Response(302, headers={"location": "http://a.example/two"})

    with pytest.raises(DeniedError, match="no public address"):
        fetching.fetch(
            "http://a.example/one",
            "http://proxy.invalid:3128",
            resolver=lambda _host, _port: next(answers),
            transport=httpx2.MockTransport(answer),
        )
    assert asked == ["93.184.216.34"]


def test_a_reason_is_given_in_the_language_of_the_page():
    text = "東京\n\n日本と韓国は去年10月の会合で、協議を続けることで一致した。"
    (one, *_rest) = read_text(text, lang="ja", own=OWN).proposals
    set_language("ko")
    try:
        said = [str(reason(why)) for why in one.why.values()]
        assert "약속" in said[0]
        assert not [why for why in said if 'lang="en"' in why]
        assert str(reason("'x' <b> of nobody")) == '<span lang="en">&#39;x&#39; &lt;b&gt; of nobody</span>'
    finally:
        set_language("en")


@pytest.mark.parametrize(
    ("lang", "text"),
    [
        ("ko", "협의회가 12월 12일 서울에서 개최됐다. 지난 2018년 제5차 협의회 이후 4년 만이다."),
        ("ja", "4月10日に会合が開催されます。昨年5月の会合に続くものです。2013年5月の会合では確認した。"),
    ],
)
def test_the_only_year_of_a_text_that_looks_back_at_it_is_not_taken(lang, text):
    assert read_dates(text, lang=lang)[0].state == "open"


@pytest.mark.parametrize("text", ["ワシントンD.C.において開かれた", "東京にて開かれた", "東京で開かれた"])
def test_a_seat_of_government_is_a_place_before_a_word_of_place(text):
    assert [one.kind for one in read_mentions(text, lang="ja")] == ["place"]
