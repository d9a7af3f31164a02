import { expectWhole, UsageError } from '../../core/errors';
import { CodeMemory, MOST_NUMBERS, SEGMENT_ROWS } from './memory';
import { quantiseQuery, quantiseRow, unitScale } from './quantise';

export type VectorType = 'float32' | 'int8';

/** What is known of the rows of a segment beside their codes. */
type Segment = {
  /** The rows themselves, [rows, size]; undefined where the codes are all that is kept. */
  values: Float32Array | undefined;
  /** A row is scale * codes and a rest that is at most `residual` long. */
  scales: Float32Array;
  residuals: Float32Array;
  /** No scale and no residual of the segment is above these. */
  largestScale: number;
  largestResidual: number;
};

/** A query whose codes lie in the memory, until the next one's do. */
export type Query = {
  vector: Float64Array;
  /** What a whole-number product times the scale of its row is to be multiplied by. */
  scale: number;
  /** How far a product of codes can be off because of the query's own codes; that of the row comes on top. */
  slack: number;
};

/** Room for what float64 rounds away in a bound. */
const ROUNDING = 1e-9;

/**
 * Rows of length 1, with the int8 codes that search looks at first. With `int8` the codes are all that is kept, and a row is
 * the direction of its codes.
 */
export class VectorTable {
  readonly memory: CodeMemory;
  readonly segments: Segment[] = [];
  private rows = 0;
  /** What is being appended: a new array for each would take longer than all else. */
  private readonly row: Float32Array;

  /** @param plain - do without SIMD */
  constructor(
    readonly size: number,
    readonly type: VectorType,
    plain = false,
  ) {
    expectWhole('size', size, 1);
    if (size > MOST_NUMBERS) throw new UsageError(`size is ${size} but can be ${MOST_NUMBERS} at most.`);
    if (type !== 'float32' && type !== 'int8')
      throw new UsageError(`type is '${type}' but should be 'float32' or 'int8'.`);
    this.memory = new CodeMemory(size, plain);
    this.row = new Float32Array(size);
  }

  get count(): number {
    return this.rows;
  }

  /** Appends the row vector / length. */
  append(vector: ArrayLike<number>, length = 1): void {
    const at = this.rows % SEGMENT_ROWS;
    const segment = this.segmentFor(this.rows);
    const codes = this.memory.codes(this.rows);
    const { row } = this;
    for (let i = 0; i < row.length; i++) row[i] = vector[i]! / length;
    const { scale, residual } = quantiseRow(row, codes);
    segment.values?.set(row, at * this.size);
    if (segment.values) this.note(segment, at, scale, residual);
    else this.note(segment, at, unitScale(codes), 0);
    this.rows++;
  }

  /** Appends a row that was kept as codes, which are not all 0. */
  appendCodes(given: Int8Array): void {
    const segment = this.segmentFor(this.rows);
    const codes = this.memory.codes(this.rows);
    codes.set(given);
    this.note(segment, this.rows % SEGMENT_ROWS, unitScale(codes), 0);
    this.rows++;
  }

  /** A row, of length 1 up to rounding. */
  vector(row: number): Float32Array {
    const { values, scales } = this.segmentOf(row);
    const at = row % SEGMENT_ROWS;
    if (values) return values.slice(at * this.size, (at + 1) * this.size);
    return Float32Array.from(this.codes(row), (code) => code * scales[at]!);
  }

  /** The codes of a row; see `CodeMemory.codes`. */
  codes(row: number): Int8Array {
    return this.memory.codes(row).subarray(0, this.size);
  }

  /** The product of a row and a vector in float64. */
  exactly(row: number, vector: Float64Array): number {
    const { values, scales } = this.segmentOf(row);
    const { size } = this;
    let product = 0;
    if (values) {
      const start = (row % SEGMENT_ROWS) * size;
      for (let i = 0; i < size; i++) product += values[start + i]! * vector[i]!;
      return product;
    }
    const codes = this.codes(row);
    for (let i = 0; i < size; i++) product += codes[i]! * vector[i]!;
    return product * scales[row % SEGMENT_ROWS]!;
  }

  /** Takes rows out; those after them move up, in their order. */
  remove(rows: ReadonlySet<number>): void {
    let to = 0;
    for (let from = 0; from < this.rows; from++) {
      if (rows.has(from)) continue;
      if (to < from) this.move(from, to);
      to++;
    }
    this.rows = to;
    this.segments.length = Math.ceil(to / SEGMENT_ROWS);
  }

  /** @param vector - of length 1 */
  ask(vector: Float64Array): Query {
    const { scale, residual } = quantiseQuery(vector, this.memory.query());
    // By Cauchy and Schwarz: the rest of the query times a row as its codes have it, which is little longer than the row.
    const longest = this.segments.reduce((most, { largestResidual }) => Math.max(most, largestResidual), 0);
    return { vector, scale, slack: residual * (1.000001 + longest) + ROUNDING };
  }

  private segmentOf(row: number): Segment {
    return this.segments[Math.floor(row / SEGMENT_ROWS)]!;
  }

  private segmentFor(row: number): Segment {
    const index = Math.floor(row / SEGMENT_ROWS);
    this.memory.reserve(index + 1);
    this.segments[index] ??= {
      values: this.type === 'float32' ? new Float32Array(SEGMENT_ROWS * this.size) : undefined,
      scales: new Float32Array(SEGMENT_ROWS),
      residuals: new Float32Array(SEGMENT_ROWS),
      largestScale: 0,
      largestResidual: 0,
    };
    return this.segments[index]!;
  }

  private note(segment: Segment, at: number, scale: number, residual: number): void {
    segment.scales[at] = scale;
    segment.residuals[at] = residual;
    segment.largestScale = Math.max(segment.largestScale, segment.scales[at]!);
    segment.largestResidual = Math.max(segment.largestResidual, residual);
  }

  private move(from: number, to: number): void {
    const [source, target] = [this.segmentOf(from), this.segmentOf(to)];
    const [out, into] = [from % SEGMENT_ROWS, to % SEGMENT_ROWS];
    const { size } = this;
    target.values?.set(source.values!.subarray(out * size, (out + 1) * size), into * size);
    this.note(target, into, source.scales[out]!, source.residuals[out]!);
    this.memory.codes(to).set(this.memory.codes(from));
  }
}
