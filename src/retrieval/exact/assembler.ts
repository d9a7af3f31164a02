/** Instructions or a part of a module, as they lie in a WebAssembly binary. */
export type Code = readonly number[];

/** A whole number in LEB128, as the format has them; `signed` for constants. */
export function leb128(value: number, { signed = false } = {}): Code {
  const bytes: number[] = [];
  for (let rest = value; ; rest >>= 7) {
    const low = rest & 0x7f;
    const ends = signed ? rest >> 6 === 0 || rest >> 6 === -1 : rest >> 7 === 0;
    bytes.push(ends ? low : low | 0x80);
    if (ends) return bytes;
  }
}

/** A list of parts with their number before them. */
const vector = (parts: readonly Code[]): Code => [...leb128(parts.length), ...parts.flat()];
const sized = (content: Code): Code => [...leb128(content.length), ...content];
const section = (id: number, content: Code): Code => [id, ...sized(content)];
const name = (text: string): Code => sized([...new TextEncoder().encode(text)]);

export const I32 = 0x7f;
export const V128 = 0x7b;

const simd = (code: number, ...immediates: Code): Code => [0xfd, ...leb128(code), ...immediates];
/** An address is the number on the stack and `offset`; the alignment is a hint alone. */
const at = (offset: number): Code => [0, ...leb128(offset)];

/** The instructions that are needed here, by the names of the specification, operands before the operation. */
export const op = {
  get: (local: number): Code => [0x20, ...leb128(local)],
  set: (local: number): Code => [0x21, ...leb128(local)],
  constant: (value: number): Code => [0x41, ...leb128(value, { signed: true })],
  add: [0x6a] as Code,
  subtract: [0x6b] as Code,
  greater: [0x4a] as Code,
  /** The first of two where the third is not 0, else the second. */
  select: [0x1b] as Code,
  store: (offset = 0): Code => [0x36, ...at(offset)],
  /** Runs once, and again as long as the number that it ends with is not 0. */
  repeatWhile: (body: Code): Code => [0x03, 0x40, ...body, 0x0d, 0x00, 0x0b],
  v128: {
    load: (offset = 0) => simd(0x00, ...at(offset)),
    /** Eight bytes as eight signed numbers of 16 bits. */
    load8x8: (offset = 0) => simd(0x01, ...at(offset)),
    constant: (int32: number) =>
      simd(0x0c, ...[0, 1, 2, 3].flatMap(() => [0, 8, 16, 24].map((shift) => (int32 >> shift) & 0xff))),
    add: simd(0xae),
    /** Products of eight numbers of 16 bits, neighbours added, as four of 32 bits. */
    dot16: simd(0xba),
    lane: (lane: number) => simd(0x1b, lane),
  },
};

export type Wasm = {
  /** Under which the function is exported. */
  name: string;
  parameters: readonly number[];
  locals: readonly number[];
  body: Code;
};

/** A module with one function, which returns one i32, over a memory that it imports as `env.memory`. */
export function wasmModule({ name: exported, parameters, locals, body }: Wasm): Uint8Array<ArrayBuffer> {
  const most = 65_536; // pages of 64 KiB, all that 32 bits can address
  const memory = [0x02, 0x01, ...leb128(0), ...leb128(most)];
  const declared = locals.map((type) => [...leb128(1), type]);
  return Uint8Array.from([
    ...[0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00], // magic number and version
    ...section(1, vector([[0x60, ...vector(parameters.map((type) => [type])), ...vector([[I32]])]])),
    ...section(2, vector([[...name('env'), ...name('memory'), ...memory]])),
    ...section(3, vector([leb128(0)])),
    ...section(7, vector([[...name(exported), 0x00, ...leb128(0)]])),
    ...section(10, vector([sized([...vector(declared), ...body, 0x0b])])),
  ]);
}
