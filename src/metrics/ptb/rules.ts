import { anyCase, BEFORE_NUMBER, CLOSING, MULTINATIONAL, OPENING, SENTENCE_START } from './abbreviations';
import { ALPHANUMERIC, LETTERS, MARKS, SYMBOLS } from './characters';

/**
 * One way to read a token: sources of regular expressions for the token and, where only that makes it one, for what follows
 * it. What follows counts in the length of the match, by which the scanner decides between rules, and is read again.
 */
export type Rule = { pattern: string; context?: string; write?: (token: string) => string };

/* What tokens are made of, as sources of regular expressions. */
const ENTITY_LETTER = anyCase('&(?:a|e|i|o|u)(?:acute|grave|uml);');
const APOSTROPHE_ENTITY = anyCase('&apos;');
const LETTER = `(?:[${LETTERS}${MARKS}]|${ENTITY_LETTER})`;
const LETTER_OR_DIGIT = `(?:[${ALPHANUMERIC}${MARKS}]|${ENTITY_LETTER})`;
const WORD_PART = `${LETTER}${LETTER_OR_DIGIT}*`;
const WORD = `${WORD_PART}(?:[.!?]${WORD_PART})*`;
const SPACE = '[ \\t\\n\\u00a0\\u2000-\\u200a\\u3000]';
const APOSTROPHE = `(?:['\\u0092\\u2019]|${APOSTROPHE_ENTITY})`;
const SINGLE_QUOTE = `(?:['\`\\u0091\\u0092\\u2018\\u2019\\u201b]|${APOSTROPHE_ENTITY})`;
const CLITIC = `${APOSTROPHE}${anyCase('(?:m|s|d|re|ve|ll)')}`;
const NEGATION = `[nN]${SINGLE_QUOTE}[tT]`;
const NUMBER = '(?:\\p{Nd}*(?:[.:,\\u00ad\\u066b\\u066c]\\p{Nd}+)+|\\p{Nd}+)';
const ELIDED = `(?:[dDoOlL]${SINGLE_QUOTE}[${ALPHANUMERIC}])?[${ALPHANUMERIC}]+`;
const COMPOUND = `${ELIDED}(?:[-_\\u058a\\u2010\\u2011]${ELIDED})*`;
const ACRONYM = '[A-Za-z](?:\\.[A-Za-z])*';
const HYPHENATED = `[A-Za-z0-9][A-Za-z0-9.,\\u00ad]*(?:-(?:[A-Za-z](?:\\.[A-Za-z])+\\.|[A-Za-z0-9\\u00ad]+))+`;
const INITIALS = '[A-Z]+(?:(?:[+&]|&amp;)[A-Z]+)+';
const SLASH_PART = '[A-Za-z0-9]+(?:-[A-Za-z]+){0,2}';
const INSIDE_SENTENCE = '[,;:\\u3001]';
const URL_PATH = '[^ \\t\\n"<>|()]+[^ \\t\\n"<>|.!?(){},-]';
const EMAIL_HOST = '[^ \\t\\n"<>|().{}\\u00a0]+';
const TAG_NAME = '[A-Za-z][A-Za-z0-9_:.-]*';
const TAG_ATTRIBUTE = ` +${TAG_NAME}(?: *= *(?:'[^'\\n]*'|"[^"\\n]*"))?`;
const TAG = `<(?:[!?][A-Za-z-][^>\\n]*|/${TAG_NAME} *|${TAG_NAME}(?:${TAG_ATTRIBUTE})* */? *)>`;
const FILE_EXTENSION = anyCase(
  'bat|bmp|cgi|class|cpp|c|dll|docx?|exe|gif|gz|html?|h|jar|java|jpe?g|mov|mp[34]|pdf|php|pl|png|ppt|ps|py|sql|tar|' +
    'txt|wav|xml|x|zip',
);
const FACE = "[-\\^x=~<>']";

/* How tokens are written. */
const always = (written: string) => () => written;
const ampersands = (token: string) => token.replace(/&amp;/gi, '&');
const brackets = (token: string) => token.replace(/\(/g, '-LRB-').replace(/\)/g, '-RRB-');
const quotes = (token: string) =>
  token
    .replace(/&apos;|[\u0092\u2019\u203a]/g, "'")
    .replace(/[\u0091\u2018\u201b\u2039]/g, '`')
    .replace(/[\u0093\u201c\u00ab]/g, '``')
    .replace(/[\u0094\u201d\u00bb]/g, "''");
const unbroken = (token: string) => token.replaceAll(' ', '\u00a0');
// Few tokens have one, and looking for it is cheaper than replacing.
const withoutSoftHyphens = (token: string) => (token.includes('\u00ad') ? token.replaceAll('\u00ad', '') : token);
const fractions: Record<string, string> = { '¼': '1/4', '½': '1/2', '¾': '3/4', '⅓': '1/3', '⅔': '2/3' };

