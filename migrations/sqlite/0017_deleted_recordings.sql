-- Recordings whose live, or whose media, was deleted: their playback names, until they are gone from the disk too.
-- Kept by triggers, as both also go with a post or a member. A recording that no row tells of stays: its live may be
-- of a database that is newer than this one.
create table deleted_recordings (name text not null primary key) strict, without rowid;

create trigger recordings_of_lives_removed after delete on lives begin
    insert into deleted_recordings values (old.playback_name) on conflict do nothing;
end;

-- The media that a browser sent of a live is a file, and its name has an extension.
create trigger recordings_as_media_removed after delete on media
    when old.media_type = 'live' and old.name not like '%.%'
begin
    insert into deleted_recordings values (old.name) on conflict do nothing;
end;
