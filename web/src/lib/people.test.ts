import { expect, test } from 'vitest';
import { nameOf, placeOf } from './people';

const author = {
  id: 1,
  first_name: 'Fatou',
  last_name: 'Camara',
  profile_picture: null,
  location_info: 'Kipé, Ratoma',
};

test('who writes without a name is named to nobody, and told so himself', () => {
  expect(nameOf(author, false, true)).toBe('Fatou Camara');
  expect(nameOf(author, true, false)).toBe('Membre anonyme');
  expect(nameOf(author, true, true)).toBe('Vous, anonymement');
  expect(nameOf({ ...author, first_name: '', last_name: '' }, false, false)).toBe('Un membre');
});

test('neighbours are told the quartier, others the commune too, nobody what is not known', () => {
  expect(placeOf(author, true)).toBe('Kipé');
  expect(placeOf(author, false)).toBe('Kipé, Ratoma');
  expect(placeOf({ ...author, location_info: 'Non spécifié' }, false)).toBe('');
});
