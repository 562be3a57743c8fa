// Numbers and times as a French reader expects them. Pure; no Intl, whose data old phones lack.

const NBSP = '\u00a0';

/** `1234567.8` → `1 234 567,8`, with at most `digits` decimals and no trailing zero. */
export function number(value: number, digits = 0): string {
  const [whole = '0', fraction = ''] = value.toFixed(digits).split('.');
  const grouped = whole.replace(/\B(?=(\d{3})+(?!\d))/g, NBSP);
  const trimmed = fraction.replace(/0+$/, '');
  return trimmed ? `${grouped},${trimmed}` : grouped;
}

/** A share from 0 to 1: `94 %`. */
export function percent(share: number): string {
  return `${number(Math.round(share * 100))}${NBSP}%`;
}

/** Bytes counted as a telephone operator does, in thousands: `850 Ko`, `12 Mo`, `1,3 Go`. */
export function bytes(count: number): string {
  if (count < 1e6) return `${number(count / 1e3)}${NBSP}Ko`;
  if (count < 1e9) return `${number(count / 1e6, count < 10e6 ? 1 : 0)}${NBSP}Mo`;
  return `${number(count / 1e9, 1)}${NBSP}Go`;
}

/** Bits per second: `128 kbit/s`, `2,6 Mbit/s`. */
export function bitrate(bitsPerSecond: number): string {
  if (bitsPerSecond < 1e6) return `${number(bitsPerSecond / 1e3)}${NBSP}kbit/s`;
  return `${number(bitsPerSecond / 1e6, 1)}${NBSP}Mbit/s`;
}

/** Pictures per second: `30 i/s`, `29,97 i/s`. */
export function frameRate(fps: number): string {
  return `${number(fps, 2)}${NBSP}i/s`;
}

/** A running clock: `4:05`, `1:02:03`. Negative durations count as zero. */
export function clock(ms: number): string {
  const total = Math.max(0, Math.floor(ms / 1000));
  const [h, m, s] = [Math.floor(total / 3600), Math.floor(total / 60) % 60, total % 60];
  const two = (n: number) => String(n).padStart(2, '0');
  return h > 0 ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}

/** The seconds of what somebody wrote like a clock: `4:05`, `1:02:03`, `12`, `7,5`; null for anything else. */
export function seconds(text: string): number | null {
  const parts = /^(?:(?:(\d{1,3}):)?(\d{1,3}):)?(\d{1,5}(?:[.,]\d{1,3})?)$/.exec(text.trim());
  if (!parts) return null;
  const [h = 0, m = 0, s = 0] = parts
    .slice(1)
    .map((part) => Number((part ?? '0').replace(',', '.')));
  return h * 3600 + m * 60 + s;
}

/** The same as it is said aloud: `4 minutes 5 secondes`. */
export function spoken(ms: number): string {
  const total = Math.max(0, Math.floor(ms / 1000));
  const units = [
    [Math.floor(total / 3600), 'heure'],
    [Math.floor(total / 60) % 60, 'minute'],
    [total % 60, 'seconde'],
  ] as const;
  const words = units.flatMap(([n, unit]) => (n > 0 ? [`${n} ${unit}${n > 1 ? 's' : ''}`] : []));
  return words.join(' ') || '0 seconde';
}

/** The milliseconds of a duration as the API writes it: `01:02:03.500000`. */
export function milliseconds(text: string | null | undefined): number | null {
  const parts = /^(\d+):(\d\d):(\d\d(?:\.\d+)?)$/.exec(text ?? '');
  if (!parts) return null;
  const [, h, m, s] = parts.map(Number);
  return Math.round(((h ?? 0) * 3600 + (m ?? 0) * 60 + (s ?? 0)) * 1000);
}

/** A duration in words, to the minute: `moins d’une minute`, `12 min`, `2 h 05`. */
export function duration(ms: number): string {
  const minutes = Math.floor(Math.max(0, ms) / 60_000);
  if (minutes < 1) return 'moins d’une minute';
  if (minutes < 60) return `${minutes}${NBSP}min`;
  return `${Math.floor(minutes / 60)}${NBSP}h${NBSP}${String(minutes % 60).padStart(2, '0')}`;
}

/** Seconds to wait, for a button that counts down: `8 s`, `2 min`. */
export function wait(seconds: number): string {
  return seconds < 90 ? `${Math.ceil(seconds)}${NBSP}s` : `${Math.ceil(seconds / 60)}${NBSP}min`;
}

/** Up to two initials, for a face nobody has uploaded. */
export function initials(first: string, last: string): string {
  const letter = (name: string) => Array.from(name.trim())[0]?.toUpperCase() ?? '';
  return letter(first) + letter(last) || '?';
}
