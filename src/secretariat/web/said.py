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
    # joint statements
    mark("nothing is held under {0}"),
    mark("{0} states this"),
    mark("ask that party to put it to signature"),
    mark("this version is put to these parties already"),
    mark("{0} is not asked to sign this"),
    mark("{0} has signed this already"),
    mark("a signature is not taken back; an objection can be recorded beside it"),
    mark("the version to be signed is not held here"),
    mark("it was withdrawn or destroyed, or was never granted; read before you sign"),
    mark("this version cannot be signed: it is {0}"),
    mark("what is signed is a published version, held whole and not disputed"),
    mark("no partner: {0}"),
    mark("enrol it first"),
    mark("{0} was not granted this version"),
    mark("release it to each party first: nobody signs what it cannot read"),
    mark("a reservation or an objection says why"),
    mark("write it in your own words"),
    mark("no such joint statement"),
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
    mark("two persons must release it"),
    mark("it is marked lower than before"),
    mark("nothing new: who may have it has it"),
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
    # statements of the Register
    mark("this field is needed"),
    mark("this is no number"),
    mark("write 3"),
    mark("this is none of the choices"),
    mark("nothing is recorded under {0}"),
    mark("record that first, or correct the key"),
    mark("a quotation without its source"),
    mark("give the key of the source"),
    mark("no source is recorded under {0}"),
    mark("record the source first, or correct the key"),
    mark("these words do not stand in the captured text"),
    mark("copy them as they stand there, on one line"),
    mark("it ends {0}, before it begins ({1})"),
    mark("correct one of the two dates"),
    mark("an instrument without parties"),
    mark("name whom it is between"),
    mark("due {0}, before it was promised ({1})"),
    mark("correct the day of the promise or the day it is due"),
    mark("it has a NUL character"),
    mark("take the character out"),
    mark("at most {0}"),
    mark("no such zone: {0}"),
    mark("write Asia/Seoul or UTC"),
    mark("asked of oneself"),
    mark("name another party"),
    mark("it asks nothing"),
    mark("say what is asked"),
    mark("declined without a reason"),
    mark("say why"),
    mark("{0} is no party known here"),
    mark(
        "a party stands under its code (KR, JP, EU …); name an organisation under orgs, a group under "
        "groups, or record the party first"
    ),
    mark("a quotation of {0} words"),
    mark("at most {0} words of another's text may travel: shorten it"),
    mark("no such relation: {0}"),
    mark("one of {0}"),
    mark("a statement related to itself"),
    mark("name two statements"),
    mark("these words do not stand in the source: {0}"),
    mark("copy the words as they stand there, on one line"),
    mark("it refers to {0}, which is not recorded here"),
    mark("record that first, or in the same batch"),
    mark("it rests on itself"),
    mark("name another statement"),
    mark("name a commitment or a project"),
    mark("evidence of {0} for what was promised only on {1}"),
    mark("correct one of the dates, or name another commitment"),
    mark("each of these supersedes the next, and the last the first: {0}"),
    mark("take one of these relations back"),
    mark("no such date: {0}"),
    mark("write 2012, 2012-09, 2012-09-03 or 2012-09-03T14:00:00+09:00"),
    mark("{0} is recorded with other content"),
    mark("amend it, naming the version you saw"),
    mark("{0} was taken back"),
    mark("record it under another key"),
    mark("no reason"),
    mark("say why it is taken back"),
    mark("no statement {0} stands here"),
    mark("{0} is a statement of {1}"),
    mark("say otherwise in an account of your own"),
    mark("take it back, and record it as it should be"),
    mark("load the page again"),
    # briefs, notes, requests
    mark("no parties and no meeting"),
    mark("write JP,KR or a meeting's key"),
    mark("write JP,KR"),
    mark("{0} is neither parties known here nor a meeting known by then"),
    mark("write JP,KR or the key of a meeting, as Register · Meetings shows it"),
    mark("nothing stands here"),
    mark("a note needs a title and a text"),
    mark("footnote {0}: no source {1} stands here"),
    mark("write the key of a source, or record the source first"),
    mark("write keys as the pages of statements show them, one a line"),
    mark("{0} has no footnote: there are {1}"),
    mark("insert the footnote, or take the mark out"),
    mark("nothing {0} is here"),
    mark("give a key or an id"),
    mark("{0} has passed"),
    mark("name a day from today on, or none"),
    mark("an answer without words"),
    mark("write the answer"),
    mark("passed on to nobody"),
    mark("name the party or office"),
    mark("it is about no commitment that is here"),
    mark("answer without evidence"),
    mark("{0} is no partner of this node"),
    mark("it is on that agenda already"),
    mark("that meeting is not still to come"),
    mark("no agreement lets it go: {0}"),
    mark("see Agreements"),
    mark("a contact has a purpose and an address"),
    mark("no mail address: {0}"),
    # private questions
    mark("a person said no"),
    mark("turned off here"),
    mark("its week is over"),
    mark("a person of the partner decides"),
    mark("the partner's entry is on its way"),
    mark("fewer than {0} values here"),
    mark("denied: {0}"),
    mark("private questions about {0} are not on between {1} and {2}"),
    mark("the administrators of both sides turn them on: secretariat questions allow"),
    mark("a set of {0} values, {1} are the least"),
    mark("a count over few values says which they are"),
    mark("{0} was asked about {1} in {2} already"),
    mark("sets are fixed for the week: the answer would be the same"),
    mark("{0} values after {1} this week pass the {2} that {3} has"),
    mark("ask next week, or let the administrators agree on more"),
    mark("no type is named"),
    # documents taken in
    mark("this kind of file is not read"),
    mark("send HTML, PDF, DOCX, text or .eml"),
    mark("the document has more than {0} bytes"),
    mark("the document holds more than {0} letters"),
    mark("take in the part you need"),
    mark("the document is empty"),
    mark("the document holds no text"),
    mark("the document cannot be read: its reader stopped"),
    mark("reading took more than {0} seconds"),
    mark("open and save it anew"),
    mark("the PDF is encrypted"),
    mark("the DOCX is encrypted"),
    mark("ask for a copy without password"),
    mark("the PDF holds pictures and no text"),
    mark("run text recognition on it first; nothing was guessed"),
    mark("the PDF cannot be read: {0}"),
    mark("this is no address"),
    mark("write https://host/path"),
    mark("only http and https addresses are fetched"),
    mark("save the page as a file"),
    mark("this node fetches nothing"),
    mark("an operator may name intake_proxy in node.toml; or save the page"),
    mark("{0} of its proposals are decided"),
    mark("edit the dates of the proposals that are still open"),
    mark("this proposal is not put aside, or somebody decided meanwhile"),
    mark("nothing of yours was recorded; load it again"),
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
