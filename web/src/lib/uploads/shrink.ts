// Pictures made smaller before they travel: what a telephone takes is ten times what is shown.

/** What the server makes of a picture, at most: lying, or standing. */
const BOX = { long: 1920, short: 1080 };
const QUALITY = 0.85;
/** Below this nobody waits for it, and nothing is lost by sending it as it is. */
const LIGHT_BYTES = 300_000;
/** A picture that is decoded takes four bytes a pixel: larger files go as they are. */
const HEAVY_BYTES = 40_000_000;

export interface Size {
  width: number;
  height: number;
}

/** Whether a file is worth a look: not what may move, nor what is light already, nor what is no picture. */
export function isShrinkable({ type, size }: Pick<File, 'type' | 'size'>): boolean {
  if (!type.startsWith('image/') || ['image/gif', 'image/webp', 'image/svg+xml'].includes(type))
    return false;
  return size > LIGHT_BYTES && size <= HEAVY_BYTES;
}

/** The size in which a picture is shown; its own where that is smaller. */
export function shrunkSize({ width, height }: Size): Size {
  const [wide, high] = width >= height ? [BOX.long, BOX.short] : [BOX.short, BOX.long];
  const scale = Math.min(1, wide / width, high / height);
  const scaled = (pixels: number) => Math.max(1, Math.round(pixels * scale));
  return { width: scaled(width), height: scaled(height) };
}

/** What it is sent as: PNG may be transparent, all else becomes what photographs are. */
export const shrunkType = (type: string): 'image/png' | 'image/jpeg' =>
  type === 'image/png' ? 'image/png' : 'image/jpeg';

/** The name with the ending of what it has become. */
export const shrunkName = (name: string, type: string): string =>
  type === 'image/jpeg' && !/\.jpe?g$/i.test(name)
    ? `${name.replace(/\.[^.]*$/, '') || 'photo'}.jpg`
    : name;

/**
 * The picture as it is sent, the right way up: smaller where that helps, else the file itself. It says
 * nothing any more of where and by whom it was taken.
 */
export async function shrunk(file: File): Promise<File> {
  if (!isShrinkable(file)) return file;
  try {
    const whole = await createImageBitmap(file);
    const { width, height } = shrunkSize(whole);
    const canvas = drawn(whole, width, height);
    const type = shrunkType(file.type);
    const blob = await new Promise<Blob | null>((done) => canvas.toBlob(done, type, QUALITY));
    if (!blob || blob.size >= file.size) return file;
    // As old as what it was made of: an upload that broke off finds itself again.
    const { lastModified } = file;
    return new File([blob], shrunkName(file.name, type), { type, lastModified });
  } catch {
    // What this browser cannot read, the server may.
    return file;
  }
}

/** A face for others to know somebody by: square, as large as it is ever shown. */
export async function face(file: File, side = 512): Promise<Blob> {
  if (file.type === 'image/gif') return file;
  try {
    const whole = await createImageBitmap(file);
    const { width, height } = whole;
    const cut = Math.min(width, height);
    const canvas = Object.assign(document.createElement('canvas'), { width: side, height: side });
    const context = canvas.getContext('2d');
    // What is transparent would be black.
    if (context) context.fillStyle = '#ffffff';
    context?.fillRect(0, 0, side, side);
    const [left, top] = [(width - cut) / 2, (height - cut) / 2];
    context?.drawImage(whole, left, top, cut, cut, 0, 0, side, side);
    whole.close();
    const blob = await new Promise<Blob | null>((done) =>
      canvas.toBlob(done, 'image/jpeg', QUALITY),
    );
    return blob ?? file;
  } catch {
    return file;
  }
}

/** A small picture of it to show at once; null where the browser cannot read it. */
export async function preview(file: Blob, longest = 320): Promise<string | null> {
  try {
    const whole = await createImageBitmap(file);
    const scale = Math.min(1, longest / Math.max(whole.width, whole.height));
    const canvas = drawn(whole, Math.ceil(whole.width * scale), Math.ceil(whole.height * scale));
    return canvas.toDataURL('image/jpeg', 0.8);
  } catch {
    return null;
  }
}

function drawn(bitmap: ImageBitmap, width: number, height: number): HTMLCanvasElement {
  const canvas = Object.assign(document.createElement('canvas'), { width, height });
  const context = canvas.getContext('2d');
  if (!context) throw new Error('no canvas');
  context.imageSmoothingQuality = 'high';
  context.drawImage(bitmap, 0, 0, width, height);
  bitmap.close();
  return canvas;
}
