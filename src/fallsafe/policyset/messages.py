"""Reads what customers may be told: texts by locale, and the evidence that each placeholder needs (§17)."""

import re
from collections.abc import Mapping

from fallsafe.core.comms.messages import MessageText
from fallsafe.policyset.findings import Findings
from fallsafe.policyset.source import Part

PLACEHOLDERS = ("item", "rest", "date", "next_update", "what", "link", "contact")
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")


def messages(part: Part, findings: Findings) -> dict[str, MessageText]:
    """The messages by key. What they need is what their texts name; every locale names the same."""
    built = {
        key: MessageText(
            key=key,
            texts={locale: text.text() for locale, text in below.at("texts").entries()},
            needs=_needs(below, findings),
            otherwise=below.at("otherwise").text(),
        )
        for key, below in part.at("messages").entries()
    }
    for key, below in part.at("messages").entries():
        if below.at("otherwise").value is not None:
            findings.name(below.at("otherwise"), "message", built)
        if _circles(key, built):
            findings.add(below.at("otherwise"), f"{key} falls back in a circle", "the last one has no `otherwise`")
    return built


def by_failure(part: Part, built: Mapping[str, MessageText], findings: Findings) -> dict[tuple[str, str], str]:
    """What is said where no code decides: the message for each recoverability and impact."""
    rows = part.at("by_failure").entries()
    return {
        (recoverability, impact): findings.name(word, "message", built)
        for recoverability, row in rows
        for impact, word in row.entries()
    }


def _needs(part: Part, findings: Findings) -> tuple[str, ...]:
    needs: tuple[str, ...] | None = None
    for locale, text in part.at("texts").entries():
        named = tuple(sorted(set(_PLACEHOLDER.findall(text.text()))))
        for name in named:
            findings.name(Part(text.file, name, text.pointer), "placeholder", PLACEHOLDERS)
        if needs is not None and named != needs:
            what = f"{locale} names {', '.join(named) or 'nothing'}, the text before it {', '.join(needs) or 'nothing'}"
            findings.add(text, what, "every locale needs the same evidence")
        needs = named if needs is None else needs
    return needs or ()


def _circles(key: str, built: Mapping[str, MessageText]) -> bool:
    seen = [key]
    while (following := built[seen[-1]].otherwise) in built:
        if following in seen:
            return True
        seen.append(following)
    return False
