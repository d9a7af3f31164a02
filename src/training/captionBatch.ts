/** Captions as rectangles of ids: plain numbers, so that nothing in flight needs disposing. */
export type CaptionBatch = {
  rows: number;
  time: number;
  /** the start token, then the words, then padding, [rows, time] */
  inputs: Int32Array;
  /** the words and the end token that should follow, padding left out, caption by caption, [wanted] */
  targets: Int32Array;
  /** where the targets belong, as row * time + t, [wanted] */
  wanted: Int32Array;
  /** 1 where a target belongs, 0 for padding, [rows, time] */
  mask: Float32Array;
};

export type SpecialIds = { startId: number; endId: number; padId: number };

/**
 * Lays captions out for teacher forcing: each is read from the start token and has to say its words and then the
 * end token. Time is that of the longest caption plus one.
 *
 * @param captions - ids without start and end; `maxLength` words at most are kept
 */
export function captionBatch(
  captions: readonly (readonly number[])[],
  special: SpecialIds,
  maxLength = Infinity,
): CaptionBatch {
  const cut = captions.map((tokens) => tokens.slice(0, maxLength));
  const rows = cut.length;
  const time = Math.max(...cut.map((tokens) => tokens.length)) + 1;
  const inputs = new Int32Array(rows * time).fill(special.padId);
  const mask = new Float32Array(rows * time);
  const targets: number[] = [];
  const wanted: number[] = [];
  for (const [row, tokens] of cut.entries()) {
    inputs.set([special.startId, ...tokens], row * time);
    mask.fill(1, row * time, row * time + tokens.length + 1);
    targets.push(...tokens, special.endId);
    for (let t = 0; t <= tokens.length; t++) wanted.push(row * time + t);
  }
  return { rows, time, inputs, targets: Int32Array.from(targets), wanted: Int32Array.from(wanted), mask };
}
