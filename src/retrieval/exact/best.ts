/** The `most` largest of the numbers that are offered, kept as a heap with the least of them on top. */
export class Best {
  private readonly heap: number[] = [];

  constructor(private readonly most: number) {}

  /** What a number has to reach to matter: the least that is kept, or -Infinity while there is room. */
  get least(): number {
    return this.heap.length < this.most ? -Infinity : this.heap[0]!;
  }

  offer(value: number): void {
    const { heap } = this;
    if (heap.length < this.most) {
      let at = heap.push(value) - 1;
      for (let above = (at - 1) >> 1; at > 0 && heap[above]! > value; at = above, above = (at - 1) >> 1)
        heap[at] = heap[above]!;
      heap[at] = value;
    } else if (value > heap[0]!) {
      let at = 0;
      for (let below = 1; below < heap.length; below = 2 * at + 1) {
        if (below + 1 < heap.length && heap[below + 1]! < heap[below]!) below++;
        if (heap[below]! >= value) break;
        heap[at] = heap[below]!;
        at = below;
      }
      heap[at] = value;
    }
  }
}
