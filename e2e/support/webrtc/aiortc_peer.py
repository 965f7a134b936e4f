"""A WHIP publisher and WHEP player by aiortc: aiortc_peer.py publish|play URL H264|VP8 FLASH_SECONDS BEEP_HZ

Runs until it is told to end. Publishes a picture that flashes once a second while a tone sounds; as a player it writes
one line of JSON several times a second with what it has decoded. TURN servers may be told as JSON in ICE_SERVERS.
"""

import asyncio
import fractions
import json
import os
import signal
import sys
import time
import urllib.request

import av
import numpy
from aiortc import (
    MediaStreamTrack,
    RTCConfiguration,
    RTCIceServer,
    RTCPeerConnection,
    RTCRtpSender,
    RTCSessionDescription,
)
from seen import Seen

AUDIO_RATE = 48000
AUDIO_SAMPLES = 960
VIDEO_RATE = 25
WIDTH, HEIGHT = 320, 240

role, url, codec = sys.argv[1:4]
flash_seconds, beep_hz = float(sys.argv[4]), float(sys.argv[5])


class Pace:
    """Waits for the moment of a frame, counted from one beginning for picture and sound."""

    def __init__(self):
        self.began = None

    async def until(self, seconds):
        if self.began is None:
            self.began = time.monotonic()
        await asyncio.sleep(max(0, self.began + seconds - time.monotonic()))


class Flashes(MediaStreamTrack):
    kind = "video"

    def __init__(self, pace):
        super().__init__()
        self.pace = pace
        self.count = 0

    async def recv(self):
        seconds = self.count / VIDEO_RATE
        await self.pace.until(seconds)
        picture = numpy.full((HEIGHT * 3 // 2, WIDTH), 128, numpy.uint8)
        picture[:HEIGHT] = 235 if seconds % 1 < flash_seconds else 16
        frame = av.VideoFrame.from_ndarray(picture, format="yuv420p")
        frame.pts = self.count * 90000 // VIDEO_RATE
        frame.time_base = fractions.Fraction(1, 90000)
        self.count += 1
        return frame


class Beeps(MediaStreamTrack):
    kind = "audio"

    def __init__(self, pace):
        super().__init__()
        self.pace = pace
        self.count = 0

    async def recv(self):
        times = (self.count + numpy.arange(AUDIO_SAMPLES)) / AUDIO_RATE
        await self.pace.until(self.count / AUDIO_RATE)
        tone = numpy.sin(2 * numpy.pi * beep_hz * times) * (times % 1 < flash_seconds) * 16000
        stereo = numpy.repeat(tone.astype(numpy.int16), 2).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(stereo, format="s16", layout="stereo")
        frame.pts = self.count
        frame.sample_rate = AUDIO_RATE
        frame.time_base = fractions.Fraction(1, AUDIO_RATE)
        self.count += AUDIO_SAMPLES
        return frame


seen = Seen(beep_hz)


async def watch(track):
    while True:
        frame = await track.recv()
        if track.kind == "video":
            seen.picture(frame.to_ndarray(format="gray"), frame.width, frame.height)
        else:
            samples = frame.to_ndarray().reshape(-1)[:: len(frame.layout.channels)]
            seen.sound(samples.astype(float), frame.sample_rate)


def post(sdp):
    request = urllib.request.Request(url, sdp.encode(), {"content-type": "application/sdp"}, method="POST")
    with urllib.request.urlopen(request) as response:
        return response.read().decode(), urllib.request.urljoin(url, response.headers["location"])


def prefer(transceiver):
    if transceiver.kind != "video":
        return
    codecs = RTCRtpSender.getCapabilities("video").codecs
    wanted = [one for one in codecs if one.mimeType in (f"video/{codec}", "video/rtx")]
    transceiver.setCodecPreferences(wanted)


async def main():
    servers = [RTCIceServer(**server) for server in json.loads(os.environ.get("ICE_SERVERS", "[]"))]
    peer = RTCPeerConnection(RTCConfiguration(servers))
    watchers = []
    ended = asyncio.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(name, ended.set)

    @peer.on("connectionstatechange")
    def on_state():
        seen.state = peer.connectionState

    @peer.on("track")
    def on_track(track):
        watchers.append(asyncio.ensure_future(watch(track)))

    if role == "publish":
        pace = Pace()
        for track in (Beeps(pace), Flashes(pace)):
            peer.addTransceiver(track, direction="sendonly")
    else:
        for kind in ("audio", "video"):
            peer.addTransceiver(kind, direction="recvonly")
    for transceiver in peer.getTransceivers():
        prefer(transceiver)
    await peer.setLocalDescription(await peer.createOffer())
    answer, resource = await asyncio.to_thread(post, peer.localDescription.sdp)
    await peer.setRemoteDescription(RTCSessionDescription(answer, "answer"))
    while not ended.is_set():
        seen.tell()
        try:
            await asyncio.wait_for(ended.wait(), 0.3)
        except asyncio.TimeoutError:
            pass
    for watcher in watchers:
        watcher.cancel()
    await asyncio.to_thread(lambda: urllib.request.urlopen(urllib.request.Request(resource, method="DELETE")))
    await peer.close()


asyncio.run(main())
