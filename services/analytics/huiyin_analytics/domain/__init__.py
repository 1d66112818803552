"""Rules of analytics: what events say of a case, what a case adds to which figure, and how figures are made."""
