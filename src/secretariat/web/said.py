"""Sentences of our own that reach a page as English text: what was wrong, and what to do about it.

An error is raised deep below the pages, where no language is known, with names and values in its words. Here
stand the templates of those that people meet on pages; `said` finds the one that fits and gives it in the
page's language. A sentence without a template stays English, and is marked as such. Quotes and names inside
stay as they are.
"""

from __future__ import annotations

import re
from functools import cache

from markupsafe import Markup

from secretariat.web.words import gettext as _
from secretariat.web.words import language, mark

TEMPLATES = (
    # times and the bar
    mark("not a date: {0}"),
    mark("write 2012-09-03 or 2012-09-03T14:00:00Z"),
    mark("the log has no entry {0}"),
    mark("Ledger lists its entries"),
    mark("no time zone {0}"),
    mark("this page shows the past, and nothing can be done there"),
    mark("return to now, then act"),
    # rights and doors
    mark("sign in first"),
    mark("{0} may not do this"),
    mark("Admin shows which role may"),
    mark("this request came from another site"),
    mark("open the page itself and try again"),
    mark("a NUL character"),
    mark("leave it out"),
    mark("a fault in this node, number {0}"),
    mark("tell who runs this node"),
    # reports and releases
    mark("no such report here, or not by then"),
    mark("no such report here"),
    mark("look in Reports"),
    mark("only {0} withdraws what it made"),
    mark("ask the originator"),
    mark("{0} was never published"),
    mark("delete the draft instead"),
    mark("{0} was withdrawn on {1}"),
    mark("none of this was granted to them from here"),
    mark("no partner is chosen"),
    mark("tick at least one partner"),
    mark("no partner {0}"),
    mark("the conditions are not confirmed"),
    mark("read and tick them"),
    mark("a second person must decide this release"),
    mark("ask another releaser"),
    mark("this release is {0} already"),
    mark("a refusal needs its reason"),
    mark("{0} must concur first"),
    mark("what it contains changed since it was proposed"),
    mark("refuse it and propose it anew: nobody has read what stands there now"),
    mark("propose it anew"),
    mark("a purpose has at most {0} letters"),
    mark("a search has at most {0} letters"),
    mark("no instrument {0} here, or not by then"),
    mark("Agreements lists them"),
    mark("there is no such entry"),
    mark("this page has no {0}"),
    mark("take a download link of the page"),
    # standing releases
    mark("a standing release never goes above {0}"),
    mark("{0} days"),
    mark("1 to {0}"),
    mark("a standing release names partners, a count per day and who signs"),
    mark("a second person must sign"),
    mark("this standing release waits for no signature"),
    mark("this standing release has ended"),
    # partners
    mark("a fingerprint has {0} words, not {1}"),
    mark("{0} is no word of a fingerprint"),
    mark("ask for it to be read again"),
    mark("the words are not those of the key in this descriptor for {0}"),
    mark("ask the partner to read them again; if they differ still, the file is not theirs"),
    mark("this is your own descriptor"),
    mark("give it to the partner and accept theirs"),
    mark("{0} is bound to another root key here: {1}"),
    mark("the root key of {0} is bound to {1} here"),
    mark("the root key is not on this machine, and only it signs a descriptor"),
    mark("bring root.pem into the key folder for this one step"),
    mark("no such partner: {0}"),
    mark("neither a partner nor a party of an instrument here has this code"),
    mark("{0} is not an accepted partner"),
    mark("{0} is not a partner"),
    # people and tokens
    mark("not a login: {0}"),
    mark("use a-z, 0-9 and . _ @ -"),
    mark("a name of 1 to 200 characters is needed"),
    mark("a person without a role can do nothing"),
    mark("give at least one"),
    mark("the login {0} is taken"),
    mark("this password is easy to guess"),
    mark("take unrelated words"),
    mark("a label of 1 to 200 characters is needed"),
    mark("name the tool"),
    mark("a token without a scope can do nothing"),
    mark("a token lives 1 to {0} days"),
    mark("a token reads for exactly one party"),
    # imports
    mark("not JSON: {0}"),
    mark("nothing to read: empty"),
    mark("was the file written to its end?"),
    mark("neither a JSON object nor a list begins here"),
    mark("the key {0} stands twice in the container"),
    mark("the key {0} stands twice in one object"),
    mark("the container is broken: {0}"),
    mark("the container is cut off"),
    mark("send it again whole"),
)
_ENGLISH = Markup('<span lang="en">{}</span>')


@cache
def _patterns() -> list[tuple[re.Pattern[str], str]]:
    """Patterns of the templates, the one with the most words of its own first."""
    found = []
    for template in sorted(TEMPLATES, key=lambda text: len(re.sub(r"\{\d\}", "", text)), reverse=True):
        pattern = re.sub(r"\\\{(\d)\\\}", r"(?P<a\1>.+?)", re.escape(template))
        found.append((re.compile(pattern, re.DOTALL), template))
    return found


def said(text: object) -> str | Markup:
    """Give one of our sentences in the page's language; any other as it is, marked as English."""
    sentence = str(text)
    if language() == "en" or not sentence.strip("–"):
        return sentence
    for pattern, template in _patterns():
        match = pattern.fullmatch(sentence)
        if match:
            return _(template).format(*(match[f"a{n}"] for n in range(len(match.groups()))))
    if sentence.isascii():
        return _ENGLISH.format(sentence)
    return sentence
