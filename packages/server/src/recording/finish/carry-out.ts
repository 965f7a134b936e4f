import { createHash, type Hash } from 'node:crypto';
import { closeSync, fdatasyncSync, fsyncSync, ftruncateSync, openSync, rmSync, statfsSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import type { InPlacePlan, RewritePlan } from '@sluice/media';
import { type LocalFile, syncNameSync } from './local-file.ts';

/** What is copied at once. */
const CHUNK_BYTES = 1024 * 1024;
/**
 * Written data is handed to the disk in steps of this, so that it never has much at once: the syncs of recordings that
 * run would wait for all of it.
 */
const SYNC_BYTES = 32 * 1024 * 1024;

/** Told how much was done, 0 to 1. */
export type Tell = (progress: number) => void;

/** A new file, and its SHA-256. */
export interface MadeFile {
  readonly bytes: number;
  readonly sha256: string;
}

/** Thrown when a file would leave less room than recordings need that run. */
export class NoRoomError extends Error {
  readonly code = 'ENOSPC';
}

/** @throws NoRoomError unless the disk of a path has room for a file of that size, and `reserveBytes` more */
export function expectRoom(path: string, bytes: number, reserveBytes: number): void {
  const { bavail, bsize } = statfsSync(dirname(path));
  const freeBytes = bavail * bsize;
  if (freeBytes >= bytes + reserveBytes) return;
  throw new NoRoomError(`${bytes} bytes are needed, ${freeBytes} are free on the disk`);
}

/** Makes a file where it is a finished one; until the last patch it is what it was. */
export function carryOutInPlace(file: LocalFile, plan: InPlacePlan): void {
  const { descriptor } = file;
  ftruncateSync(descriptor, plan.truncateTo);
  try {
    let position = plan.truncateTo;
    for (const bytes of plan.append) {
      writeAll(descriptor, bytes, position);
      position += bytes.length;
    }
    fsyncSync(descriptor);
  } catch (error) {
    ftruncateSync(descriptor, plan.truncateTo);
    throw error;
  }
  for (const { offset, bytes } of plan.patches) writeAll(descriptor, bytes, offset);
  fsyncSync(descriptor);
}

/** Makes a new file of ranges of another one; nothing is left of it when that fails. */
export function carryOutRewrite(source: LocalFile, plan: RewritePlan, { target, tell }: Target): MadeFile {
  return makeFile(target, (output) => {
    output.write(plan.head);
    for (const { offset, length } of plan.copies()) {
      output.copy(source, offset, length);
      tell(output.bytes / plan.byteLength);
    }
    if (output.bytes !== plan.byteLength) {
      throw new Error(`the new file has ${output.bytes} bytes instead of ${plan.byteLength}`);
    }
  });
}

/** Makes a copy of a file. */
export function copyFile(source: LocalFile, bytes: number, { target, tell }: Target): MadeFile {
  return makeFile(target, (output) => {
    while (output.bytes < bytes) {
      output.copy(source, output.bytes, Math.min(CHUNK_BYTES, bytes - output.bytes));
      tell(output.bytes / bytes);
    }
  });
}

/** Reads a file through for its SHA-256. */
export function digestOf(file: LocalFile, bytes: number, tell: Tell): string {
  const hash = createHash('sha256');
  const buffer = new Uint8Array(CHUNK_BYTES);
  for (let at = 0; at < bytes; at += CHUNK_BYTES) {
    const piece = buffer.subarray(0, Math.min(CHUNK_BYTES, bytes - at));
    file.readInto(piece, at);
    hash.update(piece);
    tell((at + piece.length) / bytes);
  }
  return hash.digest('hex');
}

interface Target {
  /** Path of the new file. */
  readonly target: string;
  readonly tell: Tell;
}

function makeFile(target: string, fill: (output: Output) => void): MadeFile {
  const descriptor = openSync(target, 'w', 0o640);
  try {
    const output = new Output(descriptor);
    fill(output);
    const made = output.end();
    closeSync(descriptor);
    syncNameSync(target);
    return made;
  } catch (error) {
    closeSync(descriptor);
    rmSync(target, { force: true });
    throw error;
  }
}

/** A file that grows, in large writes, and is hashed on the way. */
class Output {
  readonly #descriptor: number;
  readonly #hash: Hash = createHash('sha256');
  readonly #buffer = new Uint8Array(CHUNK_BYTES);
  #filled = 0;
  #written = 0;
  #synced = 0;

  constructor(descriptor: number) {
    this.#descriptor = descriptor;
  }

  get bytes(): number {
    return this.#written + this.#filled;
  }

  write(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; ) {
      const room = this.#room();
      const piece = bytes.subarray(at, at + room.length);
      room.set(piece);
      this.#filled += piece.length;
      at += piece.length;
    }
  }

  copy(source: LocalFile, offset: number, length: number): void {
    for (let done = 0; done < length; ) {
      const room = this.#room();
      const piece = room.subarray(0, Math.min(room.length, length - done));
      source.readInto(piece, offset + done);
      this.#filled += piece.length;
      done += piece.length;
    }
  }

  end(): MadeFile {
    this.#flush();
    fsyncSync(this.#descriptor);
    return { bytes: this.#written, sha256: this.#hash.digest('hex') };
  }

  #room(): Uint8Array {
    if (this.#filled === this.#buffer.length) this.#flush();
    return this.#buffer.subarray(this.#filled);
  }

  #flush(): void {
    const bytes = this.#buffer.subarray(0, this.#filled);
    this.#hash.update(bytes);
    writeAll(this.#descriptor, bytes, this.#written);
    this.#written += this.#filled;
    this.#filled = 0;
    if (this.#written - this.#synced < SYNC_BYTES) return;
    fdatasyncSync(this.#descriptor);
    this.#synced = this.#written;
  }
}

/** Writes all of it at a place. */
export function writeAll(descriptor: number, bytes: Uint8Array, position: number): void {
  let done = 0;
  while (done < bytes.length) done += writeSync(descriptor, bytes, done, bytes.length - done, position + done);
}
