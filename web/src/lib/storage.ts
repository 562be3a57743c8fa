// What the browser remembers between visits. Private browsing may refuse it, or its room be used up:
// what is written then lives as long as the page.

/** Where it is kept what a member has begun: posts, and files on their way. */
export const BEGUN = { draft: 'cc.draft.', uploads: 'cc.uploads' } as const;

const fallback = new Map<string, string>();

export function read(key: string): string | null {
  const here = fallback.get(key);
  if (here !== undefined) return here;
  try {
    return localStorage.getItem(key);
  } catch {
    return null;
  }
}

export function write(key: string, value: string | null): void {
  fallback.delete(key);
  try {
    if (value === null) localStorage.removeItem(key);
    else localStorage.setItem(key, value);
  } catch {
    if (value !== null) fallback.set(key, value);
  }
}

/** Leaves nothing of what members of this device have begun, for whoever uses it next. */
export function forgetBegun(): void {
  for (const key of [...fallback.keys(), ...storedKeys()]) {
    if (Object.values(BEGUN).some((start) => key.startsWith(start))) write(key, null);
  }
}

function storedKeys(): string[] {
  try {
    return Array.from({ length: localStorage.length }, (_, at) => localStorage.key(at) ?? '');
  } catch {
    return [];
  }
}
