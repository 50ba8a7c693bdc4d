// The API key: in memory, and in this tab's session storage so that a reload keeps it. It is never in an address.
import type { Identity, Role } from '../api/rows';

const PLACE = 'stillwatch.key';

class Session {
  key = $state(sessionStorage.getItem(PLACE) ?? '');
  who = $state.raw<Identity | null>(null);
  /** Why the last key was given up, as a message id. */
  ended = $state<'session.refused' | null>(null);

  begin(key: string, who: Identity): void {
    this.key = key;
    this.who = who;
    this.ended = null;
    sessionStorage.setItem(PLACE, key);
  }

  end(why: 'session.refused' | null = null): void {
    this.key = '';
    this.who = null;
    this.ended = why;
    sessionStorage.removeItem(PLACE);
  }

  /** Whether this key may do what these roles may; the server has the last word. */
  is(...roles: Role[]): boolean {
    return this.who !== null && roles.includes(this.who.role);
  }

  get canJudge(): boolean {
    return this.is('responder', 'admin');
  }
}

export const session = new Session();
