import { LogBody } from '@sluice/contract';
import Value from 'typebox/value';
import { describe, expect, it } from 'vitest';
import { LogRing } from './log-ring.ts';
import { createLog } from './logging.ts';

function write(ring: LogRing, from: number, to: number): void {
  for (let i = from; i <= to; i++) ring.write(JSON.stringify({ level: 30, time: i, pid: 1, msg: `line ${i}` }));
}

describe('the ring of log lines', () => {
  it('tells what is new since a number, the oldest first', () => {
    const ring = new LogRing('info');
    write(ring, 1, 5);
    const first = ring.since(0, 500);
    expect(first.lines.map(({ message }) => message)).toEqual(['line 1', 'line 2', 'line 3', 'line 4', 'line 5']);
    expect([first.next, first.missed, first.level]).toEqual([5, 0, 'info']);
    write(ring, 6, 7);
    expect(ring.since(first.next, 500).lines.map(({ number }) => number)).toEqual([6, 7]);
    expect(ring.since(7, 500)).toMatchObject({ lines: [], next: 7, missed: 0 });
    expect(Value.Check(LogBody, first)).toBe(true);
  });

  it('keeps a thousand lines, and says how many are gone', () => {
    const ring = new LogRing('info');
    write(ring, 1, 1500);
    const { lines, missed, next } = ring.since(100, 5000);
    expect([lines.length, lines[0]?.number, missed, next]).toEqual([1000, 501, 400, 1500]);
    const newest = ring.since(0, 10);
    expect([newest.lines[0]?.number, newest.missed, newest.next]).toEqual([1491, 1490, 1500]);
  });

  it('keeps a mebibyte at most, however long the lines are', () => {
    const ring = new LogRing('info');
    const fields = Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`field${i}`, 'x'.repeat(3000)]));
    for (let i = 0; i < 100; i++)
      ring.write(JSON.stringify({ level: 30, time: i, msg: 'y'.repeat(10_000), ...fields }));
    const { lines } = ring.since(0, 5000);
    expect(lines.length).toBeGreaterThan(5);
    expect(JSON.stringify(lines).length).toBeLessThan(1.1 * 1024 * 1024);
    expect(lines[0]?.message).toHaveLength(2001);
  });

  it('begins anew for who knows numbers of an earlier start', () => {
    const ring = new LogRing('info');
    write(ring, 1, 3);
    expect(ring.since(900, 500).lines).toHaveLength(3);
    expect(ring.since(-5, 500).lines).toHaveLength(3);
  });

  it('keeps what is no JSON as a message', () => {
    const ring = new LogRing('info');
    for (const text of ['plain', '"text"', 'null', '{"level":"x","time":"y","msg":5}']) ring.write(text);
    const body = ring.since(0, 500);
    expect(body.lines.map(({ message }) => message)).toEqual(['plain', '"text"', 'null', '']);
    expect(Value.Check(LogBody, body)).toBe(true);
  });

  it('gets each line that is logged, with its fields and the stack of its error', () => {
    const { log, recent } = createLog({ level: 'warn', format: 'json', isTTY: false, write: () => {} });
    log.child({ part: 'test' }).error({ err: new TypeError('broken'), count: 3 }, 'it failed');
    log.info({}, 'not logged');
    const { lines } = recent.since(0, 10);
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatchObject({ level: 'error', message: 'it failed', fields: { part: 'test', count: '3' } });
    expect(lines[0]?.fields['err']).toMatch(/^TypeError: broken\n/);
    expect(lines[0]?.fields).not.toHaveProperty('pid');
  });

  it('has no passwords of addresses that are names of streams, wherever they stand in a line', () => {
    const written: string[] = [];
    const { log, recent } = createLog({ level: 'info', format: 'json', isTTY: false, write: (s) => written.push(s) });
    const name = 'rtsp://admin:hu"sh@camera/one?user=admin&password=hush';
    log.child({ stream: name }).info({ reason: `"${name}" is busy` }, `no stream ${name}, nor http://host/a`);
    log.error({ err: new Error(`can't play ${name}`) }, 'failed');
    const told = [written.join('\n'), JSON.stringify(recent.since(0, 10).lines)];
    for (const text of told) expect(text).not.toMatch(/admin|sh@|hush/);
    expect(JSON.parse(written[0] ?? '')).toMatchObject({ stream: 'rtsp://camera/one?user=…&password=…' });
    expect(written[0]).toContain('http://host/a');
    const long = 'a'.repeat(500_000);
    const startedMs = performance.now();
    log.info({ long: `${long}://${long}` }, 'long');
    expect(performance.now() - startedMs).toBeLessThan(2000);
  });
});
