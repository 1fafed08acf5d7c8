// Just enough of ONNX's protobuf (onnx.proto3) to write a network of a few nodes down.

type Field = readonly [number: number, value: number | string | Uint8Array | readonly Field[]];

function varint(value: number): number[] {
  return value < 128 ? [value] : [(value % 128) + 128, ...varint(Math.floor(value / 128))];
}

/** A message: numbers as varints, everything else with its length before it. */
function message(fields: readonly Field[]): Uint8Array {
  return Uint8Array.from(
    fields.flatMap(([number, value]) => {
      if (typeof value === 'number') return [...varint(number * 8), ...varint(value)];
      const bytes =
        typeof value === 'string'
          ? new TextEncoder().encode(value)
          : value instanceof Uint8Array
            ? value
            : message(value);
      return [...varint(number * 8 + 2), ...varint(bytes.length), ...bytes];
    }),
  );
}

const FLOAT = 1;

/** Of any batch size; the other axes as given. */
function valueInfo(name: string, shape: readonly number[]): Field[] {
  const batch: Field[] = [[2, 'batch']];
  const axes = shape.map((size): Field => [1, [[1, size]]]);
  const tensor: Field[] = [
    [1, FLOAT],
    [2, [[1, batch], ...axes]],
  ];
  return [
    [1, name],
    [2, [[1, tensor]]],
  ];
}

function constant(name: string, shape: readonly number[], values: readonly number[]): Field[] {
  return [
    ...shape.map((size): Field => [1, size]),
    [2, FLOAT],
    [8, name],
    [9, new Uint8Array(Float32Array.from(values).buffer)],
  ];
}

function node(op: string, inputs: readonly string[], output: string): Field[] {
  return [...inputs.map((name): Field => [1, name]), [2, output], [4, op]];
}

/** y = x · weight + t · bias as an ONNX file: x `[batch, n]`, t `[batch, 1]`, weight `[n, n]` by rows, bias `[n]`. */
export function affineModel(weight: readonly number[], bias: readonly number[]): Uint8Array {
  const n = bias.length;
  const graph: Field[] = [
    [1, node('MatMul', ['x', 'weight'], 'ofX')],
    [1, node('Mul', ['t', 'bias'], 'ofT')],
    [1, node('Add', ['ofX', 'ofT'], 'y')],
    [2, 'affine'],
    [5, constant('weight', [n, n], weight)],
    [5, constant('bias', [n], bias)],
    [11, valueInfo('x', [n])],
    [11, valueInfo('t', [1])],
    [12, valueInfo('y', [n])],
  ];
  const opset: Field[] = [
    [1, ''],
    [2, 13],
  ];
  return message([
    [1, 8],
    [7, graph],
    [8, opset],
  ]);
}
