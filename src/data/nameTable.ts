const encoder = new TextEncoder();
const decoder = new TextDecoder();

/**
 * Different names, numbered from 0 in the order in which they came, in about 12 bytes each beside their own: a million
 * pictures take some 40 MB, where a `Map` of strings takes several times that.
 */
export class NameTable {
  private bytes = new Uint8Array(1024);
  /** Name i ends at `ends[i]`, and begins where the one before it ends. */
  private ends = new Float64Array(64);
  /** Open addressing: 1 + the number of a name, 0 where a place is free. */
  private places = new Int32Array(128);
  private count = 0;

  get size(): number {
    return this.count;
  }

  /** The number of a name, which is entered if it is new. */
  add(name: string): number {
    const bytes = encoder.encode(name);
    const place = this.placeOf(bytes);
    if (this.places[place]! > 0) return this.places[place]! - 1;
    this.append(bytes);
    this.places[place] = this.count;
    if (this.count * 2 > this.places.length) this.rehash();
    return this.count - 1;
  }

  /** Enters a name; whether it is new. */
  isNew(name: string): boolean {
    const before = this.count;
    this.add(name);
    return this.count > before;
  }

  /** The number of a name; undefined where it was never entered. */
  indexOf(name: string): number | undefined {
    const found = this.places[this.placeOf(encoder.encode(name))]!;
    return found > 0 ? found - 1 : undefined;
  }

  has(name: string): boolean {
    return this.indexOf(name) !== undefined;
  }

  /** The name of a number below `size`. */
  at(index: number): string {
    return decoder.decode(this.bytesAt(index));
  }

  private bytesAt(index: number): Uint8Array {
    return this.bytes.subarray(index === 0 ? 0 : this.ends[index - 1]!, this.ends[index]!);
  }

  private append(bytes: Uint8Array): void {
    const start = this.count === 0 ? 0 : this.ends[this.count - 1]!;
    while (start + bytes.length > this.bytes.length) this.bytes = grown(this.bytes, Uint8Array);
    if (this.count === this.ends.length) this.ends = grown(this.ends, Float64Array);
    this.bytes.set(bytes, start);
    this.ends[this.count++] = start + bytes.length;
  }

  /** Where a name lies in `places`, or the free place for it. */
  private placeOf(bytes: Uint8Array): number {
    const mask = this.places.length - 1;
    for (let place = hashOf(bytes) & mask; ; place = (place + 1) & mask) {
      const found = this.places[place]!;
      if (found === 0 || same(this.bytesAt(found - 1), bytes)) return place;
    }
  }

  private rehash(): void {
    this.places = new Int32Array(this.places.length * 2);
    const mask = this.places.length - 1;
    for (let index = 0; index < this.count; index++) {
      let place = hashOf(this.bytesAt(index)) & mask;
      while (this.places[place]! > 0) place = (place + 1) & mask;
      this.places[place] = index + 1;
    }
  }
}

/** The same numbers with as much room again. */
export function grown<A extends Uint8Array | Int32Array | Uint32Array | Float64Array>(
  array: A,
  kind: new (length: number) => A,
): A {
  const larger = new kind(array.length * 2);
  larger.set(array);
  return larger;
}

function hashOf(bytes: Uint8Array): number {
  let h = 0x811c9dc5; // FNV-1a, then mixed: its low bits alone are poor
  for (let i = 0; i < bytes.length; i++) h = Math.imul(h ^ bytes[i]!, 0x01000193);
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  return (h ^ (h >>> 13)) >>> 0;
}

function same(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}
