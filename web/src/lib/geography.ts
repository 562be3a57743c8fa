// The cascade région → préfecture → commune → quartier, with the steps that leave no choice skipped.

import type { Place, Region } from './api/types';

export type Level = 'region' | 'prefecture' | 'commune' | 'quartier';
export type Choice = Partial<Record<Level, number>>;

export interface Step {
  level: Level;
  options: readonly Place[];
  chosen: number | undefined;
}

export interface Cascade {
  /** The questions to ask, in order, up to the first unanswered one. */
  steps: Step[];
  /** The quartier, once everything is answered. */
  quartier: number | null;
  /** From the quartier up: "Kipé, Ratoma, Conakry". Names said twice are said once. */
  path: string | null;
}

/** What to ask next, given the country and what has been answered. */
export function cascade(regions: readonly Region[], choice: Choice): Cascade {
  const steps: Step[] = [];
  const names: string[] = [];

  function pick<T extends Place>(level: Level, options: readonly T[]): T | undefined {
    const only = options.length === 1 ? options[0] : undefined;
    const picked = only ?? options.find((option) => option.id === choice[level]);
    if (!only) steps.push({ level, options, chosen: picked?.id });
    if (picked) names.unshift(picked.nom);
    return picked;
  }

  const region = pick('region', regions);
  const prefecture = region && pick('prefecture', region.prefectures);
  const commune = prefecture && pick('commune', prefecture.communes);
  const quartier = commune && pick('quartier', commune.quartiers);
  return {
    steps,
    quartier: quartier?.id ?? null,
    path: quartier ? [...new Set(names)].join(', ') : null,
  };
}

const BELOW: Record<Level, readonly Level[]> = {
  region: ['prefecture', 'commune', 'quartier'],
  prefecture: ['commune', 'quartier'],
  commune: ['quartier'],
  quartier: [],
};

/** The choice with one answer changed: what depended on the old answer is forgotten. */
export function choose(choice: Choice, level: Level, id: number | undefined): Choice {
  const next: Choice = { ...choice };
  for (const below of BELOW[level]) delete next[below];
  if (id === undefined) delete next[level];
  else next[level] = id;
  return next;
}
