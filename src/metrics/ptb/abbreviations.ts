/*
 * Words that keep their full stop, as sources of regular expressions. Each list was found by trying all words of up to
 * four letters, and the usual longer ones, on the tokenizer itself.
 */

/** Matches the letters of a source in either case. */
export const anyCase = (source: string) =>
  source.replace(/[a-z]/gi, (letter) => `[${letter.toLowerCase()}${letter.toUpperCase()}]`);

/** Matches words whose first letter is a capital. */
const capitalised = (source: string) =>
  source.replace(/([A-Z])([a-z]*)/g, (_, first: string, rest: string) => first + anyCase(rest));

const oneOf = (words: string) => words.trim().split(/\s+/).join('|');

/** Months, days, states, companies, ends of names and addresses: kept even where a word follows at once (`Inc.x`). */
const closing = anyCase(
  oneOf(`
    apr aug dec feb jan jul jun mar nov oct sep sept  fri mon thu thurs tue tues wed
    ala ariz calif colo conn ct dak fla ga ind kan kans ky md mich minn mo mont neb nev okla penn tenn univ va vt wis wisc wyo
    assn bancorp bhd co corp cos inc intl ltd plc sys  bldg blvd bros esq jr rd rt sq sr  al est etc ext seq tel`),
);

/** States that are words too: with a capital only. */
const states = capitalised(oneOf('Ark Az Del Ill La Mass Miss Ore Pa Tex Wash'));

/** @see closing */
export const CLOSING = `(?:${closing}|${states}|[Pp]p?t[ey]s?|(?:Ed|Ph)\\.D)`;

/** Titles, ranks and what else stands before something. */
export const OPENING = `(?:${anyCase(
  oneOf(`
    adj adm adv alex assoc asst atty attys brig capt cie cmdr col comdr cpl dept det dr drs elec ens gen gov govs hon
    insp invt jos lieut lt maj messrs mlle mme mr mrs ms msgr mt natl pfc ph pres prof profs pvt rep reps rev sen sens
    sfc sgt spc st ste supt supts treas vs wm  ave cf ft`),
)}|[Mm][ft]g)`;

/** Only before a number: `no. 5`. */
export const BEFORE_NUMBER = `(?:${anyCase(oneOf('art ca fig figs no nos op pp prop'))})`;

/** Acronyms with a hyphen inside. */
export const MULTINATIONAL = anyCase('(?:(?:Canada|Sino|Korean|EU|Japan|non)-U\\.S|U\\.S\\.-(?:U\\.K|U\\.S\\.S\\.R))');

/** Words that, with a capital, begin a sentence after an initial: `vitamin C. The`. */
export const SENTENCE_START = `(?:${capitalised(
  oneOf(`
    A About According Additionally After An As At But Earlier He Her Here However If In It Last Many More Mr\\. Ms\\. Now Once One
    Other Our She Since So Some Such That The Their Then There These They This We What When While Yet You`),
)})`;
