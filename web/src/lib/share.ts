// Copying and sharing, on browsers that may not allow either.

/** Puts `text` on the clipboard; false when the browser would not. */
export async function copyText(text: string): Promise<boolean> {
  try {
    // Absent outside HTTPS and localhost.
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copyThroughSelection(text);
  }
}

function copyThroughSelection(text: string): boolean {
  const area = document.createElement('textarea');
  area.value = text;
  area.readOnly = true;
  area.className = 'visually-hidden';
  const focused = document.activeElement as HTMLElement | null;
  document.body.append(area);
  area.select();
  area.setSelectionRange(0, text.length);
  try {
    return document.execCommand('copy');
  } catch {
    return false;
  } finally {
    area.remove();
    focused?.focus();
  }
}

export const canShare = (): boolean => typeof navigator.share === 'function';

/** Opens the device's share sheet; false when there is none (a closed sheet counts as shared). */
export async function shareLink(title: string, url: string): Promise<boolean> {
  if (!canShare()) return false;
  try {
    await navigator.share({ title, url });
    return true;
  } catch (error) {
    return (error as DOMException).name === 'AbortError';
  }
}

export const whatsAppLink = (title: string, url: string): string =>
  `https://wa.me/?text=${encodeURIComponent(`${title}\n${url}`)}`;

/** Where a link is passed on to, by the names that the API has for it. */
export const shareLinks = (title: string, url: string) => {
  const [text, link] = [title, url].map(encodeURIComponent);
  return {
    whatsapp: whatsAppLink(title, url),
    facebook: `https://www.facebook.com/sharer/sharer.php?u=${link}`,
    telegram: `https://t.me/share/url?url=${link}&text=${text}`,
    twitter: `https://x.com/intent/post?text=${text}&url=${link}`,
    email: `mailto:?subject=${text}&body=${encodeURIComponent(`${title}\n${url}`)}`,
  } as const;
};
