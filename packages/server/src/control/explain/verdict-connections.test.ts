import { describe, test } from 'vitest';
import { type Case, checkVerdict, facts, NOW_MS, past, unreached, webRtc, withPlayer } from './testing/facts.ts';

/** What is so, and all that is found, each with what its text and advice say. */
const CASES: readonly Case[] = [
  [
    'checks that never came',
    withPlayer({ webrtc: unreached() }),
    [['NO_ICE', 'error', /In 10 s none of the viewer’s .* UDP port 31001/, /firewall.*set ip=/]],
  ],
  [
    'checks that never came by UDP nor by TCP',
    withPlayer({ webrtc: unreached({ serverCandidates: ['192.0.2.1:31001', '192.0.2.1:31001 tcp'] }) }),
    [['NO_ICE', 'error', /reached UDP port 31001 or TCP port 31001\./, /Open UDP port 31001 and TCP port 31001.*TURN/]],
  ],
  [
    'checks that never came from elsewhere, to a server that told private addresses',
    withPlayer({ webrtc: unreached({ serverCandidates: ['10.0.0.4:31001', '[fd00::4]:31001'] }) }),
    [['NO_ICE', 'error', /31001/, /private addresses only: set ip=/]],
  ],
  [
    'checks that have not come in the first second',
    withPlayer({ webrtc: unreached(), status: 'PENDING', sinceMs: NOW_MS - 900 }),
    [['ALL_WELL', 'info', /about to connect/]],
  ],
  [
    'checks with another password',
    withPlayer({ webrtc: unreached({ unauthentic: 9 }) }),
    [['ICE_REFUSED', 'error', /9 connectivity checks .* another password/, /no old or edited SDP/]],
  ],
  [
    'checks that stopped',
    withPlayer({
      webrtc: webRtc({
        ice: {
          consentAgeMs: 14_000,
          pairs: [
            {
              ...{ via: 'udp', remoteAddress: '203.0.113.9', remotePort: 5004, checks: 3, lastCheckAgeMs: 14_000 },
              ...{ selected: true, nominated: true },
            },
          ],
        },
      }),
    }),
    [['ICE_LOST', 'error', /14 s ago.*203\.0\.113\.9:5004/, /restart ICE/]],
  ],
  [
    'a handshake that does not end',
    withPlayer({ webrtc: webRtc({ dtls: { state: 'handshake', discardedRecords: 2 } }) }),
    [['NO_DTLS', 'error', /not agreed on after 10 s; the server is the DTLS server\. 2 records/, /MTU/]],
  ],
  [
    'packets that can not be decrypted',
    withPlayer({ webrtc: webRtc({ srtp: { unauthentic: 40 } }) }),
    [['SRTP_ERRORS', 'warning', /40 packets/]],
  ],
  [
    'a long way',
    withPlayer({ webrtc: webRtc({ roundTripMs: 700 }) }),
    [['LONG_ROUND_TRIP', 'warning', /0\.7 s to the client and back/]],
  ],
  [
    'a viewer that was never reached, five seconds ago',
    facts({ past: [past({ errorCode: 'ice_timeout', sinceMs: NOW_MS - 20_000, webrtc: unreached() })] }),
    [['NO_ICE', 'error', /In 15 s none .*That was 5 s ago/]],
  ],
  [
    'a forged certificate',
    facts({
      past: [past({ errorCode: 'dtls_fingerprint', lastError: 'x', webrtc: webRtc({ dtls: { state: 'closed' } }) })],
    }),
    [['NO_DTLS', 'error', /encryption/, /certificate is not the one/]],
  ],
];

describe('the verdict on the way to a client:', () => {
  test.each(CASES)('%s', (_what, given, expected) => checkVerdict(given, expected));
});
