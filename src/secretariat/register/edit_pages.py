"""Recording, correcting and taking back by officers: forms that work without script."""

from __future__ import annotations

import hashlib
import secrets
from typing import TYPE_CHECKING, Any

import msgspec
from litestar import Request, Response
from litestar.params import FromPath

from secretariat.base.clock import AsOf, now
from secretariat.base.errors import ConflictError, InputError, NotFoundError, SecretariatError
from secretariat.people.model import Permission
from secretariat.records.markings import TLP_ORDER
from secretariat.register import forms, service, sources, store
from secretariat.register.forms import NOUNS, Fault
from secretariat.register.intake.capture import Limits
from secretariat.register.intake.contained import read_contained
from secretariat.register.model import (
    Draft,
    Evidence,
    Relation,
    Row,
    Source,
    Statement,
    View,
    evidence_of,
    id_of,
    to_draft,
)
from secretariat.register.overlap import service as overlap
from secretariat.register.overlap.model import INDEXED, Near, Text
from secretariat.register.overlap.wording import QUESTION_WORDS
from secretariat.register.overlap.wording import why as near_why
from secretariat.register.screens import address_of, markings_of, sections
from secretariat.register.wording import FIELD_WORDS, KIND_WORDS, RELATION_WORDS, SAYS_WORDS, word_of
from secretariat.web import asof
from secretariat.web.routing import Form, act, page, see
from secretariat.web.screen import Screen, screen_of
from secretariat.web.words import gettext as _

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import sqlalchemy as sa

SPARE = 3
"""Empty rows for sources below those that are there."""
LISTED = 400
"""Keys that a field of references offers."""
ASKED = 0.35
"""How near a statement must stand before the officer is asked about it: below it is a mere likeness."""
SECTION_OF = {
    "meeting": "meetings",
    "commitment": "commitments",
    "project": "projects",
    "instrument": "instruments",
}


@page("/register/record", Permission.EDIT_REGISTER)
def record_page(request: Request[Any, Any, Any]) -> Response[Any]:
    """List what can be recorded."""
    screen = screen_of(request)
    asof.refuse_past(screen.bar)
    return screen.render(
        "register/record.html",
        section="timeline",
        sections=sections(),
        nouns=[(name, _(noun.word)) for name, noun in NOUNS.items()],
    )


@page("/register/record/{noun:str}", Permission.EDIT_REGISTER)
def new_page(request: Request[Any, Any, Any], noun: FromPath[str]) -> Response[Any]:
    """Offer the form of a noun; `?about=` fills what it is about."""
    screen = screen_of(request)
    asof.refuse_past(screen.bar)
    form = _noun(noun)
    values = {"said_by": screen.party, "status": "confirmed", "lang": screen.language.partition("-")[0]}
    about = screen.query.get("about", "").strip()[:200]
    if about and form.about:
        with screen.transaction() as tx:
            found = _finder(tx)(about)
        values[form.about] = found.key if found is not None else about
    return _form(screen, noun, values, {})


@act("/register/record/{noun:str}", Permission.EDIT_REGISTER, takes_file=True)
def record_act(request: Request[Any, Any, Any], noun: FromPath[str]) -> Response[Any]:
    """Record what the form says, or give it back with each fault at its field."""
    screen, form = screen_of(request), Form(request)
    shape = _noun(noun)
    given = _given(request)
    moment = now()
    try:
        captured = _captured(form) if noun == "source" else None
    except SecretariatError as error:
        return _form(screen, noun, given, {"file": Fault(error.what, error.advice)})
    key = given.get("key", "").strip() or _key(noun, given, screen.party, captured)
    with screen.transaction() as tx:
        read = forms.read(shape, given, key=key, find=_finder(tx), text_of=_text_of(tx))
        if read.draft is not None and id_of(read.draft, screen.party) in store.newest(
            tx, [id_of(read.draft, screen.party)]
        ):
            fault = Fault("this key stands there already", "leave it empty, or correct what stands there")
            return _form(screen, noun, given, {"key" if shape.shape is not Relation else "target_ref": fault})
    if read.draft is None:
        return _form(screen, noun, given, read.faults)
    draft = read.draft
    with screen.transaction() as tx:
        near = _near(tx, draft)
    shown = set(form.text("near").split())
    if not {one.row.stix_id for one in near} <= shown:
        return _form(screen, noun, given, {}, near=near)
    if captured is not None and isinstance(draft, Source):
        draft = _with_capture(draft, captured, moment)
    try:
        with screen.transaction() as tx:
            tied = _tied(form, draft, near, screen.party)
            done = service.record_in(
                tx, screen.node, screen.realm, [draft, *tied], by=who(screen), now=moment, tlp=_tlp(given)
            )
            if captured is not None:
                _keep(tx, done.stix_ids[0], captured, draft, by=who(screen), now=moment)
    except SecretariatError as error:
        faults = {forms.place_of(error, key): Fault(error.what, error.advice)}
        return _form(screen, noun, given, faults, near=near)
    return see(_after(screen, draft))


