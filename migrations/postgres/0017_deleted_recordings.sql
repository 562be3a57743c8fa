-- Recordings whose live, or whose media, was deleted: their playback names, until they are gone from the disk too.
-- Kept by triggers, as both also go with a post or a member. A recording that no row tells of stays: its live may be
-- of a database that is newer than this one.
create table deleted_recordings (name text primary key);

create function recordings_of_lives_removed() returns trigger language plpgsql as $$
begin
    insert into deleted_recordings select playback_name from removed order by 1 on conflict do nothing;
    return null;
end $$;
create trigger recordings_of_lives_removed after delete on lives
    referencing old table as removed for each statement execute function recordings_of_lives_removed();

-- The media that a browser sent of a live is a file, and its name has an extension.
create function recordings_as_media_removed() returns trigger language plpgsql as $$
begin
    insert into deleted_recordings
        select name from removed where media_type = 'live' and name not like '%.%' order by 1
        on conflict do nothing;
    return null;
end $$;
create trigger recordings_as_media_removed after delete on media
    referencing old table as removed for each statement execute function recordings_as_media_removed();
