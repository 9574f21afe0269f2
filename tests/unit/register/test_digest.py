"""The digest by mail, handed to a real SMTP server on this machine: over TLS, with a secret from a file."""

from __future__ import annotations

import itertools
import ssl
from datetime import timedelta
from email import message_from_bytes
from email.policy import default

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from secretariat.base.clock import now
from secretariat.base.errors import InputError, NotFoundError, StateError, UnavailableError
from secretariat.demo.nodes import free_ports
from secretariat.desk import duty_counts
from secretariat.exchange.model import Due, Holding
from secretariat.exchange.postgres import transaction
from secretariat.people.model import Role
from secretariat.people.service import add_person, disable_person
from secretariat.register import service as register
from secretariat.register.model import Commitment
from secretariat.register.requests import digest, mailing


class Box:
    """Keeps what a mail server took."""

    def __init__(self) -> None:
        self.mails = []

    async def handle_DATA(self, _server, _session, envelope):  # noqa: N802  (aiosmtpd's name)
        self.mails.append((envelope.rcpt_tos, message_from_bytes(envelope.content, policy=default)))
        return "250 OK"


@pytest.fixture
def kr(node):
    kr = node("KR", zone="Asia/Seoul")
    for realm in ("live", "exercise"):
        with kr.database.app(realm) as tx:
            for login, role, language in (("officer", Role.OFFICER, "ko"), ("admin", Role.ADMIN, "en")):
                add_person(
                    tx,
                    login=login,
                    name=login,
                    password="correct horse battery",
                    roles=[role],
                    by="test",
                    now=now(),
                    language=language,
                )
    promise = Commitment(
        key="secret-channel",
        kind="commitment",
        title="A secret channel",
        true_from="2011-11-24",
        due="2012-03-31",
        parties=("JP", "KR"),
        owed_by=("JP",),
    )
    register.record(kr, "live", [promise], by="test", now=now(), tlp="AMBER")
    return kr


