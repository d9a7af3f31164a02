import { DataError } from '../core/errors';

/** A name of Python that a pickle asks for, such as `torch._utils._rebuild_tensor_v2`. */
export class Global {
  constructor(readonly name: string) {}
}

/** What a pickle leaves to the file around it, such as a storage of numbers. */
export class Persistent {
  constructor(readonly id: unknown) {}
}

export type PickleRules = {
  /** What `name`, called with `args`, stands for; undefined where that is not allowed. Nothing of Python is ever run. */
  call(name: string, args: readonly unknown[]): unknown;
  /** The names that may occur. */
  allowed: ReadonlySet<string>;
};

export type Unpickled = { value: unknown /** Where the next byte after the pickle is. */; end: number };

const mark = Symbol('mark');

/**
 * Reads a pickle of plain values: numbers, text, tuples, lists and dictionaries (a `Map`), and calls of the few names that
 * `rules` allow. It is a reader of data: whatever else a pickle could ask Python to do is refused by name.
 *
 * @throws DataError with the name of what is not allowed, or where the pickle ends too early or makes no sense
 * @see Python's `pickletools`, which documents every instruction
 */
export function readPickle(bytes: Uint8Array, start: number, rules: PickleRules): Unpickled {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const text = new TextDecoder('utf-8', { fatal: true });
  const stack: unknown[] = [];
  const memo = new Map<number, unknown>();
  let at = start;

  const take = (length: number): number => {
    if (length > bytes.length - at) throw new PickleEnds();
    at += length;
    return at - length;
  };
  const pop = (): unknown => {
    if (stack.length === 0) throw damaged('an instruction finds nothing to work on');
    const value = stack.pop();
    if (value === mark) throw damaged('an instruction finds a mark in place of a value');
    return value;
  };
  const sinceMark = (): unknown[] => {
    const from = stack.lastIndexOf(mark);
    if (from < 0) throw damaged('a mark is missing');
    const items = stack.splice(from);
    return items.slice(1);
  };
  const string = (length: number): string => {
    const from = take(length);
    try {
      return text.decode(bytes.subarray(from, at));
    } catch (cause) {
      throw damaged('a text is not UTF-8', { cause });
    }
  };
  const line = (): string => {
    const end = bytes.indexOf(0x0a, at);
    if (end < 0) throw new PickleEnds();
    const value = string(end - at);
    at = end + 1;
    return value;
  };
  const latin1 = (length: number): string => {
    const from = take(length);
    return Array.from(bytes.subarray(from, at), (code) => String.fromCharCode(code)).join('');
  };
  const global = (name: string): Global => {
    if (!rules.allowed.has(name)) throw refused(name);
    return new Global(name);
  };
  const recall = (key: number): unknown => {
    if (!memo.has(key)) throw damaged(`it recalls value ${key} before there is one`);
    return memo.get(key);
  };
  const last = (): unknown => {
    const value = stack.at(-1);
    if (stack.length === 0 || value === mark) throw damaged('an instruction finds nothing to work on');
    return value;
  };
  const dictionary = (): Map<unknown, unknown> => {
    const value = last();
    if (!(value instanceof Map)) throw damaged('it sets an item of what is no dictionary');
    return value;
  };
  const list = (): unknown[] => {
    const value = last();
    if (!Array.isArray(value) || Object.isFrozen(value)) throw damaged('it appends to what is no list');
    return value;
  };
  const tuple = (items: unknown[]) => Object.freeze(items);
  const setItems = (items: readonly unknown[]) => {
    if (items.length % 2 !== 0) throw damaged('a key has no value');
    const target = dictionary();
    for (let i = 0; i < items.length; i += 2) target.set(items[i], items[i + 1]);
  };

  for (;;) {
    const code = bytes[take(1)]!;
    switch (code) {
      case 0x80: // PROTO
        if (bytes[take(1)]! > 5) throw damaged('its version is not known');
        break;
      case 0x95: // FRAME, which only says how much to read at once
        take(8);
        break;
      case 0x2e: // STOP
        return { value: pop(), end: at };
      case 0x28: // MARK
        stack.push(mark);
        break;
      case 0x30: // POP
        stack.pop();
        break;
      case 0x4e: // NONE
        stack.push(undefined);
        break;
      case 0x88: // NEWTRUE
      case 0x89: // NEWFALSE
        stack.push(code === 0x88);
        break;
      case 0x4b: // BININT1
        stack.push(bytes[take(1)]!);
        break;
      case 0x4d: // BININT2
        stack.push(view.getUint16(take(2), true));
        break;
      case 0x4a: // BININT
        stack.push(view.getInt32(take(4), true));
        break;
      case 0x8a: {
        // LONG1: little-endian, of two's complement
        const length = bytes[take(1)]!;
        const from = take(length);
        let value = 0n;
        for (let i = length - 1; i >= 0; i--) value = (value << 8n) | BigInt(bytes[from + i]!);
        const signed = BigInt.asIntN(length * 8, value);
        stack.push(BigInt.asIntN(53, signed) === signed ? Number(signed) : signed);
        break;
      }
      case 0x47: // BINFLOAT
        stack.push(view.getFloat64(take(8), false));
        break;
      case 0x58: // BINUNICODE
        stack.push(string(view.getUint32(take(4), true)));
        break;
      case 0x8c: // SHORT_BINUNICODE
        stack.push(string(bytes[take(1)]!));
        break;
      case 0x54: // BINSTRING, text of Python 2
        stack.push(latin1(view.getUint32(take(4), true)));
        break;
      case 0x55: // SHORT_BINSTRING
        stack.push(latin1(bytes[take(1)]!));
        break;
      case 0x29: // EMPTY_TUPLE
        stack.push(tuple([]));
        break;
      case 0x85: // TUPLE1
      case 0x86: // TUPLE2
      case 0x87: {
        // TUPLE3
        const items = Array.from({ length: code - 0x84 }, pop);
        stack.push(tuple(items.reverse()));
        break;
      }
      case 0x74: // TUPLE
        stack.push(tuple(sinceMark()));
        break;
      case 0x5d: // EMPTY_LIST
        stack.push([]);
        break;
      case 0x6c: // LIST
        stack.push(sinceMark());
        break;
      case 0x61: {
        // APPEND
        const item = pop();
        list().push(item);
        break;
      }
      case 0x65: {
        // APPENDS
        const items = sinceMark();
        const target = list();
        for (const item of items) target.push(item);
        break;
      }
      case 0x7d: // EMPTY_DICT
        stack.push(new Map());
        break;
      case 0x73: {
        // SETITEM
        const value = pop();
        const key = pop();
        setItems([key, value]);
        break;
      }
      case 0x75: // SETITEMS
        setItems(sinceMark());
        break;
      case 0x71: // BINPUT
        memo.set(bytes[take(1)]!, last());
        break;
      case 0x72: // LONG_BINPUT
        memo.set(view.getUint32(take(4), true), last());
        break;
      case 0x94: // MEMOIZE
        memo.set(memo.size, last());
        break;
      case 0x68: // BINGET
        stack.push(recall(bytes[take(1)]!));
        break;
      case 0x6a: // LONG_BINGET
        stack.push(recall(view.getUint32(take(4), true)));
        break;
      case 0x63: {
        // GLOBAL
        const module = line();
        stack.push(global(`${module}.${line()}`));
        break;
      }
      case 0x93: {
        // STACK_GLOBAL
        const name = pop();
        stack.push(global(`${pop()}.${name}`));
        break;
      }
      case 0x51: // BINPERSID
        stack.push(new Persistent(pop()));
        break;
      case 0x52: {
        // REDUCE
        const args = pop();
        const called = pop();
        if (!(called instanceof Global) || !Array.isArray(args)) throw damaged('it calls what is no name');
        const value = rules.call(called.name, args);
        if (value === undefined) throw refused(called.name);
        stack.push(value);
        break;
      }
      case 0x62: {
        // BUILD: attributes of a dictionary, such as the versions of modules, change no tensor
        pop();
        dictionary();
        break;
      }
      default:
        throw damaged(`it has instruction 0x${code.toString(16).padStart(2, '0')}, which files of tensors do not need`);
    }
  }
}

/** The pickle goes on behind the bytes that were given. */
export class PickleEnds extends DataError {
  constructor() {
    super('The pickle in it ends too early. Was the file cut short? Fetch or write it again.');
  }
}

const refused = (name: string) =>
  new DataError(
    `It asks for '${name}', which is no part of a tensor, and nothing but tensors is read from such files: they could run ` +
      'anything. If you trust it, save model.state_dict() alone in Python, best as safetensors.',
  );

const damaged = (why: string, options?: ErrorOptions) =>
  new DataError(`The pickle in it makes no sense: ${why}. Fetch or write the file again.`, options);
