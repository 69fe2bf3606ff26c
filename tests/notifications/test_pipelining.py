"""SMTP's commands in one write (RFC 2920): whatever the server answers, each answer belongs to its command."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from services.notifications.composing.composer import Mail
from services.notifications.domain import Delivery
from services.notifications.mailserver import MailServer
from services.notifications.sending.smtp import (
    Answer,
    Connection,
    Crowded,
    Doubtful,
    MailServerAway,
    NotMine,
    Refused,
    Taken,
    Unreached,
)
from tests.notifications.rig import Rig, stop
from tests.notifications.scripted import CONTENT, HANG_UP, Scripted, scripted
from tests.notifications.sink import Sink
from tests.support.running import until

MAIL = Mail("bounce+x@rummelig.example", "asta@forening.example", b"Subject: Hej\r\n\r\nHej\r\n")
COMMANDS = [b"MAIL FROM:<bounce+x@rummelig.example>\r\n", b"RCPT TO:<asta@forening.example>\r\n", b"DATA\r\n"]
PLAIN = {"EHLO": "250 scripted.example"}


@pytest.fixture
async def server() -> AsyncIterator[Scripted]:
    async with scripted() as running:
        yield running


class Sender:
    """A connection, and how often a mail was begun over it."""

    def __init__(self, server: Scripted, seconds: float = 5) -> None:
        self.connection = Connection(MailServer("127.0.0.1", server.port), seconds=seconds, data_seconds=seconds)
        self.begun = 0

    async def begin(self) -> None:
        self.begun += 1

    async def send(self, mail: Mail = MAIL) -> Answer:
        return await self.connection.send(mail, self.begin)


@pytest.fixture
async def sender(server: Scripted) -> AsyncIterator[Sender]:
    made = Sender(server)
    yield made
    await made.connection.close()


def by(answers: dict[str, str]):
    """What is said to commands that begin so."""
    return lambda command: next((said for start, said in answers.items() if command.startswith(start)), None)


async def test_three_commands_in_one_write(server: Scripted, sender: Sender):
    assert await sender.send() == Taken()
    assert server.writes[1:] == [b"".join(COMMANDS), MAIL.content + b".\r\n"]
    assert server.contents == [MAIL.content]
    assert sender.begun == 1


async def test_one_by_one_where_the_server_does_not_offer_it(server: Scripted, sender: Sender):
    server.says = by(PLAIN)
    assert await sender.send() == Taken()
    assert server.writes[1:] == [*COMMANDS, MAIL.content + b".\r\n"]


async def test_one_that_knows_no_ehlo(server: Scripted, sender: Sender):
    server.says = by({"EHLO": "502 what?"})
    assert await sender.send() == Taken()
    assert server.writes[2:] == [*COMMANDS, MAIL.content + b".\r\n"]


REFUSALS = [
    ({"MAIL": "550 5.7.1 no", "RCPT": "503 no MAIL", "DATA": "503 no RCPT"}, Refused(550, "5.7.1 no")),
    ({"MAIL": "451 later", "RCPT": "503 no MAIL", "DATA": "354 go on", CONTENT: "554 to whom?"}, Refused(451, "later")),
    ({"RCPT": "550-5.1.1 nobody\n550 5.1.1 here", "DATA": "554 no RCPT"}, Refused(550, "5.1.1 nobody\n5.1.1 here")),
    ({"RCPT": "450 4.2.1 busy", "DATA": "354 go on", CONTENT: "554 to whom?"}, Refused(450, "4.2.1 busy")),
    ({"RCPT": "450 4.2.1 busy", "DATA": "354 go on", CONTENT: "250 taken"}, Refused(450, "4.2.1 busy")),
    ({"DATA": "451 4.3.0 disk"}, Refused(451, "4.3.0 disk")),
]


@pytest.mark.parametrize("pipelining", [True, False], ids=["pipelining", "plain"])
@pytest.mark.parametrize(("says", "answer"), REFUSALS)
async def test_who_is_refused_is_refused_by_the_first_no(
    server: Scripted, sender: Sender, says: dict[str, str], answer: Refused, pipelining: bool
):
    server.says = by(says if pipelining else says | PLAIN)
    assert await sender.send() == answer
    assert sender.begun == 0, "nothing was handed over"
    assert set(server.contents) <= {b""}, "at most a lone dot"
    server.says = by({} if pipelining else PLAIN)
    assert await sender.send() == Taken()
    assert server.contents[-1] == MAIL.content
    assert server.connections == 1, "the dialogue went on"


async def test_a_mail_that_is_refused_as_such(server: Scripted, sender: Sender):
    server.says = by({CONTENT: "554 5.7.1 spam"})
    assert await sender.send() == Refused(554, "5.7.1 spam")
    assert sender.begun == 1


async def test_a_dot_where_a_recipient_was_taken_would_be_an_empty_mail(server: Scripted, sender: Sender):
    server.says = by({"MAIL": "550 no"})
    assert await sender.send() == Refused(550, "no")
    assert server.contents == []
    server.says = by({})
    assert await sender.send() == Taken()
    assert server.connections == 2


@pytest.mark.parametrize(
    ("says", "answer"),
    [
        ({"MAIL": HANG_UP}, Unreached),
        ({"RCPT": HANG_UP}, Unreached),
        ({"DATA": HANG_UP}, Unreached),
        ({"MAIL": f"421 4.3.2 going down\n{HANG_UP}"}, Refused),
        ({"RCPT": f"421 4.3.2 going down\n{HANG_UP}"}, Refused),
        ({CONTENT: HANG_UP}, Doubtful),
        ({"MAIL": "hello"}, Unreached),
        ({"RCPT": "2"}, Unreached),
        ({"DATA": "250 ok"}, Unreached),
        ({"MAIL": "250 ok\n250 ok"}, Unreached),
        ({"RCPT": "250 ok\n354 go on"}, Unreached),
        ({"DATA": "354 go on\n250 taken"}, Unreached),
        ({CONTENT: "hello"}, Doubtful),
        ({CONTENT: "354 more"}, Doubtful),
        ({"MAIL": f"250-{'x' * 100_000}\n250 ok"}, Unreached),
    ],
    ids=str,
)
async def test_hanging_up_and_talking_nonsense(
    server: Scripted, sender: Sender, says: dict[str, str], answer: type[Answer]
):
    server.says = by(says)
    assert isinstance(await sender.send(), answer)
    assert sender.begun == (answer is Doubtful), "begun means handed over"
    assert server.contents == ([MAIL.content] if answer is Doubtful else [])
    server.says = by({})
    assert await sender.send() == Taken()


async def test_no_answer_in_time(server: Scripted):
    silent = asyncio.Event()
    sender = Sender(server, seconds=0.2)
    say = server._say

    async def never(writer: asyncio.StreamWriter, said: str) -> bool:
        if said.startswith("354"):
            await silent.wait()
        return await say(writer, said)

    object.__setattr__(server, "_say", never)
    assert isinstance(await sender.send(), Unreached)
    silent.set()


async def test_a_server_that_tired_of_the_connection_costs_no_try(server: Scripted, sender: Sender):
    assert await sender.send() == Taken()
    answers = iter([HANG_UP])
    server.says = lambda command: next(answers, None) if command.startswith("MAIL") else None
    assert await sender.send() == Taken()
    assert server.connections == 2


async def test_whose_mail_it_is_not_is_not_handed_over(server: Scripted, sender: Sender):
    async def taken_over() -> None:
        raise NotMine

    with pytest.raises(NotMine):
        await sender.connection.send(MAIL, taken_over)
    assert await sender.send() == Taken()
    assert server.contents == [MAIL.content]
    assert server.connections == 2


async def test_another_login_is_wanted(server: Scripted, sender: Sender):
    server.says = by({"MAIL": "530 5.7.0 who are you?", "RCPT": "530 who?", "DATA": "530 who?"})
    with pytest.raises(MailServerAway, match="another login"):
        await sender.send()


async def test_lines_that_begin_with_a_dot(server: Scripted, sender: Sender):
    await sender.send(Mail(MAIL.sender, MAIL.recipient, b".a\n.\r\n..b\rc"))
    assert server.contents == [b"..a\r\n..\r\n...b\r\nc\r\n"]


async def test_no_command_within_an_address(server: Scripted, sender: Sender):
    for address in ("a@b.example>\r\nRSET", "a@b.example> SIZE=1", "a b@c.example"):
        with pytest.raises(ValueError, match=r"not permitted|control"):
            await sender.send(Mail(MAIL.sender, address, b"x"))
    assert not any(b"RSET" in written or b"SIZE" in written for written in server.writes)


async def test_a_server_that_takes_fewer_connections_is_not_away(rig: Rig, sink: Sink):
    async with scripted() as server:
        server.most = 2
        first, second, third = (Sender(server) for _ in range(3))
        assert [await first.send(), await second.send()] == [Taken(), Taken()]
        with pytest.raises(Crowded):
            await third.send()
        for each in (first, second):
            await each.connection.close()

        async def free() -> bool:
            return server.now == 0

        await until(free)
        sink.port = server.port
        await rig.subscribed(*(f"p{n}@forening.example" for n in range(40)))
        campaign_id = await rig.send_campaign()
        reasons: list[str | None] = []
        object.__setattr__(rig, "_away", reasons.append)
        async with rig.running(smtp_connections=6):
            campaign = await rig.finished(campaign_id)
    assert campaign.outcome["sent"] == 40
    assert len(server.contents) == 42
    assert set(reasons) == {None}
    assert {d.tries for d in await rig.deliveries()} == {0}


async def test_a_mail_that_was_begun_and_not_handed_over_is_not_in_doubt(rig: Rig, sink: Sink):
    """The connection breaks after DATA was answered, and no other one is to be had: it goes later, not never."""
    await rig.subscribed("asta@forening.example")
    campaign_id = await rig.send_campaign()
    await rig.campaigns().step()
    async with scripted() as server:
        sink.port = server.port
        sender = rig.dispatcher(smtp_connections=1)
        begin = sender._ledger.begin

        async def begin_and_break(delivery: Delivery) -> Delivery:
            server.most = 0
            (connection,) = sender._connections
            assert connection._dialogue is not None
            connection._dialogue.close()
            return await begin(delivery)

        object.__setattr__(sender._ledger, "begin", begin_and_break)
        await sender._connections[0].ready()
        job = asyncio.create_task(sender.run())
        await rig.cut_off()

        async def written() -> bool:
            return (await rig.delivery()).tries == 1

        await until(written)
        await stop(job)
        assert server.contents == []
        server.most = 100
        rig.later(minutes=2)
        async with rig.running():
            campaign = await rig.finished(campaign_id)
    assert campaign.outcome["sent"] == len(server.contents) == 1
