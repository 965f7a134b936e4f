"""Protects and opens packets with libsrtp for srtp-interop.test.ts: a line a packet in, a line a packet out, in hex.

Arguments: profile (GCM or CM), master key and salt in hex, "in" or "out" for the direction.
"""

import sys

from pylibsrtp import Error, Policy, Session

PROFILES = {"GCM": Policy.SRTP_PROFILE_AEAD_AES_128_GCM, "CM": Policy.SRTP_PROFILE_AES128_CM_SHA1_80}

profile, key, direction = sys.argv[1:4]
ssrc_type = Policy.SSRC_ANY_INBOUND if direction == "in" else Policy.SSRC_ANY_OUTBOUND
policy = Policy(key=bytes.fromhex(key), ssrc_type=ssrc_type, srtp_profile=PROFILES[profile])
policy.window_size = 1024
session = Session(policy=policy)
for line in sys.stdin:
    packet = bytes.fromhex(line.strip())
    is_rtcp = 192 <= packet[1] <= 223
    try:
        if direction == "in":
            result = session.unprotect_rtcp(packet) if is_rtcp else session.unprotect(packet)
        else:
            result = session.protect_rtcp(packet) if is_rtcp else session.protect(packet)
        print(result.hex())
    except Error as error:
        print("error: %s" % error)