def _near(tx: sa.Connection, draft: Draft) -> tuple[Near, ...]:
    """Give what stands there already and may be the same, be continued or be denied by it."""
    if not isinstance(draft, Statement) or draft.kind not in INDEXED:
        return ()
    beside = Text(
        title=draft.title,
        summary=draft.summary or "",
        kind=draft.kind,
        parties=draft.parties,
        groups=draft.groups,
        orgs=draft.orgs,
        true_from=draft.true_from,
        series=draft.series,
        lang=draft.lang,
    )
    found = overlap.near(tx, View.of(AsOf(), now=now()), beside)
    found = tuple(one for one in found if one.comparison.score >= ASKED)
    return found if any(one.question != "near" for one in found) else ()


def _tied(form: Form, draft: Draft, near: Sequence[Near], party: str) -> list[Draft]:
    """Make the relations and the evidence that the officer chose beside what stands there already."""
    if not isinstance(draft, Statement):
        return []
    own, found = id_of(draft, party), list[Draft]()
    for number, one in enumerate(near, 1):
        chosen = form.text(f"tie-{one.row.stix_id}")
        if chosen in SAYS_WORDS and one.row.kind in {"commitment", "project"}:
            evidence = Evidence(
                key=f"{draft.key}:evidence:{number}",
                kind="evidence",
                title=f"{chosen}: {draft.title}"[:400],
                for_ref=one.row.stix_id,
                from_ref=own,
                says=chosen,  # type: ignore[arg-type]
            )
            found.append(evidence_of(draft, evidence))
        elif chosen in RELATION_WORDS:
            found.append(Relation(source_ref=own, target_ref=one.row.stix_id, relationship_type=chosen))
        elif chosen:
            raise InputError("this is none of the choices", where=f"tie-{one.row.stix_id}")
    return found


@page("/register/statements/{key:str}/amend", Permission.EDIT_REGISTER)
def amend_page(request: Request[Any, Any, Any], key: FromPath[str]) -> Response[Any]:
    """Offer a statement of this party for correction, as it stands now."""
    screen = screen_of(request)
    asof.refuse_past(screen.bar)
    with screen.transaction() as tx:
        row = _own(tx, screen, key)
        values = forms.values_of(row, lambda ref: _keyed(tx, ref))
    return _form(screen, _noun_of(row), values, {}, row=row, seen=row.id)


@act("/register/statements/{key:str}/amend", Permission.EDIT_REGISTER)
def amend_act(request: Request[Any, Any, Any], key: FromPath[str]) -> Response[Any]:
    """Correct a statement; another officer's version stays beside this one, and its author is told."""
    screen, form = screen_of(request), Form(request)
    given = _given(request)
    seen = form.text("seen")
    with screen.transaction() as tx:
        row = _own(tx, screen, key)
        every = store.versions(tx, row.stix_id)
        based = next((one for one in every if str(one.id) == seen), None)
        if based is None:
            raise ConflictError(
                f"{key} has no version {seen[:20]}", where="seen", advice="load the page again"
            )
        noun = _noun_of(row)
        read = forms.read(
            NOUNS[noun],
            given,
            key=row.key,
            find=_finder(tx),
            text_of=_text_of(tx),
            old=to_draft(based.body),
        )
    if read.draft is None:
        return _form(screen, noun, given, read.faults, row=row, seen=based.id)
    try:
        done = service.amend(
            screen.node,
            screen.realm,
            read.draft,
            seen_version=based.id,
            by=who(screen),
            now=now(),
            tlp=_tlp(given),
        )
    except SecretariatError as error:
        faults = {forms.place_of(error, row.key): Fault(error.what, error.advice)}
        return _form(screen, noun, given, faults, row=row, seen=based.id)
    if done.unseen:
        return see(f"{address_of(row)}/versions?a={done.unseen[0]}&b={done.id}&told=1")
    return see(address_of(row))


