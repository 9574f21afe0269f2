"""Words on pages: gettext through Babel, catalogues compiled in memory, English where a string is missing.

The language of the present request stands in a context variable, so that Python and templates call the
same `_()`. Catalogues are the committed `.po` files; nothing compiled is kept beside them.
"""

from __future__ import annotations

from contextvars import ContextVar
from functools import cache
from gettext import GNUTranslations, NullTranslations
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from babel.messages.extract import extract_from_dir
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

if TYPE_CHECKING:
    from babel.messages.catalog import Catalog

LOCALE = Path(__file__).parent / "locale"
PACKAGE = Path(__file__).parent.parent

LANGUAGES = {"en": "English", "ja": "日本語", "ko": "한국어", "zh-Hans": "简体中文"}
"""BCP 47 tags as they stand in `lang`, with each language's own name."""
REQUIRED = ("ja", "ko")
"""Languages in which no string may be missing."""

_language: ContextVar[str] = ContextVar("language", default="en")


def set_language(language: str) -> None:
    """Choose the words of this request."""
    _language.set(language if language in LANGUAGES else "en")


def language() -> str:
    """The language of this request."""
    return _language.get()


def gettext(message: str) -> str:
    """The message in the request's language, or as written."""
    return translations(_language.get()).gettext(message)


def pgettext(context: str, message: str) -> str:
    """The message as meant in a context: one English word may be two in another language."""
    return translations(_language.get()).pgettext(context, message)


def ngettext(singular: str, plural: str, number: int) -> str:
    """The form for `number`."""
    return translations(_language.get()).ngettext(singular, plural, number)


def mark(message: str) -> str:
    """Mark a constant for extraction; it is translated where it is shown."""
    return message


def negotiate(accept: str) -> str:
    """Pick a language from an Accept-Language header; English when none fits."""
    wanted: list[tuple[float, str]] = []
    for part in accept.split(",")[:20]:
        tag, _, rest = part.strip().partition(";")
        try:
            weight = float(rest.strip().removeprefix("q=") or 1)
        except ValueError:
            continue
        wanted.append((-weight, tag.strip().lower()))
    for _weight, tag in sorted(wanted, key=lambda pair: pair[0]):
        for ours in LANGUAGES:
            primary = ours.split("-", maxsplit=1)[0]
            if tag == ours.lower() or tag.split("-", maxsplit=1)[0] == primary:
                return ours
    return "en"


def path_of(tag: str) -> Path:
    """Where the catalogue of a language is kept."""
    return LOCALE / tag.replace("-", "_") / "LC_MESSAGES" / "secretariat.po"


def catalogue(tag: str) -> Catalog | None:
    """Read the committed catalogue of a language."""
    path = path_of(tag)
    if not path.exists():
        return None
    with path.open("rb") as file:
        return read_po(file, locale=tag.replace("-", "_"), domain="secretariat")


@cache
def translations(tag: str) -> NullTranslations:
    """Compile a catalogue in memory."""
    found = catalogue(tag)
    if found is None:
        return NullTranslations()
    compiled = BytesIO()
    write_mo(compiled, found)
    compiled.seek(0)
    return GNUTranslations(compiled)


def extract() -> dict[str | tuple[str, ...], list[str]]:
    """Find every string of pages in templates and Python, with the places it stands.

    A message of a context has both as its key, with U+0004 between, as gettext itself keeps it.
    """
    found: dict[str | tuple[str, ...], list[str]] = {}
    for filename, line, message, _comments, context in extract_from_dir(
        str(PACKAGE),
        method_map=[("**/templates/**.html", "jinja2"), ("**.py", "python")],
        options_map={"**/templates/**.html": {"newstyle_gettext": "true", "trimmed": "true"}},
        keywords={
            "_": None,
            "gettext": None,
            "ngettext": (1, 2),
            "mark": None,
            "N_": None,
            "pgettext": ((1, "c"), 2),
        },
    ):
        if message:
            key = message if isinstance(message, str) else tuple(message)
            if context is not None and isinstance(key, str):
                key = f"{context}\x04{key}"
            found.setdefault(key, []).append(f"{filename}:{line}")
    return found
