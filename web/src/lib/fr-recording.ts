// Every sentence of the player of recordings, and of what can be taken of them.

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

  file: (size: string) => `Télécharger (MP4, ${size})`,
  signInForFile: (size: string) => `Se connecter pour télécharger (MP4, ${size})`,
  preparing: 'Préparation du fichier…',
  sent: 'Le téléchargement commence.',
  notReady: 'Le fichier n’est pas encore prêt. Réessayez dans une minute.',
  tooMany:
    'Trop de téléchargements sont en cours depuis votre connexion. Attendez la fin de l’un d’eux.',
  allow: 'Les autres membres peuvent le télécharger',

  cut: 'Faire un extrait',
  cutText:
    'Placez la lecture où vous voulez, puis choisissez le début et la fin. L’extrait devient une publication visible de tous.',
  start: 'Début',
  end: 'Fin',
  startHere: 'Début ici',
  endHere: 'Fin ici',
  titleLabel: 'Titre de l’extrait',
  chosen: (lasts: string) => `Durée de l’extrait : ${lasts}`,
  make: 'Publier l’extrait',
  making: 'Découpe de l’extrait…',
  badTime: 'Écrivez un temps comme 1:23.',
  backward: 'La fin doit venir après le début.',
  beyond: 'L’enregistrement est plus court.',
  made: 'Votre extrait est publié.',
  see: 'Voir l’extrait',
  another: 'Faire un autre extrait',
};