@page("/register/statements/{key:str}/retract", Permission.EDIT_REGISTER)
def retract_page(request: Request[Any, Any, Any], key: FromPath[str]) -> Response[Any]:
    """Say what taking a statement back does, and ask for the reason."""
    screen = screen_of(request)
    asof.refuse_past(screen.bar)
    return _retract(screen, key)


def _retract(screen: Screen, key: str, error: SecretariatError | None = None) -> Response[Any]:
    with screen.transaction() as tx:
        row = _own(tx, screen, key)
        view = View.of(AsOf(), now=now())
        resting = [
            one
            for one in store.statements(tx, view, types=["sct-evidence"], other=[row.stix_id])
            if one.originator == screen.party
        ]
    return screen.render(
        "register/retract.html",
        status=200 if error is None else error.status,
        markings=markings_of([row, *resting]),
        section=SECTION_OF.get(row.kind, "timeline"),
        sections=sections(),
        row=row,
        resting=resting,
        error=error,
        address=address_of,
        kind_word=word_of(KIND_WORDS, row.kind),
    )


@act("/register/statements/{key:str}/retract", Permission.EDIT_REGISTER)
def retract_act(request: Request[Any, Any, Any], key: FromPath[str]) -> Response[Any]:
    """Take a statement of this party back, with the reason."""
    screen, form = screen_of(request), Form(request)
    try:
        done = service.retract(
            screen.node, screen.realm, key, reason=form.text("reason"), by=who(screen), now=now()
        )
    except InputError as error:
        return _retract(screen, key, error)
    return see(f"/register/statements/{done.stix_ids[0]}/versions")


# --- what these share -----------------------------------------------------------------------------------


def _noun(name: str) -> forms.Noun:
    found = NOUNS.get(name)
    if found is None:
        raise NotFoundError(f"nothing is recorded as {name[:40]!r}", advice=", ".join(NOUNS))
    return found


def _noun_of(row: Row) -> str:
    found = forms.noun_of(row)
    if found is None or found == "relation":
        raise InputError(
            f"a {row.kind} is not corrected here", advice="take it back, and record it as it should be"
        )
    return found


def who(screen: Screen) -> str:
    """Give the login under which this visitor's deeds are recorded."""
    return str(getattr(screen.visitor, "login", None) or getattr(screen.visitor, "name", ""))


def _given(request: Request[Any, Any, Any]) -> dict[str, str]:
    form = Form(request)
    names = ["key", "tlp", *dict.fromkeys(field.name for noun in NOUNS.values() for field in noun.fields)]
    names += [f"{word}-{number}" for number in range(forms.CITES_MAX) for word in ("cite", "quote")]
    return {name: text for name in names if (text := form.text(name))}


def _tlp(given: Mapping[str, str]) -> str | None:
    tlp = given.get("tlp", "")
    return tlp if tlp in TLP_ORDER else None


def _key(noun: str, given: Mapping[str, str], party: str, captured: Any) -> str:
    if captured is not None:
        return f"doc-{captured.sha256[:12]}"
    day = "".join(
        letter for letter in given.get("true_from", "")[:10] if letter.isascii() and letter in "0123456789-"
    )
    return f"{party.lower()}-{noun}-{day or 'undated'}-{secrets.token_hex(3)}"


def _after(screen: Screen, draft: Draft) -> str:
    """Lead to what was recorded, or to what it is about."""
    if isinstance(draft, Relation):
        return f"/register/statements/{draft.source_ref}"
    about = getattr(draft, "for_ref", None) or getattr(draft, "about_ref", None)
    if about:
        return f"/register/statements/{about}"
    kind = "sources" if isinstance(draft, Source) else "statements"
    return f"/register/{kind}/{id_of(draft, screen.party)}"


def _own(tx: sa.Connection, screen: Screen, key: str) -> Row:
    found = store.by_key(tx, key, View.of(AsOf(), now=now()))
    own = next((one for one in found if one.originator == screen.party), None)
    if own is None:
        if found:
            raise ConflictError(
                f"{key[:80]} is a statement of {found[0].originator}",
                where=key[:80],
                advice="say otherwise in an account of your own",
            )
        raise NotFoundError(f"no statement {key[:80]!r} stands here")
    return own