const rule = (pattern: string, write?: Rule['write']): Rule => ({ pattern, ...(write && { write }) });
const before = (context: string, pattern: string, write?: Rule['write']): Rule => ({
  ...rule(pattern, write),
  context,
});

/** Read as two words. */
const contractions = [
  before(anyCase('not'), anyCase('can')),
  before(anyCase('na'), anyCase('gon|wan')),
  before(anyCase('ta'), anyCase('got')),
  before(anyCase('me'), anyCase('lem|gim')),
  before(anyCase('is|was'), anyCase("'t")),
];

const markup = [
  rule(TAG, unbroken),
  rule(`${anyCase('&(?:md|mdash|ndash);')}|[\\u0096\\u0097\\u2013-\\u2015]`, always('--')),
  rule(anyCase('&amp;'), always('&')),
  rule(anyCase('&(?:ht|tl|ur|lr|qc|ql|qr|odq|cdq|#[0-9]+);')),
  rule(anyCase('&nbsp;'), always('')),
];

const words = [
  before(CLITIC, WORD, withoutSoftHyphens),
  before(NEGATION, '[A-Za-z\\u00ad]*[A-MO-Za-mo-z]\\u00ad*', withoutSoftHyphens),
  rule(WORD, withoutSoftHyphens),
];

/** Words that keep an apostrophe: goin', 'em, d'Artagnan, O'Reilly, ma'am. */
const apostrophes = [
  rule(`${APOSTROPHE}[nN]${APOSTROPHE}?`),
  rule(`[lLdDjJ]${APOSTROPHE}`),
  rule(`${anyCase('(?:dunkin|somethin|ol)')}${APOSTROPHE}`),
  rule(`${APOSTROPHE}${anyCase('(?:em|till?|cause|[2-9]0s)')}`),
  rule(`[A-HJ-XZn]${SINGLE_QUOTE}[${LETTERS}]{2,}`),
  rule(`[${LETTERS}]+[aeiouyAEIOUY]${SINGLE_QUOTE}[aeiouA-Z][${LETTERS}]*`),
  rule(`${anyCase("cont'd\\.?|nor'easter|c'mon|e'er|s'mores|ev'ry|li'l|nat'l")}|[oO]${SINGLE_QUOTE}[oO]`),
  before(`[${LETTERS}]`, `[yY]${APOSTROPHE}`),
];

const URL_HOST_PART = '[^ \\t\\n"<>|.!?(){},]+\\.';
// The range from , to _ leaves lower-case letters, and few signs, between the dots.
const BARE_HOST_PART = '[^ \\t\\n"`\'<>|.!?(){},-_$]+\\.';
const TOP_LEVEL = anyCase('(?:com|net|org|edu)');

const addresses = [
  rule(`${anyCase('https?')}://[^ \\t\\n"<>|(){}]+[^ \\t\\n"<>|.!?(){},-]`),
  rule(`${anyCase('www')}\\.(?:${URL_HOST_PART})+[a-zA-Z]{2,4}(?:/${URL_PATH})?`),
  rule(`(?:${BARE_HOST_PART})+${TOP_LEVEL}(?:/${URL_PATH})?`),
  rule(`(?:&lt;|<)?[a-zA-Z0-9][^ \\t\\n"<>|(){}\\u00a0]*@(?:${EMAIL_HOST}\\.)*${EMAIL_HOST}(?:&gt;|>)?`),
  rule('@[a-zA-Z_][a-zA-Z_0-9]*'),
  rule(`#${LETTER}+`),
];

const clitics = [before('[^A-Za-z]', CLITIC, quotes), before('[^A-Za-z]', NEGATION, quotes)];

const numbers = [
  rule('\\p{Nd}{1,2}[-/]\\p{Nd}{1,2}[-/]\\p{Nd}{2,4}'),
  rule(`[-+]?${NUMBER}`, withoutSoftHyphens),
  rule('[\\u207a\\u207b\\u208a\\u208b]?(?:[\\u2070\\u00b9\\u00b2\\u00b3\\u2074-\\u2079]+|[\\u2080-\\u2089]+)'),
  rule('(?:\\p{Nd}{1,4}[- \\u00a0])?\\p{Nd}{1,4}(?:\\\\?/|\\u2044)\\p{Nd}{1,4}', unbroken),
  rule('[\\u00bc-\\u00be\\u2153-\\u215e]', (token) => fractions[token] ?? token),
];

/** Single words that follow no rule, and brackets as the tokenizer itself writes them. */
const fixed = [
  rule(anyCase("-(?:l|r)(?:r|c|s)b-|C\\.D\\.s|pro-|anti-|S(?:&|&amp;)P-500|S(?:&|&amp;)Ls|Cap'n|c'est"), ampersands),
  before(SPACE, `${APOSTROPHE}[0-9][0-9]`),
];

