/** Values of an attribute: a whole number, several, or any number. */
export type Attribute = number | readonly number[] | { float: number };

/** One operator of a graph; tensors go by name, and an empty name leaves out an optional input. */
export type Node = {
  op: string;
  /** Where the operator is defined: ONNX itself, or onnxruntime. */
  domain?: 'com.microsoft';
  inputs: readonly string[];
  outputs: readonly string[];
  attributes?: Record<string, Attribute>;
};

export type ElementType = 'float32' | 'int32' | 'int64' | 'bool';

/** A constant of the graph: numbers, or int64 (what shapes and axes are made of). */
export type Constant =
  | { type: 'float32'; shape: readonly number[]; values: Float32Array }
  | { type: 'int64'; shape: readonly number[]; values: readonly number[] };

/** Inputs and outputs have a type and any shape, but for inputs in `sizes`: numbers, and names for what may be any number. */
export type Graph = {
  nodes: readonly Node[];
  inputs: Record<string, ElementType>;
  sizes?: Record<string, readonly (number | string)[]>;
  outputs: Record<string, ElementType>;
  constants?: Record<string, Constant>;
};

/** A node that turns the axes of a tensor. */
export const transposed = (input: string, output: string, perm: readonly number[]): Node => ({
  op: 'Transpose',
  inputs: [input],
  outputs: [output],
  attributes: { perm },
});

/** Of pictures: [batch, height, width, channels] -> [batch, channels, height, width], and back. */
export const CHANNELS_FIRST = [0, 3, 1, 2];
export const CHANNELS_LAST = [0, 2, 3, 1];

/** Of the operators that are used, the newest definitions that onnxruntime 1.17 knows. */
const OPSET = 18;
const IR_VERSION = 8;

const TYPE_NUMBERS: Record<ElementType, number> = { float32: 1, int32: 6, int64: 7, bool: 9 };

/** In pieces, so that large constants are copied only once. */
type Bytes = readonly Uint8Array[];

/**
 * An ONNX model as bytes, with a first output of that name that cannot be read if one is given. The numbers of the fields are those of onnx.proto3.
 *
 * @see https://github.com/onnx/onnx/blob/main/onnx/onnx.proto3
 */
export function onnxModel(
  { nodes, inputs, sizes = {}, outputs, constants = {} }: Graph,
  unreadable?: string,
): Uint8Array {
  const graph = [
    ...(unreadable === undefined ? [] : unreadableOutput(unreadable)),
    ...nodes.flatMap((node) => message(1, nodeBytes(node))),
    ...text(2, 'graph'),
    ...Object.entries(constants).flatMap(([name, constant]) => message(5, constantBytes(name, constant))),
    ...Object.entries(inputs).flatMap(([name, type]) => message(11, valueBytes(name, type, sizes[name]))),
    ...Object.entries(outputs).flatMap(([name, type]) => message(12, valueBytes(name, type))),
  ];
  const operatorsOf = (domain: string, version: number) => message(8, [...text(1, domain), ...whole(2, version)]);
  const pieces = [
    ...whole(1, IR_VERSION),
    ...message(7, graph),
    ...operatorsOf('', OPSET),
    ...operatorsOf('com.microsoft', 1),
  ];
  const model = new Uint8Array(lengthOf(pieces));
  let at = 0;
  for (const piece of pieces) {
    model.set(piece, at);
    at += piece.length;
  }
  return model;
}

/** An output, to stand before the others, of a type that JavaScript does not have: one number of bfloat16. */
function unreadableOutput(name: string): Bytes {
  const BFLOAT16 = 16;
  const constant = [
    ...whole(1, 1),
    ...whole(2, BFLOAT16),
    ...text(8, `${name} constant`),
    ...message(9, [new Uint8Array(2)]),
  ];
  return [
    ...message(1, nodeBytes({ op: 'Identity', inputs: [`${name} constant`], outputs: [name] })),
    ...message(5, constant),
    ...message(12, [...text(1, name), ...message(2, message(1, whole(1, BFLOAT16)))]),
  ];
}

function nodeBytes({ op, domain, inputs, outputs, attributes = {} }: Node): Bytes {
  return [
    ...inputs.flatMap((name) => text(1, name)),
    ...outputs.flatMap((name) => text(2, name)),
    ...text(4, op),
    ...Object.entries(attributes).flatMap(([name, value]) => message(5, attributeBytes(name, value))),
    ...(domain ? text(7, domain) : []),
  ];
}

function attributeBytes(name: string, value: Attribute): Bytes {
  const of = (type: number, bytes: Bytes) => [...text(1, name), ...bytes, ...whole(20, type)];
  if (typeof value === 'number') return of(2, whole(3, value));
  if ('float' in value) return of(1, fixed(2, value.float));
  return of(
    7,
    value.flatMap((each) => whole(8, each)),
  );
}

function constantBytes(name: string, { type, shape, values }: Constant): Bytes {
  const { buffer, byteOffset, byteLength } = type === 'float32' ? values : BigInt64Array.from(values, BigInt);
  return [
    ...shape.flatMap((size) => whole(1, size)),
    ...whole(2, TYPE_NUMBERS[type]),
    ...text(8, name),
    ...message(9, [new Uint8Array(buffer, byteOffset, byteLength)]),
  ];
}

function valueBytes(name: string, type: ElementType, sizes?: readonly (number | string)[]): Bytes {
  const shape = sizes?.flatMap((size) => message(1, typeof size === 'number' ? whole(1, size) : text(2, size)));
  const tensorType = [...whole(1, TYPE_NUMBERS[type]), ...(shape ? message(2, shape) : [])]; // without: any
  return [...text(1, name), ...message(2, message(1, tensorType))];
}

// The wire format of protobuf: every field is a key of number and kind, then its value.

const whole = (field: number, value: number): Bytes => [
  Uint8Array.from([...varint(BigInt(field << 3)), ...varint(BigInt.asUintN(64, BigInt(value)))]),
];

const fixed = (field: number, value: number): Bytes => [
  Uint8Array.from([...varint(BigInt((field << 3) | 5)), ...new Uint8Array(Float32Array.of(value).buffer)]),
];

const message = (field: number, bytes: Bytes): Bytes => [
  Uint8Array.from([...varint(BigInt((field << 3) | 2)), ...varint(BigInt(lengthOf(bytes)))]),
  ...bytes,
];

const text = (field: number, value: string): Bytes => message(field, [new TextEncoder().encode(value)]);

const lengthOf = (bytes: Bytes) => bytes.reduce((sum, { length }) => sum + length, 0);

function varint(value: bigint): number[] {
  const bytes: number[] = [];
  let rest = value;
  for (; rest > 127n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128);
  return [...bytes, Number(rest)];
}
