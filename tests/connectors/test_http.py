"""What the HTTP connector does beyond the contract of all connectors: addresses, TLS, waits, and what it keeps."""

import asyncio
import ssl
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from fallsafe.connectors.contract_suite import MADE, SECRET, SYSTEM, command
from fallsafe.connectors.http import HttpConnector
from fallsafe.connectors.scripted import ScriptedServer, answers, sends
from fallsafe.core.commands.contract import AnswerRule, Request
from fallsafe.core.commands.outcome import Done, NotSent, Rejected, Reply, Says
from fallsafe.core.errors import Bug

HERE = frozenset({"127.0.0.1"})


@pytest.fixture
def certificate(tmp_path: Path) -> ssl.SSLContext:
    """A server's certificate that it signed itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    signed = x509.CertificateBuilder(name, name, key.public_key(), 1, now - timedelta(days=1), now + timedelta(days=1))
    pem = serialization.Encoding.PEM
    place = tmp_path / "certificate.pem"
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    place.write_bytes(signed.sign(key, hashes.SHA256()).public_bytes(pem) + private)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(place)
    return context


async def sent_to(url: str, hosts: frozenset[str] = HERE, secret: str = SECRET) -> Reply:
    """What a command brings from an address."""
    connector = HttpConnector({SYSTEM: url}, {SYSTEM: secret}, hosts, time.monotonic)
    try:
        return await connector.send(command())
    finally:
        await connector.close()


class WhenAnAddressIsNotForUs:
    # address, allowed hosts, reason
    @pytest.mark.parametrize(
        ("url", "hosts", "reason"),
        [
            ("", HERE, "no_address"),
            ("ftp://127.0.0.1/", HERE, "no_address"),
            ("http://169.254.169.254", HERE, "host_not_allowed"),
            ("http://127.0.0.1.evil.example", HERE, "host_not_allowed"),
            ("http://127.0.0.1@evil.example", HERE, "host_not_allowed"),
            ("http://127.0.0.1:1", frozenset({"127.0.0.1:2"}), "host_not_allowed"),
            ("http://127.0.0.1:1", frozenset(), "host_not_allowed"),
        ],
    )
    async def test_nothing_is_sent_there(self, url: str, hosts: frozenset[str], reason: str) -> None:
        reply = await sent_to(url, hosts)
        assert (reply.outcome, reply.evidence) == (NotSent(reason), ())

    async def test_a_system_without_an_address_is_not_sent_to(self) -> None:
        connector = HttpConnector({}, {}, HERE, time.monotonic)
        assert (await connector.send(command())).outcome == NotSent("no_address")

    async def test_a_host_may_be_allowed_with_its_port(self) -> None:
        async with ScriptedServer() as server:
            server.move = answers(201, MADE)
            reply = await sent_to(server.url, frozenset({server.url.removeprefix("http://")}))
        assert isinstance(reply.outcome, Done)

    @pytest.mark.parametrize("path", ["things", "", "@evil.example/", "/a b", "/é", "/a\nb"])
    async def test_a_path_that_is_none_is_a_bug_of_ours(self, path: str) -> None:
        connector = HttpConnector({SYSTEM: "http://127.0.0.1:9"}, {}, HERE, time.monotonic)
        with pytest.raises(Bug):
            await connector.send(replace(command(), request=Request("POST", path, (), b"", "")))


class WhenNoConnectionStands:
    async def test_a_name_that_nobody_knows_is_not_sent_to(self) -> None:
        reply = await sent_to("http://nobody.invalid", frozenset({"nobody.invalid"}))
        assert (reply.outcome, reply.evidence) == (NotSent("dns"), ())

    async def test_a_system_that_speaks_no_tls_is_not_sent_to(self) -> None:
        def refuse(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        async with await asyncio.start_server(refuse, "127.0.0.1", 0) as server:
            reply = await sent_to(f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        assert (reply.outcome, reply.evidence) == (NotSent("tls"), ())

    async def test_a_call_that_ends_before_the_connection_stands_was_not_sent(self) -> None:
        async with ScriptedServer() as server:
            reply = await sent_to(server.url.replace("http:", "https:"))
            assert server.received == []
        assert (reply.outcome, reply.evidence) == (NotSent("connect_timeout"), ())

    async def test_a_certificate_that_nobody_vouches_for_is_not_sent_to(self, certificate: ssl.SSLContext) -> None:
        def ignore(_: asyncio.StreamReader, __: asyncio.StreamWriter) -> None:
            raise AssertionError("nothing may arrive")

        async with await asyncio.start_server(ignore, "127.0.0.1", 0, ssl=certificate) as server:
            reply = await sent_to(f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        assert (reply.outcome, reply.evidence) == (NotSent("certificate"), ())

    async def test_a_request_that_cannot_be_written_is_not_sent(self) -> None:
        async with ScriptedServer() as server:
            connector = HttpConnector({SYSTEM: server.url}, {}, HERE, time.monotonic)
            split = replace(command(), request=Request("POST", "/", (("X-A", "1\r\nX-B: 2"),), b"", ""))
            reply = await connector.send(split)
            await connector.close()
            assert server.received == []
        assert (reply.outcome, reply.evidence) == (NotSent("unsendable"), ())


class WhenASystemAsksToWait:
    # headers, wait
    @pytest.mark.parametrize(
        ("headers", "wait"),
        [
            ({"Retry-After": "0"}, timedelta(0)),
            ({"Retry-After": "120"}, timedelta(minutes=2)),
            ({"Retry-After": "9" * 30}, timedelta(days=1)),
            (
                {"Retry-After": "Thu, 02 Jul 2026 03:05:00 GMT", "Date": "Thu, 02 Jul 2026 03:04:00 GMT"},
                timedelta(minutes=1),
            ),
            (
                {"Retry-After": "Thu, 02 Jul 2026 03:03:00 GMT", "Date": "Thu, 02 Jul 2026 03:04:00 GMT"},
                timedelta(0),
            ),
            ({"Retry-After": "Thu, 02 Jul 2026 03:05:00 GMT"}, None),
            ({"Retry-After": "-5"}, None),
            ({}, None),
        ],
    )
    async def test_the_wait_is_read_from_its_own_clock(self, headers: dict[str, str], wait: timedelta | None) -> None:
        async with ScriptedServer() as server:
            server.move = answers(429, {}, headers)
            reply = await sent_to(server.url)
        assert isinstance(reply.outcome, NotSent)
        assert reply.outcome.retry_after == wait

    async def test_the_wait_also_stands_where_a_row_of_the_contract_says_that_nothing_happened(self) -> None:
        rows = (AnswerRule(frozenset({409}), (), Says.NOT_SENT, code="/code"),)
        async with ScriptedServer() as server:
            server.move = answers(409, {"code": "FROZEN"}, {"Retry-After": "9"})
            connector = HttpConnector({SYSTEM: server.url}, {}, HERE, time.monotonic)
            reply = await connector.send(replace(command(), answers=rows))
            await connector.close()
        assert reply.outcome == NotSent("http_409", "FROZEN", timedelta(seconds=9))


class WhenItKeepsWhatWasSaid:
    async def test_an_answer_that_repeats_our_credential_is_kept_without_it(self) -> None:
        async with ScriptedServer() as server:
            server.move = answers(201, {**MADE, "echo": SECRET})
            reply = await sent_to(server.url)
        _, answer = reply.evidence
        assert b"[credential removed]" in answer.body
        assert "which was removed" in answer.head

    async def test_nor_is_it_in_what_is_read_from_the_answer(self) -> None:
        async with ScriptedServer() as server:
            server.move = answers(422, {"code": "NO", "text": f"the token {SECRET} has expired"})
            reply = await sent_to(server.url)
        assert reply.outcome == Rejected("NO", "the token [credential removed] has expired")

    async def test_head_lines_that_are_no_text_are_kept_as_text(self) -> None:
        body = b'{"state":"MADE"}'
        head = b"HTTP/1.1 201 Made\r\nX-City: K\xf6ln\r\nContent-Length: %d\r\n\r\n" % len(body)
        async with ScriptedServer() as server:
            server.move = sends(head + body)
            reply = await sent_to(server.url)
        _, answer = reply.evidence
        assert "X-City: K\\xf6ln" in answer.head
        assert answer.head.encode()

    async def test_credentials_in_a_template_are_not_kept_either(self) -> None:
        headers = (("Authorization", "Basic abc"), ("Cookie", "a=b"), ("X-Tenant", "7"))
        async with ScriptedServer() as server:
            server.move = answers(201, MADE)
            connector = HttpConnector({SYSTEM: server.url}, {}, HERE, time.monotonic)
            sendable = replace(command(), request=Request("POST", "/things", headers, b"{}", "application/json"))
            reply = await connector.send(sendable)
            await connector.close()
            assert server.received[0].headers["authorization"] == "Basic abc"
        assert reply.evidence[0].head == "POST /things\nX-Tenant: 7"

    async def test_it_says_how_long_it_took_and_what_the_status_was(self) -> None:
        async with ScriptedServer() as server:
            server.move = answers(201, MADE)
            reply = await sent_to(server.url)
        assert reply.seconds > 0
        assert reply.facts == {"httpStatus": 201}

    async def test_a_closed_connector_opens_again(self) -> None:
        async with ScriptedServer() as server:
            server.move = answers(201, MADE)
            connector = HttpConnector({SYSTEM: server.url}, {}, HERE, time.monotonic)
            for _ in range(2):
                assert isinstance((await connector.send(command())).outcome, Done)
                await connector.close()
