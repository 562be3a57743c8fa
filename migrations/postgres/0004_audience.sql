-- Whom a live is for: everybody, or the quartier of its post.
alter table lives add column audience text not null default 'public'
    check (audience in ('public', 'quartier'));
