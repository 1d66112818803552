"""Classifier (分类): reads what a feedback text says, by word lists that an operator can edit.

It needs no model file and answers the same everywhere, so it is the floor any trained model has to beat.
Everything here is pure: no clock, no database, no other Huiyin package.
"""

from huiyin_router.classifier.labels import (
    NATURES,
    PARENT_TYPES,
    SENTIMENTS,
    SUBTYPES,
    URGENCIES,
    Prediction,
    Span,
    Text,
)
from huiyin_router.classifier.prediction import REVISION, explain, is_ready, predict, prepare

__all__ = [
    "NATURES",
    "PARENT_TYPES",
    "REVISION",
    "SENTIMENTS",
    "SUBTYPES",
    "URGENCIES",
    "Prediction",
    "Span",
    "Text",
    "explain",
    "is_ready",
    "predict",
    "prepare",
]
