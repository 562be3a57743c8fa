// What admins are asked to look at, and what they say to it.

import { session } from '../session.svelte';
import type { Approval, Author, Media, Page } from './types';

export interface Member extends Author {
  id: number | null;
  username: string;
}

export interface Queued extends Media {
  owner: Member;
}

export interface Report {
  id: number;
  reporter: Member;
  post: number | null;
  media: number | null;
  reason: string;
  created_at: string;
}

/** A post that was reported: what there is to see of it. */
export interface ReportedPost {
  id: number;
  author: Member;
  title: string;
  content: string;
  created_at: string;
  media_files: Media[];
}

export const queue = (status: Approval, page: number) =>
  session.api.signed<Page<Queued>>(`/api/moderation/media/?status=${status}&page=${page}`);

export const reports = (page: number) =>
  session.api.signed<Page<Report>>(`/api/moderation/reports/?page=${page}`);

export const approve = (media: number) =>
  session.api.signed<Media>(`/api/moderation/media/${media}/approve/`, {
    method: 'POST',
    body: {},
  });

export const reject = (media: number, reason: string, inappropriate: boolean) =>
  session.api.signed<Media>(`/api/moderation/media/${media}/reject/`, {
    method: 'POST',
    body: { reason, inappropriate },
  });

export const closeReport = (report: number) =>
  session.api.signed(`/api/moderation/reports/${report}/close/`, { method: 'POST', body: {} });

export const reportedPost = (id: number) => session.api.signed<ReportedPost>(`/api/posts/${id}/`);
