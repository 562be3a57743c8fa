// The objects of the HTTP contract, with the fields these screens read and no others.

export interface User {
  id: number;
  username: string;
  first_name: string;
  last_name: string;
  profile_picture: string | null;
  quartier: number | null;
  location_info: string;
  role: 'user' | 'ambassador' | 'admin';
}

export interface Tokens {
  access: string;
  refresh: string;
}

export interface SignedIn {
  user: User;
  tokens: Tokens;
}

export interface Registration {
  username: string;
  email: string;
  password: string;
  password_confirm: string;
  first_name: string;
  last_name: string;
  phone_number: string;
  quartier: number | null;
}

export interface Place {
  id: number;
  nom: string;
}
export interface Commune extends Place {
  quartiers: Place[];
}
export interface Prefecture extends Place {
  communes: Commune[];
}
export interface Region extends Place {
  prefectures: Prefecture[];
}

export type LiveStatus = 'created' | 'live' | 'interrupted' | 'ended';

/** Whom a live is for: everybody, or the quartier of its author. */
export type Audience = 'public' | 'quartier';

/** The answer to the start of a live: the only one that ever carries the stream key. */
export interface StartedLive {
  live_id: number;
  stream_key: string;
  rtmp_url: string;
  rtmp_server: string;
  watch_url: string;
  playback_name: string;
  title: string;
  description: string;
  audience: Audience;
  /** With a ticket where the live is not for everybody. */
  hls_url: string;
}

export interface Warning {
  code: string;
  message: string;
}

export interface Incoming {
  video: { codec: string; width: number; height: number; fps: number | null } | null;
  audio: { codec: string; sample_rate_hz: number; channels: number } | null;
  bitrate_bps: number;
  gop_seconds: number | null;
  dropped_tags: number;
  encoder: string | null;
  connected_at: string | null;
  warnings: Warning[];
}

/** What the owner of a live sees of it. */
export interface OwnLive {
  status: LiveStatus;
  created_at: string;
  started_at: string | null;
  ended_at: string | null;
  watch_url: string;
  playback_name: string;
  title: string;
  audience: Audience;
  hls_url: string;
  /** Null where viewers are not counted. */
  viewers_count: number | null;
  incoming: Incoming | null;
}

export interface Author {
  first_name: string;
  last_name: string;
  profile_picture: string | null;
  location_info: string;
}

/** What those who may watch a live see of it. */
export interface WatchedLive {
  id: number;
  playback_name: string;
  title: string;
  description: string;
  status: LiveStatus;
  created_at: string;
  started_at: string | null;
  ended_at: string | null;
  viewers_count: number | null;
  audience: Audience;
  /** Whether members may have its recording as a file. */
  downloads_allowed: boolean;
  hls_url: string;
  /** Without an id where he is not named. */
  author: Author & { id: number | null };
  /** Where one may go back in it; null where it is not on, or not recorded. */
  rewind: { hls_url: string; from: string } | null;
  /** Once it is over, where it was recorded. */
  recording: WatchedRecording | null;
}

export interface WatchedRecording {
  hls_url: string;
  duration: string | null;
  /** Bytes of all of it. */
  file_size: number;
  thumbnail_url: string | null;
}

export interface LivePost {
  id: number;
  author: Author & { id: number | null };
  title: string;
  content: string;
  created_at: string;
  is_live_post: boolean;
  hls_url?: string | null;
  live?: {
    status: LiveStatus;
    started_at: string | null;
    viewers_count?: number | null;
    audience?: Audience;
    hls_url?: string | null;
    playback_name?: string | null;
    title?: string | null;
    /** What it looks like now. */
    thumbnail_url?: string | null;
  } | null;
  /** The recording of a live that is over, or what its author brought of it. */
  live_stream?: Pick<Media, 'media_type' | 'duration' | 'thumbnail_url'> | null;
}

export interface Page<T> {
  count: number;
  next: string | null;
  results: T[];
}

export type Approval = 'pending' | 'approved' | 'rejected' | 'inappropriate';

/** A picture or a video of a member. */
export interface Media {
  id: number;
  file: string;
  media_type: 'image' | 'video' | 'live';
  title: string;
  description: string;
  duration: string | null;
  file_size: number;
  width: number | null;
  height: number | null;
  approval_status: Approval;
  thumbnail_url: string | null;
  /** A few colours to show before it is there (BlurHash). */
  blur_hash: string | null;
  /** What the server makes of it, so that every browser can show it. */
  processing_status: 'waiting' | 'running' | 'done' | 'failed';
  /** In per cent. */
  processing_progress: number;
  /** Why it came to nothing, or is not shown. */
  status_reason: string | null;
  created_at: string;
}
