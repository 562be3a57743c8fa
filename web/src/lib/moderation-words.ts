// The sentences of the moderation page: French first, and English for who asks for it.

import type { Approval } from './api/types';
import { read, write } from './storage';

const french = {
  title: 'Modération',
  text: 'Ce que les membres ont envoyé ou signalé, le plus ancien d’abord.',
  other: 'English',
  tabs: { media: 'À examiner', reports: 'Signalements' },
  stateLabel: 'Afficher',
  states: {
    pending: 'En attente',
    approved: 'Acceptés',
    rejected: 'Refusés',
    inappropriate: 'Inappropriés',
  } as Record<Approval, string>,
  loading: 'Chargement…',
  noMedia: 'Rien à examiner ici.',
  noReports: 'Aucun signalement en attente.',
  more: 'Afficher la suite',
  retry: 'Réessayer',
  remaining: (n: number) => (n === 1 ? '1 fichier' : `${n} fichiers`),
  remainingReports: (n: number) => (n === 1 ? '1 signalement' : `${n} signalements`),
  image: 'Photo',
  video: 'Vidéo',
  by: (name: string) => `Envoyé par ${name}`,
  on: (date: string) => `le ${date}`,
  somebody: 'un membre sans nom',
  why: 'Motif',
  notReady: 'Encore en préparation : à examiner plus tard.',
  failed: 'La conversion a échoué : il n’y a rien à examiner.',
  approve: 'Accepter',
  reject: 'Refuser…',
  reason: 'Motif, montré à la personne',
  reasonPlaceholder: 'Cette image montre le visage d’un enfant.',
  reasonMissing: 'Donnez un motif : la personne le lira.',
  inappropriate: 'Contenu inapproprié (violence, nudité, haine…)',
  rejectYes: 'Refuser',
  cancel: 'Annuler',
  busy: 'Envoi…',
  approved: (name: string) => `${name} : accepté.`,
  rejected: (name: string) => `${name} : refusé.`,
  reported: (name: string) => `Signalé par ${name}`,
  noReason: 'Sans motif.',
  post: 'Publication',
  postBy: (name: string) => `Publié par ${name}`,
  gone: 'Ce qui est signalé n’existe plus.',
  close: 'Classer',
  closeHint: 'Rien de plus à faire : le signalement quitte la liste.',
  closed: 'Signalement classé.',
};

const english: typeof french = {
  title: 'Moderation',
  text: 'What members have sent or reported, oldest first.',
  other: 'Français',
  tabs: { media: 'To review', reports: 'Reports' },
  stateLabel: 'Show',
  states: {
    pending: 'Waiting',
    approved: 'Approved',
    rejected: 'Rejected',
    inappropriate: 'Inappropriate',
  },
  loading: 'Loading…',
  noMedia: 'Nothing to review here.',
  noReports: 'No reports are waiting.',
  more: 'Show more',
  retry: 'Try again',
  remaining: (n: number) => (n === 1 ? '1 file' : `${n} files`),
  remainingReports: (n: number) => (n === 1 ? '1 report' : `${n} reports`),
  image: 'Picture',
  video: 'Video',
  by: (name: string) => `Sent by ${name}`,
  on: (date: string) => `on ${date}`,
  somebody: 'a member without a name',
  why: 'Reason',
  notReady: 'Still being prepared: to be reviewed later.',
  failed: 'The conversion failed: there is nothing to review.',
  approve: 'Approve',
  reject: 'Reject…',
  reason: 'Reason, shown to the person (in French)',
  reasonPlaceholder: 'Cette image montre le visage d’un enfant.',
  reasonMissing: 'Give a reason: the person will read it.',
  inappropriate: 'Inappropriate content (violence, nudity, hate…)',
  rejectYes: 'Reject',
  cancel: 'Cancel',
  busy: 'Sending…',
  approved: (name: string) => `${name}: approved.`,
  rejected: (name: string) => `${name}: rejected.`,
  reported: (name: string) => `Reported by ${name}`,
  noReason: 'No reason given.',
  post: 'Post',
  postBy: (name: string) => `Posted by ${name}`,
  gone: 'What was reported is no longer there.',
  close: 'Close',
  closeHint: 'Nothing more to do: the report leaves the list.',
  closed: 'Report closed.',
};

export type Words = typeof french;
export type Language = 'fr' | 'en';

export const wordsOf = (language: Language): Words => (language === 'en' ? english : french);

const KEY = 'cc.moderation.language';

export const language = (): Language => (read(KEY) === 'en' ? 'en' : 'fr');
export const rememberLanguage = (language: Language): void => write(KEY, language);
