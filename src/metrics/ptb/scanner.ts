import { hideUnknown } from './characters';
import { type DeadEnds, longestMatch } from './longestMatch';
import type { Rule } from './rules';

/**
 * Reads the tokens of a line: at each place the rule with the longest match wins, the earlier of two that match as much.
 * What no rule takes is lost, a character at a time.
 */
export function scanner(rules: readonly Rule[]): (line: string) => string[] {
  const matchAt = longestMatch(rules.map(({ pattern, context = '' }) => `(${pattern})(${context})`));
  const beforeContext = rules.map(
    ({ pattern, context }) => context && new RegExp(`^(?:${pattern})(?=(?:${context})$)`, 'u'),
  );
  return (line) => {
    const text = hideUnknown(line);
    const deadEnds: DeadEnds = new Set();
    const tokens: string[] = [];
    for (let at = 0; at < text.length; ) {
      const { length, expression } = matchAt(text, at, deadEnds);
      const rule = rules[expression];
      const pattern = beforeContext[expression];
      const taken = pattern ? pattern.exec(text.slice(at, at + length))![0].length : Math.max(1, length);
      if (rule) {
        const token = line.slice(at, at + taken);
        const written = rule.write ? rule.write(token) : token;
        if (written !== '') tokens.push(written);
      }
      at += taken;
    }
    return tokens;
  };
}
