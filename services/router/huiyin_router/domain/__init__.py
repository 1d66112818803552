"""Rules of routing: which texts are the same, which case a feedback belongs to, and where a case goes."""
