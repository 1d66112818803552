"""Scores of the classifier on labelled rows: accuracy, macro-F1 and what the escalation desk cares about.

The tests hold the classifier to floors by these figures. Rows are the dictionaries of a gold file: text, nature, type,
subtype, subtype2, urgency, sentiment.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from huiyin_router.classifier.labels import Prediction, Text
from huiyin_router.classifier.prediction import predict

HEADS: Final = ("nature", "type", "subtype", "urgency", "sentiment")


def evaluate(rows: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Return percentages: `<head>_accuracy`, `<head>_f1`, `subtype_either` and the two escalation figures.

    `escalation_recall` and `escalation_precision` treat every urgency but normal as one class; `subtype_either`
    accepts the second subtype of the gold row as well. Raises ValueError without rows.
    """
    if not rows:
        raise ValueError("evaluation needs at least one labelled row")
    predicted = predict([Text(row["text"]) for row in rows])
    scores: dict[str, float] = {}
    for head in HEADS:
        pairs = [
            (str(row[head]), str(getattr(found, head))) for row, found in zip(rows, predicted, strict=True)
        ]
        scores[f"{head}_accuracy"] = _percent(sum(gold == found for gold, found in pairs), len(pairs))
        scores[f"{head}_f1"] = _macro_f1(pairs)
    return scores | _subtype_either(rows, predicted) | _escalation(rows, predicted)


def _subtype_either(rows: Sequence[Mapping[str, Any]], predicted: Sequence[Prediction]) -> dict[str, float]:
    right = sum(
        found.subtype in (row["subtype"], row.get("subtype2"))
        for row, found in zip(rows, predicted, strict=True)
    )
    return {"subtype_either": _percent(right, len(rows))}


def _escalation(rows: Sequence[Mapping[str, Any]], predicted: Sequence[Prediction]) -> dict[str, float]:
    gold = [row["urgency"] != "normal" for row in rows]
    found = [prediction.urgency != "normal" for prediction in predicted]
    both = sum(a and b for a, b in zip(gold, found, strict=True))
    return {
        "escalation_recall": _percent(both, sum(gold)),
        "escalation_precision": _percent(both, sum(found)),
    }


def _macro_f1(pairs: Sequence[tuple[str, str]]) -> float:
    labels = {label for pair in pairs for label in pair}
    return round(sum(_f1(pairs, label) for label in labels) / len(labels), 1)


def _f1(pairs: Sequence[tuple[str, str]], label: str) -> float:
    hit = sum(gold == found == label for gold, found in pairs)
    return _percent(2 * hit, sum((gold == label) + (found == label) for gold, found in pairs))


def _percent(part: int, whole: int) -> float:
    return round(100.0 * part / whole, 1) if whole else 0.0
