"""Every sentence of the engine by its code, in English; pages translate the template and fill it in.

Templates use `{0}`, `{1}` …; arguments are party codes, levels, days, article references, words of the data.
"""

from __future__ import annotations


def N_(text: str) -> str:  # noqa: N802 - the name that message extraction looks for
    """Mark a text for translation without translating it."""
    return text


TEXTS: dict[str, str] = {
    # states of instruments
    "state.in_force": N_("{0} is in force (since {1})"),
    "state.undated": N_("{0} stands; it binds nobody and states no day"),
    "state.not_yet": N_("{0} is not in force before {1}"),
    "state.ended": N_("{0} is no longer in force since {1}"),
    "state.never": N_("{0} was never in force"),
    "state.suspended": N_("{0} is suspended since {1}"),
    "state.unknown": N_("the state of {0} is not known; check it before use"),
    "state.no_day": N_("no day of entry into force is stated for {0}"),
    "state.unheard": N_("{0} was not known by then"),
    # warnings
    "warn.notice_pending": N_("termination notice pending, effect {1} ({0})"),
    "warn.notice_undated": N_("termination notice of {1} pending, day of effect not stated ({0})"),
    "warn.suspended": N_("termination notice suspended since {1}; suspension revocable ({0})"),
    "warn.suspended_contested": N_("suspension revocable; reading contested ({0}, since {1})"),
    "warn.contested": N_("reading contested: {1} ({0})"),
    "warn.reserved": N_("{1} made a reservation on {2} ({0})"),
    "warn.marking_error": N_("contradictory marking {0}: report the marking error to {1}"),
    "warn.unknown_tlp": N_("unknown TLP word {0}: handled as RED"),
    "warn.unread": N_("the text of {0} was not read ({1})"),
    "warn.no_table": N_("{0} gives no table of levels: agree on the handling of {1}"),
    "warn.contractor": N_("{0} is a firm"),
    # scope
    "define.holds": N_("information of this kind is covered"),
    "define.any": N_("what is covered is not limited by a parameter"),
    "define.classified": N_("covers classified information only"),
    "define.kind": N_("covers {0}, not {1}"),
    "define.kind_unstated": N_("the releaser confirms that it is of the kind {0}"),
    "define.orig": N_("covers information of {0}, not of {1}"),
    "define.office": N_("covers {1} only through {0}"),
    "define.office_not": N_("{1} is not among the offices covered for {0}"),
    "define.no_offices": N_("names {0}, not the office {1} under it"),
    "define.not_classified_text": N_("does not speak of classified information"),
    "purpose.holds": N_("the use {0} is among the purposes"),
    "purpose.fails": N_("the use {0} is not among the purposes {1}"),
    "purpose.missing": N_("no use is stated; the purposes are {0}"),
    "purpose.same": N_("only for the purpose for which it was provided: {0}"),
    "purpose.confirm": N_("only for the purpose for which it was provided"),
    "purpose.other": N_("provided for {0}, to be used for {1}"),
    # levels
    "levels.holds": N_("{0} corresponds to {1} of {2}"),
    "levels.none": N_("{0} has no equivalent for {1}"),
    "levels.not_in_table": N_("{0} is not in the table of {1}"),
    "levels.no_column": N_("the table has no column for {0}"),
    "levels.not_listed": N_("{0} is not among the levels that may pass"),
    "levels.no_level": N_("the object has no level of this table"),
    "levels.no_table": N_("no table of levels: the level {0} is kept"),
    "levels.unknown": N_("{0} is not a level of {1}"),
    "mark.as": N_("{0} marks it {1} beside the originator's level"),
    "mark.none": N_("no equivalent level to mark"),
    "mark.duty": N_("the recipient marks it as the article says"),
    # routes
    "hub.holds": N_("the route passes through {0}"),
    "hub.fails": N_("only through {0}; {1} to {2} is direct"),
    "hub.unknown": N_("the hub is not named"),
    "route.unknown": N_("the route is said not to be direct and no relay is named"),
    "route.contradiction": N_("the route is said to be direct and names a relay"),
    # third parties
    "third.inside": N_("{0} is no third party"),
    "third.duty": N_("{0} passes it on only with the written consent of {1}"),
    "third.consent": N_("{0} consented to {1}"),
    "third.none": N_("{0} is a third party and has no valid consent of {1}"),
    "third.refused": N_("{1} refused its consent for {0}"),
    "third.expired": N_("the consent of {1} for {0} holds only until {2}"),
    "third.early": N_("the consent of {1} for {0} begins only on {2}"),
    "third.form": N_("the consent of {1} for {0} is not written"),
    "third.scope": N_("the consent of {1} for {0} does not cover this object, level, use or relay"),
    "third.other": N_("the consent of {1} names another recipient than {0}"),
    "third.not_origin": N_("a consent for {0} was given by another than the originator {1}"),
    "third.unknown_then": N_("the consent of {1} for {0} was not known by then"),
    "orcon.first": N_("the originator itself releases"),
    # persons
    "person.confirm": N_("the releaser confirms it for the persons concerned"),
    "person.confirmed": N_("stated as met"),
    "person.negative": N_("stated as not met"),
    "contractor.state": N_("the recipient is no contractor"),
    "contractor.missing": N_("the conditions for contractors are not confirmed for {0}"),
    "pii.present": N_("it holds personal data that is not needed"),
    "pii.confirm": N_("the releaser confirms that no unneeded personal data is in it"),
    # compartments, stages, lists
    "compartment.none": N_("no compartment on the object"),
    "compartment.holds": N_("{0} holds {1}"),
    "compartment.fails": N_("{0} does not hold {1}"),
    "compartment.unknown": N_("which compartments {0} holds is not known; the object has {1}"),
    "stage.holds": N_("the stage {0} opens {1}"),
    "stage.fails": N_("the stage {0} does not open {1}"),
    "stage.missing": N_("no stage of admission is stated for {0}"),
    "stage.unknown": N_("{0} is no stage of this instrument"),
    "stage.days": N_("{0} days in the stage {1}; {2} are needed"),
    "stage.days_confirm": N_("the releaser confirms {1} days in the stage {0}"),
    "rel.holds": N_("{0} is on the release list"),
    "rel.fails": N_("{0} is not on the release list {1}"),
    "rel.none": N_("no release list is set"),
    "nf.fails": N_("not releasable outside {0}"),
    "nf.inside": N_("{0} belongs to {1}"),
    "nf.contradiction": N_("{0} contradicts {1}"),
    "display.only": N_("may be shown to {0}, not given"),
    "display.shown": N_("shown only, no copy"),
    "relido.confirm": N_("a release officer of {0} decides"),
    "control.unknown": N_("the caveat {0} is not known"),
    # TLP
    "tlp.clear": N_("no limit on disclosure"),
    "tlp.green": N_("within the community that the instrument names"),
    "tlp.green_none": N_("no instrument or statement in force names {0} and {1} as a community"),
    "tlp.first": N_("the originator itself releases {0}; the instrument must bind the recipient"),
    "tlp.unbound": N_("no instrument binds {1} to honour {0}"),
    "tlp.onward": N_("{0} goes no further than {1}"),
    "tlp.inside": N_("{1} belongs to the organisation of {0}"),
    "tlp.client": N_("{1} is a client of {0}"),
    "tlp.consent": N_("the source {0} allows {1} more"),
    "tlp.red": N_("named individuals only; no instrument here admits RED"),
    "tlp.red_persons": N_("named individuals only: the releaser names them"),
    "audience.holds": N_("{0} is within {1}"),
    "audience.fails": N_("{0} is tighter than {1}"),
    "audience.any": N_("no colour is limited by a parameter"),
    "audience.uncoloured": N_("the object has no TLP colour"),
    "marking.none": N_("the object has neither a colour nor a classified level"),
    # statements
    "nonbinding.classified": N_("states intent only; it cannot carry classified information"),
    "nonbinding.rests": N_("rests on {0}, which binds"),
    "nonbinding.supports": N_("names its parties as a community for sharing"),
    "nonbinding.no_community": N_("states intent; names no community for sharing"),
    "nonbinding.colour": N_("states intent; carries {0} at most, not {1}"),
    "depends.holds": N_("{0} is in force"),
    "depends.fails": N_("it depends on {0}: {1}"),
    "default_share.holds": N_("what it covers is shared by default"),
    "default_share.unread": N_("shared by default, but the text was not read: it cannot permit alone"),
    "unread.all": N_("no article of {0} was read that could carry a permission"),
    "kind.restricts": N_("a {0} restricts and never permits"),
    "duty": N_("duty of the recipient"),
    "noted": N_("noted"),
    # missing links
    "missing.no_instrument": N_("no instrument names {0} and {1}"),
    "missing.none_in_force": N_("no instrument in force between {0} and {1} covers it: {2}"),
    "missing.not_covered": N_("no instrument between {0} and {1} covers this information: {2}"),
    "missing.intent": N_("between {0} and {1} there are statements of intent only: {2}"),
    "missing.rule": N_("{0}: {1}"),
    "missing.same": N_("{0} is both sender and recipient"),
}  # fmt: skip


def text_of(code: str, args: tuple[str, ...]) -> str:
    """Give the English sentence; an unknown code gives the code itself."""
    return TEXTS.get(code, code).format(*args)
