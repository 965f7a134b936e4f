import { ProtocolError } from '../packet.ts';
import { type AmfObject, type AmfValue, ByteCursor, MAX_DEPTH, ValueBudget } from './amf-value.ts';
import { readAmf3 } from './amf3.ts';
import { ByteWriter } from './byte-writer.ts';
import { encodeUtf8 } from './utf8.ts';

const MARKER = {
  number: 0x00,
  boolean: 0x01,
  string: 0x02,
  object: 0x03,
  null: 0x05,
  undefined: 0x06,
  reference: 0x07,
  ecmaArray: 0x08,
  objectEnd: 0x09,
  strictArray: 0x0a,
  date: 0x0b,
  longString: 0x0c,
  unsupported: 0x0d,
  xml: 0x0f,
  typedObject: 0x10,
  amf3: 0x11,
} as const;

/**
 * Reads all AMF0 values of a message (Adobe "AMF 0", 2007), following the switch to AMF3 where it occurs.
 * @throws ProtocolError AMF_BAD_VALUE for unknown markers, truncation, and values too deep or too many
 */
export function decodeAmf0(data: Uint8Array): AmfValue[] {
  const cursor = new ByteCursor(data);
  const budget = new ValueBudget();
  const values: AmfValue[] = [];
  while (cursor.left > 0) values.push(readValue(cursor, { budget, depth: 0 }));
  return values;
}

interface Context {
  readonly budget: ValueBudget;
  readonly depth: number;
}

function readValue(cursor: ByteCursor, context: Context): AmfValue {
  context.budget.spend();
  if (context.depth > MAX_DEPTH) throw new ProtocolError('AMF_BAD_VALUE', `values nested deeper than ${MAX_DEPTH}`);
  const marker = cursor.u8();
  switch (marker) {
    case MARKER.number:
      return cursor.f64();
    case MARKER.boolean:
      return cursor.u8() !== 0;
    case MARKER.string:
      return cursor.utf8(cursor.u16());
    case MARKER.longString:
    case MARKER.xml:
      return cursor.utf8(cursor.u32());
    case MARKER.null:
      return null;
    case MARKER.undefined:
    case MARKER.unsupported:
      return undefined;
    case MARKER.reference:
      // Not followed: no encoder needs them, and they can make a small message a huge or cyclic tree.
      cursor.u16();
      return undefined;
    case MARKER.object:
      return readProperties(cursor, context);
    case MARKER.typedObject:
      cursor.utf8(cursor.u16());
      return readProperties(cursor, context);
    case MARKER.ecmaArray:
      // The count is a hint only: encoders write wrong ones, the end marker decides.
      cursor.u32();
      return readProperties(cursor, context);
    case MARKER.strictArray:
      return readStrictArray(cursor, context);
    case MARKER.date: {
      const time = cursor.f64();
      cursor.u16();
      return time;
    }
    case MARKER.amf3:
      return readAmf3(cursor, context.budget);
    default:
      throw new ProtocolError('AMF_BAD_VALUE', `unknown AMF0 marker 0x${marker.toString(16)}`);
  }
}

function readProperties(cursor: ByteCursor, context: Context): AmfObject {
  const object: AmfObject = Object.create(null) as AmfObject;
  const inner = { ...context, depth: context.depth + 1 };
  for (;;) {
    // Some encoders end a message inside an ECMA array without its end marker.
    if (cursor.left === 0) return object;
    const name = cursor.utf8(cursor.u16());
    if (name === '' && cursor.left > 0 && cursor.peek() === MARKER.objectEnd) {
      cursor.u8();
      return object;
    }
    object[name] = readValue(cursor, inner);
  }
}

function readStrictArray(cursor: ByteCursor, context: Context): AmfValue[] {
  const count = cursor.u32();
  if (count > cursor.left) throw new ProtocolError('AMF_BAD_VALUE', `array of ${count} values in ${cursor.left} bytes`);
  const array: AmfValue[] = [];
  const inner = { ...context, depth: context.depth + 1 };
  for (let i = 0; i < count; i++) array.push(readValue(cursor, inner));
  return array;
}

/** Writes values as AMF0. Objects become anonymous objects; `undefined` properties are left out. */
export function encodeAmf0(...values: readonly AmfValue[]): Uint8Array {
  const writer = new ByteWriter();
  for (const value of values) writeValue(writer, value);
  return writer.bytes();
}

/** Strings may be repeated by reference in AMF3 at no cost to the sender; what we write out of them is bounded. */
const MAX_ENCODED_BYTES = 256 * 1024;

/**
 * Writes one object as an ECMA array, the form that players expect for onMetaData.
 * @throws ProtocolError AMF_BAD_VALUE when it takes more than 256 KiB
 */
export function encodeEcmaArray(object: AmfObject): Uint8Array {
  const writer = new ByteWriter(MAX_ENCODED_BYTES);
  writeObject(writer, object, MARKER.ecmaArray);
  return writer.bytes();
}

function writeValue(writer: ByteWriter, value: AmfValue): void {
  if (value === null) return writer.u8(MARKER.null);
  if (value === undefined) return writer.u8(MARKER.undefined);
  switch (typeof value) {
    case 'number':
      writer.u8(MARKER.number);
      return writer.f64(value);
    case 'boolean':
      writer.u8(MARKER.boolean);
      return writer.u8(value ? 1 : 0);
    case 'string':
      return writeString(writer, value);
    default:
      return Array.isArray(value) ? writeArray(writer, value) : writeObject(writer, value, MARKER.object);
  }
}

function writeString(writer: ByteWriter, value: string): void {
  const bytes = encodeUtf8(value);
  const long = bytes.length > 0xffff;
  writer.u8(long ? MARKER.longString : MARKER.string);
  if (long) writer.u32(bytes.length);
  else writer.u16(bytes.length);
  writer.raw(bytes);
}

function writeArray(writer: ByteWriter, array: readonly AmfValue[]): void {
  writer.u8(MARKER.strictArray);
  writer.u32(array.length);
  for (const item of array) writeValue(writer, item);
}

function writeObject(writer: ByteWriter, object: AmfObject, marker: number): void {
  writer.u8(marker);
  if (marker === MARKER.ecmaArray) writer.u32(Object.keys(object).length);
  for (const [name, value] of Object.entries(object)) {
    if (value === undefined) continue;
    const bytes = encodeUtf8(name).subarray(0, 0xffff);
    writer.u16(bytes.length);
    writer.raw(bytes);
    writeValue(writer, value);
  }
  writer.u16(0);
  writer.u8(MARKER.objectEnd);
}