@pytest.fixture
def tls(tmp_path):
    """Give a certificate for localhost, signed by itself, and the server's side of TLS."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    moment = now()
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(moment - timedelta(days=1))
        .not_valid_after(moment + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem, secret = tmp_path / "mail.pem", tmp_path / "mail.key"
    pem.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    secret.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pem, secret)
    return pem, context


@pytest.fixture
def box(kr, tls):
    pem, context = tls
    found = Box()

    def sign_in(server, session, envelope, mechanism, data):
        return AuthResult(success=(data.login, data.password) == (b"kr", b"hidden"))

    server = Controller(
        found,
        hostname="localhost",
        port=free_ports(1)[0],
        tls_context=context,
        require_starttls=True,
        authenticator=sign_in,
        auth_required=True,
    )
    server.start()
    secret = kr.settings.data / "smtp.secret"
    secret.write_text("hidden\n")
    secret.chmod(0o600)
    kr.settings.smtp_host = "localhost"
    kr.settings.smtp_port = server.port
    kr.settings.smtp_ca = str(pem)
    kr.settings.smtp_user = "kr"
    kr.settings.smtp_password_file = "smtp.secret"
    yield found
    server.stop()


def subscribe(node, login="officer", address="officer@example.org", every="daily", realm="live"):
    with node.database.app(realm) as tx:
        digest.subscribe(tx, login, address, every)


def test_counts_and_addresses_go_by_tls_and_nothing_of_what_is_recorded(kr, box):
    subscribe(kr)
    (done,) = digest.digests(kr, "live", now=now(), send=True)
    assert (done.sent, done.error) == (True, None)
    ((to, mail),) = box.mails
    assert to == ["officer@example.org"]
    assert mail["auto-submitted"] == "auto-generated"
    text = mail.get_content()
    assert "    1  기한이 지난 약속 사항" in text  # in the person's language
    assert f"{kr.settings.address('live')}/register/boards" in text
    for word in ("secret channel", "secret-channel", "JP", "2012"):
        assert word not in text + mail["subject"]
    assert digest.digests(kr, "live", now=now(), send=True) == []  # once a day
    (again,) = digest.digests(kr, "live", now=now() + timedelta(days=1), send=True)
    assert again.sent


def test_the_exercise_says_so_and_knows_nothing_of_the_live_realm(kr, box):
    subscribe(kr, realm="exercise")
    (done,) = digest.digests(kr, "exercise", now=now(), send=True)
    assert "훈련" in box.mails[0][1]["subject"]
    assert "    0  기한이 지난 약속 사항" in done.text


def test_weekly_is_once_a_week(kr):
    moment = now()
    one = digest.Reader("officer", "a@b.example", "weekly", moment, None)
    days = [digest.is_due(one, moment + timedelta(days=n), "Asia/Seoul") for n in range(15)]
    assert days.index(True) <= 7
    assert days[7:] == [True] * 8


def test_who_may_no_longer_read_gets_nothing(kr, box):
    subscribe(kr)
    with kr.database.app("live") as tx:
        disable_person(tx, "officer", now=now())
    assert digest.digests(kr, "live", now=now(), send=True) == []
    with pytest.raises(NotFoundError), kr.database.app("live") as tx:
        digest.subscribe(tx, "admin", "admin@example.org", "daily")


def test_a_secret_that_others_may_read_is_refused(kr, box):
    subscribe(kr)
    (kr.settings.data / "smtp.secret").chmod(0o644)
    (done,) = digest.digests(kr, "live", now=now(), send=True)
    assert "others may read" in done.error
    assert box.mails == []
    with kr.database.app("live") as tx:
        assert digest.readers(tx)[0].last_error == done.error


def test_a_server_that_nobody_vouches_for_is_refused(kr, box):
    kr.settings.smtp_ca = ""
    mail = mailing.message(kr.settings, "a@example.org", "x", "y")
    with pytest.raises(UnavailableError, match="SSLCertVerificationError"):
        mailing.send(kr.settings, mail)
    kr.settings.smtp_host, kr.settings.smtp_security = "mail.example", "none"
    with pytest.raises(StateError, match="TLS only"):
        mailing.send(kr.settings, mail)
    kr.settings.smtp_host = ""
    with pytest.raises(StateError, match="no mail server"):
        mailing.send(kr.settings, mail)


@pytest.mark.parametrize(
    "address",
    [
        "",
        "nobody",
        "a@b\r\nBcc: c@d.example",
        "a@b,c@d.example",
        "a@@b",
        "<a@b>",
        "a b@c",
        "a" * 300 + "@b.example",
    ],
)
def test_what_is_no_address_is_refused(kr, address):
    with pytest.raises(InputError):
        subscribe(kr, address=address)


def test_overdue_receipts_and_duties_are_counted_without_a_word_of_what_they_are_about(kr):
    moment = now()
    asked = {"via": "KR", "origin": kr.origin("live"), "position": 7, "holder": "JP", "state": "asked"}
    with transaction(kr, "live", moment) as store:
        store.hold(
            [
                Holding(root=b"1" * 32, at=moment - timedelta(days=60), article="syn-mou/6", **asked),
                Holding(root=b"2" * 32, at=moment - timedelta(hours=1), **asked),
            ]
        )
        days = {"3": -1, "4": 3, "5": 30}
        store.owe(
            [
                Due(
                    root=name.encode() * 32,
                    duty="delete",
                    article="syn-nda/3",
                    owed_to="JP",
                    at=moment + timedelta(days=day),
                )
                for name, day in days.items()
            ]
        )
    with kr.database.app("live") as tx:
        digest.subscribe(tx, "officer", "officer@example.org", "daily")
    duty_counts.begin()
    (one,) = digest.digests(kr, "live", now=moment)
    lines = one.text.splitlines()
    for place, count in ((f"{kr.settings.address('live')}/ledger/duties", 3),):
        assert sum(place in line for line in lines) == count
    counts = [line.split()[0] for line, place in itertools.pairwise(lines) if "/ledger/duties" in place]
    assert counts == ["1", "1", "1"]
    for secret in ("syn-mou", "syn-nda", "JP"):
        assert secret not in one.text
