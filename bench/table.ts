import { availableParallelism, cpus, totalmem } from 'node:os';

/** What is printed and written of one engine and one job. */
export type Row = {
  job: string;
  engine: string;
  /** Of one run, milliseconds. */
  ms: number;
  /** Of all pictures together, where the job is to caption. */
  tokensPerSecond?: number;
  /** Missing where PyTorch did not run. */
  ratioToPyTorch: number | null;
  /** Largest resident memory of the process, in MiB. */
  peakMB: number;
  /** Engine, versions and threads. */
  version: string;
  machine: string;
  /** What part of the job was timed, where it was not all: `ms` is extrapolated. */
  part?: number;
  /** Of onnxruntime: what part of the time its kernels took, where that was measured. */
  onnxruntimeShare?: number;
};

export function machine(): string {
  const [cpu] = cpus();
  const memory = Math.round(totalmem() / 2 ** 30);
  return `${cpu?.model.trim()}, ${availableParallelism()} cores, ${memory} GiB, Node ${process.version}`;
}

/** Columns as wide as their widest cell; numbers to the right. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = [head, ...rows];
  const widths = head.map((_, column) => Math.max(...lines.map((cells) => cells[column]!.length)));
  const isNumber = head.map((_, column) => rows.every((cells) => /^[\d.~-]*$/.test(cells[column]!)));
  const pad = (cell: string, column: number) =>
    isNumber[column] ? cell.padStart(widths[column]!) : cell.padEnd(widths[column]!);
  return lines.map((cells) => cells.map(pad).join('  ').trimEnd()).join('\n');
}

/** All rows, a job's under its name. */
export function rowsTable(rows: readonly Row[]): string {
  const cells = rows.map(({ job, engine, ms, tokensPerSecond, ratioToPyTorch, peakMB, part }, i) => [
    rows[i - 1]?.job === job ? '' : job,
    engine,
    `${part === undefined ? '' : '~'}${ms.toFixed(ms < 100 ? 1 : 0)}`,
    tokensPerSecond?.toFixed(1) ?? '-',
    ratioToPyTorch?.toFixed(2) ?? '-',
    peakMB.toFixed(0),
  ]);
  return table(['job', 'engine', 'ms', 'tokens/s', 'x PyTorch', 'peak MB'], cells);
}
