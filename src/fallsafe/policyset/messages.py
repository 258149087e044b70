"""Reads what customers may be told: texts by locale, and the evidence that each placeholder needs (§17)."""

import re
from collections.abc import Mapping

from fallsafe.core.comms.messages import MessageText
from fallsafe.policyset.problem import Problem
from fallsafe.policyset.source import Part
from fallsafe.policyset.words import nearest

PLACEHOLDERS = ("item", "rest", "date", "next_update", "what", "link", "contact")
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")


def messages(part: Part, problems: list[Problem]) -> dict[str, MessageText]:
    """The messages by key. What they need is what their texts name; every locale names the same."""
    built = {}
    for key, below in part.at("messages").items():
        texts = {locale: text.text() for locale, text in below.at("texts").items()}
        needs = _needs(below, problems)
        built[key] = MessageText(key, texts, needs, below.at("otherwise").text())
    _falls_back(part, built, problems)
    return built


def _needs(part: Part, problems: list[Problem]) -> tuple[str, ...]:
    needs: tuple[str, ...] | None = None
    for locale, text in part.at("texts").items():
        named = tuple(sorted(set(_PLACEHOLDER.findall(text.text()))))
        for name in named:
            if name not in PLACEHOLDERS:
                problems.append(
                    text.wrong(
                        f"no placeholder is called {name!r}", nearest(name, PLACEHOLDERS, "the placeholders are")
                    )
                )
        if needs is not None and named != needs:
            problems.append(
                text.wrong(
                    f"{locale} names {list(named)}, the text before it {list(needs)}",
                    "every locale needs the same evidence",
                )
            )
        needs = named if needs is None else needs
    return needs or ()


def _falls_back(part: Part, built: Mapping[str, MessageText], problems: list[Problem]) -> None:
    for key, message in built.items():
        place = part.at("messages").at(key).at("otherwise")
        seen = {key}
        while message.otherwise:
            if message.otherwise not in built:
                problems.append(
                    place.wrong(
                        f"no message is called {message.otherwise!r}",
                        nearest(message.otherwise, built, "the messages are"),
                    )
                )
                break
            if message.otherwise in seen:
                problems.append(place.wrong(f"{key} falls back in a circle", "the last one has no `otherwise`"))
                break
            seen.add(message.otherwise)
            message = built[message.otherwise]
