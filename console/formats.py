"""How the templates show times, durations and the texts of others."""

import hashlib
from datetime import datetime

from flask import Flask
from markupsafe import Markup, escape

from bringup.model import utc_now
from bringup.wire.actions import MOST_TARGETS
from console import words
from console.actions import offers
from console.awaited import awaited, look_at, meaning
from console.dots import event_word, span
from console.drawing import event_mark, line_of


def register(app: Flask) -> None:
    """Give the templates of ``app`` these filters and functions."""
    app.jinja_env.filters |= {
        "clock": clock,
        "ago": ago,
        "span": span,
        "row_id": row_id,
        "reason_word": words.reason_word,
        "event_word": event_word,
        "code": code,
    }
    app.jinja_env.globals |= {
        "states": words.STATES,
        "awaited": awaited,
        "meaning": meaning,
        "look_at": look_at,
        "line_of": line_of,
        "event_mark": event_mark,
        "now": utc_now,
        "action_labels": offers.LABELS,
        "action_meanings": offers.MEANINGS,
        "actions_of_machines": offers.OF_MACHINES,
        "actions_with_reason": offers.WITH_REASON,
        "dangerous_actions": offers.DANGEROUS,
        "most_targets": MOST_TARGETS,
    }


def clock(at: datetime | None) -> Markup:
    """A time of day, with its date where that is not today's; the title has all of it."""
    if at is None:
        return Markup("")
    text = f"{at:%H:%M:%S}" if at.date() == utc_now().date() else f"{at:%Y-%m-%d %H:%M}"
    return Markup('<time datetime="{}" title="{}">{} UTC</time>').format(
        at.isoformat(timespec="seconds"), f"{at:%Y-%m-%d %H:%M:%S} UTC", text
    )


def ago(at: datetime | None) -> Markup:
    """How long ago, or in how long; console.js keeps it up to date."""
    if at is None:
        return Markup("")
    seconds = (utc_now() - at).total_seconds()
    text = span(seconds) if seconds >= 0 else f"in {span(-seconds)}"
    return Markup('<time class="ago" datetime="{}" title="{}">{}</time>').format(
        at.isoformat(timespec="milliseconds"), f"{at:%Y-%m-%d %H:%M:%S} UTC", text
    )


def row_id(name: str) -> str:
    """An id for the line of a machine, whatever its name holds."""
    return "m-" + hashlib.blake2s(name.encode(), digest_size=6).hexdigest()


def code(text: str) -> Markup:
    """Text with `code` between backticks marked up; everything in it is escaped."""
    parts = [escape(part) for part in text.split("`")]
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if index % 2 and index < len(parts) - 1 else part
        for index, part in enumerate(parts)
    )
