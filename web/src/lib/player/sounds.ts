// The sounds of a live: what they are called, and what one alone saves.

import type { LevelParsed } from 'hls.js';

/** A sound to choose. */
export interface Sound {
  /** What its playlist calls it: no two alike. */
  name: string;
  /** What a viewer reads. */
  label: string;
  lang: string | null;
  url: string;
}

interface Track {
  name: string;
  lang?: string;
  url: string;
}

/** What there is to choose; nothing where there is one sound. */
export function choices(tracks: Track[]): Sound[] {
  if (tracks.length < 2) return [];
  return tracks.map(({ name, lang, url }) => ({
    name,
    label: label(name, lang),
    lang: lang ?? null,
    url,
  }));
}

/** A sound without a name is called by its language, which its reader knows by another word. */
function label(name: string, lang: string | undefined): string {
  if (!lang || name !== lang) return name;
  try {
    const word = new Intl.DisplayNames(['fr'], { type: 'language' }).of(lang) ?? name;
    return word.charAt(0).toLocaleUpperCase('fr') + word.slice(1);
  } catch {
    return name;
  }
}

/** What the sound alone leaves out of all there is, by the averages the server measured. */
export function savings(levels: LevelParsed[]): number | null {
  const rate = ({ attrs, bitrate }: LevelParsed) =>
    attrs.decimalInteger('AVERAGE-BANDWIDTH') || bitrate;
  const sound = levels.find((level) => !level.videoCodec && !level.width);
  const most = Math.max(0, ...levels.filter((level) => level !== sound).map(rate));
  return sound && most > 0 ? Math.max(0, 1 - rate(sound) / most) : null;
}
