// What the player says over the picture, by state.

import type { LiveStatus } from '../api/types';
import { fr } from '../fr';
import type { State } from './machine';

export interface Words {
  title: string;
  text: string;
  /** Something is expected: the rings move. */
  active: boolean;
  retry: boolean;
}

/** The message to lay over the picture; null when the picture speaks for itself. */
export function words(state: State, endText: string | null): Words | null {
  const w = fr.watch;
  const say = (title: string, text: string, active: boolean, retry = false): Words => ({
    title,
    text,
    active,
    retry,
  });
  switch (state.phase) {
    case 'playing':
      return null;
    case 'waiting':
      return state.server === 'live'
        ? say(w.connecting, '', true)
        : say(w.waiting, w.waitingText, true);
    case 'stalled':
      return say(w.stalled, w.stalledText, true);
    case 'interrupted':
      return say(w.interrupted, w.interruptedText, true);
    case 'ended':
      return say(w.ended, endText ?? w.endedTextBare, false);
    case 'error':
      if (state.cause === 'unknown-live') return say(w.unknown, w.unknownText, false);
      if (state.cause === 'unsupported') return say(w.unsupported, w.unsupportedText, false);
      if (state.cause === 'media') return say(w.media, w.mediaText, false, true);
      return say(w.network, w.networkText, false, true);
  }
}

/** The name people know a codec by. */
export function codecName(codec: string | null): string | null {
  if (!codec) return null;
  if (/^avc[13]/.test(codec)) return 'H.264';
  if (/^(hvc|hev)1/.test(codec)) return 'H.265';
  if (/^av01/.test(codec)) return 'AV1';
  if (/^vp09/.test(codec)) return 'VP9';
  if (/^mp4a\.(40\.34|6b|69)$/i.test(codec)) return 'MP3';
  if (/^mp4a/.test(codec)) return 'AAC';
  if (/^flac$/i.test(codec)) return 'FLAC';
  if (/^ac-3$/.test(codec)) return 'AC-3';
  if (/^ec-3$/.test(codec)) return 'E-AC-3';
  return codec.split('.')[0] ?? codec;
}

/** Whether a live in this state may still show something. */
export const isOpen = (status: LiveStatus | null): boolean => status !== 'ended';
