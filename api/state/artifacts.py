"""What a machine sends besides its report: its logs, kept as they came for as long as their run."""

from datetime import timedelta

from api.http.body import MIB
from api.state.batch import Asked, Batch, number
from api.state.redis import Database, Pipeline
from bringup import keys
from bringup.wire.machine import Artifact

# A closed list: with LIMIT it bounds what one run costs Redis.
NAMES = ("agent.log", "dmesg.log")
# Bytes of one artifact. The kernel's log buffer holds 128 KiB by default (CONFIG_LOG_BUF_SHIFT=17).
LIMIT = 1 * MIB


class Artifacts:
    """The logs of runs.

    Args:
        keep: how long an artifact stays on record; `api.state.store` starts this time again when the run is closed.

    Raises:
        RedisUnavailable: from every method, when Redis does not answer.
    """

    def __init__(self, database: Database, keep: timedelta) -> None:
        self._database = database
        self._keep = keep

    def put(self, run_id: str, name: str, content: bytes) -> bool:
        """Keep ``content``, in the place of an earlier one.

        Args:
            name: one of `NAMES`.
            content: at most `LIMIT` bytes.

        Returns:
            Whether there was none of this name before.
        """
        contents, sizes = keys.artifacts(run_id), keys.artifact_sizes(run_id)

        def write(pipe: Pipeline) -> bool:
            known = self._database.fields(sizes, within=pipe)
            pipe.multi()
            pipe.hset(contents, name, content)
            pipe.hset(sizes, name, str(len(content)))
            pipe.expire(contents, self._keep)
            pipe.expire(sizes, self._keep)
            return name not in known

        # Watched, so that of two first deliveries at once one only is the first (201).
        return self._database.transact(write, sizes)

    def get(self, run_id: str, name: str) -> bytes | None:
        """One artifact as it came, if it is on record."""
        return self._database.field(keys.artifacts(run_id), name)


def ask_artifacts(batch: Batch, run_id: str) -> Asked[tuple[Artifact, ...]]:
    """What is on record of a run, by name, read with other things."""
    return batch.ask(_listed, "HGETALL", keys.artifact_sizes(run_id))


def _listed(sizes: dict[bytes, bytes]) -> tuple[Artifact, ...]:
    return tuple(
        Artifact(name=name.decode(errors="replace"), size=number(size)) for name, size in sorted(sizes.items())
    )
