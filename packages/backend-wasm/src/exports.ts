/** What the compiled kernels export. Every argument is an address, a size or a number; see assembly/. */
export interface Exports {
  adamW(list: number, count: number, ...numbers: number[]): number;
  add(a: number, b: number, y: number, count: number): void;
  addRow(x: number, row: number, y: number, rows: number, columns: number): void;
  attention(
    q: number,
    k: number,
    v: number,
    y: number,
    logSumExp: number,
    heads: number,
    queries: number,
    keys: number,
    depth: number,
    scratch: number,
  ): void;
  attentionGradient(
    dy: number,
    q: number,
    k: number,
    v: number,
    logSumExp: number,
    dq: number,
    dk: number,
    dv: number,
    heads: number,
    queries: number,
    keys: number,
    depth: number,
    scratch: number,
  ): void;
  attentionScratch(keys: number, depth: number): number;
  convolution(
    x: number,
    n: number,
    w: number,
    bias: number,
    residual: number,
    y: number,
    scratch: number,
  ): void;
  convolutionFilterGradient(x: number, n: number, dy: number, dw: number, scratch: number): void;
  convolutionInputGradient(dy: number, n: number, w: number, dx: number, scratch: number): void;
  convolutionScratch(): number;
  constantsSize(): number;
  setConstants(to: number): void;
  depthwiseFilterGradient(x: number, n: number, dy: number, dw: number): void;
  depthwiseInputGradient(dy: number, n: number, w: number, dx: number): void;
  relu(x: number, count: number): void;
  normal(
    to: number,
    rows: number,
    columns: number,
    firstRow: number,
    draw: number,
    k0: number,
    k1: number,
  ): void;
  uniform(
    to: number,
    rows: number,
    columns: number,
    firstRow: number,
    draw: number,
    k0: number,
    k1: number,
  ): void;
  copyRows(to: number, toStride: number, from: number, fromStride: number, rows: number, count: number): void;
  gemm(
    a: number,
    aRow: number,
    aColumn: number,
    b: number,
    bRow: number,
    bColumn: number,
    c: number,
    cStride: number,
    m: number,
    n: number,
    k: number,
    init: number,
    initStride: number,
    scratch: number,
  ): void;
  gemmScratch(): number;
  groupNorm(
    x: number,
    scale: number,
    offset: number,
    perExample: number,
    y: number,
    means: number,
    inverses: number,
    n: number,
    rows: number,
    channels: number,
    groups: number,
    epsilon: number,
    silu: number,
    scratch: number,
  ): void;
  groupNormGradient(
    dy: number,
    x: number,
    scale: number,
    offset: number,
    perExample: number,
    means: number,
    inverses: number,
    dx: number,
    dscale: number,
    doffset: number,
    n: number,
    rows: number,
    channels: number,
    groups: number,
    silu: number,
    scratch: number,
  ): void;
  groupNormScratch(rows: number, channels: number): number;
  shape(
    h: number,
    w: number,
    c: number,
    oh: number,
    ow: number,
    oc: number,
    fh: number,
    fw: number,
    strideY: number,
    strideX: number,
    dilationY: number,
    dilationX: number,
    top: number,
    left: number,
  ): void;
  silu(x: number, y: number, count: number): void;
  siluGradient(dy: number, x: number, dx: number, count: number): void;
  softmaxGradient(dy: number, y: number, dx: number, rows: number, columns: number): void;
  squaredNorm(list: number, count: number): number;
  sumRows(x: number, rows: number, columns: number, sum: number, part: number): void;
  transposeTaps(to: number, from: number, taps: number, k: number, n: number): void;
  upsample(x: number, y: number, rows: number, width: number, channels: number, factor: number): void;
  upsampleGradient(
    dy: number,
    dx: number,
    rows: number,
    width: number,
    channels: number,
    factor: number,
  ): void;
  winograd(
    x: number,
    n: number,
    h: number,
    w: number,
    cin: number,
    u: number,
    bias: number,
    residual: number,
    y: number,
    oh: number,
    ow: number,
    cout: number,
    padTop: number,
    padLeft: number,
    scratch: number,
  ): number;
  winogradFilter(u: number, w: number, k: number, n: number, turned: number, scratch: number): void;
  winogradFilterGradient(
    x: number,
    n: number,
    h: number,
    w: number,
    cin: number,
    dy: number,
    oh: number,
    ow: number,
    cout: number,
    dw: number,
    padTop: number,
    padLeft: number,
    scratch: number,
  ): number;
  winogradFilterSize(k: number, n: number): number;
  winogradScratch(cin: number, cout: number): number;
}
