// How long ago something was written, as people say it. Pure.

const MONTHS = [
  'janv.',
  'févr.',
  'mars',
  'avr.',
  'mai',
  'juin',
  'juil.',
  'août',
  'sept.',
  'oct.',
  'nov.',
  'déc.',
];
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const NBSP = '\u00a0';

/** `à l’instant`, `5 min`, `3 h`, `hier`, `4 j`, `12 mars`, `12 mars 2024`. */
export function ago(at: string, now: number): string {
  const then = new Date(at);
  const past = now - then.getTime();
  if (past < MINUTE) return 'à l’instant';
  if (past < HOUR) return `${Math.floor(past / MINUTE)}${NBSP}min`;
  if (past < DAY) return `${Math.floor(past / HOUR)}${NBSP}h`;
  const today = new Date(now);
  const days = Math.round((midnight(today) - midnight(then)) / DAY);
  if (days < 2) return 'hier';
  if (days < 7) return `${days}${NBSP}j`;
  const day = dayOf(then).replace(' ', NBSP);
  const isThisYear = then.getFullYear() === today.getFullYear();
  return isThisYear ? day : `${day} ${then.getFullYear()}`;
}

/** `1er mars`, `12 mars`. */
const dayOf = (at: Date): string =>
  `${at.getDate()}${at.getDate() === 1 ? 'er' : ''} ${MONTHS[at.getMonth()]}`;

const midnight = (at: Date): number =>
  new Date(at.getFullYear(), at.getMonth(), at.getDate()).getTime();

/** The same moment in full: `12 mars 2024 à 09:05`. */
export function moment(at: string): string {
  const then = new Date(at);
  const two = (n: number) => String(n).padStart(2, '0');
  return `${dayOf(then)} ${then.getFullYear()} à ${two(then.getHours())}:${two(then.getMinutes())}`;
}
