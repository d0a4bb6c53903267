"""When the checkpoint is written: often enough to repeat little, seldom enough to cost little."""

import time
from collections.abc import Callable
from pathlib import Path

from pydantic import JsonValue

from bringup import log
from dhcp_tailer.accounting import Tally
from dhcp_tailer.checkpoint import Checkpoint, write_checkpoint
from dhcp_tailer.position import Position

_log = log.get(__name__)
INTERVAL_S = 0.2
_COST = 20  # a large memory on a slow disk may take one part in twenty of our time


class Saver:
    """Writes the checkpoint of one source following one file, at most every `INTERVAL_S`."""

    def __init__(
        self,
        file: Path,
        *,
        source: str,
        path: Path,
        memory: Callable[[], JsonValue],
        tally: Tally | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._file = file
        self._source = source
        self._path = path
        self._memory = memory
        self._tally = tally or Tally()
        self._clock = clock
        self._saved: Position | None = None
        self._next_s = 0.0
        self._failing = False

    @property
    def due(self) -> bool:
        """Whether enough time has passed."""
        return self._clock() >= self._next_s

    def save(self, position: Position | None) -> None:
        """Write ``position`` and the memory that belongs to it, unless it is written.

        A full disk is said once and stops nothing: the old checkpoint only means that more is read twice.
        """
        if position is None or position == self._saved:
            return
        started = self._clock()
        checkpoint = Checkpoint(
            source=self._source,
            path=str(self._path),
            position=position,
            memory=self._memory(),
            counts={outcome.value: number for outcome, number in self._tally.counts.items()},
            last_record_at=self._tally.last_record_at,
        )
        try:
            write_checkpoint(self._file, checkpoint)
        except OSError as error:
            self._say_failing(error)
        else:
            self._saved = position
            self._say_working()
        finished = self._clock()
        self._next_s = finished + max(INTERVAL_S, _COST * (finished - started))

    def _say_failing(self, error: OSError) -> None:
        if not self._failing:
            _log.error("the checkpoint cannot be written; a restart would read more again", why=error.strerror)
        self._failing = True

    def _say_working(self) -> None:
        if self._failing:
            _log.info("the checkpoint can be written again")
        self._failing = False
