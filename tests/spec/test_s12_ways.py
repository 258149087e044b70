"""§12.1 at real systems: a partner that works by files, and people who cannot be asked but by a letter. Each order
takes its course through the doors, and each effect exists once.
"""

from collections.abc import Iterator
from typing import Any

import pytest
from tests.crash.outside import PROCESS_OF, Installation, forge, installation, order, until
from tests.spec.at_real_systems import (
    WAIT_SECONDS,
    case,
    command,
    effects,
    goes_wrong,
    is_completed,
    is_refused,
    task,
    times_sent,
    told,
)

LINE, WORKS = "line.orderAccessLineByFile", "works.buildAccess"
GOES_WRONG = (
    {"operation": "WHF.file", "fault": "response_half", "seconds": 1.5},
    goes_wrong("silent", "WHF.line", "callback_never"),
    goes_wrong("refused", "WHF.line", "callback_rejected", code="ADDRESS_KEY_INVALID"),
)


def by_file(name: str, works: bool = False) -> dict[str, Any]:
    """A network of one site whose line comes from a partner that takes files."""
    items = [
        ("network", "BUSINESS-NETWORK", ""),
        ("site", "BUSINESS-ACCESS", "network"),
        ("line", "ACCESS-LINE-BY-FILE", "site"),
        *([("works", "CIVIL-WORKS", "site")] if works else []),
    ]
    made = [{"externalId": i, "offer": o, "action": "add", "currency": "EUR"} for i, o, _ in items]
    named = [{**item, "parent": parent} if parent else item for item, (_, _, parent) in zip(made, items, strict=True)]
    return {**order(name), "items": named}


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """An installation with two workers."""
    script: dict[str, list[dict[str, object]]] = {}
    for fault in GOES_WRONG:
        script.setdefault(PROCESS_OF[str(fault["operation"])[:3]], []).append(fault)
    home = tmp_path_factory.mktemp("ways") / "home"
    with installation(home, script, time_scale=3_600.0) as made, forge(made.environment) as smith:
        for name in ("api", "worker-1", "worker-2"):
            smith.start(name, made.home / "log" / f"{name}.log", made.environment)
        until(made.answers, 30, "the API does not answer")
        for name in ("silent", "refused", "plain"):
            made.ask("/orders", by_file(name))
        made.ask("/orders", by_file("digs", works=True))
        yield made


def state_of(there: Installation, name: str, step: str) -> str:
    return str(task(there, name, step)["state"])


class WhenAPartnerWorksByFiles:
    def test_each_line_is_done_once_though_its_answer_came_in_halves(self, there: Installation) -> None:
        is_completed(there, "plain")
        sent = command(there, "plain", LINE)
        assert times_sent(sent) == 1
        assert {said["source"] for said in sent["outcomes"]} == {"answer", "callback"}
        assert set(effects(there, "plain").values()) == {1}

    def test_a_line_that_they_refuse_is_a_case(self, there: Installation) -> None:
        assert case(there, "refused", "ADDRESS_REJECTED")["state"] not in ("resolved", "closed")
        assert state_of(there, "refused", "orderAccessLineByFile") == "failed"

    def test_a_line_that_they_never_answer_is_found_out_in_the_files_and_never_sent_again(
        self, there: Installation
    ) -> None:
        """§11: its file was acknowledged, so that it is on its way is all that can be known; a person asks."""
        case(there, "silent", "MISSING_RESPONSE")
        sent = command(there, "silent", LINE)
        assert sent["state"] in ("unknown", "accepted")
        assert times_sent(sent) == 1
        assert is_refused(there, f"/commands/{sent['id']}/resend") in ("OUTCOME_UNKNOWN", "ALREADY_SENT")


class WhenPeopleCannotBeAskedByAnySystem:
    def test_a_person_reads_their_reply_and_the_order_goes_on(self, there: Installation) -> None:
        until(lambda: state_of(there, "digs", "buildAccess") == "waiting_callback", WAIT_SECONDS, "no letter was sent")
        assert state_of(there, "digs", "orderAccessLineByFile") == "planned"
        sent = command(there, "digs", WORKS)
        until(lambda: effects(there, "digs").get(sent["key"]) == 1, WAIT_SECONDS, "nobody digs")
        line = command(there, "plain", LINE)
        reply = {"says": "done", "seen": "the trench is closed, with a photo", "where": "mail of 2 July"}
        with pytest.raises(Exception, match="409"):
            there.ask(f"/commands/{line['id']}/reply", reply)
        answer = there.ask(f"/commands/{sent['id']}/reply", {**reply, "reference": "CW-77"})
        assert answer["result"] == "accepted"
        is_completed(there, "digs")
        after = command(there, "digs", WORKS)
        assert (after["state"], times_sent(after)) == ("done", 1)
        assert [said["source"] for said in after["outcomes"]] == ["answer", "person"]
        assert set(effects(there, "digs").values()) == {1}
        assert told(there, "digs")["cases"] == []
