import { expect, test } from 'vitest';
import type { Region } from './api/types';
import { cascade, choose } from './geography';

const place = (id: number, nom: string) => ({ id, nom });
const country: Region[] = [
  {
    ...place(1, 'Conakry'),
    prefectures: [
      {
        ...place(2, 'Conakry'),
        communes: [
          { ...place(3, 'Ratoma'), quartiers: [place(4, 'Kipé'), place(5, 'Taouyah')] },
          { ...place(6, 'Kaloum'), quartiers: [place(7, 'Boulbinet'), place(8, 'Sandervalia')] },
        ],
      },
    ],
  },
  {
    ...place(9, 'Labé'),
    prefectures: [
      {
        ...place(10, 'Labé'),
        communes: [
          { ...place(11, 'Labé Centre'), quartiers: [place(12, 'Pita'), place(13, 'Mamou')] },
        ],
      },
    ],
  },
];
const levels = (choice: Parameters<typeof cascade>[1]) =>
  cascade(country, choice).steps.map((step) => step.level);

test('only what leaves a choice is asked', () => {
  expect(levels({})).toEqual(['region']);
  expect(levels({ region: 1 })).toEqual(['region', 'commune']);
  expect(levels({ region: 9 })).toEqual(['region', 'quartier']);
});

test('the answer is a quartier and reads from it upwards, each name once', () => {
  const answer = cascade(country, { region: 1, commune: 3, quartier: 4 });
  expect(answer).toMatchObject({ quartier: 4, path: 'Kipé, Ratoma, Conakry' });
});

test('changing an answer forgets those that hung on it', () => {
  const choice = choose({ region: 1, commune: 3, quartier: 4 }, 'commune', 6);
  expect(choice).toEqual({ region: 1, commune: 6 });
  expect(cascade(country, choice).quartier).toBeNull();
  expect(choose(choice, 'region', undefined)).toEqual({});
});

test('an answer from elsewhere counts for nothing', () => {
  expect(cascade(country, { region: 9, quartier: 4 }).quartier).toBeNull();
});
