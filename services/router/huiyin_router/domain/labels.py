"""How labels hang together when a person says what a feedback is: type and subtype, dispute and complexity."""

from collections.abc import Mapping
from typing import Any

from huiyin_contracts.feedback import Labels
from huiyin_contracts.vocabulary import Urgency
from huiyin_router.errors import LabelsContradict


def is_dispute(urgency: str) -> bool:
    """Tell whether a feedback of this urgency is a dispute, which is always complex (S32)."""
    return urgency == Urgency.COMPLAINT


def merged(labels: Labels, said: Mapping[str, Any], *, parent_types: Mapping[str, str]) -> Labels:
    """Return labels with what a person said of them; raises LabelsContradict when type and subtype do not fit.

    What is left out of `said`, or None in it, stays as it is; only a second subtype is taken away by None. A subtype
    that `parent_types` knows brings its type along, and a type with one subtype brings that.
    """
    changes = {name: value for name, value in said.items() if value is not None or name == "subtype2"}
    if "subtype" in changes:
        changes.setdefault("type", parent_types.get(changes["subtype"], labels.type))
    elif changes.get("type", labels.type) != labels.type:
        changes["subtype"] = _only_subtype(changes["type"], labels, parent_types=parent_types)
    after = Labels.model_validate({**labels.model_dump(), **changes})
    if parent_types.get(after.subtype, after.type) != after.type:
        raise LabelsContradict(given_type=after.type, subtype=after.subtype)
    return after.model_copy(update={"complex": _is_complex(labels, after, said=changes.get("complex"))})


def _is_complex(before: Labels, after: Labels, *, said: bool | None) -> bool:
    if is_dispute(after.urgency):
        return True
    if said is not None:
        return said
    # What was complex as a dispute alone is so no longer.
    return before.complex and not is_dispute(before.urgency)


def _only_subtype(given_type: str, labels: Labels, *, parent_types: Mapping[str, str]) -> str:
    """Return the subtype that a type means by itself: the second one read in the text, or the only one there is."""
    if labels.subtype2 is not None and parent_types.get(labels.subtype2) == given_type:
        return labels.subtype2
    subtypes = [subtype for subtype, parent in parent_types.items() if parent == given_type]
    if len(subtypes) != 1:
        raise LabelsContradict(given_type=given_type, subtype=labels.subtype)
    return subtypes[0]
