import { writeRtp, writeTwcc } from '@sluice/media';
import { describe, expect, it } from 'vitest';
import { SENT_FIELDS } from './egress.ts';
import { rtcpPacket, withRoom } from './srtp/testing/packets.ts';
import { Client, cleanUpAfterEach, IMPLEMENTATIONS, openPort, range, until } from './testing/rig.ts';

cleanUpAfterEach();

const FEEDBACK = Buffer.from(
  writeTwcc({
    ...{ kind: 'twcc', senderSsrc: 1, mediaSsrc: 2, baseSequence: 1, packetCount: 1, referenceTimeMs: 64 },
    ...{ feedbackCount: 0, arrivals: [{ sequence: 1, arrivalUs: 0 }] },
  }),
);

describe.each(IMPLEMENTATIONS)('what left for a peer, by %s', (implementation) => {
  async function start() {
    const { egress, came } = await openPort(implementation);
    const client = await Client.open();
    const peer = client.join(egress);
    let sent = 0;
    const send = async (packets: number): Promise<void> => {
      for (const _ of range(0, packets)) {
        const header = { payloadType: 96, marker: false, timestamp: 0, ssrc: 7, sequence: ++sent };
        const packet = writeRtp({ ...header, extensions: [{ id: 3, value: new Uint8Array(2) }] }, Buffer.alloc(sent));
        egress.sendRtp(peer, packet, { transportSequenceAt: 17, mark: sent * 20 });
      }
      await until(() => client.packets.length === sent);
    };
    const tell = async (rtcp: Buffer): Promise<typeof came> => {
      const before = came.length;
      const packet = withRoom(rtcp);
      client.send(egress, packet.subarray(0, client.sender.protectRtcp(packet, rtcp.length)));
      await until(() => came.at(-1)?.kind === 'rtcp' && came.length > before);
      return came.slice(before);
    };
    return { egress, client, peer, send, tell };
  }

  it('is told before feedback on transport-wide numbers, each packet once', async () => {
    const { peer, send, tell } = await start();
    const header = 20;
    for (const [from, packets] of [
      [1, 5],
      [6, 1],
      [7, 9],
    ] as const) {
      await send(packets);
      const came = await tell(FEEDBACK);
      expect(came.map((one) => [one.kind, one.peer])).toEqual([
        ['sent', peer],
        ['rtcp', peer],
      ]);
      expect(came[0]?.sent).toEqual(range(from, packets).map((number) => [number, header + number, number * 20]));
    }
    expect((await tell(FEEDBACK)).map(({ kind }) => kind)).toEqual(['rtcp']);
  });

  it('is not told for reports of another kind, and is with feedback anywhere in a compound packet', async () => {
    const { send, tell } = await start();
    await send(2);
    expect((await tell(rtcpPacket(9, 3))).map(({ kind }) => kind)).toEqual(['rtcp']);
    const compound = await tell(Buffer.concat([rtcpPacket(9, 6), FEEDBACK]));
    expect(compound[0]?.sent.map(([number]) => number)).toEqual([1, 2]);
  });

  it('is remembered while nothing is told, thousands of packets, and can be asked for from then on', async () => {
    const { egress, peer, send, tell } = await start();
    for (let i = 0; i < 10; i++) await send(100);
    expect((await tell(FEEDBACK))[0]?.sent).toHaveLength(1000);
    await send(3);
    expect((await tell(FEEDBACK))[0]?.sent.map(([number]) => number)).toEqual([1001, 1002, 1003]);
    await send(40);
    const out = new Float64Array(SENT_FIELDS * 100);
    expect(egress.sentSince(peer, 1004, out)).toBe(40);
    expect([out[0], out[3]]).toEqual([1004, 20_080]);
    await send(200);
    expect((await tell(FEEDBACK))[0]?.sent.map(([number]) => number)).toEqual(range(1004, 240));
  });
});
