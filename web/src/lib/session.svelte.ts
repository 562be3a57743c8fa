// Who is signed in, shared by all screens and kept in step between tabs.

import { Api } from './api/client';
import { exclusiveAcrossTabs, TokenKeeper } from './api/tokens';
import type { Registration, SignedIn, User } from './api/types';
import { read, write } from './storage';

const REFRESH_KEY = 'cc.refresh';
const USER_KEY = 'cc.user';

/** What is remembered of the user between visits: enough to greet, nothing private. */
type Remembered = Pick<
  User,
  'id' | 'first_name' | 'last_name' | 'profile_picture' | 'quartier' | 'location_info' | 'role'
>;

class Session {
  user = $state<Remembered | null>(null);
  readonly api: Api;
  readonly #tokens: TokenKeeper;

  constructor() {
    this.api = new Api(() => this.#tokens);
    this.#tokens = new TokenKeeper(
      {
        get: () => read(REFRESH_KEY),
        set: (refresh) => write(REFRESH_KEY, refresh),
      },
      this.api.rotate,
      exclusiveAcrossTabs('cc.refreshing'),
      this.api.revoke,
    );
    this.api.onSignedOut = () => {
      // A session that began meanwhile, in another tab, is not the one that is over.
      if (this.#tokens.hasSession) this.#recall();
      else this.#drop();
    };
    this.#recall();
    addEventListener('storage', (event) => {
      if (event.key !== REFRESH_KEY && event.key !== USER_KEY && event.key !== null) return;
      // Signed out elsewhere, or signed in as somebody else.
      const before = this.user?.id;
      this.#recall();
      if (this.user?.id !== before) this.#tokens.forgetAccess();
    });
  }

  get isSignedIn(): boolean {
    return this.user !== null;
  }

  async signIn(email: string, password: string): Promise<void> {
    this.#keep(await this.api.signIn(email, password));
  }

  async register(form: Registration): Promise<void> {
    this.#keep(await this.api.register(form));
  }

  async setQuartier(quartier: number): Promise<void> {
    this.remember(await this.api.setQuartier(quartier));
  }

  /** Signs out here at once; the server is told as far as the network allows. */
  async signOut(): Promise<void> {
    const told = this.api.signOut(this.#tokens.refreshToken).catch(() => {});
    await Promise.race([told, new Promise((resolve) => setTimeout(resolve, 3000))]);
    this.#drop();
  }

  #keep(answer: SignedIn): void {
    this.#tokens.keep(answer.tokens);
    this.remember(answer.user);
  }

  /** What the user is now. */
  remember(user: User): void {
    const { id, first_name, last_name, profile_picture, quartier, location_info, role } = user;
    this.user = { id, first_name, last_name, profile_picture, quartier, location_info, role };
    write(USER_KEY, JSON.stringify(this.user));
  }

  #recall(): void {
    try {
      this.user = read(REFRESH_KEY) ? (JSON.parse(read(USER_KEY) ?? 'null') as Remembered) : null;
    } catch {
      this.user = null;
    }
  }

  #drop(): void {
    this.#tokens.forget();
    write(USER_KEY, null);
    this.user = null;
  }
}

export const session = new Session();
