"""What can go wrong in analytics.

AnalyticsError
├── MetricUnknown           no metric has this name
├── QuestionRefused         a figure was asked for in a way that cannot be answered; carries the parameter
├── ProjectionMissing       no projection is live: the service was not started
└── BuildSuperseded         another build has begun and dropped this one
"""

from collections.abc import Iterable
from typing import ClassVar


class AnalyticsError(Exception):
    """Base of the errors of analytics."""


class MetricUnknown(AnalyticsError):
    """No metric has this name."""

    def __init__(self) -> None:
        super().__init__("There is no such metric; GET /v1/metrics lists them.")


class QuestionRefused(AnalyticsError):
    """A figure was asked for in a way that cannot be answered."""

    extensions: ClassVar[tuple[str, ...]] = ("errors",)

    def __init__(self, parameter: str, detail: str) -> None:
        super().__init__(detail)
        self.parameter = parameter
        self.errors = [{"parameter": parameter, "detail": detail}]

    @classmethod
    def of_dimension(cls, parameter: str, allowed: Iterable[str]) -> "QuestionRefused":
        """Return the refusal of a dimension that the metric does not have."""
        return cls(parameter, f"This metric knows the dimensions {', '.join(allowed)}.")


class ProjectionMissing(AnalyticsError):
    """No projection is live: the service opens one when it starts."""

    def __init__(self) -> None:
        super().__init__("no projection is live")


class BuildSuperseded(AnalyticsError):
    """Another build of a projection has begun and dropped this one."""

    def __init__(self) -> None:
        super().__init__("another rebuild has begun and dropped this one")
