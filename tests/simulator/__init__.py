"""The test world: many nodes in one process, in step by the shipped lines, with faults and cheats.

`ways` is a world for stories that a test writes line by line. `plan`, `world`, `network`, `cheats` and
`invariants` are random worlds with real agreements: docs/testing.md, `python -m tests.simulator --help`.
"""

from __future__ import annotations

from .ways import (
    START,
    SecretariatError,
    SimulatedNode,
    World,
    indicator,
    introduction_of,
    memory_node,
    peer_of,
    required,
    sealed,
    sealer,
)

__all__ = [
    "START",
    "SecretariatError",
    "SimulatedNode",
    "World",
    "indicator",
    "introduction_of",
    "memory_node",
    "peer_of",
    "required",
    "sealed",
    "sealer",
]
