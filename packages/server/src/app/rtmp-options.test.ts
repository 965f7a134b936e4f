import { X509Certificate } from 'node:crypto';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { TestLog } from '../core/testing/hub.ts';
import { rtmpAddresses, rtmpOptions } from './rtmp-options.ts';
import { loadSettings, type Settings } from './settings/index.ts';
import { tlsIdentity } from './tls-identity.ts';

let dataDir: string;

beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), 'sluice-rtmp-'));
});

afterEach(() => rmSync(dataDir, { recursive: true, force: true }));

function settingsOf(...sets: string[]): Settings {
  return loadSettings({ env: {}, sets }).settings;
}

function optionsOf(...sets: string[]): ReturnType<typeof rtmpOptions> {
  return rtmpOptions(settingsOf(...sets), { dataDir, listen: [], tls: undefined });
}

describe('RTMP options from settings', () => {
  test('lists every address, and none when all ports are off', () => {
    const settings = settingsOf('rtmps.port=443', 'rtmp_listen=192.0.2.1:1936,[2001:db8::1]:1935');
    expect(rtmpAddresses(settings, '::')).toEqual([
      { host: '::', port: 1935 },
      { host: '192.0.2.1', port: 1936 },
      { host: '2001:db8::1', port: 1935 },
      { host: '::', port: 443, secure: true },
    ]);
    expect(rtmpAddresses(settingsOf('rtmp.port=0'), '::')).toEqual([]);
    const twice = settingsOf('rtmp_listen=192.0.2.1:1935');
    expect(() => rtmpAddresses(twice, '192.0.2.1')).toThrow(/192\.0\.2\.1 port 1935 twice/);
  });

  test.each([
    'rtmp_listen=localhost:1935',
    'rtmp_listen=192.0.2.1',
    'rtmp_listen=192.0.2.1:99999',
    'rtp_activity_detecting=60',
    'rtp_activity_audio_exclude=(',
    'rtmp_reconnect_url=http://elsewhere/',
  ])('refuses %s', (set) => {
    expect(() => settingsOf(set)).toThrow();
  });

  test('turns keep-alive of RTMP off by its protocol list and by its algorithm', () => {
    expect(optionsOf().supervision.keepAlive).toBe(true);
    expect(optionsOf('keep_alive.enabled=websocket,rtmfp').supervision.keepAlive).toBe(false);
    expect(optionsOf('keep_alive.algorithm=NONE').supervision.keepAlive).toBe(false);
  });

  test('reads timeouts in seconds, with the switch of older builds', () => {
    expect(optionsOf('rtmp.server_socket_timeout=120').supervision.idleTimeoutMs).toBe(120_000);
    const off = optionsOf('rtmp.server_socket_timeout=120', 'rtmp.use_server_socket_timeout=false');
    expect(off.supervision.idleTimeoutMs).toBe(0);
  });

  test('checks media only when both switches are on, whole names only are excluded', () => {
    expect(optionsOf().activity.timeoutMs).toBe(0);
    expect(optionsOf('rtp_activity_rtmp=true', 'rtp_activity_detecting=false,60').activity.timeoutMs).toBe(0);
    const { activity } = optionsOf('rtp_activity_rtmp=true', 'rtp_activity_audio_exclude=.*-screen');
    expect(activity.timeoutMs).toBe(60_000);
    expect(activity.audioExclude?.test('my-screen')).toBe(true);
    expect(activity.audioExclude?.test('my-screen-2')).toBe(false);
  });

  test('has an in-buffer only when it is turned on', () => {
    expect(optionsOf().inBuffer).toBeUndefined();
    const { inBuffer } = optionsOf('rtmp_in_buffer_enabled=true', 'rtmp_in_buffer_start_size=700');
    expect(inBuffer).toMatchObject({ startSizeMs: 700, maxSizeMs: 2000, overflowRate: 0.15 });
  });

  test("leaves a kind out that WCS's SDP file has no section for", () => {
    const file = join(dataDir, 'flash_handler_publish.sdp');
    writeFileSync(file, 'v=0\r\nm=video 0 RTP/AVP 119\r\na=rtpmap:119 H264/90000\r\na=sendonly\r\n');
    const { publishMedia } = optionsOf();
    expect(publishMedia.audio.size).toBe(0);
    expect(publishMedia.video.has('h264')).toBe(true);
    writeFileSync(file, 'nothing of use');
    expect(() => optionsOf()).toThrow(/m=video/);
  });
});

describe('TLS identity', () => {
  const identity = (files: { certificateFile?: string; privateKeyFile?: string } = {}) =>
    tlsIdentity({ certificateFile: '', privateKeyFile: '', ...files, dataDir, host: '192.0.2.7', log: new TestLog() });

  test('is made once, for the addresses of the server, and kept where only its owner reads the key', async () => {
    const first = await identity();
    const certificate = new X509Certificate(first.cert);
    expect(certificate.checkIP('192.0.2.7')).toBe('192.0.2.7');
    expect(certificate.checkHost('localhost')).toBe('localhost');
    expect(statSync(join(dataDir, 'tls/private-key.pem')).mode & 0o077).toBe(0);
    expect(await identity()).toEqual(first);
  });

  test('comes from files, and says which are wrong', async () => {
    const made = await identity();
    writeFileSync(join(dataDir, 'c.pem'), made.cert);
    writeFileSync(join(dataDir, 'k.pem'), made.key);
    expect(await identity({ certificateFile: 'c.pem', privateKeyFile: 'k.pem' })).toEqual(made);
    await expect(identity({ certificateFile: 'c.pem' })).rejects.toThrow(/tls_private_key/);
    await expect(identity({ certificateFile: 'c.pem', privateKeyFile: 'c.pem' })).rejects.toThrow(/c\.pem/);
    await expect(identity({ certificateFile: 'no.pem', privateKeyFile: 'k.pem' })).rejects.toThrow(/no\.pem/);
  });
});
