"""The domain objects, relationships and meta objects of STIX 2.1, one struct per type (sections 4, 5, 7).

Vocabularies (`-ov`) are open: any string. Enumerations (`-enum`) are closed.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, UnsetType

from secretariat.records.values import (
    Common,
    EndRef,
    KillChain,
    LanguageTag,
    MemberRef,
    Members,
    Moment,
    NotEmpty,
    SightedRef,
    Strings,
    Versioned,
    ref,
)

SoftwareRef = Annotated[str, Meta(pattern=ref("software"))]
SampleRef = Annotated[str, Meta(pattern=ref("artifact", "file"))]
AnalysedRef = Annotated[str, Meta(pattern=ref("file", "artifact", "network-traffic"))]
ObservedRef = Annotated[str, Meta(pattern=ref("observed-data"))]
WhereRef = Annotated[str, Meta(pattern=ref("identity", "location"))]
Times = Annotated[int, Meta(ge=1, le=999_999_999)]
Sightings = Annotated[int, Meta(ge=0, le=999_999_999)]
Latitude = Annotated[float, Meta(ge=-90, le=90)]
Longitude = Annotated[float, Meta(ge=-180, le=180)]
Opinions = Literal["strongly-disagree", "disagree", "neutral", "agree", "strongly-agree"]
ExtensionType = Literal["new-sdo", "new-sco", "new-sro", "property-extension", "toplevel-property-extension"]


class AttackPattern(Versioned, kw_only=True):
    """Section 4.1."""

    name: str
    description: str | UnsetType = UNSET
    aliases: Strings | UnsetType = UNSET
    kill_chain_phases: KillChain | UnsetType = UNSET


class Campaign(Versioned, kw_only=True):
    """Section 4.2."""

    name: str
    description: str | UnsetType = UNSET
    aliases: Strings | UnsetType = UNSET
    first_seen: Moment | UnsetType = UNSET
    last_seen: Moment | UnsetType = UNSET
    objective: str | UnsetType = UNSET


class CourseOfAction(Versioned, kw_only=True):
    """Section 4.3."""

    name: str
    description: str | UnsetType = UNSET


class Grouping(Versioned, kw_only=True):
    """Section 4.4."""

    context: NotEmpty
    object_refs: Members
    name: str | UnsetType = UNSET
    description: str | UnsetType = UNSET


class Identity(Versioned, kw_only=True):
    """Section 4.5."""

    name: str
    description: str | UnsetType = UNSET
    roles: Strings | UnsetType = UNSET
    identity_class: str | UnsetType = UNSET
    sectors: Strings | UnsetType = UNSET
    contact_information: str | UnsetType = UNSET


class Incident(Versioned, kw_only=True):
    """Section 4.6, a stub to which extensions add."""

    name: str
    description: str | UnsetType = UNSET


class Indicator(Versioned, kw_only=True):
    """Section 4.7."""

    pattern: NotEmpty
    pattern_type: NotEmpty
    valid_from: Moment
    name: str | UnsetType = UNSET
    description: str | UnsetType = UNSET
    indicator_types: Strings | UnsetType = UNSET
    pattern_version: str | UnsetType = UNSET
    valid_until: Moment | UnsetType = UNSET
    kill_chain_phases: KillChain | UnsetType = UNSET


class Infrastructure(Versioned, kw_only=True):
    """Section 4.8."""

    name: str
    description: str | UnsetType = UNSET
    infrastructure_types: Strings | UnsetType = UNSET
    aliases: Strings | UnsetType = UNSET
    kill_chain_phases: KillChain | UnsetType = UNSET
    first_seen: Moment | UnsetType = UNSET
    last_seen: Moment | UnsetType = UNSET


class IntrusionSet(Versioned, kw_only=True):
    """Section 4.9."""

    name: str
    description: str | UnsetType = UNSET
    aliases: Strings | UnsetType = UNSET
    first_seen: Moment | UnsetType = UNSET
    last_seen: Moment | UnsetType = UNSET
    goals: Strings | UnsetType = UNSET
    resource_level: str | UnsetType = UNSET
    primary_motivation: str | UnsetType = UNSET
    secondary_motivations: Strings | UnsetType = UNSET


class Location(Versioned, kw_only=True):
    """Section 4.10."""

    name: str | UnsetType = UNSET
    description: str | UnsetType = UNSET
    latitude: Latitude | UnsetType = UNSET
    longitude: Longitude | UnsetType = UNSET
    precision: Annotated[float, Meta(ge=0)] | UnsetType = UNSET
    region: str | UnsetType = UNSET
    country: str | UnsetType = UNSET
    administrative_area: str | UnsetType = UNSET
    city: str | UnsetType = UNSET
    street_address: str | UnsetType = UNSET
    postal_code: str | UnsetType = UNSET


class Malware(Versioned, kw_only=True):
    """Section 4.11."""

    is_family: bool
    name: str | UnsetType = UNSET
    description: str | UnsetType = UNSET
    malware_types: Strings | UnsetType = UNSET
    aliases: Strings | UnsetType = UNSET
    kill_chain_phases: KillChain | UnsetType = UNSET
    first_seen: Moment | UnsetType = UNSET
    last_seen: Moment | UnsetType = UNSET
    operating_system_refs: Annotated[list[SoftwareRef], Meta(min_length=1)] | UnsetType = UNSET
    architecture_execution_envs: Strings | UnsetType = UNSET
    implementation_languages: Strings | UnsetType = UNSET
    capabilities: Strings | UnsetType = UNSET
    sample_refs: Annotated[list[SampleRef], Meta(min_length=1)] | UnsetType = UNSET


class MalwareAnalysis(Versioned, kw_only=True):
    """Section 4.12."""

    product: NotEmpty
    version: str | UnsetType = UNSET
    host_vm_ref: SoftwareRef | UnsetType = UNSET
    operating_system_ref: SoftwareRef | UnsetType = UNSET
    installed_software_refs: Annotated[list[SoftwareRef], Meta(min_length=1)] | UnsetType = UNSET
    configuration_version: str | UnsetType = UNSET
    modules: Strings | UnsetType = UNSET
    analysis_engine_version: str | UnsetType = UNSET
    analysis_definition_version: str | UnsetType = UNSET
    submitted: Moment | UnsetType = UNSET
    analysis_started: Moment | UnsetType = UNSET
    analysis_ended: Moment | UnsetType = UNSET
    result_name: str | UnsetType = UNSET
    result: str | UnsetType = UNSET
    analysis_sco_refs: Members | UnsetType = UNSET
    sample_ref: AnalysedRef | UnsetType = UNSET


class Note(Versioned, kw_only=True):
    """Section 4.13."""

    content: NotEmpty
    object_refs: Members
    abstract: str | UnsetType = UNSET
    authors: Strings | UnsetType = UNSET


class ObservedData(Versioned, kw_only=True):
    """Section 4.14."""

    first_observed: Moment
    last_observed: Moment
    number_observed: Times
    objects: Annotated[dict[str, dict[str, Any]], Meta(min_length=1)] | UnsetType = UNSET
    object_refs: Members | UnsetType = UNSET


class Opinion(Versioned, kw_only=True):
    """Section 4.15."""

    opinion: Opinions
    object_refs: Members
    explanation: str | UnsetType = UNSET
    authors: Strings | UnsetType = UNSET


class Report(Versioned, kw_only=True):
    """Section 4.16."""

    name: str
    published: Moment
    object_refs: Members
    description: str | UnsetType = UNSET
    report_types: Strings | UnsetType = UNSET


class ThreatActor(Versioned, kw_only=True):
    """Section 4.17."""

    name: str
    description: str | UnsetType = UNSET
    threat_actor_types: Strings | UnsetType = UNSET
    aliases: Strings | UnsetType = UNSET
    first_seen: Moment | UnsetType = UNSET
    last_seen: Moment | UnsetType = UNSET
    roles: Strings | UnsetType = UNSET
    goals: Strings | UnsetType = UNSET
    sophistication: str | UnsetType = UNSET
    resource_level: str | UnsetType = UNSET
    primary_motivation: str | UnsetType = UNSET
    secondary_motivations: Strings | UnsetType = UNSET
    personal_motivations: Strings | UnsetType = UNSET


class Tool(Versioned, kw_only=True):
    """Section 4.18."""

    name: str
    description: str | UnsetType = UNSET
    tool_types: Strings | UnsetType = UNSET
    aliases: Strings | UnsetType = UNSET
    kill_chain_phases: KillChain | UnsetType = UNSET
    tool_version: str | UnsetType = UNSET


class Vulnerability(Versioned, kw_only=True):
    """Section 4.19."""

    name: str
    description: str | UnsetType = UNSET


class Relationship(Versioned, kw_only=True):
    """Section 5.1."""

    relationship_type: NotEmpty
    source_ref: EndRef
    target_ref: EndRef
    description: str | UnsetType = UNSET
    start_time: Moment | UnsetType = UNSET
    stop_time: Moment | UnsetType = UNSET


class Sighting(Versioned, kw_only=True):
    """Section 5.2."""

    sighting_of_ref: SightedRef
    description: str | UnsetType = UNSET
    first_seen: Moment | UnsetType = UNSET
    last_seen: Moment | UnsetType = UNSET
    count: Sightings | UnsetType = UNSET
    observed_data_refs: Annotated[list[ObservedRef], Meta(min_length=1)] | UnsetType = UNSET
    where_sighted_refs: Annotated[list[WhereRef], Meta(min_length=1)] | UnsetType = UNSET
    summary: bool | UnsetType = UNSET


class LanguageContent(Versioned, kw_only=True):
    """Section 7.1."""

    object_ref: MemberRef
    contents: Annotated[dict[LanguageTag, dict[str, Any]], Meta(min_length=1)]
    object_modified: Moment | UnsetType = UNSET


class MarkingDefinition(Common, kw_only=True):
    """Section 7.2.1; it has no versions."""

    name: str | UnsetType = UNSET
    definition_type: NotEmpty | UnsetType = UNSET
    definition: dict[str, Any] | UnsetType = UNSET


class ExtensionDefinition(Versioned, kw_only=True):
    """Section 7.3."""

    name: NotEmpty
    schema: NotEmpty
    version: NotEmpty
    extension_types: Annotated[list[ExtensionType], Meta(min_length=1)]
    description: str | UnsetType = UNSET
    extension_properties: Strings | UnsetType = UNSET


OBJECTS: dict[str, type[Common]] = {
    "attack-pattern": AttackPattern,
    "campaign": Campaign,
    "course-of-action": CourseOfAction,
    "grouping": Grouping,
    "identity": Identity,
    "incident": Incident,
    "indicator": Indicator,
    "infrastructure": Infrastructure,
    "intrusion-set": IntrusionSet,
    "location": Location,
    "malware": Malware,
    "malware-analysis": MalwareAnalysis,
    "note": Note,
    "observed-data": ObservedData,
    "opinion": Opinion,
    "report": Report,
    "threat-actor": ThreatActor,
    "tool": Tool,
    "vulnerability": Vulnerability,
    "relationship": Relationship,
    "sighting": Sighting,
    "language-content": LanguageContent,
    "marking-definition": MarkingDefinition,
    "extension-definition": ExtensionDefinition,
}
"""Type name -> how it is read. What is not here and not an observable is kept by its common properties."""
