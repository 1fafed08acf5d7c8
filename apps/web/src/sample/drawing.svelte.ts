import { tenDigits } from '../files/ten-digits.js';
import { decodePixels, encodePixels } from './drawn-pixels.js';
import type { SampleKnobs } from './knobs.svelte.js';
import { masked, penned } from './strokes.js';

const SIZE = 28;
const PIXELS = SIZE * SIZE;
const BLACK: Float32Array = new Float32Array(PIXELS).fill(-1);
const LOWER_HALF = BLACK.map((_, i) => (Math.floor(i / SIZE) >= SIZE / 2 ? 1 : 0));
/** A first scribble, so that there is something to see. */
const RING = Array.from({ length: 40 }, (_, k) => (k / 40) * 2 * Math.PI).reduce(
  (image, angle) => penned(image, SIZE, { x: 14 + 5.5 * Math.cos(angle), y: 14 + 8 * Math.sin(angle) }),
  BLACK,
);

/** What the visitor draws: a scribble to start from, or a picture and what of it is to be made anew. */
export class Drawing {
  private readonly knob: SampleKnobs;
  private examples = $state.raw<readonly Float32Array[]>([]);
  readonly scribble: Float32Array = $derived.by(
    () => decodePixels(this.knob.scribble, PIXELS, -1, 1) ?? RING,
  );
  readonly picture: Float32Array = $derived.by(() => this.examples[this.knob.digit] ?? BLACK);
  /** 1 where the picture is to be made anew. */
  readonly mask: Float32Array = $derived.by(() => decodePixels(this.knob.mask, PIXELS, 0, 1) ?? LOWER_HALF);

  constructor(knob: SampleKnobs) {
    this.knob = knob;
  }

  /** Which digit the picture is. */
  get digit(): number {
    return this.knob.digit;
  }

  /** @throws Error if the digits cannot be had. */
  async load(): Promise<void> {
    this.examples = await tenDigits();
  }

  show(digit: number): void {
    Object.assign(this.knob, { digit, mask: '' });
  }

  cover(x: number, y: number): void {
    this.hide(masked(this.mask, SIZE, { x, y }));
  }

  uncover(): void {
    this.hide(new Float32Array(PIXELS));
  }

  pen(x: number, y: number): void {
    this.draw(penned(this.scribble, SIZE, { x, y }));
  }

  clear(): void {
    this.draw(BLACK);
  }

  private hide(mask: Float32Array): void {
    this.knob.mask = encodePixels(mask, 0, 1);
  }

  private draw(scribble: Float32Array): void {
    this.knob.scribble = encodePixels(scribble, -1, 1);
  }
}
