"""Sends one datagram by TURN with aioice and prints what comes back, for interop.test.ts.

Arguments: port of the TURN server, udp or tcp, plain or tls, name, password, port of the media.
"""

import asyncio
import ssl
import sys

from aioice import turn

port, transport, security, username, password, media = sys.argv[1:7]
HOST = "127.0.0.1"


class Receiver(asyncio.DatagramProtocol):
    def __init__(self):
        self.received = asyncio.Queue()

    def datagram_received(self, data, addr):
        self.received.put_nowait((data, addr))


async def main():
    context = False
    if security == "tls":
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    endpoint, receiver = await turn.create_turn_endpoint(
        Receiver,
        server_addr=(HOST, int(port)),
        username=username,
        password=password,
        lifetime=600,
        ssl=context,
        transport=transport,
    )
    endpoint.sendto(b"hello", (HOST, int(media)))
    data, (host, peer_port) = await asyncio.wait_for(receiver.received.get(), 10)
    print(f"{data.decode()} from {host}:{peer_port}")
    endpoint.close()
    await asyncio.sleep(0.3)


asyncio.run(main())
