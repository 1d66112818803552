"""What can go wrong at the front door.

IntakeError
└── FeedbackNotFound    no feedback has this id, or the caller may not see it
"""


class IntakeError(Exception):
    """Base of intake's errors."""


class FeedbackNotFound(IntakeError):
    """No feedback has this id, or it was posted by somebody else and the caller sees only its own."""

    def __init__(self, feedback_id: str) -> None:
        super().__init__(f"no feedback {feedback_id}")
        self.feedback_id = feedback_id
