# SPDX-License-Identifier: GPL-3.0-or-later
"""A TCP proxy that puts a declared distance between the bot and its database: `python -m sandbox.proxy`."""

from __future__ import annotations

import argparse
import asyncio
import signal
from collections.abc import Sequence
from dataclasses import dataclass

CHUNK = 64 * 1024
# Bytes on the way are at most CHUNK * CHUNKS_ON_THE_WAY in each direction: 16 MiB, 3 GB/s at 5 ms.
CHUNKS_ON_THE_WAY = 256


@dataclass(frozen=True)
class Route:
    """From one loopback port to another, with a round trip in seconds."""

    listen_port: int
    target_port: int
    round_trip: float


async def serve(route: Route) -> asyncio.Server:
    """Return the proxy, which listens already."""

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _carry_connection(route, reader, writer)

    return await asyncio.start_server(accept, "127.0.0.1", route.listen_port, limit=CHUNK)


async def _carry_connection(route: Route, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        # A distant server answers a handshake after one round trip; the one with this proxy took none.
        await asyncio.sleep(route.round_trip)
        target_reader, target_writer = await asyncio.open_connection("127.0.0.1", route.target_port, limit=CHUNK)
    except OSError:
        writer.close()
        return
    one_way = route.round_trip / 2
    try:
        async with asyncio.TaskGroup() as directions:
            directions.create_task(_delay(reader, target_writer, one_way))
            directions.create_task(_delay(target_reader, writer, one_way))
    except* OSError:
        pass  # one end broke the connection: the other end shall see that
    finally:
        writer.close()
        target_writer.close()


async def _delay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seconds: float) -> None:
    """Pass on every chunk `seconds` after it came. Chunks wait side by side, so the delay does not limit the rate."""
    loop = asyncio.get_running_loop()
    on_the_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(CHUNKS_ON_THE_WAY)

    async def depart() -> None:
        while True:
            chunk = await reader.read(CHUNK)
            await on_the_way.put((loop.time() + seconds, chunk))
            if not chunk:
                return

    async def arrive() -> None:
        while True:
            due, chunk = await on_the_way.get()
            await asyncio.sleep(due - loop.time())
            if not chunk:
                writer.write_eof()
                return
            writer.write(chunk)
            await writer.drain()

    async with asyncio.TaskGroup() as both:
        both.create_task(depart())
        both.create_task(arrive())


async def _serve_until_stopped(route: Route) -> None:
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    server = await serve(route)
    await stopped.wait()
    server.close()


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.proxy", description=__doc__)
    parser.add_argument("--label", required=True, help="a text to know the process by")
    parser.add_argument("--listen-port", type=int, required=True)
    parser.add_argument("--target-port", type=int, required=True)
    parser.add_argument("--round-trip-ms", type=float, required=True)
    options = parser.parse_args(arguments)
    route = Route(options.listen_port, options.target_port, options.round_trip_ms / 1000)
    asyncio.run(_serve_until_stopped(route))


if __name__ == "__main__":
    main()
