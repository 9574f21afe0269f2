"""The cyber-observables of STIX 2.1, one struct per type, with their predefined extensions (section 6)."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from secretariat.records.values import (
    Base64,
    Count,
    Dictionary,
    Hashes,
    Hex,
    Moment,
    NotEmpty,
    Observable,
    Part,
    Port,
    Strings,
    ref,
)

ArtifactRef = Annotated[str, Meta(pattern=ref("artifact"))]
FileRef = Annotated[str, Meta(pattern=ref("file"))]
DirectoryRef = Annotated[str, Meta(pattern=ref("directory"))]
ContainedRef = Annotated[str, Meta(pattern=ref("file", "directory"))]
BodyRef = Annotated[str, Meta(pattern=ref("artifact", "file"))]
ResolvedRef = Annotated[str, Meta(pattern=ref("ipv4-addr", "ipv6-addr", "domain-name"))]
MacRef = Annotated[str, Meta(pattern=ref("mac-addr"))]
SystemRef = Annotated[str, Meta(pattern=ref("autonomous-system"))]
AccountRef = Annotated[str, Meta(pattern=ref("user-account"))]
MailRef = Annotated[str, Meta(pattern=ref("email-addr"))]
TrafficRef = Annotated[str, Meta(pattern=ref("network-traffic"))]
ProcessRef = Annotated[str, Meta(pattern=ref("process"))]
HostRef = Annotated[str, Meta(pattern=ref("ipv4-addr", "ipv6-addr", "mac-addr", "domain-name"))]
MailRefs = Annotated[list[MailRef], Meta(min_length=1)]
Encryption = Literal["AES-256-GCM", "ChaCha20-Poly1305", "mime-type-indicated"]
RegistryData = Literal[
    "REG_NONE",
    "REG_SZ",
    "REG_EXPAND_SZ",
    "REG_BINARY",
    "REG_DWORD",
    "REG_DWORD_BIG_ENDIAN",
    "REG_DWORD_LITTLE_ENDIAN",
    "REG_LINK",
    "REG_MULTI_SZ",
    "REG_RESOURCE_LIST",
    "REG_FULL_RESOURCE_DESCRIPTION",
    "REG_RESOURCE_REQUIREMENTS_LIST",
    "REG_QWORD",
    "REG_INVALID_TYPE",
]
AddressFamily = Literal[
    "AF_UNSPEC", "AF_INET", "AF_IPX", "AF_APPLETALK", "AF_NETBIOS", "AF_INET6", "AF_IRDA", "AF_BTH"
]
SocketType = Literal["SOCK_STREAM", "SOCK_DGRAM", "SOCK_RAW", "SOCK_RDM", "SOCK_SEQPACKET"]


class Artifact(Observable, kw_only=True):
    """Section 6.1."""

    mime_type: str | UnsetType = UNSET
    payload_bin: Base64 | UnsetType = UNSET
    url: str | UnsetType = UNSET
    hashes: Hashes | UnsetType = UNSET
    encryption_algorithm: Encryption | UnsetType = UNSET
    decryption_key: str | UnsetType = UNSET


class AutonomousSystem(Observable, kw_only=True):
    """Section 6.2."""

    number: Count
    name: str | UnsetType = UNSET
    rir: str | UnsetType = UNSET


class Directory(Observable, kw_only=True):
    """Section 6.3."""

    path: NotEmpty
    path_enc: str | UnsetType = UNSET
    ctime: Moment | UnsetType = UNSET
    mtime: Moment | UnsetType = UNSET
    atime: Moment | UnsetType = UNSET
    contains_refs: Annotated[list[ContainedRef], Meta(min_length=1)] | UnsetType = UNSET


class DomainName(Observable, kw_only=True):
    """Section 6.4."""

    value: NotEmpty
    resolves_to_refs: Annotated[list[ResolvedRef], Meta(min_length=1)] | UnsetType = UNSET


class EmailAddress(Observable, kw_only=True):
    """Section 6.5."""

    value: NotEmpty
    display_name: str | UnsetType = UNSET
    belongs_to_ref: AccountRef | UnsetType = UNSET


class MimePart(Part, kw_only=True):
    """Section 6.6.2."""

    body: str | UnsetType = UNSET
    body_raw_ref: BodyRef | UnsetType = UNSET
    content_type: str | UnsetType = UNSET
    content_disposition: str | UnsetType = UNSET


class EmailMessage(Observable, kw_only=True):
    """Section 6.6."""

    is_multipart: bool
    date: Moment | UnsetType = UNSET
    content_type: str | UnsetType = UNSET
    from_ref: MailRef | UnsetType = UNSET
    sender_ref: MailRef | UnsetType = UNSET
    to_refs: MailRefs | UnsetType = UNSET
    cc_refs: MailRefs | UnsetType = UNSET
    bcc_refs: MailRefs | UnsetType = UNSET
    message_id: str | UnsetType = UNSET
    subject: str | UnsetType = UNSET
    received_lines: Strings | UnsetType = UNSET
    additional_header_fields: Dictionary | UnsetType = UNSET
    body: str | UnsetType = UNSET
    body_multipart: Annotated[list[MimePart], Meta(min_length=1)] | UnsetType = UNSET
    raw_email_ref: ArtifactRef | UnsetType = UNSET


class File(Observable, kw_only=True):
    """Section 6.7."""

    hashes: Hashes | UnsetType = UNSET
    size: Count | UnsetType = UNSET
    name: str | UnsetType = UNSET
    name_enc: str | UnsetType = UNSET
    magic_number_hex: Hex | UnsetType = UNSET
    mime_type: str | UnsetType = UNSET
    ctime: Moment | UnsetType = UNSET
    mtime: Moment | UnsetType = UNSET
    atime: Moment | UnsetType = UNSET
    parent_directory_ref: DirectoryRef | UnsetType = UNSET
    contains_refs: Strings | UnsetType = UNSET
    content_ref: ArtifactRef | UnsetType = UNSET


class Address(Observable, kw_only=True):
    """Sections 6.8 and 6.9."""

    value: NotEmpty
    resolves_to_refs: Annotated[list[MacRef], Meta(min_length=1)] | UnsetType = UNSET
    belongs_to_refs: Annotated[list[SystemRef], Meta(min_length=1)] | UnsetType = UNSET


class MacAddress(Observable, kw_only=True):
    """Section 6.10."""

    value: NotEmpty


class Mutex(Observable, kw_only=True):
    """Section 6.11."""

    name: NotEmpty


class NetworkTraffic(Observable, kw_only=True):
    """Section 6.12."""

    protocols: Strings
    start: Moment | UnsetType = UNSET
    end: Moment | UnsetType = UNSET
    is_active: bool | UnsetType = UNSET
    src_ref: HostRef | UnsetType = UNSET
    dst_ref: HostRef | UnsetType = UNSET
    src_port: Port | UnsetType = UNSET
    dst_port: Port | UnsetType = UNSET
    src_byte_count: Count | UnsetType = UNSET
    dst_byte_count: Count | UnsetType = UNSET
    src_packets: Count | UnsetType = UNSET
    dst_packets: Count | UnsetType = UNSET
    ipfix: Dictionary | UnsetType = UNSET
    src_payload_ref: ArtifactRef | UnsetType = UNSET
    dst_payload_ref: ArtifactRef | UnsetType = UNSET
    encapsulates_refs: Annotated[list[TrafficRef], Meta(min_length=1)] | UnsetType = UNSET
    encapsulated_by_ref: TrafficRef | UnsetType = UNSET


class Process(Observable, kw_only=True):
    """Section 6.13."""

    is_hidden: bool | UnsetType = UNSET
    pid: int | UnsetType = UNSET
    created_time: Moment | UnsetType = UNSET
    cwd: str | UnsetType = UNSET
    command_line: str | UnsetType = UNSET
    environment_variables: Dictionary | UnsetType = UNSET
    opened_connection_refs: Annotated[list[TrafficRef], Meta(min_length=1)] | UnsetType = UNSET
    creator_user_ref: AccountRef | UnsetType = UNSET
    image_ref: FileRef | UnsetType = UNSET
    parent_ref: ProcessRef | UnsetType = UNSET
    child_refs: Annotated[list[ProcessRef], Meta(min_length=1)] | UnsetType = UNSET


class Software(Observable, kw_only=True):
    """Section 6.14."""

    name: NotEmpty
    cpe: str | UnsetType = UNSET
    swid: str | UnsetType = UNSET
    languages: Strings | UnsetType = UNSET
    vendor: str | UnsetType = UNSET
    version: str | UnsetType = UNSET


class Url(Observable, kw_only=True):
    """Section 6.15."""

    value: NotEmpty


class UserAccount(Observable, kw_only=True):
    """Section 6.16."""

    user_id: str | UnsetType = UNSET
    credential: str | UnsetType = UNSET
    account_login: str | UnsetType = UNSET
    account_type: str | UnsetType = UNSET
    display_name: str | UnsetType = UNSET
    is_service_account: bool | UnsetType = UNSET
    is_privileged: bool | UnsetType = UNSET
    can_escalate_privs: bool | UnsetType = UNSET
    is_disabled: bool | UnsetType = UNSET
    account_created: Moment | UnsetType = UNSET
    account_expires: Moment | UnsetType = UNSET
    credential_last_changed: Moment | UnsetType = UNSET
    account_first_login: Moment | UnsetType = UNSET
    account_last_login: Moment | UnsetType = UNSET


class RegistryValue(Part, kw_only=True):
    """Section 6.17.2."""

    name: str | UnsetType = UNSET
    data: str | UnsetType = UNSET
    data_type: RegistryData | UnsetType = UNSET


class RegistryKey(Observable, kw_only=True):
    """Section 6.17."""

    key: str | UnsetType = UNSET
    values: Annotated[list[RegistryValue], Meta(min_length=1)] | UnsetType = UNSET
    modified_time: Moment | UnsetType = UNSET
    creator_user_ref: AccountRef | UnsetType = UNSET
    number_of_subkeys: Count | UnsetType = UNSET


class Certificate(Observable, kw_only=True):
    """Section 6.18."""

    is_self_signed: bool | UnsetType = UNSET
    hashes: Hashes | UnsetType = UNSET
    version: str | UnsetType = UNSET
    serial_number: str | UnsetType = UNSET
    signature_algorithm: str | UnsetType = UNSET
    issuer: str | UnsetType = UNSET
    validity_not_before: Moment | UnsetType = UNSET
    validity_not_after: Moment | UnsetType = UNSET
    subject: str | UnsetType = UNSET
    subject_public_key_algorithm: str | UnsetType = UNSET
    subject_public_key_modulus: str | UnsetType = UNSET
    subject_public_key_exponent: int | UnsetType = UNSET
    x509_v3_extensions: Dictionary | UnsetType = UNSET


class ArchiveExt(Part, kw_only=True):
    """Section 6.7.2."""

    contains_refs: Strings


class HttpRequestExt(Part, kw_only=True):
    """Section 6.12.2."""

    request_method: NotEmpty
    request_value: NotEmpty
    request_header: Dictionary | UnsetType = UNSET
    message_body_length: Count | UnsetType = UNSET
    message_body_data_ref: ArtifactRef | UnsetType = UNSET


class IcmpExt(Part, kw_only=True):
    """Section 6.12.3."""

    icmp_type_hex: Hex
    icmp_code_hex: Hex


class SocketExt(Part, kw_only=True):
    """Section 6.12.4."""

    address_family: AddressFamily
    is_blocking: bool | UnsetType = UNSET
    is_listening: bool | UnsetType = UNSET
    options: dict[str, int] | UnsetType = UNSET
    socket_type: SocketType | UnsetType = UNSET
    socket_descriptor: Count | UnsetType = UNSET
    socket_handle: int | UnsetType = UNSET


class TcpExt(Part, kw_only=True):
    """Section 6.12.5."""

    src_flags_hex: Hex | UnsetType = UNSET
    dst_flags_hex: Hex | UnsetType = UNSET


class PortableExecutableExt(Part, kw_only=True):
    """Section 6.7.6."""

    pe_type: NotEmpty


OBSERVABLES: dict[str, type[Observable]] = {
    "artifact": Artifact,
    "autonomous-system": AutonomousSystem,
    "directory": Directory,
    "domain-name": DomainName,
    "email-addr": EmailAddress,
    "email-message": EmailMessage,
    "file": File,
    "ipv4-addr": Address,
    "ipv6-addr": Address,
    "mac-addr": MacAddress,
    "mutex": Mutex,
    "network-traffic": NetworkTraffic,
    "process": Process,
    "software": Software,
    "url": Url,
    "user-account": UserAccount,
    "windows-registry-key": RegistryKey,
    "x509-certificate": Certificate,
}

PREDEFINED: dict[str, type[msgspec.Struct] | None] = {
    "archive-ext": ArchiveExt,
    "ntfs-ext": None,
    "pdf-ext": None,
    "raster-image-ext": None,
    "windows-pebinary-ext": PortableExecutableExt,
    "http-request-ext": HttpRequestExt,
    "icmp-ext": IcmpExt,
    "socket-ext": SocketExt,
    "tcp-ext": TcpExt,
    "windows-process-ext": None,
    "windows-service-ext": None,
    "unix-account-ext": None,
}
"""The extensions that section 6 defines; those without required properties need only be there."""
