-- Places, from the widest to the narrowest. A quartier is known by its commune and its name: names
-- and codes repeat.
create table regions (
    id bigint generated always as identity primary key,
    name text not null unique,
    code text not null
);

create table prefectures (
    id bigint generated always as identity primary key,
    region_id bigint not null references regions (id),
    name text not null,
    code text not null,
    unique (region_id, name)
);

create table communes (
    id bigint generated always as identity primary key,
    prefecture_id bigint not null references prefectures (id),
    name text not null,
    kind text not null,
    code text not null,
    unique (prefecture_id, name)
);

create table quartiers (
    id bigint generated always as identity primary key,
    commune_id bigint not null references communes (id),
    name text not null,
    code text not null,
    unique (commune_id, name)
);
