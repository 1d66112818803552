# mypy: ignore-errors
"""Gives the peer a user with a token and eight queues, and prints the token and the first queue."""

import json

import django

django.setup()

from django.contrib.auth import get_user_model  # noqa: E402 - Django must be set up first
from helpdesk.models import Queue  # noqa: E402
from rest_framework.authtoken.models import Token  # noqa: E402

User = get_user_model()
user, _ = User.objects.get_or_create(
    username="bench", defaults={"is_staff": True, "is_superuser": True, "email": "bench@example.com"}
)
queues = [
    Queue.objects.get_or_create(
        slug=f"q{number}", defaults={"title": f"Queue {number}", "allow_public_submission": True}
    )[0]
    for number in range(8)
]
token, _ = Token.objects.get_or_create(user=user)
print(json.dumps({"token": token.key, "queue": queues[0].id}))
