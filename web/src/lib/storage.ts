// What the browser remembers between visits. Private browsing may refuse it, or its room be used up:
// what is written then lives as long as the page.

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