def _finder(tx: sa.Connection) -> Callable[[str], Row | None]:
    view = View.of(AsOf(), now=now())

    def find(key: str) -> Row | None:
        found = store.by_key(tx, key[:250], view) if key else []
        return found[0] if found else None

    return find


def _keyed(tx: sa.Connection, ref: str) -> str:
    row = store.newest(tx, [ref]).get(ref)
    return ref if row is None else row.key


def _text_of(tx: sa.Connection) -> Callable[[str], tuple[str, str] | None]:
    def text_of(source: str) -> tuple[str, str] | None:
        text = sources.texts_of(tx, [source]).get(source)
        return None if text is None else (text, hashlib.sha256(text.encode()).hexdigest())

    return text_of


def _captured(form: Form) -> Any:
    """Read the document that was chosen, in a contained process; None where none was."""
    stream = form.file("file")
    if stream is None:
        return None
    limits = Limits()
    data = stream.read(limits.data + 1)
    return read_contained(data, form.text("name") or "document", limits=limits)[0]


def _with_capture(draft: Source, captured: Any, moment: Any) -> Source:
    return msgspec.structs.replace(
        draft,
        sha256=captured.sha256,
        text_sha256=captured.text_sha256,
        media_type=captured.media_type,
        captured=moment.date().isoformat(),
        lang=draft.lang or captured.lang,
    )


def _keep(tx: sa.Connection, stix: str, captured: Any, draft: Draft, *, by: str, now: Any) -> None:
    sources.keep(
        tx,
        stix,
        captured.data,
        text=captured.text,
        media_type=captured.media_type,
        address=draft.url if isinstance(draft, Source) else None,
        lang=captured.lang,
        by=by,
        now=now,
    )


def _form(
    screen: Screen,
    noun: str,
    values: Mapping[str, str],
    faults: Mapping[str, Fault],
    *,
    row: Row | None = None,
    seen: int | None = None,
    near: Sequence[Near] = (),
) -> Response[Any]:
    shape = NOUNS[noun]
    view = View.of(AsOf(), now=now())
    facts = ["sct-meeting", "sct-commitment", "sct-project", "sct-instrument", "sct-statement"]
    with screen.transaction() as tx:
        keys = store.statements(tx, view, types=["sct-source"], newest=True, limit=LISTED)
        about = store.statements(tx, view, types=facts, newest=True, limit=LISTED)
    filled = [
        number
        for number in range(forms.CITES_MAX)
        if values.get(f"cite-{number}") or values.get(f"quote-{number}")
    ]
    rows = list(range(min(forms.CITES_MAX, (max(filled) + 1 if filled else 0) + SPARE)))
    named = {field.name for field in shape.fields} | {
        f"{word}-{n}" for n in rows for word in ("cite", "quote")
    }
    return screen.render(
        "register/form.html",
        status=422 if faults else 200,
        markings=markings_of([*([row] if row is not None else []), *(one.row for one in near)]),
        near=near,
        questions=QUESTION_WORDS,
        near_why=near_why,
        ties=_ties,
        own=screen.party,
        section=SECTION_OF.get(noun, "timeline"),
        sections=sections(),
        noun=noun,
        word=_(shape.word),
        fields=shape.fields,
        words=FIELD_WORDS,
        values=values,
        faults=faults,
        elsewhere={name: one for name, one in faults.items() if name not in named and name != "key"},
        cites=rows,
        row=row,
        seen=seen,
        sources=keys,
        statements=about,
        levels=TLP_ORDER,
        default_tlp=screen.node.settings.default_tlp,
        address=address_of,
    )


def _ties(one: Near) -> list[tuple[str, str]]:
    """Give what may be said between the new statement and one that stands there."""
    says = SAYS_WORDS if one.row.kind in {"commitment", "project"} else {}
    return [
        *((key, _("evidence about it: %(says)s") % {"says": _(word)}) for key, word in says.items()),
        *((key, _(word)) for key, word in RELATION_WORDS.items()),
    ]


routes = [record_page, new_page, record_act, amend_page, amend_act, retract_page, retract_act]
