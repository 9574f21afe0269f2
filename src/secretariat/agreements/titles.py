"""Titles of the package's instruments in the page's language.

They are this project's own descriptions and not the official titles, so they may be translated; the title
of an instrument that a party recorded itself stands as that party wrote it.
"""

from __future__ import annotations

from secretariat.web.words import gettext as _
from secretariat.web.words import mark

TITLES = frozenset(
    {
        mark(
            "Agreement between Japan and the Republic of Korea on the protection of classified "
            "military information"
        ),
        mark("2012 draft between Japan and the Republic of Korea (finalised June 2012, signing called off)"),
        mark(
            "Agreement between Japan and the United States on security measures for the protection of "
            "classified military information"
        ),
        mark(
            "Security agreement between the Republic of Korea and the United States on classified "
            "military information"
        ),
        mark(
            "Trilateral information sharing arrangement on the nuclear and missile threats posed by "
            "North Korea"
        ),
        mark("Agreement between the parties to the North Atlantic Treaty for the security of information"),
        mark("Agreement between Japan and NATO on the security of information and material"),
        mark(
            "Agreement between EU member states meeting within the Council on classified information "
            "exchanged in the interests of the EU (2011/C 202/05)"
        ),
        mark("Agreement between the EU and the United States on the security of classified information"),
        mark("What a US general security agreement is (32 CFR 117.19)"),
        mark("UKUSA agreement and appendices, version released to the public"),
        mark("Automated Indicator Sharing, terms and marking"),
        mark("Traffic Light Protocol 2.0"),
        mark("Permissible Actions Protocol"),
        mark("FIRST Information Exchange Policy 2.0"),
        mark("US information security marking, dissemination controls"),
        mark("ACS marking for STIX (AIS and US agencies)"),
        mark("NATO confidentiality label and its binding"),
        mark("MISP distribution levels and sharing groups (anchor for import)"),
        mark("OpenCTI markings and organisations (anchor for import)"),
        mark("Joint statement of KISIA, JNSA and JASA"),
        mark("China-Japan-ROK action plan (2008), secretariat memorandum (2010), joint declaration (2012)"),
        mark("ROK-US cyber dialogue (2012), working-level council (2013), strategic framework (2023)"),
        mark("ROK-UK strategic cyber partnership"),
        mark("Invented MoU between CERT-A and CERT-B"),
        mark("Invented NDA of an industry association, staged admission"),
    }
)


def title_of(title: str) -> str:
    """Give the title in the page's language where it is one of ours, else as written."""
    return _(title) if title in TITLES else title
