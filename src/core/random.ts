/** Mixes a 32-bit number so that neighbouring inputs give unrelated outputs (the finaliser of MurmurHash3). */
function mix(value: number): number {
  let h = value | 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

function hash(text: string, seed: number): number {
  let h = mix(seed ^ text.length);
  for (let i = 0; i < text.length; i++) h = mix(h ^ Math.imul(text.charCodeAt(i) + 1, 0x9e3779b1));
  return h;
}

/**
 * A named source of randomness. What is drawn depends on the seed and on the names of the forks alone, never on
 * how much was drawn before: `new Random(7).fork('dropout').fork(step)` is the same in a resumed run.
 */
export class Random {
  /** A whole number in [0, 2^31), to be handed to an operation that takes a seed. */
  readonly seed: number;

  constructor(seed: number) {
    if (!Number.isInteger(seed)) throw new RangeError(`seed is ${seed} but should be a whole number, such as 7.`);
    this.seed = mix(seed) & 0x7fffffff;
  }

  /** An independent source under this one. */
  fork(name: string | number): Random {
    return new Random(hash(`${typeof name}:${name}`, this.seed));
  }

  /** `count` numbers, uniform in [0, 1), from this source (always the same ones). */
  uniform(count: number): Float32Array {
    const values = new Float32Array(count);
    // xoshiro128**, Blackman and Vigna 2018, https://prng.di.unimi.it/xoshiro128starstar.c
    let [a, b, c, d] = [1, 2, 3, 4].map((lane) => mix(this.seed + Math.imul(lane, 0x9e3779b9))) as [
      number,
      number,
      number,
      number,
    ];
    for (let i = 0; i < count; i++) {
      const scrambled = Math.imul(b, 5);
      values[i] = (Math.imul((scrambled << 7) | (scrambled >>> 25), 9) >>> 8) / 0x1000000;
      const shifted = b << 9;
      c ^= a;
      d ^= b;
      b ^= c;
      a ^= d;
      c ^= shifted;
      d = (d << 11) | (d >>> 21);
    }
    return values;
  }

  /** `count` numbers from the standard normal distribution (Box and Muller 1958). */
  normal(count: number): Float32Array {
    const pairs = this.uniform(2 * count);
    return Float32Array.from({ length: count }, (_, i) => {
      const radius = Math.sqrt(-2 * Math.log(1 - pairs[2 * i]!));
      return radius * Math.cos(2 * Math.PI * pairs[2 * i + 1]!);
    });
  }

  /** The items in an order that depends on this source alone (Fisher and Yates). */
  shuffle<T>(items: readonly T[]): T[] {
    const shuffled = [...items];
    const draws = this.uniform(shuffled.length);
    for (let i = shuffled.length - 1; i > 0; i--) {
      const j = Math.floor(draws[i]! * (i + 1));
      [shuffled[i], shuffled[j]] = [shuffled[j]!, shuffled[i]!];
    }
    return shuffled;
  }
}
