export type ThinProduct = { rows: number; inner: number; columns: number; transposeA: boolean; transposeB: boolean };

/** Writes the product of a matrix of few rows at `left` with one at `right`, neither of them moved beforehand. */
export function thinProduct(heap: Float32Array, left: number, right: number, to: number, product: ThinProduct): void {
  const { rows, inner, columns, transposeA, transposeB } = product;
  const step = transposeA ? rows : 1; // from one value of a row on the left to the next
  for (let row = 0; row < rows; row++) {
    const from = transposeA ? left + row : left + row * inner;
    if (transposeB) dotRows(heap, from, step, right, to + row * columns, inner, columns);
    else addScaledRows(heap, from, step, right, to + row * columns, inner, columns);
  }
}

/** Every value is the sum of the left row times one row on the right. Four sums at a time keep the processor busy. */
function dotRows(
  heap: Float32Array,
  left: number,
  step: number,
  right: number,
  to: number,
  inner: number,
  columns: number,
): void {
  const inFours = inner - (inner % 4);
  for (let column = 0; column < columns; column++) {
    let [a, b, c, d] = [0, 0, 0, 0];
    const r = right + column * inner;
    for (let i = 0, l = left; i < inFours; i += 4, l += 4 * step) {
      a += heap[l]! * heap[r + i]!;
      b += heap[l + step]! * heap[r + i + 1]!;
      c += heap[l + 2 * step]! * heap[r + i + 2]!;
      d += heap[l + 3 * step]! * heap[r + i + 3]!;
    }
    for (let i = inFours; i < inner; i++) a += heap[left + i * step]! * heap[r + i]!;
    heap[to + column] = a + b + (c + d);
  }
}

/** The sum of the rows on the right, each times one value of the left row. */
function addScaledRows(
  heap: Float32Array,
  left: number,
  step: number,
  right: number,
  to: number,
  inner: number,
  columns: number,
): void {
  heap.fill(0, to, to + columns);
  const inFours = inner - (inner % 4);
  for (let i = 0; i < inFours; i += 4) {
    const [a, b, c, d] = [
      heap[left + i * step]!,
      heap[left + (i + 1) * step]!,
      heap[left + (i + 2) * step]!,
      heap[left + (i + 3) * step]!,
    ];
    const first = right + i * columns;
    const [second, third, fourth] = [first + columns, first + 2 * columns, first + 3 * columns];
    for (let column = 0; column < columns; column++)
      heap[to + column]! +=
        a * heap[first + column]! +
        b * heap[second + column]! +
        (c * heap[third + column]! + d * heap[fourth + column]!);
  }
  for (let i = inFours; i < inner; i++) {
    const scale = heap[left + i * step]!;
    const row = right + i * columns;
    for (let column = 0; column < columns; column++) heap[to + column]! += scale * heap[row + column]!;
  }
}
