"""A WHIP publisher and WHEP player by GStreamer's webrtcbin: gstreamer_peer.py publish|play URL H264|VP8 CLIP|BEEP_HZ

Runs until it is told to end. As a publisher it encodes a clip anew and sends it; as a player it writes one line of JSON
several times a second with what it has decoded.
"""

import signal
import sys
import urllib.request

import gi
import numpy

gi.require_version("Gst", "1.0")
gi.require_version("GstWebRTC", "1.0")
gi.require_version("GstSdp", "1.0")
from gi.repository import GLib, Gst, GstSdp, GstWebRTC  # noqa: E402
from seen import Seen  # noqa: E402

Gst.init(None)
role, url, codec, detail = sys.argv[1:5]

# Key frames come on request only, but for one in ten seconds.
ENCODERS = {
    "H264": "x264enc tune=zerolatency speed-preset=ultrafast key-int-max=250 bitrate=500 "
    "! video/x-h264,profile=constrained-baseline ! rtph264pay pt=96 config-interval=-1 aggregate-mode=zero-latency "
    "! application/x-rtp,media=video,encoding-name=H264,payload=96",
    "VP8": "vp8enc deadline=1 cpu-used=8 keyframe-max-dist=250 target-bitrate=500000 ! rtpvp8pay pt=96 "
    "! application/x-rtp,media=video,encoding-name=VP8,payload=96",
}
PUBLISH = (
    f"webrtcbin name=peer filesrc location={detail} ! matroskademux name=clip "
    f"clip. ! queue ! jpegdec ! videoconvert ! clocksync ! {ENCODERS[codec]} ! peer. "
    "clip. ! queue ! audioconvert ! audioresample ! clocksync ! opusenc ! rtpopuspay pt=97 "
    "! application/x-rtp,media=audio,encoding-name=OPUS,payload=97 ! peer."
)
OFFERED = {
    "H264": "application/x-rtp,media=video,encoding-name=H264,payload=96,clock-rate=90000,"
    "packetization-mode=(string)1,profile-level-id=(string)42e01f,rtcp-fb-nack-pli=(boolean)true",
    "VP8": "application/x-rtp,media=video,encoding-name=VP8,payload=96,clock-rate=90000,rtcp-fb-nack-pli=(boolean)true",
    "OPUS": "application/x-rtp,media=audio,encoding-name=OPUS,payload=97,clock-rate=48000,encoding-params=(string)2",
}

seen = Seen(0 if role == "publish" else float(detail))


def pull(sink):
    sample = sink.emit("pull-sample")
    return sample.get_buffer(), sample.get_caps().get_structure(0)


def on_picture(sink):
    buffer, format = pull(sink)
    pixels = numpy.frombuffer(buffer.extract_dup(0, buffer.get_size()), numpy.uint8)
    seen.picture(pixels, format.get_value("width"), format.get_value("height"))
    return Gst.FlowReturn.OK


def on_sound(sink):
    buffer, format = pull(sink)
    samples = numpy.frombuffer(buffer.extract_dup(0, buffer.get_size()), numpy.int16)
    seen.sound(samples.astype(float), format.get_value("rate"))
    return Gst.FlowReturn.OK


def on_pad(_, pad):
    """Decodes a track that has come."""
    if pad.direction != Gst.PadDirection.SRC:
        return
    is_video = pad.get_current_caps().get_structure(0).get_value("media") == "video"
    form = "videoconvert ! video/x-raw,format=GRAY8" if is_video else "audioconvert ! audio/x-raw,format=S16LE,channels=1"
    sink = "appsink name=sink emit-signals=true sync=false"
    branch = Gst.parse_bin_from_description(f"decodebin name=decoder ! queue ! {form} ! {sink}", False)
    branch.add_pad(Gst.GhostPad.new("sink", branch.get_by_name("decoder").get_static_pad("sink")))
    branch.get_by_name("sink").connect("new-sample", on_picture if is_video else on_sound)
    pipeline.add(branch)
    branch.sync_state_with_parent()
    pad.link(branch.get_static_pad("sink"))


def on_gathered(*_):
    if peer.get_property("ice-gathering-state") == GstWebRTC.WebRTCICEGatheringState.COMPLETE:
        GLib.idle_add(exchange, peer.get_property("local-description").sdp.as_text())


def exchange(offer):
    """Sends the offer once all candidates are in it, and takes the answer."""
    global resource
    request = urllib.request.Request(url, offer.encode(), {"content-type": "application/sdp"}, method="POST")
    with urllib.request.urlopen(request) as response:
        resource = urllib.request.urljoin(url, response.headers["location"])
        answer = response.read()
    _, sdp = GstSdp.SDPMessage.new()
    GstSdp.sdp_message_parse_buffer(answer, sdp)
    description = GstWebRTC.WebRTCSessionDescription.new(GstWebRTC.WebRTCSDPType.ANSWER, sdp)
    peer.emit("set-remote-description", description, Gst.Promise.new())
    return False


def on_offer(promise):
    reply = promise.get_reply()
    # What it gives lives as long as the reply.
    peer.emit("set-local-description", reply.get_value("offer"), Gst.Promise.new())


def offer_media(*_):
    peer.emit("create-offer", None, Gst.Promise.new_with_change_func(on_offer))


def tell():
    seen.state = peer.get_property("connection-state").value_nick
    seen.tell()
    return True


def on_message(_, message):
    if message.type == Gst.MessageType.ERROR:
        print(message.parse_error(), file=sys.stderr, flush=True)
        loop.quit()


pipeline = Gst.parse_launch(PUBLISH) if role == "publish" else Gst.Pipeline()
if role == "play":
    pipeline.add(Gst.ElementFactory.make("webrtcbin", "peer"))
peer = pipeline.get_by_name("peer")
peer.set_property("bundle-policy", GstWebRTC.WebRTCBundlePolicy.MAX_BUNDLE)
# Its sender reports tell when frames were captured; when they were sent depends on how busy the machine is.
peer.get_by_name("rtpbin").set_property("rtcp-sync-send-time", False)
resource = None
loop = GLib.MainLoop()
if role == "publish":
    peer.connect("on-negotiation-needed", offer_media)
peer.connect("notify::ice-gathering-state", on_gathered)
peer.connect("pad-added", on_pad)
bus = pipeline.get_bus()
bus.add_signal_watch()
bus.connect("message", on_message)
if role == "play":
    pipeline.set_state(Gst.State.READY)
    for name in ("OPUS", codec):
        direction = GstWebRTC.WebRTCRTPTransceiverDirection.RECVONLY
        peer.emit("add-transceiver", direction, Gst.Caps.from_string(OFFERED[name]))
pipeline.set_state(Gst.State.PLAYING)
if role == "play":
    offer_media()
GLib.timeout_add(300, tell)
for name in (signal.SIGINT, signal.SIGTERM):
    GLib.unix_signal_add(GLib.PRIORITY_DEFAULT, name, loop.quit)
loop.run()
if resource is not None:
    urllib.request.urlopen(urllib.request.Request(resource, method="DELETE"))
pipeline.set_state(Gst.State.NULL)
