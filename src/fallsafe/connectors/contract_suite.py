"""What any connector that speaks HTTP must do, as checks that run against it (§12.1, §27).

A connector that passes may carry commands: it never says that something happened when that is not proved, never says
that nothing happened when that is not proved, and never sends twice. Whoever writes a connector runs it so:

    suite = ContractSuite(lambda url: MyConnector(url, secret=SECRET))
    for name in ContractSuite.names():
        await suite.check(name)

The factory is given the address of the system `TST`; the connector must present `SECRET` to it, in whatever way it
does. A check that fails raises `ContractBroken` with a sentence.
"""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta

from fallsafe.connectors.port import Connector, Sendable
from fallsafe.connectors.scripted import (
    Move,
    ScriptedServer,
    answers,
    breaks_off,
    closes,
    dribbles,
    resets,
    says_nothing,
    sends,
    success_head,
)
from fallsafe.core.commands.contract import AnswerRule, Operation, Repeat, Request
from fallsafe.core.commands.ledger import Purpose
from fallsafe.core.commands.outcome import Accepted, Done, Looked, Lost, NotSent, Outcome, Rejected, Reply, Says

SYSTEM = "TST"
SECRET = "a-secret-of-the-contract-suite"  # noqa: S105  # safe because it opens nothing
KEY = "CRM/1/line.activate/fulfill/1"
ABOUT = "CRM/1/line"
ASKED = {"key": KEY, "object": ABOUT}
BODY = b'{"id":"CRM/1/line.activate/fulfill/1","object":"CRM/1/line"}'
CALL_TIMEOUT = timedelta(seconds=1)
STARTS_LATE = 60.0
MANY = 2 * 1024 * 1024
TOO_MANY = 9 * 1024 * 1024
KEPT = 8 * 1024 * 1024

SAME = (("/id", "key"), ("/object", "object"))
ROWS = (
    AnswerRule(frozenset({200, 201}), (("/state", frozenset({"MADE"})),), Says.DONE, SAME, reference="/ref"),
    AnswerRule(frozenset({202}), (("/state", frozenset({"TAKEN"})),), Says.ACCEPTED, SAME, reference="/ref"),
    AnswerRule(
        frozenset({200, 201}), (("/state", frozenset({"CANCELLED"})),), Says.LOST, lost_because="cancelled_object"
    ),
    AnswerRule(frozenset({422}), (), Says.REJECTED, code="/code", message="/text"),
)
LOOK_UP_ROWS = (
    AnswerRule(frozenset({200}), (("/state", frozenset({"MADE"})),), Says.DONE, SAME, reference="/ref"),
    AnswerRule(frozenset({200}), (("/state", frozenset({"TAKEN"})),), Says.PENDING, SAME),
    AnswerRule(frozenset({404}), (), Says.ABSENT),
)
MADE = {"id": KEY, "object": ABOUT, "state": "MADE", "ref": "R-1"}


class ContractBroken(AssertionError):
    """What a connector did that it must not do, or did not do that it must."""


def _never(_facts: object) -> Request:
    raise ContractBroken("a connector sends the request that it is given and renders none")


def operation(*, effect: bool = True, timeout: timedelta = CALL_TIMEOUT) -> Operation:
    """The operation `TST.make`; its contract takes 429, and 503 with Retry-After, as proof that nothing happened."""
    return Operation(
        name=f"{SYSTEM}.make",
        system=SYSTEM,
        effect=effect,
        moves_money_or_goods=False,
        completion="answer",
        render=_never,
        answers=ROWS,
        key_lives=None,
        repeat=Repeat.SAME_RESULT,
        look_ups=(),
        settle_window=timedelta(0),
        second_look=timedelta(0),
        not_sent_statuses=frozenset({429, 503}),
        call_timeout=timeout,
        object_fact="object",
    )


def command(method: str = "POST", *, start_before: float | None = None) -> Sendable:
    """An attempt with an effect; `start_before` on the clock of `time.monotonic`."""
    request = Request(method, "/things/a%2Fb", (("Idempotency-Key", KEY),), BODY, "application/json")
    until = time.monotonic() + STARTS_LATE if start_before is None else start_before
    return Sendable(1, 1, 1, Purpose.FULFILL, KEY, operation(), request, ROWS, ASKED, until)


def question() -> Sendable:
    """A look-up of what became of `command`."""
    request = Request("GET", "/things/by-key/a%2Fb", (), b"", "")
    asked = operation(effect=False)
    until = time.monotonic() + STARTS_LATE
    return Sendable(2, 1, 1, Purpose.QUERY, f"{KEY}/q", asked, request, LOOK_UP_ROWS, ASKED, until)


