"""`secretariat demo`: four nodes on this machine, the story, and pages to look at."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from secretariat.base.console import Json, emit
from secretariat.base.errors import InputError, StateError

if TYPE_CHECKING:
    from secretariat.demo.nodes import Cluster
    from secretariat.demo.story import Story
    from secretariat.demo.voice import Voice

verbs = typer.Typer()
PAGES = (
    ("Desk", "/"),
    ("Register", "/register"),
    ("What lags", "/register/boards/lagging"),
    ("Requests", "/requests"),
    ("Brief", "/register/brief?of=JP,KR"),
)
"""What to look at on each node, shown at the end."""
_SIGTERM_CODE = 128 + signal.SIGTERM


@verbs.command("demo")
def demo(
    once: Annotated[bool, typer.Option("--once", help="Play the story and end; do not stay.")] = False,
    json: Json = False,
    bundle: Annotated[
        Path | None,
        typer.Option("--bundle", help="Share this STIX 2.1 bundle instead of the sample.", dir_okay=False),
    ] = None,
    hold: Annotated[
        bool, typer.Option("--hold", help="Leave the nodes up until ended, without waiting for a terminal.")
    ] = False,
    state: Annotated[
        Path | None, typer.Option("--state", help="Write addresses, tokens and accounts here when ready.")
    ] = None,
) -> None:
    """Play the story on nodes of CN, JP, KR and US on this machine, then serve their pages until Ctrl-C.

    The exit code is 0 only when every step held. With --json the story is told on standard error.
    """
    from secretariat.demo.nodes import Ended

    if bundle is not None and not bundle.is_file():
        raise InputError(f"no file {bundle}", where="--bundle", advice="name a STIX 2.1 bundle")
    if state is not None and not state.absolute().parent.is_dir():
        raise InputError(f"no folder {state.absolute().parent}", where="--state", advice="make it first")
    if once and (hold or state is not None):
        raise InputError("--once ends the nodes, --hold and --state keep them", advice="choose one")
    try:
        failures = _run(once=once, json=json, bundle=bundle, state=state)
    except Ended:
        raise typer.Exit(0 if hold else _SIGTERM_CODE) from None
    if failures:
        raise StateError(f"{len(failures)} steps went otherwise", where=failures[0])


def _run(*, once: bool, json: bool, bundle: Path | None, state: Path | None) -> list[str]:
    from secretariat.demo.nodes import PARTIES, running
    from secretariat.demo.state import write
    from secretariat.demo.story import Story
    from secretariat.demo.voice import Voice

    voice = Voice(sys.stderr if json else sys.stdout)
    voice.aside("Secretariat, demonstration: four parties that do not fully trust each other share a report.")
    voice.aside("Facts are public and referenced; what is invented says so; nobody named took part.")
    with running() as cluster:
        story = Story(cluster, voice)
        story.prepare()
        if bundle is None:
            story.play()
        else:
            story.share(bundle)
        story.attacks()
        story.close()
        if json:
            emit(story.tally.as_dict(PARTIES), json=True)
        if state is not None:
            write(state, cluster, story.access)
        if not once:
            _stay(cluster, story, voice)
        return voice.failures


def _stay(cluster: Cluster, story: Story, voice: Voice) -> None:
    """Show where the pages are and who may sign in; then wait until somebody ends it."""
    voice.aside()
    for one in cluster:
        voice.aside(f"{one.party}  {one.url}/sign-in")
        for person in story.access[one.party].people:
            voice.aside(f"      {person.user:<16} {person.password}   {person.role}")
        for words, path in PAGES:
            voice.aside(f"      {words:<16} {one.page(path)}")
        tools = story.access[one.party].tools
        voice.aside(f"      TAXII {one.url}/taxii2/   token {tools['read_only'].token}   read only")
    voice.aside()
    voice.aside("The nodes serve until Ctrl-C; then everything is deleted.")
    try:
        signal.pause()
    except KeyboardInterrupt:
        voice.aside("Ending the nodes.")
