import socket
import time
from collections.abc import Iterator

import pytest

from ml.core.message_channel import MessageChannel

Ends = tuple[MessageChannel, MessageChannel]


@pytest.fixture
def ends() -> Iterator[Ends]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield MessageChannel(ours, poll_seconds=0.1), MessageChannel(theirs)


def test_messages_arrive_in_their_order_and_whole(ends: Ends) -> None:
    ours, theirs = ends
    messages = [{"a": 1}, {"text": "two\nlines, 二行"}, {"long": "x" * 50_000}, {}]
    for message in messages:
        theirs.send(message)
    assert [ours.receive() for _ in messages] == messages


def test_there_is_no_message_after_a_while(ends: Ends) -> None:
    ours, theirs = ends
    began = time.monotonic()
    assert ours.receive() is None
    assert 0.05 < time.monotonic() - began < 5.0
    theirs.send({"a": 1})
    assert ours.receive() == {"a": 1}


def test_closed_end_is_an_error(ends: Ends) -> None:
    ours, theirs = ends
    theirs.send({"a": 1})
    theirs.close()
    assert ours.receive() == {"a": 1}
    with pytest.raises(EOFError):
        ours.receive()
    with pytest.raises(OSError, match="pipe"):
        ours.send({})
