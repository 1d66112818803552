"""Rules of the directory: the shipped departments, and which unit may stand above which."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class ShippedUnit:
    """A department every installation starts with; operators rename or close it."""

    slug: str
    names: Mapping[str, str]


SHIPPED_UNITS: Final = (
    ShippedUnit("product", {"zh-CN": "产品部", "en": "Product"}),
    ShippedUnit("customer-service", {"zh-CN": "客服部", "en": "Customer service"}),
    ShippedUnit("design", {"zh-CN": "体验部", "en": "Experience design"}),
    ShippedUnit("marketing", {"zh-CN": "市场部", "en": "Marketing"}),
    ShippedUnit("logistics", {"zh-CN": "物流部", "en": "Logistics"}),
)
"""Where the shipped routing rules send tickets (S27)."""


def is_below(slug: str, ancestor: str, parents: Mapping[str, str | None]) -> bool:
    """Tell whether a unit is `ancestor` itself or stands below it, by each unit's parent."""
    seen: set[str] = set()
    at: str | None = slug
    while at is not None and at not in seen:
        if at == ancestor:
            return True
        seen.add(at)
        at = parents.get(at)
    return False
