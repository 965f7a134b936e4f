import { fileURLToPath } from 'node:url';
import { afterEach, expect, test, vi } from 'vitest';
import { Program } from '../wire/dtls/testing/programs.ts';
import { ofKind, watch } from './testing/came.ts';
import { RelayRig } from './testing/relay-rig.ts';

vi.setConfig({ testTimeout: 60_000 });

const SERVER = fileURLToPath(new URL('testing/aiortc-server.py', import.meta.url));

interface Told {
  readonly event: string;
  readonly port?: number;
  readonly kind?: string;
  readonly count?: number;
  readonly size?: readonly number[];
}

let rig: RelayRig;
let program: Program;

afterEach(async () => {
  await rig.close();
  program[Symbol.dispose]();
});

function told(): Told[] {
  return program.output
    .split('\n')
    .filter((line) => line.startsWith('{') && line.endsWith('}'))
    .map((line) => JSON.parse(line) as Told);
}

async function waitFor(check: () => void): Promise<void> {
  await vi.waitFor(check, { timeout: 30_000, interval: 50 });
}

test.each(['vp8', 'h264'] as const)(
  'what is pulled from aiortc (%s) by WHEP is decoded by aiortc when it is pushed there by WHIP',
  async (video) => {
    rig = await RelayRig.start({ host: '::', videoCodecs: [video] });
    program = new Program('/usr/bin/python3', [SERVER]);
    await waitFor(() => expect(told().length, program.output).toBeGreaterThan(0));
    const host = `127.0.0.1:${told()[0]?.port}`;
    const stream = rig.target('here');
    const { packets } = watch(stream);
    const pull = rig.pull(`whep://${host}/whep/there`, stream);
    await waitFor(() => {
      expect(ofKind(packets, 'video').length, JSON.stringify(pull.end)).toBeGreaterThan(30);
      expect(ofKind(packets, 'audio').length).toBeGreaterThan(30);
    });
    expect(stream.state).toMatchObject({ video: { codec: video }, audio: { codec: 'opus' } });
    expect(packets.find(({ track }) => track.kind === 'video')?.key).toBe(true);
    const push = rig.push(`whip://${host}/whip/there`, stream);
    await waitFor(() => {
      const seen = (kind: string) => told().findLast((one) => one.event === 'frames' && one.kind === kind);
      expect(seen('video')?.count ?? 0, JSON.stringify(push.end)).toBeGreaterThan(30);
      expect(seen('video')?.size).toEqual([320, 240]);
      expect(seen('audio')?.count ?? 0).toBeGreaterThan(30);
    });
    push.link.close('enough');
    pull.link.close('enough');
    await Promise.all([push.link.ended, pull.link.ended]);
    expect(told().filter(({ event }) => event === 'deleted')).toHaveLength(2);
  },
);
