// Bits of one float32, seen both ways. Typed arrays have the byte order of the machine, so nothing here depends on it.
const float = new Float32Array(1);
const bits = new Uint32Array(float.buffer);

let table: Float32Array | undefined;

/** Every half-precision number by its bits, made at first use (256 KiB). */
function halves(): Float32Array {
  if (table) return table;
  table = new Float32Array(0x10000);
  for (let half = 0; half < table.length; half++) {
    const exponent = (half >> 10) & 0x1f;
    const fraction = half & 0x3ff;
    const size =
      exponent === 0x1f
        ? fraction === 0
          ? Infinity
          : NaN
        : exponent === 0
          ? fraction * 2 ** -24
          : (1024 + fraction) * 2 ** (exponent - 25);
    table[half] = half & 0x8000 ? -size : size;
  }
  return table;
}

/** Bits of half precision (IEEE 754 binary16) to numbers, exactly. */
export function float16ToFloat32(half: Uint16Array): Float32Array {
  const numbers = halves();
  const values = new Float32Array(half.length);
  for (let i = 0; i < half.length; i++) values[i] = numbers[half[i]!]!;
  return values;
}

/** Bits of bfloat16, the upper half of a float32, to numbers, exactly. */
export function bfloat16ToFloat32(brain: Uint16Array): Float32Array {
  const values = new Uint32Array(brain.length);
  for (let i = 0; i < brain.length; i++) values[i] = brain[i]! << 16;
  return new Float32Array(values.buffer);
}

/**
 * Numbers to bits of half precision, to the nearest and from the middle to the even one, as IEEE 754 says: what is
 * 65520 or larger becomes infinite, what is 2^-25 or smaller becomes zero.
 */
export function float32ToFloat16(values: Float32Array): Uint16Array {
  const halves = new Uint16Array(values.length);
  const source = new Uint32Array(values.buffer, values.byteOffset, values.length);
  for (let i = 0; i < source.length; i++) {
    const sign = (source[i]! >>> 16) & 0x8000;
    const size = source[i]! & 0x7fffffff;
    if (size > 0x7f800000) halves[i] = sign | 0x7e00;
    else if (size >= 0x477ff000) halves[i] = sign | 0x7c00;
    else if (size >= 0x38800000) halves[i] = sign | ((size - 0x38000000 + 0xfff + ((size >>> 13) & 1)) >>> 13);
    else {
      // Float32 numbers from 0.5 on lie 2^-24 apart, as subnormal halves do: the sum rounds where the half would.
      bits[0] = size;
      float[0] = float[0]! + 0.5;
      halves[i] = sign | (bits[0]! - 0x3f000000);
    }
  }
  return halves;
}

/** Numbers to bits of bfloat16, to the nearest and from the middle to the even one. */
export function float32ToBfloat16(values: Float32Array): Uint16Array {
  const brain = new Uint16Array(values.length);
  const source = new Uint32Array(values.buffer, values.byteOffset, values.length);
  for (let i = 0; i < source.length; i++) {
    const value = source[i]!;
    const size = value & 0x7fffffff;
    brain[i] = size > 0x7f800000 ? (value >>> 16) | 0x40 : (value + 0x7fff + ((value >>> 16) & 1)) >>> 16;
  }
  return brain;
}
