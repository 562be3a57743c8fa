// Every sentence a reader may see, except on the screens for members (`fr-members`).

import { number, wait } from './format';

export const fr = {
  app: 'CommuniConnect Live',
  tagline: 'Les directs de votre quartier',
  skip: 'Aller au contenu',
  loading: 'Chargement…',
  retry: 'Réessayer',
  offline: 'Vous êtes hors connexion. La page reprendra dès que le réseau revient.',
  close: 'Fermer',

  nav: {
    home: 'Accueil',
    goLive: 'Passer en direct',
    goLiveShort: 'Direct',
    signIn: 'Se connecter',
    register: 'Créer un compte',
    account: (name: string) => `Compte de ${name}`,
    main: 'Navigation principale',
  },

  errors: {
    unknown: 'Quelque chose n’a pas marché. Réessayez dans un instant.',
    network: 'Impossible de joindre le serveur. Vérifiez votre connexion internet.',
    timeout: 'Le serveur met trop de temps à répondre. Votre connexion est peut-être lente.',
    server: 'Le serveur a un souci. Réessayez dans un instant.',
    signedOut: 'Votre session a expiré. Connectez-vous de nouveau.',
    forbidden: 'Vous n’avez pas le droit de faire cela.',
    notFound: 'Introuvable.',
    throttled: (seconds: number | null) =>
      seconds
        ? `Trop d’essais en peu de temps. Patientez ${wait(seconds)} avant de réessayer.`
        : 'Trop d’essais en peu de temps. Patientez un peu avant de réessayer.',
    required: 'Ce champ est obligatoire.',
    email: 'Saisissez une adresse e-mail valide.',
    passwordShort: 'Au moins 8 caractères.',
    passwordsDiffer: 'Les mots de passe ne correspondent pas.',
    checkFields: 'Certains champs sont à corriger.',
    waitButton: (seconds: number) => `Patientez ${wait(seconds)}`,
  },

  home: {
    heroTitle: 'Ce qui se passe ici, en direct.',
    heroText:
      'Réunions de quartier, matchs, cérémonies, informations : regardez-les au moment où elles se passent, ou montrez-les vous-même.',
    openTitle: 'On vous a envoyé un direct ?',
    openLabel: 'Nom ou lien du direct',
    openHint: 'Aucun compte n’est nécessaire pour regarder.',
    openButton: 'Regarder',
    openBad: 'Ce n’est ni un nom ni un lien de direct.',
    points: [
      {
        icon: 'leaf',
        title: 'Économe en données',
        text: 'Vous voyez ce que chaque direct consomme, en mégaoctets.',
      },
      {
        icon: 'phone',
        title: 'Depuis un téléphone',
        text: 'Ou un ordinateur avec OBS. Deux réglages à copier, et c’est parti.',
      },
      {
        icon: 'users',
        title: 'Ouvert à tous',
        text: 'Un lien à partager suffit : on regarde sans compte.',
      },
    ] as const,
    since: (duration: string) => `Depuis ${duration}`,
    ago: (duration: string) => `Il y a ${duration}`,
    soon: 'Va commencer',
    by: (name: string) => `par ${name}`,
    someone: 'Un membre',
  },

  field: {
    optional: 'facultatif',
    show: 'Afficher le mot de passe',
    hide: 'Masquer le mot de passe',
  },

  state: {
    created: 'En attente de l’image',
    live: 'En direct',
    interrupted: 'Interrompu',
    ended: 'Terminé',
  },

  viewers: (n: number) => `${number(n, 0)} ${n < 2 ? 'spectateur' : 'spectateurs'}`,

  watch: {
    defaultTitle: 'Direct',
    live: 'En direct',
    watchHere: 'Voir sur CommuniConnect',
    toEdge: 'Revenir au direct',
    rewind: 'Revenir en arrière dans le direct',
    before: (clock: string) => `−${clock}`,
    beforeEdge: (said: string) => `${said} avant le direct`,
    waiting: 'Le direct va commencer',
    waitingText: 'Restez sur cette page : il démarre tout seul.',
    connecting: 'Connexion au direct…',
    stalled: 'Chargement…',
    stalledText: 'La connexion est lente.',
    interrupted: 'Le direct est interrompu, il reprend dès que possible',
    interruptedText: 'Restez sur cette page : la reprise est automatique.',
    ended: 'Le direct est terminé',
    endedText: (duration: string) => `Il a duré ${duration}. Merci de l’avoir suivi.`,
    endedTextBare: 'Merci de l’avoir suivi.',
    replay: 'Revoir depuis le début',
    neverBegan: 'Il n’a finalement pas eu lieu.',
    unknown: 'Ce direct est introuvable',
    unknownText: 'Le lien est peut-être incomplet. Demandez-le de nouveau à qui vous l’a envoyé.',
    refused: 'Ce direct est réservé',
    forQuartier: 'Réservé au quartier',
    network: 'Connexion perdue',
    networkText: 'Nouvel essai automatique. Vérifiez votre connexion internet.',
    media: 'Ce direct n’a pas pu être lu',
    mediaText: 'Nouvel essai automatique…',
    unsupported: 'Ce navigateur ne peut pas lire les directs',
    unsupportedText: 'Essayez avec une version récente de Chrome, Firefox ou Safari.',
    unmute: 'Activer le son',
    mute: 'Couper le son',
    play: 'Lire',
    pause: 'Pause',
    volume: 'Volume',
    language: 'Langue',
    fullscreen: 'Plein écran',
    exitFullscreen: 'Quitter le plein écran',
    tapToPlay: 'Toucher pour regarder',
    thrift: 'Économiseur de données : rien n’est chargé avant votre accord.',
    audioOnly: 'Direct audio',
    soundOnly: 'Audio seulement',
    soundSaves: (percent: string) => `${percent} de données en moins`,
    player: 'Lecteur du direct',
    data: 'Données utilisées',
    dataShort: (amount: string) => `~${amount}`,
    perHour: (amount: string) => `environ ${amount} par heure à ce débit`,
    delayShort: (seconds: string) => `−${seconds} s`,
    delay: (seconds: string) => `${seconds} s de retard`,
    quality: 'Qualité',
    startedAgo: (duration: string) => `Commencé il y a ${duration}`,
    home: 'Retour à l’accueil',
    paused: 'En pause : plus rien n’est chargé.',
  },

  share: {
    button: 'Partager',
    whatsapp: 'WhatsApp',
    copy: 'Copier le lien',
    copied: 'Lien copié',
    invite: (title: string) => `Regardez « ${title} » en direct sur CommuniConnect`,
  },

  notFound: {
    title: 'Page introuvable',
    text: 'Cette adresse ne mène nulle part.',
  },
};
