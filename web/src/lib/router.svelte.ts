// The address bar and the screen it stands for.

import { untrack } from 'svelte';

export type Route =
  | { page: 'home' }
  | { page: 'sign-in' }
  | { page: 'register' }
  | { page: 'go-live' }
  | { page: 'password' }
  | { page: 'verification' }
  | { page: 'media' }
  | { page: 'moderation' }
  | { page: 'publish' }
  | { page: 'profile' }
  | { page: 'news' }
  | { page: 'post'; name: string }
  | { page: 'member'; name: string }
  | { page: 'watch'; name: string }
  | { page: 'embed'; name: string }
  | { page: 'not-found' };

export function parse(path: string): Route {
  const clean = path.replace(/\/+$/, '') || '/';
  const [, way, name] = /^\/(live|embed)\/([^/]+)$/.exec(clean) ?? [];
  if (name !== undefined) {
    if (!/^[a-z0-9]{1,64}$/.test(name)) return { page: 'not-found' };
    return { page: way === 'embed' ? 'embed' : 'watch', name };
  }
  // Ids as the API has them.
  const [, kind, id] = /^\/(post|membre)\/([1-9]\d{0,15})$/.exec(clean) ?? [];
  if (id !== undefined) return { page: kind === 'post' ? 'post' : 'member', name: id };
  switch (clean) {
    case '/':
      return { page: 'home' };
    case '/connexion':
      return { page: 'sign-in' };
    case '/inscription':
      return { page: 'register' };
    case '/direct':
      return { page: 'go-live' };
    case '/mot-de-passe':
      return { page: 'password' };
    case '/verification':
      return { page: 'verification' };
    case '/publier':
      return { page: 'publish' };
    case '/profil':
      return { page: 'profile' };
    case '/notifications':
      return { page: 'news' };
    case '/medias':
      return { page: 'media' };
    case '/moderation':
      return { page: 'moderation' };
    default:
      return { page: 'not-found' };
  }
}

/** The secret behind the `#` of a link from a mail: taken out of the address bar and the history. */
export function takeHash(): string {
  const secret = location.hash.slice(1);
  if (secret) history.replaceState(null, '', location.pathname + location.search);
  return secret;
}

class Router {
  path = $state(location.pathname);
  search = $state(location.search);
  route = $derived(parse(this.path));
  /** Grows with every navigation but the first: focus follows it. */
  visits = $state(0);
  /** Whether the last navigation was one of the browser's own buttons. */
  isBack = $state(false);

  constructor() {
    addEventListener('popstate', () => {
      this.isBack = true;
      this.#read();
    });
    document.addEventListener('click', (event) => this.#follow(event));
  }

  go(to: string, how: 'push' | 'replace' = 'push'): void {
    if (how === 'push') history.pushState(null, '', to);
    else history.replaceState(null, '', to);
    this.isBack = false;
    this.#read();
    scrollTo(0, 0);
  }

  /** Another view of the screen that is shown: the focus and the place stay. */
  change(to: string): void {
    history.replaceState(null, '', to);
    this.path = location.pathname;
    this.search = location.search;
  }

  /** Where to go after signing in: only ever a path of this site. */
  get next(): string {
    const wanted = new URLSearchParams(this.search).get('suite') ?? '/';
    return /^\/(?![/\\])/.test(wanted) ? wanted : '/';
  }

  #read(): void {
    this.path = location.pathname;
    this.search = location.search;
    // An effect that navigates must not depend on having navigated.
    this.visits = untrack(() => this.visits) + 1;
  }

  #follow(event: MouseEvent): void {
    if (event.defaultPrevented || event.button !== 0) return;
    // Within the page of a stranger nothing but the player is ever shown.
    if (this.route.page === 'embed') return;
    if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    const link = (event.target as Element | null)?.closest?.('a');
    if (!link || link.target || link.hasAttribute('download')) return;
    if (link.origin !== location.origin || parse(link.pathname).page === 'not-found') return;
    if (link.hash && link.pathname === location.pathname) return;
    event.preventDefault();
    this.go(link.pathname + link.search);
  }
}

export const router = new Router();
