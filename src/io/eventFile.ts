import { crc32c } from './crc32c';

/** Numbers of one moment of a training, by name; names with the same beginning up to `/` are shown together. */
export type Scalars = Readonly<Record<string, number>>;

/**
 * The beginning of a file of events, which TensorBoard reads where its name has `tfevents` in it.
 *
 * @param seconds - since 1970
 */
export const eventFileStart = (seconds: number): Uint8Array =>
  record(message([double(1, seconds), text(3, 'brain.Event:2')]));

/**
 * Numbers of a step, to be appended to a file of events.
 *
 * @see TensorFlow, event.proto and summary.proto: `Event { wall_time = 1, step = 2, summary = 5 }`, `Summary.Value { tag = 1,
 * simple_value = 2 }`
 */
export function scalarEvent(seconds: number, step: number, scalars: Scalars): Uint8Array {
  const values = Object.entries(scalars).map(([name, value]) => bytes(1, message([text(1, name), float(2, value)])));
  return record(message([double(1, seconds), whole(2, step), bytes(5, message(values))]));
}

/** A record of TensorFlow's files: its length, the checksum of that, the bytes, and their checksum. */
function record(data: Uint8Array): Uint8Array {
  const framed = new Uint8Array(16 + data.length);
  const view = new DataView(framed.buffer);
  view.setBigUint64(0, BigInt(data.length), true);
  view.setUint32(8, masked(framed.subarray(0, 8)), true);
  framed.set(data, 12);
  view.setUint32(12 + data.length, masked(data), true);
  return framed;
}

/** A checksum, turned, so that one of data that hold checksums is no worse. @see TensorFlow, lib/hash/crc32c.h: `Mask` */
function masked(data: Uint8Array): number {
  const crc = crc32c(data);
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
}

// The four kinds of fields of protocol buffers that events have: number * 8 + wire type, then the value.
const message = (fields: readonly Uint8Array[]): Uint8Array => {
  const joined = new Uint8Array(fields.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const field of fields) {
    joined.set(field, at);
    at += field.length;
  }
  return joined;
};

function double(field: number, value: number): Uint8Array {
  const written = new Uint8Array(9);
  written[0] = field * 8 + 1;
  new DataView(written.buffer).setFloat64(1, value, true);
  return written;
}

function float(field: number, value: number): Uint8Array {
  const written = new Uint8Array(5);
  written[0] = field * 8 + 5;
  new DataView(written.buffer).setFloat32(1, value, true);
  return written;
}

const whole = (field: number, value: number) => Uint8Array.of(field * 8, ...varint(value));
const bytes = (field: number, value: Uint8Array) =>
  message([Uint8Array.of(field * 8 + 2, ...varint(value.length)), value]);
const text = (field: number, value: string) => bytes(field, new TextEncoder().encode(value));

/** Seven bits a byte, the lowest first; all but the last have the eighth set. */
function varint(value: number): number[] {
  const written: number[] = [];
  let rest = value;
  for (; rest >= 128; rest = Math.floor(rest / 128)) written.push((rest % 128) | 128);
  written.push(rest);
  return written;
}
