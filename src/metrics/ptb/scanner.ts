import { hideUnknown } from './characters';
import { type DeadEnds, longestMatch } from './longestMatch';
import type { Rule } from './rules';

/**
 * Reads tokens up to a place in a text, with what comes after it in sight: at each place the rule with the longest match wins,
 * the earlier of two that match as much. What no rule takes is lost, a character at a time. Nothing comes out where a token
 * would reach beyond the end.
 */
export function scanner(rules: readonly Rule[]): (text: string, end: number) => string[] | undefined {
  const matchAt = longestMatch(rules.map(({ pattern, context = '' }) => `(${pattern})(${context})`));
  const beforeContext = rules.map(
    ({ pattern, context }) => context && new RegExp(`^(?:${pattern})(?=(?:${context})$)`, 'u'),
  );
  return (written, end) => {
    const text = hideUnknown(written);
    const deadEnds: DeadEnds = new Set();
    const tokens: string[] = [];
    for (let at = 0; at < end; ) {
      const { length, expression } = matchAt(text, at, deadEnds);
      const rule = rules[expression];
      const pattern = beforeContext[expression];
      const taken = pattern ? pattern.exec(text.slice(at, at + length))![0].length : Math.max(1, length);
      if (rule) {
        const token = written.slice(at, at + taken);
        const output = rule.write ? rule.write(token) : token;
        if (output !== '') tokens.push(output);
      }
      at += taken;
      if (at > end) return undefined;
    }
    return tokens;
  };
}
