"""The base of all wire types: dataclasses that decode whatever comes and encode exactly what was set.

Decoding uses a plan compiled once per class, since the ``from_dict`` of ``dataclasses_json`` costs a hundred times as
much and fails on the odd value. A value of the wrong type leaves its field None and is kept in ``extra`` with
the unknown fields, so it survives the round trip. Encoding is ``dataclasses_json``'s, without the fields that are None.
"""

from __future__ import annotations

import dataclasses
import re
import typing
from typing import Any, Callable, Dict, List, Optional, Tuple, Type, TypeVar, Union

from dataclasses_json import DataClassJsonMixin, config

from .redact import Secret

T = TypeVar("T", bound="WireType")
Converter = Callable[[Any], Any]
Plan = Dict[str, Tuple[str, Converter]]

_MISFIT = object()
_INTEGER = re.compile(r"-?[0-9]{1,20}")  # a uint64 has at most 20 digits
_plans: Dict[type, Plan] = {}


def renamed(wire_name: str) -> Any:
    """A field that is None by default and called *wire_name* on the wire (a Python keyword, say)."""
    return dataclasses.field(default=None, metadata=config(field_name=wire_name))


def extra_field() -> Any:
    """The field ``extra``: what the sender put in and this version does not know."""
    return dataclasses.field(default_factory=dict, repr=False, compare=False, metadata=config(exclude=lambda _: True))


@dataclasses.dataclass
class WireType(DataClassJsonMixin):
    """Base of the wire dataclasses; ``from_dict`` never fails, ``to_dict`` drops what is None."""

    @classmethod
    def from_dict(cls: Type[T], kvs: Any, *, infer_missing: bool = True) -> T:
        """Decode *kvs*. Anything that is not a dict gives an empty object; odd fields go to ``extra``."""
        known: Dict[str, Any] = {}
        extra: Dict[str, Any] = {}
        plan = _plans.get(cls) or _compile(cls)
        if isinstance(kvs, dict):
            for name, value in kvs.items():
                step = plan.get(name)
                if step is None:
                    extra[name] = value
                elif value is not None:
                    converted = step[1](value)
                    if converted is _MISFIT:
                        extra[name] = value
                    else:
                        known[step[0]] = converted
        made = cls(**known)
        if extra and hasattr(made, "extra"):
            made.extra = extra
        return made

    def to_dict(self, encode_json: bool = False) -> Dict[str, Any]:
        """The wire form: fields that are None are absent, unknown fields are put back."""
        encoded: Dict[str, Any] = {}
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if field.name == "extra" or value is None:
                continue
            encoded[_wire_name(field)] = _encode(value, encode_json)
        for name, value in (getattr(self, "extra", None) or {}).items():
            encoded.setdefault(name, value)
        return encoded


def _encode(value: Any, encode_json: bool) -> Any:
    if isinstance(value, DataClassJsonMixin):
        return value.to_dict(encode_json)
    if isinstance(value, (list, tuple)):
        return [_encode(part, encode_json) for part in value]
    if isinstance(value, dict):
        return {key: _encode(part, encode_json) for key, part in value.items()}
    return value


def _wire_name(field: Any) -> str:
    letter_case = field.metadata.get("dataclasses_json", {}).get("letter_case")
    return str(letter_case(field.name)) if letter_case else str(field.name)


def _compile(cls: type) -> Plan:
    hints = typing.get_type_hints(cls)
    plan: Plan = {
        _wire_name(field): (field.name, _converter(hints[field.name]))
        for field in dataclasses.fields(cls)
        if field.name != "extra" and field.init
    }
    return _plans.setdefault(cls, plan)  # one step, so no lock, which a forked child could find locked for ever


def _converter(hint: Any) -> Converter:
    origin = typing.get_origin(hint)
    if origin is Union:
        (inner,) = [part for part in typing.get_args(hint) if part is not type(None)]
        return _converter(inner)
    if origin in (list, List):
        (item,) = typing.get_args(hint)
        return _list_of(_converter(item))
    if origin in (dict, Dict):
        return _dict
    if isinstance(hint, type) and issubclass(hint, WireType):
        return _nested(hint)
    return _SCALARS.get(hint, _anything)


def _nested(cls: Type[WireType]) -> Converter:
    def convert(value: Any) -> Any:
        if not isinstance(value, dict):
            return _MISFIT
        try:
            return cls.from_dict(value)
        except RecursionError:  # quotes within quotes, a thousand deep
            return _MISFIT

    return convert


def _list_of(item: Converter) -> Converter:
    def convert(value: Any) -> Any:
        if not isinstance(value, list):
            return _MISFIT
        # One odd element must not cost the others.
        return [made for made in map(item, value) if made is not _MISFIT]

    return convert


def _dict(value: Any) -> Any:
    return value if isinstance(value, dict) else _MISFIT


def _str(value: Any) -> Any:
    if isinstance(value, str):
        return value
    # Ids come as numbers or as strings (docs/protocol/ilink, 3); a bool is neither.
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else _MISFIT


def _secret(value: Any) -> Any:
    return Secret(value) if isinstance(value, str) else _MISFIT


def _int(value: Any) -> Any:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str) and _INTEGER.fullmatch(value):
        return int(value)
    return _MISFIT


def _float(value: Any) -> Any:
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        return _MISFIT
    try:
        return float(value)
    except OverflowError:  # JSON allows an integer of 400 digits
        return _MISFIT


def _bool(value: Any) -> Any:
    if isinstance(value, bool):
        return value
    return bool(value) if isinstance(value, int) and value in (0, 1) else _MISFIT


def as_int(value: Any) -> Optional[int]:
    """*value* as a field of type int has it; None for one that does not fit."""
    found = value if type(value) is int else _int(value)
    return None if found is _MISFIT else found


def as_text(value: Any) -> Optional[str]:
    """*value* as a field of type str has it; None for one that does not fit."""
    found = value if type(value) is str else _str(value)
    return None if found is _MISFIT else found


def _anything(value: Any) -> Any:
    return value


_SCALARS: Dict[Any, Converter] = {str: _str, Secret: _secret, int: _int, float: _float, bool: _bool}
