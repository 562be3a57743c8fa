// Every sentence of the player of recordings.

import { number } from './format';

export const frRecording = {
  player: 'Lecteur de l’enregistrement',
  watch: 'Regarder l’enregistrement',
  lasts: (said: string) => `Durée : ${said}`,
  cost: (amount: string) => `environ ${amount} de données`,
  seek: 'Position dans l’enregistrement',
  position: (at: string, of: string) => `${at} sur ${of}`,
  speed: 'Vitesse de lecture',
  times: (rate: number) => `${number(rate, 2)}\u00a0×`,
  loading: 'Chargement…',
  network: 'Connexion perdue',
  networkText: 'Vérifiez votre connexion internet, puis réessayez.',
  media: 'Cet enregistrement n’a pas pu être lu',
  mediaText: 'Réessayez, ou ouvrez-le dans un autre navigateur.',
  unsupported: 'Ce navigateur ne peut pas lire les enregistrements',
  unsupportedText: 'Essayez avec une version récente de Chrome, Firefox ou Safari.',
  gone: 'Cet enregistrement n’est plus disponible',
  goneText: 'Il n’est plus gardé, ou n’est plus partagé avec vous.',
};
