// What a viewer is told, decided from two witnesses: the media element, which knows whether
// pictures move, and the server, which knows why they do not. Pure.

import type { LiveStatus } from '../api/types';

export type Phase = 'waiting' | 'playing' | 'stalled' | 'interrupted' | 'ended' | 'error';
export type Cause = 'unknown-live' | 'network' | 'media' | 'unsupported';

export interface State {
  phase: Phase;
  /** Pictures or sound have come out at least once. */
  started: boolean;
  server: LiveStatus | null;
  cause: Cause | null;
}

export type Happening =
  | { type: 'server'; status: LiveStatus }
  /** The server has never heard of this live. */
  | { type: 'unknown' }
  /** The playlist answers 404: nothing is being published, or not any more. */
  | { type: 'playlist-missing' }
  | { type: 'playing' }
  /** The buffer ran dry. */
  | { type: 'dry' }
  /**
   * The media element reached the end that the playlist announced, which a server that goes down
   * announces too. `status` is what the server said when it was asked; null without an answer.
   */
  | { type: 'end-reached'; status: LiveStatus | null }
  | { type: 'failed'; cause: Exclude<Cause, 'unknown-live'> }
  | { type: 'retry' };

export const initial: State = { phase: 'waiting', started: false, server: null, cause: null };

export function next(state: State, happening: Happening): State {
  switch (happening.type) {
    case 'retry':
      return { ...state, phase: 'waiting', cause: null };
    case 'unknown':
      // One that was watched and is gone has ended.
      return state.started ? over(state) : { ...state, phase: 'error', cause: 'unknown-live' };
    case 'playing':
      if (state.phase === 'ended') return state;
      // Pictures are proof: whatever the server said last is out of date, except that it ended,
      // for the window outlives the live.
      return {
        phase: 'playing',
        started: true,
        server: state.server === 'ended' ? 'ended' : 'live',
        cause: null,
      };
    case 'end-reached':
      if (happening.status === 'ended') return over(state);
      // Whatever the server said of the run that is over, nothing comes before the next one.
      return { ...state, phase: 'interrupted', server: 'interrupted', cause: null };
    case 'dry':
      return state.phase === 'playing' ? without(state, state.server) : state;
    case 'server': {
      const told = { ...state, server: happening.status };
      // What is buffered is shown to its end before bad news.
      if (state.phase === 'playing' || state.phase === 'ended') return told;
      if (state.phase === 'error' && happening.status === 'live') return told;
      return without(told, happening.status);
    }
    case 'playlist-missing':
      return state.phase === 'ended' ? state : without(state, state.server);
    case 'failed':
      if (state.phase === 'ended') return state;
      if (state.server === 'ended') return { ...state, phase: 'ended', cause: null };
      if (state.server === 'interrupted') return { ...state, phase: 'interrupted', cause: null };
      return { ...state, phase: 'error', cause: happening.cause };
  }
}

function over(state: State): State {
  return { ...state, phase: 'ended', server: 'ended', cause: null };
}

/** The state of a viewer without pictures, given what the server says. */
function without(state: State, server: LiveStatus | null): State {
  const still = { ...state, server, cause: null };
  if (server === 'ended') return { ...still, phase: 'ended' };
  if (server === 'interrupted') return { ...still, phase: 'interrupted' };
  return { ...still, phase: state.started && server !== 'created' ? 'stalled' : 'waiting' };
}
