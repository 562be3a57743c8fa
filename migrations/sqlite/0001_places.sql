-- Places, from the widest to the narrowest. A quartier is known by its commune and its name: names
-- and codes repeat.
create table regions (
    id integer primary key autoincrement,
    name text not null unique,
    code text not null
) strict;

create table prefectures (
    id integer primary key autoincrement,
    region_id integer not null references regions (id),
    name text not null,
    code text not null,
    unique (region_id, name)
) strict;

create table communes (
    id integer primary key autoincrement,
    prefecture_id integer not null references prefectures (id),
    name text not null,
    kind text not null,
    code text not null,
    unique (prefecture_id, name)
) strict;

create table quartiers (
    id integer primary key autoincrement,
    commune_id integer not null references communes (id),
    name text not null,
    code text not null,
    unique (commune_id, name)
) strict;
