"""WHIP and WHEP by aiortc: a full ICE agent, OpenSSL's DTLS. Prints its port, then a line of JSON for each event."""

import asyncio
import json
import sys

from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import AudioStreamTrack, VideoStreamTrack
from av import VideoFrame

sessions = {}


def tell(**event):
    print(json.dumps(event), flush=True)


class Picture(VideoStreamTrack):
    """A grey picture that gets lighter with each frame."""

    count = 0

    async def recv(self):
        pts, time_base = await self.next_timestamp()
        frame = VideoFrame(width=320, height=240, format="yuv420p")
        for plane in frame.planes:
            plane.update(bytes([64 + self.count % 128]) * plane.buffer_size)
        self.count += 1
        frame.pts, frame.time_base = pts, time_base
        return frame


async def look(track):
    count = 0
    while True:
        try:
            frame = await track.recv()
        except Exception:
            return tell(event="ended", kind=track.kind, count=count)
        count += 1
        if count % 10 == 0:
            size = [frame.width, frame.height] if track.kind == "video" else []
            tell(event="frames", kind=track.kind, count=count, size=size)


async def answer(path, offer):
    peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    peer.on("connectionstatechange", lambda: tell(event="state", state=peer.connectionState))
    peer.on("track", lambda track: asyncio.ensure_future(look(track)))
    await peer.setRemoteDescription(RTCSessionDescription(offer, "offer"))
    if "whep" in path:
        for transceiver in peer.getTransceivers():
            transceiver.direction = "sendonly"
            transceiver.sender.replaceTrack(Picture() if transceiver.kind == "video" else AudioStreamTrack())
    await peer.setLocalDescription(await peer.createAnswer())
    return peer, peer.localDescription.sdp


async def serve(reader, writer):
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    method, path, _ = head.split("\r\n")[0].split(" ")
    fields = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line)
    body = (await reader.readexactly(int(fields.get("content-length", "0")))).decode()
    if method == "POST":
        peer, sdp = await answer(path, body)
        name = f"/session/{len(sessions)}"
        sessions[name] = peer
        reply = f"HTTP/1.1 201 Created\r\nContent-Type: application/sdp\r\nLocation: {name}\r\n"
    else:
        peer = sessions.get(path)
        if peer is not None:
            await peer.close()
        tell(event="deleted", path=path)
        sdp, reply = "", "HTTP/1.1 200 OK\r\n"
    writer.write(f"{reply}Content-Length: {len(sdp)}\r\nConnection: close\r\n\r\n{sdp}".encode())
    await writer.drain()
    writer.close()


async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    tell(event="port", port=server.sockets[0].getsockname()[1])
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


asyncio.run(main())
