import { masked, penned } from '../../model/strokes.js';
import { tenDigits } from '../../ten-digits.js';

const SIZE = 28;
const PIXELS = SIZE * SIZE;
const black = (): Float32Array => new Float32Array(PIXELS).fill(-1);
const lowerHalf = (): Float32Array =>
  new Float32Array(PIXELS).map((_, i) => (Math.floor(i / SIZE) >= SIZE / 2 ? 1 : 0));

/** What the visitor draws: a scribble to start from, or a picture and what of it is to be made anew. */
export class Drawing {
  scribble = $state.raw<Float32Array>(ring());
  picture = $state.raw<Float32Array>(black());
  /** 1 where the picture is to be made anew. */
  mask = $state.raw<Float32Array>(lowerHalf());
  /** Which digit the picture is. */
  digit = $state(3);
  private examples: readonly Float32Array[] = [];

  /** @throws Error if the digits cannot be had. */
  async load(): Promise<void> {
    this.examples = await tenDigits();
    this.show(this.digit);
  }

  show(digit: number): void {
    this.digit = digit;
    this.picture = this.examples[digit] ?? this.picture;
    this.mask = lowerHalf();
  }

  cover(x: number, y: number): void {
    this.mask = masked(this.mask, SIZE, { x, y });
  }

  uncover(): void {
    this.mask = new Float32Array(PIXELS);
  }

  pen(x: number, y: number): void {
    this.scribble = penned(this.scribble, SIZE, { x, y });
  }

  clear(): void {
    this.scribble = black();
  }
}

/** A first scribble, so that there is something to see. */
function ring(): Float32Array {
  let image = black();
  for (let k = 0; k < 40; k++) {
    const angle = (k / 40) * 2 * Math.PI;
    image = penned(image, SIZE, { x: 14 + 5.5 * Math.cos(angle), y: 14 + 8 * Math.sin(angle) });
  }
  return image;
}
