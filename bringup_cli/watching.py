"""``--watch``: go on with each change of the feed, and show it as a terminal or a program wants it."""

import sys
from collections.abc import Callable
from threading import Event

import click

from bringup.connections.change_feed import Asks, ChangeFollower, Cursor
from bringup.model import utc_now
from bringup.wire.changes import FeedChange, FeedPage, FeedSnapshot

# Seconds: a person reads no faster, and of a busy site the list would be asked for all the time.
_DRAW_EVERY_S = 1.0
# Clears the screen and goes to its corner: ECMA-48 s.8.3.39 and s.8.3.21.
_CLEAR = "\033[2J\033[H"


def watch(client: Asks, draw: Callable[[], None], print_change: Callable[[FeedChange], None]) -> None:
    """Show what there is, and then each change, until the process is interrupted.

    On a terminal the whole list is drawn anew; without one nothing but the changes is printed, so that a program or a
    file gets each of them once.

    Args:
        client: of the API.
        draw: prints the list as it is now.
        print_change: prints a change if it is one of those that are watched.

    Raises:
        ApiRejected: the API lets us not follow.
    """
    cursor = Cursor()
    # Before the list is read: what is changed meanwhile is drawn again, and not missed.
    cursor.save(client.get("/changes?since=0&limit=1", FeedPage).newest)
    is_terminal, stopping = sys.stdout.isatty(), Event()
    if is_terminal:
        _redraw(draw)
    for batch in ChangeFollower(client, cursor).follow(stopping):
        if is_terminal:
            _redraw(draw)
            stopping.wait(_DRAW_EVERY_S)
        elif isinstance(batch, FeedSnapshot):
            click.echo("some changes are not known any more; the list may have others than these", err=True)
        else:
            for change in batch.changes:
                print_change(change)
            sys.stdout.flush()


def _redraw(draw: Callable[[], None]) -> None:
    click.echo(_CLEAR, nl=False)
    draw()
    click.echo(f"At {utc_now():%H:%M:%S} UTC; drawn again with each change. Ctrl-C ends.")
