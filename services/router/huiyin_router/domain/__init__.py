"""Rules of routing: which texts are the same, which case a feedback belongs to, and where a case goes."""

from huiyin_router.domain.resemblance import RESENT_SIMILARITY, is_resent, shingles, similarity

__all__ = ["RESENT_SIMILARITY", "is_resent", "shingles", "similarity"]
