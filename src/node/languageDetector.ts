import { UsageError } from '../core/errors';

/**
 * How likely a text is in each language (`en`, `de`, ...), by the package `eld`.
 *
 * @throws UsageError where the package is not installed, with how to install it
 */
export async function languageDetector(): Promise<(text: string) => Readonly<Record<string, number>>> {
  try {
    const { eld } = await import('eld/small');
    return (text) => {
      const found = eld.detect(text);
      return found.isReliable() ? found.getScores() : {};
    };
  } catch (cause) {
    throw new UsageError('To tell languages apart, install the package eld: npm install eld', {
      cause,
    } as ErrorOptions);
  }
}