def expect(right: bool, sentence: str) -> None:
    """Raises ContractBroken with the sentence unless it is right."""
    if not right:
        raise ContractBroken(sentence)


@dataclass(slots=True)
class _Played:
    """A server with its script, and the connector that is checked against it."""

    server: ScriptedServer
    connector: Connector
    sent: int = field(default=0)

    async def play(self, move: Move, sendable: Sendable | None = None) -> Reply:
        """Sends once while the server plays a move."""
        self.server.move = move
        self.sent += 1
        return await self.connector.send(sendable or command())


@dataclass(frozen=True, slots=True)
class ContractSuite:
    """The checks, over a factory that makes the connector for the address of system `TST`."""

    connect: Callable[[str], Connector]

    @staticmethod
    def names() -> tuple[str, ...]:
        """The names of all checks."""
        return tuple(name for name in vars(ContractSuite) if name.startswith("check_"))

    async def check(self, name: str) -> None:
        """Runs one check; raises ContractBroken where the connector fails it."""
        async with ScriptedServer() as server:
            connector = self.connect(server.url)
            played = _Played(server, connector)
            run: Callable[[_Played], Awaitable[None]] = getattr(self, name)
            try:
                await run(played)
            finally:
                await connector.close()
            expect(len(server.received) <= played.sent, "it sent more often than it was asked to")

    async def check_a_success_is_done(self, played: _Played) -> None:
        reply = await played.play(answers(201, MADE))
        expect(reply.outcome == Done("R-1", MADE), f"a good answer is Done with reference and result: {reply.outcome}")

    async def check_what_is_taken_on_is_accepted(self, played: _Played) -> None:
        reply = await played.play(answers(202, {**MADE, "state": "TAKEN"}))
        expect(isinstance(reply.outcome, Accepted), f"taken on is Accepted: {reply.outcome}")

    async def check_a_refusal_keeps_code_and_words(self, played: _Played) -> None:
        reply = await played.play(answers(422, {"code": "E-7 NO", "text": "not here"}))
        wanted = Rejected("E-7 NO", "not here")
        expect(reply.outcome == wanted, f"a refusal is kept to the letter: {reply.outcome}")

    async def check_what_goes_out_is_what_was_given(self, played: _Played) -> None:
        await played.play(answers(201, MADE))
        came = played.server.received[0]
        expect(
            (came.method, came.path, came.body) == ("POST", "/things/a%2Fb", BODY), f"it changed the request: {came}"
        )
        expect(came.headers.get("idempotency-key") == KEY, "it lost a header of the request")

    async def check_the_same_attempt_is_the_same_bytes(self, played: _Played) -> None:
        for _ in range(2):
            await played.play(answers(201, MADE))
        first, second = (came.on_the_wire for came in played.server.received)
        expect(first == second, f"two sendings of one command differ: {first} and {second}")

    async def check_silence_is_lost(self, played: _Played) -> None:
        _lost(await played.play(says_nothing), "timeout")

    async def check_slow_headers_are_lost(self, played: _Played) -> None:
        _lost(await played.play(dribbles(success_head(10), 0.05)), "timeout")

    async def check_a_slow_body_is_lost(self, played: _Played) -> None:
        _lost(await played.play(dribbles(success_head(10_000) + b"{" * 1_000, 0.012)), "timeout")

    async def check_a_refused_connection_is_not_sent(self, played: _Played) -> None:
        await played.server.stop()
        reply = await played.play(says_nothing)
        _not_sent(reply, "refused")
        expect(not reply.evidence, "nothing went out, so there is no evidence of a request")

    async def check_a_reset_before_the_request_is_read_is_lost(self, played: _Played) -> None:
        played.server.resets_at_once = True
        _lost(await played.play(says_nothing), "reset")

    async def check_a_reset_after_the_request_is_lost(self, played: _Played) -> None:
        _lost(await played.play(resets), "reset")

    async def check_a_closed_connection_without_answer_is_lost(self, played: _Played) -> None:
        _lost(await played.play(closes), "reset")

    async def check_half_an_answer_is_lost(self, played: _Played) -> None:
        reply = await played.play(breaks_off(201, b'{"id":"whatever"}', 5))
        _lost(reply, "reset")
        expect(_answer(reply) == b'{"id"', f"what came before the break is evidence: {_answer(reply)!r}")

    async def check_a_reused_connection_that_breaks_is_never_sent_again(self, played: _Played) -> None:
        for method in ("POST", "PUT", "DELETE", "PATCH"):
            await played.play(answers(201, MADE), command(method))
            before = len(played.server.received)
            _lost(await played.play(closes, command(method)), "reset")
            expect(len(played.server.received) == before + 1, f"a {method} that broke was sent again by itself")

    async def check_429_is_not_sent(self, played: _Played) -> None:
        reply = await played.play(answers(429, {}, {"Retry-After": "7"}))
        _not_sent(reply, "http_429")
        waits = isinstance(reply.outcome, NotSent) and reply.outcome.retry_after == timedelta(seconds=7)
        expect(waits, f"the wait that was asked for is told: {reply.outcome}")

    async def check_503_with_retry_after_is_not_sent(self, played: _Played) -> None:
        _not_sent(await played.play(answers(503, {}, {"Retry-After": "1"})), "busy")

    async def check_503_without_retry_after_is_lost(self, played: _Played) -> None:
        _lost(await played.play(answers(503, {})), "http_503")

    async def check_503_with_a_senseless_retry_after_is_lost(self, played: _Played) -> None:
        _lost(await played.play(answers(503, {}, {"Retry-After": "soon"})), "http_503")

    async def check_a_status_outside_the_contract_is_no_proof(self, played: _Played) -> None:
        bare = replace(operation(), not_sent_statuses=frozenset())
        _lost(await played.play(answers(429, {}), replace(command(), operation=bare)), "unreadable")

    async def check_500_is_lost(self, played: _Played) -> None:
        page = answers(500, b"<html>Internal Server Error</html>", {"Content-Type": "text/html"})
        _lost(await played.play(page), "http_500")

    async def check_garbage_is_lost(self, played: _Played) -> None:
        for body in (b'{"ok": tru\xff\xfe', b"<html>welcome</html>", b"[" * 100_000, b'"MADE"', b"[]", b"null", b""):
            reply = await played.play(answers(201, body))
            expect(isinstance(reply.outcome, Lost), f"{body[:20]!r} is no success: {reply.outcome}")
            expect(_answer(reply) == body, "the bytes of an unreadable answer are evidence")

    async def check_a_wrong_encoding_is_lost(self, played: _Played) -> None:
        text = '{"id":"CRM/1/line.activate/fulfill/1","object":"CRM/1/line","state":"MADE"}'
        said = {"Content-Type": "application/json; charset=utf-16"}
        _lost(await played.play(answers(201, text.encode("utf-16"), said)), "unreadable")
        _lost(await played.play(answers(201, text.encode(), {"Content-Encoding": "br"})), "unreadable")

    async def check_what_is_not_http_is_lost(self, played: _Played) -> None:
        _lost(await played.play(sends(b"220 mail.example ESMTP\r\n\r\n")), "unreadable")

    async def check_another_key_is_lost(self, played: _Played) -> None:
        _lost(await played.play(answers(201, {**MADE, "id": f"{KEY}2"})), "other_key")

    async def check_another_object_is_lost(self, played: _Played) -> None:
        _lost(await played.play(answers(201, {**MADE, "object": f"{ABOUT}2"})), "other_object")

    async def check_a_success_that_names_no_key_is_lost(self, played: _Played) -> None:
        _lost(await played.play(answers(201, {"object": ABOUT, "state": "MADE"})), "other_key")

    async def check_a_cancelled_object_is_lost(self, played: _Played) -> None:
        _lost(await played.play(answers(201, {**MADE, "state": "CANCELLED"})), "cancelled_object")

    async def check_a_state_that_nobody_knows_is_lost(self, played: _Played) -> None:
        _lost(await played.play(answers(201, {**MADE, "state": "HALF-MADE"})), "unreadable")

    async def check_redirects_are_not_followed(self, played: _Played) -> None:
        for status in (301, 302, 303, 307, 308):
            before = len(played.server.received)
            _lost(await played.play(answers(status, {}, {"Location": f"{played.server.url}/other"})), "redirect")
            expect(len(played.server.received) == before + 1, f"it followed a {status}")

    async def check_a_long_answer_is_lost_and_kept_whole(self, played: _Played) -> None:
        body = b'{"id":"' + b"x" * MANY + b'"}'
        reply = await played.play(answers(201, body))
        _lost(reply, "too_long")
        expect(_answer(reply) == body, "an answer of 2 MiB is kept whole as evidence")

    async def check_an_endless_answer_is_cut_and_says_so(self, played: _Played) -> None:
        longer = replace(operation(), call_timeout=timedelta(seconds=10))
        reply = await played.play(answers(201, b"x" * TOO_MANY), replace(command(), operation=longer))
        _lost(reply, "too_long")
        head = next((raw.head for raw in reply.evidence if raw.kind == "answer"), "")
        expect(len(_answer(reply)) == KEPT, f"evidence of an answer ends at 8 MiB, not {len(_answer(reply))}")
        expect("cut" in head, "evidence that was cut says so in its head")

    async def check_credentials_are_sent_and_never_kept(self, played: _Played) -> None:
        echo = {**MADE, "echo": f"you sent {SECRET}"}
        cookie = {"Set-Cookie": "session=a-cookie-of-theirs", "X-Echo": SECRET}
        reply = await played.play(answers(201, echo, cookie))
        came = played.server.received[0]
        expect(SECRET in str(came.on_the_wire), "the system was not told our credential")
        kept = b"".join(raw.body + raw.head.encode() for raw in reply.evidence)
        expect(SECRET.encode() not in kept, "a credential stands in the evidence")
        expect(b"a-cookie-of-theirs" not in kept, "a cookie stands in the evidence")
        expect(SECRET not in str(reply.facts), "a credential stands in the facts of a reply")

    async def check_cookies_are_not_given_back(self, played: _Played) -> None:
        for _ in range(2):
            await played.play(answers(201, MADE, {"Set-Cookie": "session=theirs"}))
        expect("cookie" not in played.server.received[1].headers, "it remembers cookies between commands")

    async def check_evidence_is_both_sides(self, played: _Played) -> None:
        reply = await played.play(answers(201, MADE))
        kinds = [raw.kind for raw in reply.evidence]
        expect(kinds == ["request", "answer"], f"evidence is what went out and what came back, not {kinds}")
        request, _ = reply.evidence
        expect(request.body == BODY, "the bytes that went out are evidence")
        expect(request.head.startswith("POST /things/a%2Fb\n"), f"the request line is evidence: {request.head!r}")

    async def check_a_lost_answer_leaves_the_request_as_evidence(self, played: _Played) -> None:
        reply = await played.play(resets)
        expect([raw.body for raw in reply.evidence] == [BODY], "what may have left is evidence")

    async def check_a_late_attempt_is_not_started(self, played: _Played) -> None:
        reply = await played.play(answers(201, MADE), command(start_before=time.monotonic() - 0.001))
        _not_sent(reply, "too_late_to_start")
        expect(played.server.connections == 0, "it opened a connection for an attempt that was too late")

    async def check_a_look_up_finds(self, played: _Played) -> None:
        reply = await played.play(answers(200, MADE), question())
        expect(reply.outcome == Looked(Says.DONE, "R-1", result=MADE), f"found is Looked(done): {reply.outcome}")
        pending = await played.play(answers(200, {**MADE, "state": "TAKEN"}), question())
        expect(_says(pending.outcome) is Says.PENDING, f"known, not finished is pending: {pending.outcome}")

    async def check_a_look_up_that_finds_nothing_is_absent(self, played: _Played) -> None:
        reply = await played.play(answers(404, {"code": "NOT_FOUND"}), question())
        expect(_says(reply.outcome) is Says.ABSENT, f"not found is Looked(absent): {reply.outcome}")

    async def check_a_look_up_about_something_else_is_lost(self, played: _Played) -> None:
        _lost(await played.play(answers(200, {**MADE, "id": "other"}), question()), "other_key")
        _lost(await played.play(answers(200, {**MADE, "object": "other"}), question()), "other_object")

    async def check_a_page_that_says_404_is_not_absence(self, played: _Played) -> None:
        page = answers(404, b"<html>no such page</html>", {"Content-Type": "text/html"})
        _lost(await played.play(page, question()), "unreadable")

    async def check_a_look_up_that_breaks_is_lost(self, played: _Played) -> None:
        _lost(await played.play(says_nothing, question()), "timeout")
        _lost(await played.play(resets, question()), "reset")
        _lost(await played.play(answers(500, b""), question()), "http_500")


def _says(outcome: Outcome) -> Says | None:
    return outcome.says if isinstance(outcome, Looked) else None


def _answer(reply: Reply) -> bytes:
    return next((raw.body for raw in reply.evidence if raw.kind == "answer"), b"")


def _lost(reply: Reply, reason: str) -> None:
    outcome = reply.outcome
    right = isinstance(outcome, Lost) and outcome.reason == reason
    expect(right, f"nobody can know what happened, so it is Lost({reason!r}), not {outcome}")


def _not_sent(reply: Reply, reason: str) -> None:
    outcome = reply.outcome
    right = isinstance(outcome, NotSent) and outcome.reason == reason
    expect(right, f"it is proved that nothing happened, so it is NotSent({reason!r}), not {outcome}")


__all__ = ["SECRET", "SYSTEM", "ContractBroken", "ContractSuite"]
