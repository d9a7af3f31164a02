import { UsageError } from '../../core/errors';
import { type DotKernel, dotModule, plainDots } from './dotKernel';

/** Rows that lie together, in memory and in files. */
export const SEGMENT_ROWS = 4096;

const PAGE = 2 ** 16;
/** Of what 32 bits can address. */
const MOST_PAGES = 2 ** 16;
/** Numbers of a query that fit into the first page. */
export const MOST_NUMBERS = PAGE / 2;

/**
 * Memory for int8 codes and the kernel that multiplies them: compiled to SIMD where that is there, else plain. The query lies
 * in its first page; then come the segments: codes of all rows, and after them the products of all rows.
 */
export class CodeMemory {
  /** Bytes from a row of codes to the next: those of its numbers, and zeros up to a multiple of 16. */
  readonly stride: number;
  private readonly memory = new WebAssembly.Memory({ initial: 1, maximum: MOST_PAGES });
  /** Whether SIMD is what multiplies. */
  readonly simd: boolean;
  private readonly dots: DotKernel;
  private readonly segmentBytes: number;

  /** @param plain - do without SIMD */
  constructor(size: number, plain = false) {
    this.stride = Math.ceil(size / 16) * 16;
    this.segmentBytes = SEGMENT_ROWS * (this.stride + Int32Array.BYTES_PER_ELEMENT);
    const compiled = plain ? undefined : compiledDots(this.memory);
    this.simd = compiled !== undefined;
    this.dots = compiled ?? plainDots(() => this.memory.buffer);
  }

  /** Makes room for so many segments. */
  reserve(segments: number): void {
    const pages = 1 + Math.ceil((segments * this.segmentBytes) / PAGE);
    const more = pages - this.memory.buffer.byteLength / PAGE;
    if (more <= 0) return;
    const most = Math.floor(((MOST_PAGES - 1) * PAGE) / this.segmentBytes) * SEGMENT_ROWS;
    const why = pages > MOST_PAGES ? `an index holds ${most} vectors of this size at most` : 'there is no memory left';
    try {
      if (pages <= MOST_PAGES) return void this.memory.grow(more);
    } catch {
      // Is told below.
    }
    throw new UsageError(
      `There is no room for ${segments * SEGMENT_ROWS} vectors: ${why}. Split them, or use ApproximateIndex of tfjs-captioning/node.`,
    );
  }

  /** The codes of a row. Views end when the memory grows: take one, use it, and let it go. */
  codes(row: number): Int8Array {
    return new Int8Array(this.memory.buffer, this.addressOf(row), this.stride);
  }

  /** The query's codes, to be written. */
  query(): Int16Array {
    return new Int16Array(this.memory.buffer, 0, this.stride);
  }

  /** The products that were last computed of the rows of a segment. */
  products(segment: number): Int32Array {
    const start = this.addressOf(segment * SEGMENT_ROWS) + SEGMENT_ROWS * this.stride;
    return new Int32Array(this.memory.buffer, start, SEGMENT_ROWS);
  }

  /**
   * Computes the products of rows of one segment with the query, and returns the largest.
   *
   * @param bytes - of the codes of each row, from its start; a multiple of 16
   */
  multiply(row: number, rows: number, bytes = this.stride): number {
    const at = row % SEGMENT_ROWS;
    const products = this.addressOf(row - at) + SEGMENT_ROWS * this.stride + at * Int32Array.BYTES_PER_ELEMENT;
    return this.dots(this.addressOf(row), 0, products, rows, bytes, this.stride);
  }

  private addressOf(row: number): number {
    const at = row % SEGMENT_ROWS;
    return PAGE + ((row - at) / SEGMENT_ROWS) * this.segmentBytes + at * this.stride;
  }
}

/** Undefined where there is no SIMD, or where a page's policy forbids to compile. */
function compiledDots(memory: WebAssembly.Memory): DotKernel | undefined {
  try {
    const module = new WebAssembly.Module(dotModule());
    return new WebAssembly.Instance(module, { env: { memory } }).exports.dots as DotKernel;
  } catch {
    return undefined;
  }
}
