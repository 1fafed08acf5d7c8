// A figure as it is on the page, as a PNG: its pictures, and what is written to be read with them.

import { saveFile } from './save.js';

export async function saveFigure(name: string, figure: HTMLElement): Promise<void> {
  const box = figure.getBoundingClientRect();
  // That of the pictures, which would blur at any other.
  const scale = devicePixelRatio;
  const canvas = document.createElement('canvas');
  canvas.width = Math.round(scale * box.width);
  canvas.height = Math.round(scale * box.height);
  const context = canvas.getContext('2d')!;
  context.scale(scale, scale);
  context.fillStyle = getComputedStyle(figure).backgroundColor;
  context.fillRect(0, 0, box.width, box.height);
  for (const element of figure.querySelectorAll<HTMLElement>('canvas, h2, h3, [data-png]')) {
    const at = element.getBoundingClientRect();
    if (at.width === 0) continue;
    const place = { x: at.left - box.left, y: at.top - box.top, width: at.width, height: at.height };
    if (element instanceof HTMLCanvasElement) drawPicture(context, element, place);
    else drawText(context, element, place);
  }
  const blob = await new Promise<Blob | null>((resolve) => canvas.toBlob(resolve, 'image/png'));
  if (blob) saveFile(`${name}.png`, blob);
}

interface Place {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

function drawPicture(context: CanvasRenderingContext2D, picture: HTMLCanvasElement, place: Place): void {
  context.imageSmoothingEnabled = getComputedStyle(picture).imageRendering !== 'pixelated';
  context.drawImage(picture, place.x, place.y, place.width, place.height);
}

/** One line of text; a dot before it, where the element has one. */
function drawText(context: CanvasRenderingContext2D, element: HTMLElement, place: Place): void {
  const { fontWeight, fontSize, fontFamily, color } = getComputedStyle(element);
  const dot = element.querySelector('i');
  const indent = dot === null ? 0 : dot.getBoundingClientRect().width + 6;
  const middle = place.y + place.height / 2;
  if (dot !== null) {
    context.fillStyle = getComputedStyle(dot).backgroundColor;
    context.beginPath();
    context.arc(place.x + 4.5, middle, 4.5, 0, 2 * Math.PI);
    context.fill();
  }
  context.font = `${fontWeight} ${fontSize} ${fontFamily}`;
  context.fillStyle = color;
  context.textBaseline = 'middle';
  context.fillText(element.textContent.trim(), place.x + indent, middle);
}
