"""The full check against the OASIS schemas, off the hot path: slow, and only where somebody asks for it.

It is the work of `stix2-validator` (pin 3.2.0; 3.3.1 ships without schemas), which is not needed to run.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from secretariat.base.errors import InputError, UnavailableError


def checker() -> Callable[[dict[str, Any]], None]:
    """Give a function that refuses an object with the schemas' first error."""
    try:
        from stix2validator import (  # type: ignore[import-untyped]
            ValidationOptions,
            validate_instance,
        )
    except ImportError:
        raise UnavailableError(
            "the full check is not installed", advice="pip install 'stix2-validator==3.2.0'"
        ) from None
    logging.getLogger("stix2validator").setLevel(logging.ERROR)
    options = ValidationOptions(version="2.1", silent=True)

    def examine(obj: dict[str, Any]) -> None:
        errors = list(validate_instance(obj, options).errors)
        if errors:
            more = f" and {len(errors) - 1} more" if len(errors) > 1 else ""
            raise InputError(
                f"against the OASIS schema: {errors[0].message}{more}",
                advice="correct it, or import without --schemas: it is sound enough to be kept",
            )

    return examine
