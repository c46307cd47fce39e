# SPDX-License-Identifier: GPL-3.0-or-later
"""The distance between the bot and its database."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sandbox.proxy import CHUNK, Route, serve

ROUND_TRIP = 0.04


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer everything with itself, until the other side has finished."""
    while received := await reader.read(CHUNK):
        writer.write(received)
        await writer.drain()
    writer.close()


@asynccontextmanager
async def far_echo() -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """Yield a connection to an echo server at the far end of a proxy."""
    target = await asyncio.start_server(echo, "127.0.0.1", 0)
    target_port = target.sockets[0].getsockname()[1]
    proxy = await serve(Route(0, target_port, ROUND_TRIP))
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.sockets[0].getsockname()[1])
    yield reader, writer
    writer.close()
    await writer.wait_closed()
    for server in (proxy, target):
        server.close()
        await server.wait_closed()


def test_every_question_takes_at_least_the_declared_round_trip() -> None:
    """Otherwise the demo measures a database nearer than it says."""

    async def ask() -> list[float]:
        durations = []
        async with far_echo() as (reader, writer):
            for _ in range(5):
                begin = time.monotonic()
                writer.write(b"question")
                assert await reader.readexactly(8) == b"question"
                durations.append(time.monotonic() - begin)
        return durations

    assert min(asyncio.run(ask())) >= ROUND_TRIP


def test_distance_does_not_limit_the_rate_and_alters_no_byte() -> None:
    """Otherwise a backup through the proxy takes minutes: chunks must travel together, not one after the other."""
    chunks = 400
    sent = b"".join(number.to_bytes(4) * (CHUNK // 4) for number in range(chunks))

    async def transfer() -> tuple[bytes, float]:
        async with far_echo() as (reader, writer):
            begin = time.monotonic()
            writer.write(sent)
            received, _ = await asyncio.gather(reader.readexactly(len(sent)), writer.drain())
            return received, time.monotonic() - begin

    received, seconds = asyncio.run(transfer())
    assert received == sent
    assert seconds < chunks * ROUND_TRIP / 2


def test_end_of_one_direction_reaches_the_other_side() -> None:
    """Otherwise connections that the server ended stay open in the bot's pool."""

    async def finish() -> bytes:
        async with far_echo() as (reader, writer):
            writer.write(b"last words")
            writer.write_eof()
            return await reader.read()

    assert asyncio.run(finish()) == b"last words"


def test_database_that_is_away_looks_away() -> None:
    """Otherwise the bot's health check waits for ever instead of answering 503."""

    async def ask() -> bytes:
        nobody = await asyncio.start_server(echo, "127.0.0.1", 0)
        port = nobody.sockets[0].getsockname()[1]
        nobody.close()
        await nobody.wait_closed()
        proxy = await serve(Route(0, port, ROUND_TRIP))
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.sockets[0].getsockname()[1])
        received = await reader.read()
        writer.close()
        await writer.wait_closed()
        proxy.close()
        await proxy.wait_closed()
        return received

    assert asyncio.run(ask()) == b""
