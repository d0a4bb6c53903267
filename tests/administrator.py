"""A user of Redis with every right, for tests: what they do to it, no role of ours may do."""

from bringup_cli.demo.stack import Stack

ADMINISTRATOR = "administrator"
PASSWORD = "a-password-of-the-administrator"
LINE = f"user {ADMINISTRATOR} on >{PASSWORD} ~* &* +@all\n"


def add_administrator(stack: Stack) -> None:
    """Beside the users that `bringup redis-conf` has written, before Redis starts."""
    folder = stack.folder / "redis"
    with (folder / "users.acl").open("a") as users:
        users.write(LINE)
    own = f"REDIS_USERNAME={ADMINISTRATOR}\nREDIS_PASSWORD={PASSWORD}\n"
    path = folder / f"{ADMINISTRATOR}.env"
    path.touch(mode=0o600)
    path.write_text(own)
