import { expect } from 'vitest';
import { HandmadeClient, type HandmadeServer } from './handmade.ts';
import type { OwnIdentity } from './identities.ts';
import { createEnd, type EndOptions } from './pair.ts';

/** Who is there: we, and the peer that we expect and that somebody may pretend to be. */
export interface Scene {
  readonly own: OwnIdentity;
  readonly victim: OwnIdentity;
}

/** A client made by hand against a server of ours that expects the victim. */
export function attackServer(scene: Scene, options: EndOptions = {}): HandmadeClient {
  const { own, victim } = scene;
  return new HandmadeClient(createEnd('server', own, { remoteFingerprints: victim.fingerprints, ...options }));
}

/** The client's handshake until ChangeCipherSpec is due, as the victim would do it. */
export function clientUntilChangeCipherSpec(scene: Scene): HandmadeClient {
  const client = attackServer(scene);
  client.hello();
  client.certificate(scene.victim.certificate.certificate);
  client.keyExchange();
  client.verify(scene.victim.certificate.privateKey);
  return client;
}

/** The client's whole handshake, as the victim would do it. */
export function connectClient(scene: Scene): HandmadeClient {
  const client = clientUntilChangeCipherSpec(scene);
  client.changeCipherSpec();
  client.finished();
  expect(client.end.association.connected).toBe(true);
  return client;
}

/** Our end has closed for this reason and told the peer with this fatal alert; it was never connected. */
export function expectRefused(peer: HandmadeClient | HandmadeServer, detail: RegExp, alert: number): void {
  const { association, keys, closed } = peer.end;
  expect(keys).toEqual([]);
  expect(association.connected).toBe(false);
  expect(closed).toHaveLength(1);
  expect(closed[0]?.detail).toMatch(detail);
  expect(peer.alerts.at(-1)?.slice(1)).toEqual([2, alert]);
}

/** Our end still waits: it is not connected, and not closed either. */
export function expectWaiting(peer: HandmadeClient | HandmadeServer): void {
  expect(peer.end.keys).toEqual([]);
  expect(peer.end.association.connected).toBe(false);
  expect(peer.end.closed).toEqual([]);
}
