import * as v from 'valibot';

/** What a schema found wrong, one line each: where, and what; `whole` names the value itself. */
export function problemsOf(issues: readonly v.BaseIssue<unknown>[], whole: string): string[] {
  return issues.map((issue) => `${v.getDotPath(issue) ?? whole}: ${issue.message}`);
}
