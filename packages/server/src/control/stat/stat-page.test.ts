import { StatBody } from '@sluice/contract';
import Value from 'typebox/value';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Adaptations } from '../../core/index.ts';
import { ControlFixture } from '../testing/control-fixture.ts';
import { parsePrometheusText } from '../testing/prometheus-text.ts';
import { STAT_GROUPS } from './stat-groups.ts';

let fixture: ControlFixture;

beforeEach(() => {
  fixture = new ControlFixture();
});

afterEach(() => fixture.close());

/** Reads the text form as WCS's own Web SDK does: a group's name is the word behind the dashes, in lower case. */
function readLikeSdk(text: string): Record<string, Record<string, string>> {
  const groups: Record<string, Record<string, string>> = {};
  let group = '';
  for (const line of text.split('\n')) {
    const header = /-+([A-z]+) */.exec(line);
    if (header !== null && line.startsWith('-')) {
      group = (header[1] ?? '').toLowerCase();
      groups[group] = {};
    } else if (line !== '') {
      const [key = '', value = ''] = line.split('=');
      const values = groups[group];
      if (values === undefined) throw new Error(`line before the first header: ${line}`);
      values[key] = value;
    }
  }
  return groups;
}

async function stat(base: string, query = ''): Promise<string> {
  const response = await fetch(`${base}/?action=stat${query}`);
  expect(response.status).toBe(200);
  expect(response.headers.get('cache-control')).toBe('no-store');
  return response.text();
}

async function json(base: string, query = ''): Promise<StatBody> {
  const body = JSON.parse(await stat(base, `&format=json${query}`)) as StatBody;
  expect(Value.Check(StatBody, body)).toBe(true);
  return body;
}

