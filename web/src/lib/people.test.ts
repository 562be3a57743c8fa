import { expect, test } from 'vitest';
import { calledPost, nameOf, placeOf } from './people';

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

test('a post without a name is told of without it, and is its author’s to him alone', () => {
  expect(calledPost(author, false, true)).toBe('Publication de Fatou Camara');
  expect(calledPost(author, true, true)).toBe('Votre publication anonyme');
  expect(calledPost(author, true, false)).toBe('Publication de Membre anonyme');
});

test('neighbours are told the quartier, others the commune too, nobody what is not known', () => {
  expect(placeOf(author, true)).toBe('Kipé');
  expect(placeOf(author, false)).toBe('Kipé, Ratoma');
  expect(placeOf({ ...author, location_info: 'Non spécifié' }, false)).toBe('');
});
