// The sentences of the page where a post is written.

import type { PostType } from './api/post-types';
import { number } from './format';

const characters = (n: number) => `${number(n)} ${n < 2 ? 'caractère' : 'caractères'}`;

export const publishWords = {
  title: 'Nouvelle publication',
  type: 'De quoi s’agit-il ?',
  typeHints: {
    info: 'Une nouvelle utile à vos voisins.',
    event: 'Une fête, un match, une réunion à venir.',
    help: 'Une aide à demander, ou à offrir.',
    announcement: 'Une annonce officielle ou commerciale.',
    discussion: 'Une question, une idée à débattre.',
  } as Record<PostType, string>,
  titleLabel: 'Titre',
  text: 'Votre message',
  textPlaceholder: 'Que se passe-t-il dans le quartier ?',
  left: (n: number) => `Encore ${characters(n)}`,
  tooLong: (n: number) => `${characters(n)} de trop`,
  anonymous: 'Publier anonymement',
  anonymousHint:
    'Ni votre nom ni votre photo ne seront montrés. Les modérateurs sauront qui a écrit.',
  draftKept: 'Brouillon gardé sur cet appareil',
  draftDrop: 'Effacer le brouillon',

  add: 'Photos et vidéos',
  camera: 'Appareil photo',
  drop: 'Déposez vos photos et vidéos ici',
  limits: (max: number) => `Jusqu’à ${max}, à choisir, déposer ou coller.`,
  full: (max: number) =>
    max === 1
      ? 'Un seul fichier par publication.'
      : `Au plus ${max} photos et vidéos par publication.`,
  notMedia: (name: string) => `${name} n’est ni une photo ni une vidéo.`,
  imageTooLarge: (name: string) => `${name} dépasse 10 Mo : choisissez une photo plus petite.`,
  videoTooLarge: (name: string) => `${name} dépasse 50 Mo : coupez la vidéo, une minute au plus.`,
  list: 'Fichiers de la publication',
  nth: (n: number, of: number) => `Fichier ${n} sur ${of}`,
  preparing: 'Préparation…',
  queued: 'Attend son tour',
  sending: (percent: string) => `Envoi : ${percent}`,
  finishing: 'Vérification…',
  waiting: 'Connexion perdue, reprise dès que possible',
  stopped: 'Envoi arrêté',
  done: 'Prêt',
  progress: (name: string) => `Envoi de ${name}`,
  retry: 'Reprendre',
  retryOf: (name: string) => `Reprendre l’envoi de ${name}`,
  remove: 'Retirer',
  removeOf: (name: string) => `Retirer ${name}`,
  earlier: (name: string) => `Avancer ${name}`,
  later: (name: string) => `Reculer ${name}`,
  moved: (name: string, at: number, of: number) => `${name} : place ${at} sur ${of}`,
  removed: (name: string) => `${name} a été retiré.`,
  ready: (name: string) => `${name} est envoyé.`,

  submit: 'Publier',
  busy: 'Publication…',
  sendingFirst: (percent: string) => `Envoi des fichiers : ${percent}`,
  nothing: 'Écrivez quelque chose, ou ajoutez une photo.',
  stuck: 'Un fichier n’est pas parti : reprenez son envoi, ou retirez-le.',
  noPlace: 'Choisissez d’abord votre quartier : on publie pour ses voisins.',
  noPlaceLink: 'Choisir mon quartier',
};
