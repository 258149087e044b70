"""Templates: every value is escaped, a missing one is an error, and times and words have one form."""

from datetime import UTC, datetime
from functools import cache, partial
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from starlette.responses import HTMLResponse

from fallsafe.workbench.shelf import shelf
from fallsafe.workbench.words import clock, full, lowered, many, promised, size, span, until, words

MARKS = ("icon", "severity", "stage", "unknown")
"""Macros of `marks.html` that every template may draw with; they depend on nothing but what they are given."""


@cache
def environment() -> Environment:
    """The templates of the package."""
    made = Environment(
        loader=PackageLoader("fallsafe.workbench"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.filters.update(
        clock=clock,
        full=full,
        many=many,
        promised=promised,
        size=size,
        until=until,
        words=words,
        iso=_iso,
        lowered=lowered,
        since=_since,
        sentence=_sentence,
    )
    made.globals["static"] = shelf().base
    made.globals.update({name: partial(_mark, name) for name in MARKS})
    return made


@cache
def _mark(name: str, /, *given: Any) -> Markup:
    """A mark that looks the same wherever it stands: drawn once."""
    macro = getattr(environment().get_template("marks.html").module, name)
    return Markup(macro(*given))  # noqa: S704 - safe because the template escapes every value


def markup(name: str, /, **values: Any) -> Markup:
    """A rendered template, safe to stand in another one."""
    return Markup(environment().get_template(name).render(**values))  # noqa: S704 - safe because the template escapes every value


def html(name: str, status: int = 200, /, **values: Any) -> HTMLResponse:
    """A rendered template as an answer."""
    return HTMLResponse(environment().get_template(name).render(**values), status)


def _iso(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _since(at: datetime, now: datetime) -> str:
    return span(now - at)


def _sentence(text: str) -> str:
    """A clause from the policy as a sentence of its own."""
    text = text.strip()
    if not text:
        return ""
    return text[:1].upper() + text[1:] + ("" if text[-1] in ".!?" else ".")
