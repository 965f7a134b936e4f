import { ProtocolError } from '../packet.ts';
import { type AmfObject, type AmfValue, type ByteCursor, MAX_DEPTH, type ValueBudget } from './amf-value.ts';

interface Traits {
  readonly dynamic: boolean;
  readonly names: readonly string[];
}

/**
 * Reference tables of an AMF3 stream (Adobe "AMF 3" §2.2), and the bounds of this message. References to objects are
 * not followed: no encoder needs them, and they can make a small message a huge or cyclic tree.
 */
interface Context {
  readonly strings: string[];
  readonly traits: Traits[];
  readonly budget: ValueBudget;
}

/** Most sealed members of a class; each costs at least one byte on the wire as well. */
const MAX_TRAIT_NAMES = 256;

/**
 * Reads one AMF3 value (Adobe "AMF 3", 2013), as found after the AMF0 switch marker.
 * @throws ProtocolError AMF_BAD_VALUE
 */
export function readAmf3(cursor: ByteCursor, budget: ValueBudget): AmfValue {
  return readValue(cursor, { strings: [], traits: [], budget }, 0);
}

/** Reads an unsigned integer of 1 to 4 bytes, 29 bits (§1.3.1). */
function readU29(cursor: ByteCursor): number {
  let value = 0;
  for (let i = 0; i < 3; i++) {
    const byte = cursor.u8();
    value = (value << 7) | (byte & 0x7f);
    if (byte < 0x80) return value;
  }
  return (value << 8) | cursor.u8();
}

function readValue(cursor: ByteCursor, context: Context, depth: number): AmfValue {
  context.budget.spend();
  if (depth > MAX_DEPTH) throw new ProtocolError('AMF_BAD_VALUE', `values nested deeper than ${MAX_DEPTH}`);
  const marker = cursor.u8();
  switch (marker) {
    case 0x00:
      return undefined;
    case 0x01:
      return null;
    case 0x02:
      return false;
    case 0x03:
      return true;
    case 0x04:
      // Sign-extend 29 bits.
      return (readU29(cursor) << 3) >> 3;
    case 0x05:
      return cursor.f64();
    case 0x06:
      return readString(cursor, context);
    case 0x07:
    case 0x0b:
      return readReferenced(cursor, (length) => cursor.utf8(length));
    case 0x08:
      return readReferenced(cursor, () => cursor.f64());
    case 0x09:
      return readArray(cursor, context, depth);
    case 0x0a:
      return readObject(cursor, context, depth);
    case 0x0c:
      return readReferenced(cursor, (length) => {
        cursor.skip(length);
        return null;
      });
    default:
      throw new ProtocolError('AMF_BAD_VALUE', `AMF3 marker 0x${marker.toString(16)} is not supported`);
  }
}

function readString(cursor: ByteCursor, context: Context): string {
  const header = readU29(cursor);
  if ((header & 1) === 0) return context.strings[header >> 1] ?? '';
  const text = cursor.utf8(header >> 1);
  if (text !== '') context.strings.push(text);
  return text;
}

function readReferenced(cursor: ByteCursor, read: (length: number) => AmfValue): AmfValue {
  const header = readU29(cursor);
  if ((header & 1) === 0) return undefined;
  return read(header >> 1);
}

function readArray(cursor: ByteCursor, context: Context, depth: number): AmfValue {
  const header = readU29(cursor);
  if ((header & 1) === 0) return undefined;
  const count = header >> 1;
  if (count > cursor.left) throw new ProtocolError('AMF_BAD_VALUE', `array of ${count} values in ${cursor.left} bytes`);
  const named: AmfObject = Object.create(null) as AmfObject;
  const dense: AmfValue[] = [];
  let hasNames = false;
  for (let name = readString(cursor, context); name !== ''; name = readString(cursor, context)) {
    named[name] = readValue(cursor, context, depth + 1);
    hasNames = true;
  }
  for (let i = 0; i < count; i++) dense.push(readValue(cursor, context, depth + 1));
  if (!hasNames) return dense;
  for (const [i, value] of dense.entries()) named[i] = value;
  return named;
}

function readObject(cursor: ByteCursor, context: Context, depth: number): AmfValue {
  const header = readU29(cursor);
  if ((header & 1) === 0) return undefined;
  const traits = readTraits(cursor, context, header);
  const object: AmfObject = Object.create(null) as AmfObject;
  for (const name of traits.names) object[name] = readValue(cursor, context, depth + 1);
  if (!traits.dynamic) return object;
  for (let name = readString(cursor, context); name !== ''; name = readString(cursor, context)) {
    object[name] = readValue(cursor, context, depth + 1);
  }
  return object;
}

function readTraits(cursor: ByteCursor, context: Context, header: number): Traits {
  if ((header & 2) === 0) {
    const known = context.traits[header >> 2];
    if (known === undefined) throw new ProtocolError('AMF_BAD_VALUE', 'reference to unknown AMF3 traits');
    return known;
  }
  if ((header & 4) !== 0) throw new ProtocolError('AMF_BAD_VALUE', 'externalizable AMF3 objects are not supported');
  readString(cursor, context);
  const count = header >> 4;
  if (count > MAX_TRAIT_NAMES) throw new ProtocolError('AMF_BAD_VALUE', `AMF3 class of ${count} members`);
  const names: string[] = [];
  for (let i = 0; i < count; i++) names.push(readString(cursor, context));
  context.budget.spend(count);
  const traits = { dynamic: (header & 8) !== 0, names };
  context.traits.push(traits);
  return traits;
}
