"""RTSP servers of GStreamer as cameras: one open, one with Digest, one with Basic. Prints their ports as JSON."""
import json
import sys
import threading

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtsp, GstRtspServer

Gst.init(None)
config = json.loads(sys.argv[1])
servers = {}


def make(kind):
    server = GstRtspServer.RTSPServer.new()
    server.set_address("127.0.0.1")
    server.set_service("0")
    permissions = None
    if kind != "open":
        auth = GstRtspServer.RTSPAuth.new()
        token = GstRtspServer.RTSPToken()
        token.set_string("media.factory.role", "viewer")
        if kind == "digest":
            auth.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
            auth.add_digest(config["user"], config["password"], token)
        else:
            basic = GstRtspServer.RTSPAuth.make_basic(config["user"], config["password"])
            auth.add_basic(basic, token)
        server.set_auth(auth)
        permissions = GstRtspServer.RTSPPermissions()
        permissions.add_permission_for_role("viewer", "media.factory.access", True)
        permissions.add_permission_for_role("viewer", "media.factory.construct", True)
    for path, mount in config["mounts"].items():
        factory = GstRtspServer.RTSPMediaFactory.new()
        factory.set_launch("( " + mount["pipeline"] + " )")
        factory.set_shared(True)
        if mount.get("lower") == "tcp":
            factory.set_protocols(GstRtsp.RTSPLowerTrans.TCP)
        if mount.get("lower") == "udp":
            factory.set_protocols(GstRtsp.RTSPLowerTrans.UDP)
        if permissions is not None:
            factory.set_permissions(permissions)
        server.get_mount_points().add_factory("/" + path, factory)
    server.attach(None)
    servers[kind] = server


for kind in ("open", "digest", "basic"):
    make(kind)
print(json.dumps({kind: server.get_bound_port() for kind, server in servers.items()}), flush=True)


def drop():
    for server in servers.values():
        server.client_filter(lambda *_: GstRtspServer.RTSPFilterResult.REMOVE)
    return False


def read():
    for _ in sys.stdin:
        GLib.idle_add(drop)
    loop.quit()


loop = GLib.MainLoop()
threading.Thread(target=read, daemon=True).start()
loop.run()
