// The sounds of a live, and what they are called.

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
