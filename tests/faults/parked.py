"""An event that fails, is put aside, redriven, and whose service is killed when it has had its effects.

Load alone parks nothing. So the router's database refuses one feedback by a trigger, as a bug would; with the trigger
gone, the operator redrives the dead letter, and the router dies before that is committed.
"""

import signal
import sqlite3
from contextlib import closing

from tests.faults.caller import Caller
from tests.faults.history import ACCEPTED
from tests.faults.load import feedback, note_post
from tests.faults.scenario import Stage
from tests.faults.stack import ADMIN_KEY, Stack, eventually

_SQLITE_REFUSAL = """
CREATE TRIGGER refuse BEFORE INSERT ON classification WHEN NEW.feedback_id = '{id}'
BEGIN SELECT RAISE(ABORT, 'refused by a test'); END
"""
_POSTGRESQL_REFUSAL = """
CREATE FUNCTION refuse() RETURNS trigger AS $$ BEGIN RAISE EXCEPTION 'refused by a test'; END $$ LANGUAGE plpgsql;
CREATE TRIGGER refuse BEFORE INSERT ON classification FOR EACH ROW WHEN (NEW.feedback_id = '{id}')
EXECUTE FUNCTION refuse()
"""


def kill_at_a_parked_event(stage: Stage) -> None:
    """Put an event aside, redrive it, kill the router in the middle, and return when it was handled after all."""
    stack = stage.stack
    router = stack.processes["router"]
    router.end()
    feedback_id = _posted(stack)
    _change(stack, (_POSTGRESQL_REFUSAL if stack.postgresql else _SQLITE_REFUSAL).format(id=feedback_id))
    router.start()
    eventually(lambda: bool(stack.rows("router", "SELECT id FROM dead_letter WHERE state = 'open'")))
    router.end()
    _change(stack, "DROP FUNCTION refuse CASCADE" if stack.postgresql else "DROP TRIGGER refuse")
    stack.command("events", "dead", "redrive", "--service", "router", "--all")
    router.launch(HUIYIN_FAILPOINTS="retries.after_effects=kill")
    code = router.await_end()
    stage.expect("killed at a parked event", holds=code == -signal.SIGKILL)
    router.start(HUIYIN_FAILPOINTS="")
    eventually(lambda: stack.is_decided(feedback_id))
    # The counter expects no dead letters but those of poison, and this one has been dealt with.
    _change(stack, "DELETE FROM dead_letter WHERE state = 'redriven'")


def _posted(stack: Stack) -> str:
    number = stack.numbers.draw()
    body = feedback(0, number) | {"kind": "form", "author": {"id": f"parked-{number}"}}
    with Caller(stack.address("intake"), ADMIN_KEY) as caller:
        answer = caller.post("/v1/feedback", body)
    note_post(stack.history, answer, number=number, body=body)
    assert answer.status == ACCEPTED, answer
    return str(answer.body["id"])


def _change(stack: Stack, statements: str) -> None:
    """Change the router's database behind its back."""
    if stack.postgresql is not None:
        stack.postgresql.psql(statements, database="router")
        return
    with closing(sqlite3.connect(stack.database_file("router"), timeout=20)) as connection, connection:
        connection.execute(statements)
