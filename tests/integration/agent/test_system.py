"""Programs that the agent starts: each way to end, with real processes."""

import time

from agent.system import execute


def test_a_program_has_its_exit_status_and_output() -> None:
    outcome = execute(["sh", "-c", "echo out; echo err >&2; exit 4"], 20)
    assert (outcome.code, outcome.output, outcome.problem) == (4, "out\n", "")


def test_a_program_that_is_not_there_has_no_status_and_a_reason() -> None:
    outcome = execute(["/nonexistent/smartctl"], 20)
    assert (outcome.code, outcome.problem) == (None, "cannot be started: No such file or directory")


def test_a_program_that_does_not_end_is_killed_and_reported() -> None:
    began = time.monotonic()
    outcome = execute(["sh", "-c", "echo half of it; exec sleep 600"], 0.2)
    assert (outcome.code, outcome.output, outcome.problem) == (None, "half of it\n", "did not end within 0.2 s")
    assert time.monotonic() - began < 60


def test_a_program_that_was_killed_has_its_signal() -> None:
    assert execute(["sh", "-c", "kill -9 $$"], 20).code == -9
