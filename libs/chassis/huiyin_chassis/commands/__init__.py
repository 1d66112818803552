"""The chassis's own command-line verbs; each module registers its verbs and imports what they need when they run."""
