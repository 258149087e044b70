"""Structured logs: one JSON object a line, with the names of §21, and never a secret.

`fields` are bound for the length of a request or a batch; whatever is logged inside carries them, among them the
causation id that also stands in events and commands. Values that look like credentials are masked wherever they come
from: a log is read by more people than the thing it is about.
"""

import logging
import re
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from typing import Any, TextIO

import structlog

FIELDS = (
    "orderId",
    "orderItemId",
    "fulfillmentTaskId",
    "falloutCaseId",
    "correlationId",
    "causationId",
    "downstreamSystem",
    "rawErrorCode",
    "normalizedFailureCode",
    "repairActionId",
)
MASK = "…"
SECRET_NAMES = re.compile(r"authorization|cookie|token|secret|password|signature|api.?key|master", re.IGNORECASE)
SECRET_VALUES = re.compile(
    r"fsk_[A-Za-z0-9_-]+|(?i:bearer)\s+\S+|sha256=[0-9a-f]{16,}|(://[^/@:\s]*):[^@\s]+@|(password=)[^&\s]+"
)
TEXT_LENGTH_MAX = 2_000
FRAMES_MAX = 30
# Where an error came from, without the values that were there: they hold secrets and what is personal.
TRACEBACKS = structlog.processors.ExceptionRenderer(
    structlog.tracebacks.ExceptionDictTransformer(show_locals=False, max_frames=FRAMES_MAX)
)
# What strangers can make a library say as often as they like.
NOISY = ("uvicorn", "uvicorn.error", "uvicorn.access")

Logger = structlog.stdlib.BoundLogger


def configure(process: str, out: TextIO, level: int = logging.INFO) -> None:
    """Sets how this process logs; called once, by whoever puts it together. `process` names it in every line."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
            TRACEBACKS,
            _named(process),
            without_secrets,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(out),
        cache_logger_on_first_use=False,
    )
    logging.basicConfig(handlers=[_Libraries()], level=logging.WARNING, force=True)
    for name in NOISY:
        logging.getLogger(name).setLevel(logging.ERROR)


class _Libraries(logging.Handler):
    """What the libraries log becomes a line like any other."""

    def emit(self, record: logging.LogRecord) -> None:
        """One line."""
        failed = {"exc_info": record.exc_info} if record.exc_info else {}
        logger().log(record.levelno, record.getMessage(), library=record.name, **failed)


def logger() -> Any:
    """The logger of this process. The first argument of a call is the event, in words; the rest are fields."""
    return structlog.get_logger()


@contextmanager
def fields(**values: str | int | None) -> Iterator[None]:
    """Carries fields in every line that is logged inside; those that are None or empty are left out."""
    with structlog.contextvars.bound_contextvars(**{name: value for name, value in values.items() if value}):
        yield


def _named(process: str) -> structlog.typing.Processor:
    def add(_: Any, __: str, event: MutableMapping[str, Any]) -> Mapping[str, Any]:
        event.setdefault("process", process)
        return event

    return add


def without_secrets(_: Any, __: str, event: MutableMapping[str, Any]) -> Mapping[str, Any]:
    """Masks what looks like a credential, by its name or by its form, at any depth."""
    return {name: masked(name, value) for name, value in event.items()}


def masked(name: str, value: Any) -> Any:
    """A value as it may be logged."""
    if SECRET_NAMES.search(name) and value:
        return MASK
    if isinstance(value, str):
        return SECRET_VALUES.sub(_mask, value[:TEXT_LENGTH_MAX])
    if isinstance(value, Mapping):
        return {str(key): masked(str(key), each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [masked(name, each) for each in value]
    if isinstance(value, bytes | bytearray | memoryview):
        return f"{len(value)} bytes"
    return value


def _mask(found: re.Match[str]) -> str:
    kept = found.group(1) or found.group(2)
    if found.group(1):
        return f"{kept}:{MASK}@"
    return f"{kept or ''}{MASK}"
