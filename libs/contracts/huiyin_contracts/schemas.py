"""Schema snapshots of every event and version, and what may never change between two of them.

`libs/contracts/schemas/<type>/<version>.json` holds each version for ever. `python -m huiyin_contracts.schemas`
writes the newest ones; a test refuses a changed schema under an old version, and every forbidden change under
a new one. Rules (schema evolution): optional fields may be added; nothing is renamed, retyped, narrowed or made
required; a break is a new type `….v2` beside the old.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from huiyin_contracts.event import Event
from huiyin_contracts.registry import EVENTS

Schema = dict[str, Any]

FOLDER: Final = Path(__file__).resolve().parents[1] / "schemas"
_PROSE: Final = frozenset({"title", "description", "examples"})
_UPPER_BOUNDS: Final = ("maxLength", "maximum", "exclusiveMaximum", "maxItems")
_LOWER_BOUNDS: Final = ("minLength", "minimum", "exclusiveMinimum", "minItems")


def schema_of(event: type[Event]) -> Schema:
    """Return the JSON Schema (2020-12) that a reader holds an event's data against, without prose."""
    schema: Schema = _without_prose(event.model_json_schema())
    return {"$id": event.schema_url(), **schema}


def snapshot_path(event_type: str, version: str) -> Path:
    """Return where the snapshot of a type and version lies."""
    return FOLDER / event_type / f"{version}.json"


def versions_of(event_type: str) -> list[str]:
    """Return the versions that have a snapshot, oldest first."""
    names = (path.stem for path in (FOLDER / event_type).glob("*.json"))
    return sorted(names, key=lambda version: tuple(map(int, version.split("."))))


def read_snapshot(event_type: str, version: str) -> Schema:
    """Return a stored snapshot."""
    schema: Schema = json.loads(snapshot_path(event_type, version).read_text(encoding="utf-8"))
    return schema


def write_snapshots() -> list[Path]:
    """Write the newest schema of every event and return the files; versions that exist are overwritten."""
    written = []
    for event in EVENTS.values():
        path = snapshot_path(event.TYPE, event.VERSION)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(schema_of(event), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        written.append(path)
    return written


def forbidden_changes(old: Schema, new: Schema) -> list[str]:
    """Return every change from `old` to `new` that would break a reader or a stored event, none when it is safe."""
    return list(_compare(old, new, old_root=old, new_root=new, place=""))


def _compare(old: Schema, new: Schema, *, old_root: Schema, new_root: Schema, place: str) -> Iterator[str]:
    old, new = _resolve(old, old_root), _resolve(new, new_root)
    here = place or "(root)"
    if _kinds(old, old_root) - _kinds(new, new_root):
        yield f"{here}: type changed or narrowed"
        return
    if missing := set(old.get("enum") or ()) - set(new.get("enum") or old.get("enum") or ()):
        yield f"{here}: enum lost {sorted(missing)}"
    if "enum" in new and "enum" not in old:
        yield f"{here}: enum narrows an open value"
    yield from (f"{here}: {bound} tightened" for bound in _tightened(old, new))
    old_fields, new_fields = old.get("properties", {}), new.get("properties", {})
    yield from (f"{place}/{name}: removed or renamed" for name in old_fields if name not in new_fields)
    yield from (
        f"{place}/{name}: made required"
        for name in new.get("required", ())
        if "properties" in old and name not in old.get("required", ())
    )
    for name in old_fields.keys() & new_fields.keys():
        yield from _compare(
            old_fields[name], new_fields[name], old_root=old_root, new_root=new_root, place=f"{place}/{name}"
        )
    for part in ("items", "additionalProperties"):
        if isinstance(old.get(part), Mapping) and isinstance(new.get(part), Mapping):
            yield from _compare(
                old[part], new[part], old_root=old_root, new_root=new_root, place=f"{place}/{part}"
            )


def _tightened(old: Schema, new: Schema) -> Iterator[str]:
    for bound in _UPPER_BOUNDS:
        if bound in new and new[bound] < old.get(bound, float("inf")):
            yield bound
    for bound in _LOWER_BOUNDS:
        if bound in new and new[bound] > old.get(bound, float("-inf")):
            yield bound
    for bound in ("pattern", "format"):
        if bound in new and new[bound] != old.get(bound):
            yield bound


def _kinds(schema: Schema, root: Schema) -> set[str]:
    """Return the JSON types a schema admits; the value `any` stands for all of them."""
    if "anyOf" in schema:
        return set().union(*(_kinds(_resolve(option, root), root) for option in schema["anyOf"]))
    kinds = schema.get("type", "any")
    return {kinds} if isinstance(kinds, str) else set(kinds)


def _resolve(schema: Schema, root: Schema) -> Schema:
    """Return the schema behind references, with `X or null` read as X that may also be null."""
    if reference := schema.get("$ref"):
        found: Schema = root["$defs"][reference.rsplit("/", 1)[1]]
        return _resolve(found, root)
    options = [option for option in schema.get("anyOf", ()) if option.get("type") != "null"]
    if len(options) == 1:
        inner = _resolve(options[0], root)
        return {**inner, "type": sorted({*_kinds(inner, root), "null"})}
    return schema


def _without_prose(value: Any) -> Any:
    if isinstance(value, dict):
        fields = value.get("properties", {})
        kept = {key: _without_prose(inner) for key, inner in value.items() if key not in _PROSE}
        if fields:
            kept["properties"] = {name: _without_prose(inner) for name, inner in fields.items()}
        return kept
    if isinstance(value, list):
        return [_without_prose(inner) for inner in value]
    return value


if __name__ == "__main__":
    write_snapshots()
