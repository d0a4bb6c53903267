"""What a machine leaves besides its report: a log or two, kept as they came for as long as their run."""

from datetime import timedelta

from api.http.body import MIB
from api.state.redis import Database, Pipeline
from bringup import keys
from bringup.wire.run import Artifact

NAMES = ("agent.log", "dmesg.log")  # a closed list: with the limit it bounds what one run costs Redis
LIMIT = 1 * MIB


class Artifacts:
    """Raises RedisUnavailable from every method when Redis does not answer.

    Args:
        keep: how long an artifact stays on record; `api.state.store` begins anew when the run is closed.
    """

    def __init__(self, database: Database, keep: timedelta) -> None:
        self._database = database
        self._keep = keep

    def put(self, run_id: str, name: str, content: bytes) -> bool:
        """Keep ``content`` under one of `NAMES`, in the place of what was there; whether there was nothing."""
        contents, sizes = keys.artifacts(run_id), keys.artifact_sizes(run_id)

        def write(pipe: Pipeline) -> bool:
            known = self._database.fields(sizes, within=pipe)
            pipe.multi()
            pipe.hset(contents, name, content)
            pipe.hset(sizes, name, str(len(content)))
            pipe.expire(contents, self._keep)
            pipe.expire(sizes, self._keep)
            return name not in known

        return self._database.transact(write, sizes)

    def get(self, run_id: str, name: str) -> bytes | None:
        """One artifact as it came, if it is on record."""
        return self._database.field(keys.artifacts(run_id), name)

    def of(self, run_id: str) -> tuple[Artifact, ...]:
        """What is on record of a run, by name."""
        sizes = self._database.fields(keys.artifact_sizes(run_id))
        return tuple(Artifact(name=name, size=int(size)) for name, size in sorted(sizes.items()))
