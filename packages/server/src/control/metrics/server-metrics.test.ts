import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ControlFixture, H264 } from '../testing/control-fixture.ts';
import { parsePrometheusText, type Series } from '../testing/prometheus-text.ts';

/** For what takes long on a busy machine only. */
const PATIENT = { timeout: 4000 };

let fixture: ControlFixture;

beforeEach(() => {
  fixture = new ControlFixture();
});

afterEach(() => fixture.close());

async function scrape(base: string): Promise<Series[]> {
  const response = await fetch(`${base}/metrics`);
  expect(response.headers.get('content-type')).toContain('version=0.0.4');
  return parsePrometheusText(await response.text());
}

function readValue(series: readonly Series[], metric: string, labels = ''): number | undefined {
  return series.find((s) => s.metric === metric && s.labels === labels)?.value;
}

describe('/metrics', () => {
  it('is text that Prometheus can read, whatever streams are called', async () => {
    fixture.publish('a "quoted"\\name{}=,');
    fixture.addConnection('/1');
    fixture.addSession('x', { drops: { slow_viewer: 1 } });
    const base = await fixture.start();
    await scrape(base);
    const series = await scrape(base);
    expect(series.length).toBeGreaterThan(60);
    expect(series.filter(({ value }) => Number.isNaN(value))).toEqual([]);
  });

  it('counts rooms and who is in them', async () => {
    const rooms = { size: 2, memberCount: 7, all: () => [], get: () => undefined };
    const series = await scrape(await fixture.start({ rooms }));
    expect(readValue(series, 'sluice_rooms')).toBe(2);
    expect(readValue(series, 'sluice_rooms_members')).toBe(7);
  });

  it('sums what sessions did by protocol, and goes on when they end', async () => {
    const did = { bytesIn: 5, bytesOut: 1000, packets: 10, queuedBytes: 300 };
    const play = { mediaType: 'play', status: 'PLAYING' } as const;
    fixture.addSession('room', { ...play, ...did, drops: { slow_viewer: 7, not_carried: 2 } });
    const base = await fixture.start();
    const labels = 'protocol="rtmp",media_type="play"';
    for (const expected of [1, 0]) {
      const series = await scrape(base);
      expect(readValue(series, 'sluice_sessions', labels)).toBe(expected);
      expect(readValue(series, 'sluice_sessions_opened_total', labels)).toBe(1);
      expect(readValue(series, 'sluice_session_bytes_total', `${labels},direction="out"`)).toBe(1000);
      expect(readValue(series, 'sluice_session_bytes_total', `${labels},direction="in"`)).toBe(5);
      expect(readValue(series, 'sluice_session_packets_total', labels)).toBe(10);
      expect(readValue(series, 'sluice_session_drops_total', 'protocol="rtmp",reason="slow_viewer"')).toBe(7);
      expect(readValue(series, 'sluice_session_queue_bytes', 'protocol="rtmp"')).toBe(expected * 300);
      for (const session of [...fixture.sessions.all()]) session.close('test');
    }
  });

  it('tells of each stream its frames, key frames, rate and viewers', async () => {
    const stream = fixture.publish('room');
    const units = [new Uint8Array(10)];
    for (const [i, key] of [false, false, true, false].entries()) {
      const us = (i + 1) * 40_000;
      stream.publish({ track: H264, units, ptsUs: us, dtsUs: us, key, byteLength: 10 });
    }
    stream.videoRate.sample(1000);
    stream.videoRate.packets += 50;
    stream.videoRate.sample(3000);
    const series = await scrape(await fixture.start());
    const room = 'stream="room"';
    expect(readValue(series, 'sluice_stream_key_frames_total', room)).toBe(2);
    expect(readValue(series, 'sluice_stream_b_frames_total', room)).toBe(0);
    expect(readValue(series, 'sluice_stream_gop_frames', room)).toBe(3);
    expect(readValue(series, 'sluice_stream_key_frame_interval_seconds', room)).toBe(0.12);
    expect(readValue(series, 'sluice_stream_frames_per_second', room)).toBe(25);
    expect(readValue(series, 'sluice_stream_frames_total', `${room},kind="audio"`)).toBe(1);
  });

  it('counts connections by protocol', async () => {
    fixture.addConnection('/1');
    fixture.addConnection('/2');
    expect(readValue(await scrape(await fixture.start()), 'sluice_connections', 'protocol="rtmp"')).toBe(2);
  });

  it('tells delays of the event loop without the period of the timer that measures them', async () => {
    const base = await fixture.start();
    const read = async (suffix: string) => readValue(await scrape(base), `nodejs_eventloop_lag_${suffix}_seconds`);
    await expect.poll(() => read('max'), PATIENT).toBeGreaterThan(0);
    // The period is 20 ms: with it, no median is below.
    await expect.poll(() => read('p50'), PATIENT).toBeLessThan(0.015);
    const series = await scrape(base);
    expect(readValue(series, 'sluice_event_loop_utilization')).toBeLessThanOrEqual(1);
    expect(readValue(series, 'process_resident_memory_bytes')).toBeGreaterThan(10_000_000);
  });
});