describe('/?action=stat', () => {
  it('is read by the Web SDK, which adds a parameter of its own', async () => {
    fixture.publish('room').addViewers(3);
    fixture.publish('a;b=c/d').addViewers(1);
    fixture.addSession('room', { mediaType: 'play', status: 'PLAYING' });
    fixture.addSession('room', { mediaType: 'play', protocol: 'mse', mediaProvider: 'WSPlayer', status: 'PLAYING' });
    fixture.addConnection('/1');
    const groups = readLikeSdk(await stat(await fixture.start(), '&preventCache=1'));
    expect(Object.keys(groups)).toEqual(STAT_GROUPS.map((group) => group.oldName.toLowerCase()));
    expect(groups['connection']).toMatchObject({ connections: '1', connections_rtmp: '1', connections_hls: '0' });
    expect(groups['stream']).toMatchObject({
      streams_rtmp_in: '2',
      streams_rtmp_out: '1',
      streams_webrtc_in: '0',
      streams_hls_out: '0',
      streams_flv_out: '0',
      streams_websocket_out: '1',
      streams_viewers: 'room/3;a%3Bb%3Dc/d/1',
    });
    expect(groups['port']).toMatchObject({ ports_media_free: '0', ports_rest_api_pending: '0' });
    expect(groups['native']).toEqual({ native_resources: '0' });
    expect(Number(groups['core']?.['core_java_committedMemory'])).toBeGreaterThan(1e7);
    expect(Number(groups['core']?.['core_java_uptime'])).toBeGreaterThan(100);
    expect(Number(groups['system']?.['system_memory_total'])).toBeGreaterThan(1e8);
  });

  it('has the keys of very old builds, which load balancers read', async () => {
    const { call_stats: call, system_stats: system } = await json(await fixture.start());
    const keys =
      'committedMemory freePhysicalMemorySize arch availableProcessors freeSwapSpaceSize maxFileDescriptorCount';
    const more = 'openFileDescriptorCount processCpuLoad systemCpuLoad systemLoadAverage totalPhysicalMemorySize';
    for (const key of `${keys} ${more} totalSwapSpaceSize`.split(' ')) expect(system).toHaveProperty(key);
    expect(call).toMatchObject({ calls: 0 });
  });

  it('names groups in JSON as newer builds do, and lists as objects', async () => {
    fixture.publish('room').addViewers(3);
    const groups = await json(await fixture.start());
    expect(Object.keys(groups)).toEqual(STAT_GROUPS.map((group) => group.name));
    expect(groups['streams_stats']).toMatchObject({ streams_viewers: { room: 3 }, streams_viewers_omitted: 0 });
    expect(groups['transcoding_stats']).toEqual({ transcoding_conversions: 0, transcoding_video_full_info: {} });
  });

  it('tells what is converted as WCS’s console page reads it', async () => {
    const stream = fixture.publish('room');
    fixture.publish('other');
    const facts = { from: 'h264', sinceMs: 1, users: 2 };
    const conversions = [
      { ...facts, kind: 'video', to: 'vp8', queued: 3 },
      { ...facts, kind: 'video', to: 'vp9', failure: 'no worker' },
      { ...facts, kind: 'audio', from: 'aac', to: 'opus' },
    ] as const;
    const adaptations = {
      conversionsOf: (of: unknown) => (of === stream ? conversions : []),
    } as unknown as Adaptations;
    const groups = await json(await fixture.start({ adaptations }), '&groups=transcoding_stats,native');
    const vp8 = { codec: 'vp8', queueSize: 3, resolution: '1280x720', videoGroupsSendStats: {} };
    expect(groups).toEqual({
      native_resources: { native_resources: 2 },
      transcoding_stats: {
        transcoding_conversions: 2,
        transcoding_video_full_info: { room: { distributors: { vp8 } } },
      },
    });
  });

  it('counts WebSockets of the Web SDK by the key that its console page reads', async () => {
    fixture.addConnection('/1', { protocol: 'webrtc', mediaProvider: 'WebRTC' });
    const { connections_stats: connections } = await json(await fixture.start(), '&groups=connection');
    expect(connections).toMatchObject({ connections: 1, connections_websocket: 1 });
  });

  it('has the synchronization of streams with picture and sound only', async () => {
    fixture.publish('both');
    const stream = fixture.streams.publish('mute', { sessionId: 'm', close: () => {} });
    expect(stream.live).toBe(true);
    const groups = await json(await fixture.start(), '&groups=stream');
    expect(groups['streams_stats']?.['streams_synchronization']).toEqual({ both: 0 });
  });

  it('tells the groups that are asked for, by new or old name', async () => {
    const base = await fixture.start();
    expect(Object.keys(await json(base, '&groups=core_stats,%20Port,,transcoding_stats'))).toEqual([
      'port_stats',
      'core_stats',
      'transcoding_stats',
    ]);
    expect(await stat(base, '&groups=native')).toBe('-----Native Stats-----\nnative_resources=0\n');
  });

  it.each([
    ['&groups=core,nothing', 'there is no group "nothing"; groups are connections_stats'],
    ['&groups=constructor', 'there is no group "constructor"'],
    ['&format=xml', 'format is one of text, json, prometheus, not "xml"'],
    ['&format=__proto__', 'format is one of'],
  ])('answers 400 to %s and says what there is', async (query, message) => {
    const response = await fetch(`${await fixture.start()}/?action=stat${query}`);
    expect(response.status).toBe(400);
    expect(((await response.json()) as { message: string }).message).toContain(message);
  });

  it('tells Prometheus the numbers, without groups', async () => {
    fixture.publish('a "b"').addViewers(2);
    const text = await stat(await fixture.start(), '&format=prometheus');
    expect(text).toContain('\nstreams_rtmp_in 1\n');
    expect(text).toContain('\nstreams_viewers{name="a \\"b\\""} 2\n');
    expect(text).not.toContain('arch');
    const help = text.replace(/^# TYPE (\S+).*$/gm, '# HELP $1 x\n$&');
    expect(parsePrometheusText(help).length).toBeGreaterThan(50);
  });

  it('lists at most 1000 streams, those with the most viewers, and says how many it left out', async () => {
    for (let i = 0; i < 1003; i++) fixture.publish(`s${i}`, { mediaSessionId: `m${i}` });
    fixture.streams.get('s1002')?.addViewers(9);
    const { streams_stats: group } = await json(await fixture.start(), '&groups=streams_stats');
    expect(Object.keys(group?.['streams_viewers'] as object)).toHaveLength(1000);
    expect(group?.['streams_viewers']).toHaveProperty('s1002', 9);
    expect(group).toMatchObject({ streams_viewers_omitted: 3, streams_rtmp_in: 1003 });
  });

  it('may be read by pages of any origin, and leaves the console at /', async () => {
    const base = await fixture.start();
    const response = await fetch(`${base}/?action=stat`);
    expect(response.headers.get('access-control-allow-origin')).toBe('*');
    expect(await (await fetch(`${base}/?action=other`)).text()).toContain('Sluice is running');
    expect(await (await fetch(`${base}/`)).text()).toContain('Sluice is running');
  });
});

describe('degraded streams', () => {
  async function degraded(): Promise<unknown> {
    return (await json(await fixture.start(), '&groups=degraded'))['degraded_streams_stats'];
  }

  const play = { mediaType: 'play', status: 'PLAYING' } as const;

  it('are none while few of a stream’s viewers wait', async () => {
    fixture.publish('room');
    for (let i = 0; i < 9; i++) fixture.addSession('room', play);
    fixture.addSession('room', { ...play, queuedBytes: 1_000_000 });
    expect(await degraded()).toEqual({ degraded_streams: 0, degraded_streams_percent: 0 });
  });

  it('are those whose viewers wait for more than a quarter of a second of media', async () => {
    fixture.publish('room', { mediaSessionId: 'a' });
    fixture.publish('calm', { mediaSessionId: 'b' });
    fixture.publish('other', { mediaSessionId: 'c' });
    for (let i = 0; i < 3; i++) fixture.addSession('room', { ...play, queuedBytes: 33_000 });
    for (let i = 0; i < 3; i++) fixture.addSession('calm', { ...play, queuedBytes: 32_000 });
    expect(await degraded()).toEqual({ degraded_streams: 1, degraded_streams_percent: 33.333 });
  });
});
