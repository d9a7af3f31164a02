/** One line on standard error that is rewritten in a terminal, and repeated now and then in a file. */
export class Progress {
  private shown = 0;
  private lastLength = 0;

  constructor(private readonly everySeconds = process.stderr.isTTY ? 0.2 : 30) {}

  /** Shows a line, unless the last one is too fresh. */
  show(line: string): void {
    const now = performance.now();
    if (now - this.shown < this.everySeconds * 1000) return;
    this.shown = now;
    process.stderr.write(process.stderr.isTTY ? `\r${line.padEnd(this.lastLength)}` : `${line}\n`);
    this.lastLength = line.length;
  }

  /** Ends the line, so that something else can be printed. */
  end(): void {
    if (process.stderr.isTTY && this.lastLength > 0) process.stderr.write(`\r${' '.repeat(this.lastLength)}\r`);
    this.lastLength = 0;
    this.shown = 0;
  }
}

/** Seconds as people say them: 45 s, 12 min, 3 h 20 min. */
export function duration(seconds: number): string {
  if (seconds < 90) return `${Math.round(seconds)} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 90 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
