/** Texts laid out for one pass: ids [rows, time], and 1 where there is padding. */
export type TextBatch = { rows: number; time: number; tokens: Int32Array; padding: Float32Array };

/** Lays texts of unequal lengths out as a rectangle, with padding at the ends. */
export function textBatch(texts: readonly (readonly number[])[], padId: number): TextBatch {
  const [rows, time] = [texts.length, Math.max(0, ...texts.map(({ length }) => length))];
  const tokens = new Int32Array(rows * time).fill(padId);
  const padding = new Float32Array(rows * time).fill(1);
  for (const [row, ids] of texts.entries()) {
    tokens.set(ids, row * time);
    padding.fill(0, row * time, row * time + ids.length);
  }
  return { rows, time, tokens, padding };
}
