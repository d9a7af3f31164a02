/** Points start to end (without it) of the order, none of which is further from the centre than the radius. */
export type Ball = {
  start: number;
  end: number;
  centre: Float64Array;
  radius: number;
  /** The largest number of a point. */
  last: number;
  /** Two balls with the same points; undefined where they are few. */
  parts: readonly [Ball, Ball] | undefined;
};

export type BallTree = { order: Uint32Array; root: Ball };

/** Room for what rounding takes from a distance of points that are no longer than 1. */
const ROUNDING = 1e-6;

/**
 * Puts points into an order in which those that lie together stand together, and says where: a ball is cut in two across the line between two
 * points at its ends. All balls without parts but the last hold `few` points, sorted by their numbers.
 *
 * @param points - [count, size]
 * @see Omohundro 1989, "Five Balltree Construction Algorithms"; balls are cut at a multiple of `few` beside the middle here
 */
export function ballTree(points: Float32Array, size: number, few: number): BallTree {
  const count = points.length / size;
  const order = Uint32Array.from({ length: count }, (_, point) => point);
  const keys = new Float64Array(count);
  const at = (point: number) => points.subarray(point * size, (point + 1) * size);

  const ballOf = (start: number, end: number): Ball => {
    const members = order.subarray(start, end);
    const centre = new Float64Array(size);
    let last = 0;
    for (const point of members) {
      last = Math.max(last, point);
      for (let i = 0; i < size; i++) centre[i]! += points[point * size + i]! / members.length;
    }
    const far = furthest(members, centre);
    const ball: Ball = { start, end, centre, radius: far.distance + ROUNDING, last, parts: undefined };
    if (members.length <= few) {
      members.sort();
      return ball;
    }
    const [one, other] = [at(far.point), at(furthest(members, at(far.point)).point)];
    for (const point of members) {
      let along = 0;
      for (let i = 0; i < size; i++) along += points[point * size + i]! * (one[i]! - other[i]!);
      keys[point] = along;
    }
    members.sort((a, b) => keys[a]! - keys[b]! || a - b);
    const middle = start + few * Math.ceil(members.length / 2 / few);
    ball.parts = [ballOf(start, middle), ballOf(middle, end)];
    return ball;
  };

  const furthest = (members: Uint32Array, from: ArrayLike<number>) => {
    const found = { point: members[0]!, distance: 0 };
    for (const point of members) {
      const distance = distanceOf(at(point), from);
      if (distance > found.distance) Object.assign(found, { point, distance });
    }
    return found;
  };

  return { root: ballOf(0, count), order };
}

/** The balls without parts that may hold points after the point `after` in number, no further from `point` than `reach`. */
export function ballsWithin(root: Ball, point: ArrayLike<number>, reach: number, after: number): Ball[] {
  const found: Ball[] = [];
  const waiting = [root];
  for (let ball = waiting.pop(); ball; ball = waiting.pop()) {
    if (ball.last <= after || distanceOf(point, ball.centre) > ball.radius + reach) continue;
    if (ball.parts) waiting.push(...ball.parts);
    else found.push(ball);
  }
  return found;
}

function distanceOf(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let squares = 0;
  for (let i = 0; i < a.length; i++) squares += (a[i]! - b[i]!) ** 2;
  return Math.sqrt(squares);
}
