"""The network of the chaos runs does what it says, so that a run that was quiet was not quiet because of it."""

import random
import socket
import threading
from collections.abc import Iterator

import pytest
from tests.chaos.link import Link, Network, network

MESSAGE = b"a message that is long enough to be torn"


@pytest.fixture
def net() -> Iterator[Network]:
    """A network."""
    with network() as made:
        yield made


@pytest.fixture
def heard() -> list[bytes]:
    """What the other side has received, by connection."""
    return []


@pytest.fixture
def link(net: Network, heard: list[bytes]) -> Iterator[Link]:
    """A link to somebody who answers each piece with the same."""
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            threading.Thread(target=echo, args=(connection,), daemon=True).start()

    def echo(connection: socket.socket) -> None:
        with connection:
            try:
                while piece := connection.recv(1000):
                    heard.append(piece)
                    connection.sendall(piece)
            except OSError:
                return

    threading.Thread(target=serve, daemon=True).start()
    yield net.link("there", server.getsockname()[:2], random.Random(1))
    server.close()


def call(link: Link, seconds: float = 5.0) -> bytes:
    """What comes back to a message; b"" when the connection is closed."""
    with socket.create_connection(("127.0.0.1", link.port), timeout=seconds) as connection:
        connection.sendall(MESSAGE)
        return connection.recv(1000)


class WhenNothingIsWrong:
    def test_what_is_sent_arrives_and_so_does_the_answer(self, link: Link, heard: list[bytes]) -> None:
        assert (call(link), b"".join(heard)) == (MESSAGE, MESSAGE)


class WhenItIsNotThere:
    def test_callers_are_refused_until_it_is_back_at_its_address(self, net: Network, link: Link) -> None:
        net.run(link.go_away())
        with pytest.raises(ConnectionRefusedError):
            call(link)
        net.run(link.listen())
        assert call(link) == MESSAGE

    def test_open_connections_break(self, net: Network, link: Link) -> None:
        with socket.create_connection(("127.0.0.1", link.port), timeout=5) as connection:
            connection.sendall(MESSAGE)
            assert connection.recv(1000) == MESSAGE
            net.run(link.reset())
            with pytest.raises(ConnectionResetError):
                connection.recv(1000)


class WhenItBreaksOffInTheMiddle:
    def test_a_part_arrives_and_no_answer(self, link: Link, heard: list[bytes]) -> None:
        link.tears = True
        with pytest.raises(ConnectionResetError):
            assert call(link) == b""
            raise ConnectionResetError  # safe because a close without an answer is the same to the caller
        assert len(b"".join(heard)) < len(MESSAGE)


class WhenItFallsSilent:
    def test_what_a_caller_did_not_wait_for_is_never_delivered(
        self, net: Network, link: Link, heard: list[bytes]
    ) -> None:
        net.run(link.fall_silent(True))
        with pytest.raises(TimeoutError):
            call(link, 0.2)
        net.run(link.fall_silent(False))
        assert call(link) == MESSAGE
        assert b"".join(heard) == MESSAGE

    def test_who_waits_long_enough_is_answered(self, net: Network, link: Link) -> None:
        net.run(link.fall_silent(True))
        threading.Timer(0.2, lambda: net.run(link.fall_silent(False))).start()
        assert call(link) == MESSAGE


class WhenItIsSlow:
    def test_who_does_not_wait_long_enough_hears_nothing(self, link: Link) -> None:
        link.delay_seconds = 60.0
        with pytest.raises(TimeoutError):
            call(link, 0.2)
        link.delay_seconds = 0.01
        assert call(link) == MESSAGE