const currency = [
  rule('[A-Z]*\\$|#'),
  rule('\\u00a2', always('cents')),
  rule('\\u00a3', always('#')),
  rule('[\\u0080\\u00a4\\u20a0\\u20ac]', always('$')),
];

const abbreviations = [
  // Looking two characters further makes this longer than the word `Inc.x`.
  before('[^][^]', `${CLOSING}\\.`),
  rule(`${CLOSING}\\.`),
  rule(`(?:${OPENING}|${ACRONYM}|${MULTINATIONAL})\\.`),
  before(`${SPACE}?\\p{Nd}`, `${BEFORE_NUMBER}\\.`),
  before(SPACE, MULTINATIONAL),
  // An initial before a new sentence loses its full stop.
  before(`\\.${SPACE}+(?:${SENTENCE_START}|${TAG})${SPACE}`, '[A-Za-z]'),
];

const phones = [
  rule(
    '(?:\\([0-9]{2,3}\\)[ \\u00a0]?|(?:\\+\\+?)?(?:[0-9]{2,4}[- \\u00a0])?[0-9]{2,4}[- \\u00a0])' +
      '[0-9]{3,4}[- \\u00a0]?[0-9]{3,5}',
    (token) => brackets(unbroken(token)),
  ),
  rule('(?:(?:\\+\\+?)?[0-9]{2,4}\\.)?[0-9]{2,4}\\.[0-9]{3,4}\\.[0-9]{3,5}'),
];

const punctuation = [
  rule(`"|''|${anyCase('&quot;')}`, (token) => token.replace(/"|&quot;/, "''")),
  rule(anyCase('&lt;'), always('<')),
  rule(anyCase('&gt;'), always('>')),
  before('[^A-Za-z0-9]', "[<>]?[:;=][-o*']?[()DPdpO\\\\{@|[\\]]", brackets),
  rule(`${FACE}_${FACE}|\\(${FACE}[_.]?${FACE}\\)|\\([\\^x=~<>']-[\\^x=~<>'\`]\\)`, brackets),
  rule('\\(', always('-lrb-')),
  rule('\\)', always('-rrb-')),
  rule('\\{', always('-lcb-')),
  rule('\\}', always('-rcb-')),
  rule('\\[', always('-lsb-')),
  rule('\\]', always('-rsb-')),
  rule('-{2,4}', always('--')),
  rule('-{5,}'),
  rule('\\.{3,5}|(?:\\.[ \\u00a0]){2,4}\\.|\\u2026', always('...')),
  rule('[?!]+'),
  rule('[cC]\\+\\+|[cCfF]#'),
  rule('@+|#+|\\*+|(?:\\\\\\*){1,3}|_+|<<|>>'),
];

const compounds = [
  before(INSIDE_SENTENCE, `${COMPOUND}\\.`, withoutSoftHyphens),
  before(INSIDE_SENTENCE, `${WORD}\\.`, withoutSoftHyphens),
  rule(COMPOUND, withoutSoftHyphens),
  before(INSIDE_SENTENCE, `${INITIALS}\\.`, ampersands),
  rule(INITIALS, ampersands),
  rule(`${SLASH_PART}(?:\\\\?/${SLASH_PART}){1,2}`),
  before(`${SPACE}|[.?!,]`, `${LETTER_OR_DIGIT}+(?:\\.${LETTER_OR_DIGIT}+)*\\.(?:${FILE_EXTENSION})`),
  before(INSIDE_SENTENCE, `${HYPHENATED}\\.`, withoutSoftHyphens),
  rule(HYPHENATED, withoutSoftHyphens),
];

const rest = [
  rule(`${SPACE}+`, always('')),
  // An opening quote looks two characters ahead, by which it wins over 'n and '90.
  before('[A-Za-z][^ \\t\\n\\u00a0]', "'", always('`')),
  rule(CLITIC, quotes),
  rule(`'|${APOSTROPHE_ENTITY}`, quotes),
  rule('[`\\u0091-\\u0094\\u2018-\\u201f\\u2039\\u203a\\u00ab\\u00bb]{1,2}', quotes),
  rule('\\u00ad', always('-')),
  rule(`[${SYMBOLS}]`),
];

/** In the order that decides between matches of equal length. */
export const RULES: readonly Rule[] = [
  ...contractions,
  ...markup,
  ...words,
  ...apostrophes,
  ...addresses,
  ...clitics,
  ...numbers,
  ...fixed,
  ...currency,
  ...abbreviations,
  ...phones,
  ...punctuation,
  ...compounds,
  ...rest,
];
