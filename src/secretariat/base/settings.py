"""What an operator may set, and every limit by name. One file per node: `node.toml` in the data folder.

Each field carries its meaning; `node.toml` repeats it as a comment, docs/settings.md lists it (a test looks).
"""

from __future__ import annotations

import os
import tomllib
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Meta

from secretariat.base.errors import InputError, NotFoundError
from secretariat.base.private import write_private

FILE = "node.toml"
URL_VARIABLE = "SECRETARIAT_DATABASE_URL"
DATA_VARIABLE = "SECRETARIAT_DATA"

Size = Annotated[int, Meta(ge=1)]
Seconds = Annotated[int, Meta(ge=1)]
NETWORK = r"^[0-9a-fA-F:.]{2,45}(/[0-9]{1,3})?$"
CODE = r"^[A-Z0-9][A-Z0-9_.-]{0,31}$"


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Every limit of size, depth, count and time. Passing one is refused with its name, nothing is cut."""

    max_object_bytes: Annotated[Size, Meta(description="Bytes of one STIX object, canonical form.")] = (
        1_048_576
    )
    max_depth: Annotated[Size, Meta(description="Levels of nesting in any JSON that comes in.")] = 64
    max_members: Annotated[
        Size, Meta(description="Members of any one JSON object or list inside a STIX object.")
    ] = 100_000
    max_request_bytes: Annotated[
        Size, Meta(description="Bytes of one HTTP request after decompression; TAXII's max_content_length.")
    ] = 104_857_600
    max_unpacked_bytes: Annotated[Size, Meta(description="Bytes of one gzip file after decompression.")] = (
        8_589_934_592
    )
    max_gzip_ratio: Annotated[
        Size, Meta(description="Bytes that one byte of gzip may become, beyond the first 16 MiB.")
    ] = 200
    max_refusals: Annotated[
        Size, Meta(description="Refusals an import result lists one by one; beyond it they are counted.")
    ] = 1_000
    page_default: Annotated[
        Size, Meta(description="Objects of a TAXII page when the client names no limit.")
    ] = 100
    page_max: Annotated[Size, Meta(description="Objects of a TAXII page at most.")] = 1_000
    match_values: Annotated[Size, Meta(description="Values in one TAXII match filter.")] = 100
    max_instrument_bytes: Annotated[
        Size, Meta(description="Bytes of an instrument's text that a partner may give.")
    ] = 1_048_576
    instrument_wait_days: Annotated[
        Size,
        Meta(description="Days that objects wait for the instruments of their grant before quarantine."),
    ] = 30
    peer_page_bytes: Annotated[Size, Meta(description="Bytes after which a page between nodes ends.")] = (
        4_194_304
    )
    peer_body_bytes: Annotated[
        Size,
        Meta(
            description="Bytes of one request of a partner's node that are read: a page of peer_page_bytes, "
            "one object more and a grant of 200,000 objects fit in."
        ),
    ] = 33_554_432
    peer_body_s: Annotated[
        Seconds, Meta(description="Seconds in which the body of a partner's request must have come.")
    ] = 120
    peer_page_objects: Annotated[
        Size, Meta(description="Objects after which a page between nodes ends; each is kept in one step.")
    ] = 2_500
    peer_wait_s: Annotated[
        Seconds, Meta(description="Seconds a partner's request is held open for news.")
    ] = 25
    peer_poll_s: Annotated[Seconds, Meta(description="Seconds between polls where no request is held.")] = 30
    mailbox_letters: Annotated[
        Size, Meta(description="Letters of one partner that wait in this node's mailbox at most.")
    ] = 1_000
    mailbox_bytes: Annotated[
        Size, Meta(description="Bytes of one partner's letters that wait in this node's mailbox at most.")
    ] = 268_435_456
    mailbox_letter_bytes: Annotated[
        Size, Meta(description="Bytes of one letter that this node's mailbox takes.")
    ] = 16_777_216
    mailbox_age_s: Annotated[
        Seconds, Meta(description="Seconds after which a letter that nobody collected is destroyed.")
    ] = 604_800
    mailbox_resend_s: Annotated[
        Seconds,
        Meta(description="Seconds after which a page by mailbox that was not confirmed is sent again."),
    ] = 300
    mailbox_beat_s: Annotated[
        Seconds, Meta(description="Seconds without a letter after which one is written by mailbox anyway.")
    ] = 120
    transfer_bytes: Annotated[
        Size, Meta(description="Bytes of one volume of a transfer by hand that is read.")
    ] = 68_719_476_736
    transfer_part_bytes: Annotated[
        Size, Meta(description="Bytes of one line of such a volume, which holds one page.")
    ] = 268_435_456
    transfer_volumes: Annotated[Size, Meta(description="Volumes of one transfer by hand.")] = 10_000
    private_minimum: Annotated[
        Size,
        Meta(description="Values that a set must have at least to be asked with or answered from privately."),
    ] = 100
    private_elements: Annotated[
        Size, Meta(description="Values of one private question at most; a partner's budget may be less.")
    ] = 20_000
    clock_skew_s: Annotated[
        Seconds, Meta(description="Seconds a partner's clock may differ from ours before it is refused.")
    ] = 60
    nonce_keep_s: Annotated[
        Seconds, Meta(description="Seconds a request's nonce is remembered; at least twice clock_skew_s.")
    ] = 300
    key_age_days: Annotated[
        Size,
        Meta(description="Days after which `secretariat keys status` says that a key is due."),
    ] = 730
    checkpoint_age_s: Annotated[
        Seconds, Meta(description="Seconds without contact after which a partner is shown as out of contact.")
    ] = 300
    receipt_due_s: Annotated[
        Seconds, Meta(description="Seconds after which a missing receipt is overdue.")
    ] = 86_400
    sign_in_tries: Annotated[
        Size, Meta(description="Failed sign-ins per person and address in ten minutes.")
    ] = 10
    session_idle_s: Annotated[Seconds, Meta(description="Seconds without a request that end a session.")] = (
        3_600
    )
    session_max_s: Annotated[Seconds, Meta(description="Seconds after which a session ends in any case.")] = (
        43_200
    )
    token_days: Annotated[Size, Meta(description="Days an API token may live at most.")] = 365
    standing_days: Annotated[
        Annotated[int, Meta(ge=1, le=90)], Meta(description="Days a standing release may last at most (90).")
    ] = 90
    live_streams: Annotated[Size, Meta(description="Open live pages (server-sent events) per realm.")] = 200


class NodeSettings(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """The settings of one node."""

    party: Annotated[str, Meta(pattern=CODE, description="Code of the party that runs this node, e.g. JP.")]
    name: Annotated[str, Meta(min_length=1, description="The party's name as pages show it.")]
    host: Annotated[
        str, Meta(min_length=1, description="Host name of this node; part of its logs' origin.")
    ] = "localhost"
    port: Annotated[
        int, Meta(ge=1, le=65_534, description="Port of the live realm; the exercise realm has port + 1.")
    ] = 8400
    bind: Annotated[str, Meta(description="Address to listen on; 127.0.0.1 is this machine only.")] = (
        "127.0.0.1"
    )
    url: Annotated[
        str, Meta(description="Address by which others reach the live realm; empty: http://host:port.")
    ] = ""
    exercise_url: Annotated[
        str, Meta(description="Address by which others reach the exercise realm; empty: http://host:port+1.")
    ] = ""
    trusted_proxies: Annotated[
        tuple[str, ...],
        Meta(
            description="Addresses or networks of proxies whose X-Forwarded-For and -Proto are believed; "
            "none are by default."
        ),
    ] = ()
    client_cert_from: Annotated[
        tuple[Annotated[str, Meta(pattern=NETWORK)], ...],
        Meta(
            description="Addresses or networks of fronts that end TLS, ask partners' nodes for a certificate "
            "and pass it on in Client-Cert (RFC 9440). Believed of nobody else; none by default, and then no "
            "certificate is looked at. With it, a partner that states client keys comes with one of them."
        ),
    ] = ()
    client_cert_demanded: Annotated[
        bool,
        Meta(description="Whether every partner's node comes with a certificate, also one that states none."),
    ] = False
    server_pins: Annotated[
        tuple[Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$")], ...],
        Meta(
            description="Keys of the front's own certificate, as SHA-256 of the SubjectPublicKeyInfo in hex: "
            "partners then connect to no other, whoever vouches for it. Two while one is replaced."
        ),
    ] = ()
    reachable: Annotated[
        bool,
        Meta(
            description="Whether partners can open connections to this node. If not, its descriptor names no "
            "address, its doors for other nodes are shut, and it delivers, or uses a mailbox."
        ),
    ] = True
    realms: Annotated[
        tuple[Literal["live", "exercise"], ...], Meta(description="Realms this node serves.")
    ] = (
        "live",
        "exercise",
    )
    default_tlp: Annotated[
        Literal["CLEAR", "GREEN", "AMBER", "AMBER+STRICT", "RED"],
        Meta(description="TLP of what comes in without any marking."),
    ] = "AMBER"
    ceiling: Annotated[
        dict[str, str],
        Meta(description="Highest level kept, per level table; tables not named: unclassified only."),
    ] = {}
    public_pages: Annotated[
        bool,
        Meta(
            description="Whether anybody may read, without signing in, what is CLEAR, publicly known and "
            "released to the public: the pages under /public."
        ),
    ] = False
    intake_proxy: Annotated[
        str,
        Meta(
            description="HTTP proxy through which Intake may fetch documents by address, e.g. "
            "http://proxy.example:3128; empty: nothing is fetched. Private addresses are refused all the "
            "same."
        ),
    ] = ""
    smtp_host: Annotated[
        str, Meta(description="Mail server through which digests go; empty: no mail is ever sent.")
    ] = ""
    smtp_port: Annotated[int, Meta(ge=1, le=65_535, description="Port of the mail server.")] = 587
    smtp_security: Annotated[
        Literal["starttls", "tls", "none"],
        Meta(description="How the way to the mail server is protected; `none` only on this machine itself."),
    ] = "starttls"
    smtp_ca: Annotated[
        str, Meta(description="PEM file of who vouches for the mail server; empty: the system's list.")
    ] = ""
    smtp_user: Annotated[str, Meta(description="Login at the mail server; empty: none.")] = ""
    smtp_password_file: Annotated[
        str, Meta(description="File with the password at the mail server; nobody else may read it (0600).")
    ] = ""
    smtp_from: Annotated[
        str, Meta(description="Sender's address of digests; empty: secretariat@ and this node's host.")
    ] = ""
    circles: Annotated[
        tuple[Annotated[str, Meta(pattern=r"^[A-Z0-9*][A-Z0-9_.*,-]{0,511}$")], ...],
        Meta(
            description="Parties that may know of each other that they are partners here, one circle a line: "
            '["JP,KR,US"]. Their witnesses\' words on logs are shown to each other, so that a forked log is '
            "found and entries become final. `*` stands for everybody. None: nobody is named to anybody."
        ),
    ] = ()
    zone: Annotated[str, Meta(description="Time zone in which pages show times and a date ends.")] = "UTC"
    lag_days: Annotated[
        dict[str, Annotated[int, Meta(ge=1)]],
        Meta(
            description="Days without movement that are allowed to a group's commitments before they lag: "
            'ASEAN = 180, or parties exactly, "JP,KR" = 90. Others: 365.'
        ),
    ] = {}
    database_url: Annotated[
        str,
        Meta(description="PostgreSQL of one's own; empty: the embedded one. SECRETARIAT_DATABASE_URL wins."),
    ] = ""
    restored: Annotated[
        str,
        Meta(
            description="Set by `restore` to its time: the node is read-only until its partners' last kept "
            "checkpoints have been compared."
        ),
    ] = ""
    behind: Annotated[
        str,
        Meta(
            description="Set by `restore --check` where partners hold more of this node's log than the "
            "backup: why the node stays read-only."
        ),
    ] = ""
    limits: Annotated[Limits, Meta(description="Limits, see below.")] = Limits()
    data: Annotated[Path, Meta(description="The data folder; never in the file.")] = Path()

    def __post_init__(self) -> None:
        """Refuse an address of a front that is none; msgspec says which setting it is."""
        for one in self.client_cert_from:
            ip_network(one, strict=False)

    def address(self, realm: str) -> str:
        """Give the address by which others reach `realm`, without a slash at the end."""
        if realm == "live":
            return self.url.rstrip("/") or f"http://{self.host}:{self.port}"
        return self.exercise_url.rstrip("/") or f"http://{self.host}:{self.port + 1}"

    def port_of(self, realm: str) -> int:
        """Give the port that serves `realm`: the exercise realm has its own, hence its own origin."""
        return self.port if realm == "live" else self.port + 1

    def save(self) -> None:
        """Write `node.toml`, each setting with its meaning; mode 0600, it may hold a database password."""
        write_private(self.data / FILE, write(self).encode())

    @classmethod
    def load(cls, data: Path) -> NodeSettings:
        """Read the settings of the node in `data`. Refuses unknown names and wrong values."""
        path = data / FILE
        try:
            text = path.read_text(encoding="utf-8")
        except FileNotFoundError as error:
            raise NotFoundError(f"{data} holds no node", advice="run `secretariat init` first") from error
        settings = read(text, str(path))
        settings.data = data.resolve()
        settings.database_url = os.environ.get(URL_VARIABLE) or settings.database_url
        return settings


def read(text: str, where: str = FILE) -> NodeSettings:
    """Read settings from the text of a `node.toml`."""
    try:
        found = tomllib.loads(text)
        if "data" in found:
            raise InputError("the data folder is no setting", where=where, advice="use --data")
        return msgspec.convert(found, NodeSettings)
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"not TOML: {error}", where=where) from error
    except msgspec.ValidationError as error:
        raise InputError(str(error), where=where, advice="docs/settings.md lists every setting") from error


def write(settings: NodeSettings) -> str:
    """Write settings as TOML; limits that have their default stand as comments."""
    lines = ["# Settings of this node; docs/settings.md explains them. A change needs a new start.", ""]
    for name, meaning, _ in described(NodeSettings):
        value = getattr(settings, name)
        if name in {"limits", "ceiling", "lag_days", "data"}:
            continue
        lines += [f"# {meaning}", f"{name} = {_toml(value)}", ""]
    meanings = {name: meaning for name, meaning, _ in described(NodeSettings)}
    for table in ("ceiling", "lag_days"):
        lines += ["# " + meanings[table], f"[{table}]"]
        lines += [f"{_toml(key)} = {_toml(value)}" for key, value in sorted(getattr(settings, table).items())]
        lines.append("")
    lines += ["[limits]"]
    for name, meaning, default in described(Limits):
        value = getattr(settings.limits, name)
        lines += [f"# {meaning}", f"{'# ' if value == default else ''}{name} = {_toml(value)}"]
    return "\n".join(lines) + "\n"


def described(struct: type[msgspec.Struct]) -> list[tuple[str, str, Any]]:
    """Give (name, meaning, default) of every field; used for the file, the documentation and its test."""
    hints = get_type_hints(struct, include_extras=True)
    out = []
    for field in msgspec.structs.fields(struct):
        hint = hints[field.name]
        notes = [note for note in get_args(hint)[1:] if isinstance(note, Meta) and note.description]
        assert get_origin(hint) is Annotated, field.name
        assert notes, field.name
        out.append((field.name, str(notes[-1].description), field.default))
    return out


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, tuple | list):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    text = msgspec.json.encode(str(value)).decode()  # a JSON string is a TOML basic string but for U+007F
    return text.replace("\x7f", "\\u007f")
