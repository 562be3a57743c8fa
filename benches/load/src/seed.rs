//! Databases filled to a size, by their own programs and past the API, which would take hours.
//!
//! Here: rows such as the API would have made, counts and indexes right. Not here: what is asked of them
//! (`api`). The statements know the tables of the server: when a migration changes those, they follow.

use std::{
    io::Write,
    path::Path,
    process::{Command, Stdio},
};

use anyhow::{Context, Result, ensure};

/// How much is in a database.
#[derive(Clone, Copy)]
pub struct Size {
    /// Posts; with two likes, one and a half comments and a tenth of a picture each.
    pub posts: u32,
    /// Members who wrote and like them.
    pub members: u32,
}

/// A database to be filled.
pub enum Database {
    /// The file that our server keeps in its data folder.
    Sqlite(std::path::PathBuf),
    /// A database of its own on a server.
    Postgres {
        /// Where it is.
        url: String,
        /// Where it was made, and is dropped.
        server: String,
        /// What it is called.
        name: String,
    },
}

impl Database {
    /// The file that a server in `folder` will keep, or a new database on a PostgreSQL server.
    ///
    /// # Errors
    /// When PostgreSQL refuses.
    pub fn new(postgres: Option<&str>, folder: &Path) -> Result<Self> {
        let Some(server) = postgres else {
            return Ok(Self::Sqlite(folder.join("communiconnect.sqlite")));
        };
        let name = format!("communiconnect_load_{}", std::process::id());
        let (address, _) = server.rsplit_once('/').context("--postgres names no database")?;
        let (url, server) = (format!("{address}/{name}"), server.to_owned());
        psql(&server, &format!("drop database if exists {name};\ncreate database {name};"))?;
        Ok(Self::Postgres { url, server, name })
    }

    /// What to start a server with, if it is not told by its folder.
    pub fn url(&self) -> Option<&str> {
        match self {
            Self::Sqlite(_) => None,
            Self::Postgres { url, .. } => Some(url),
        }
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        if let Self::Postgres { server, name, .. } = self {
            let _ = psql(server, &format!("drop database {name} with (force);"));
        }
    }
}

/// Fills a database that our server has opened once and closed.
///
/// # Errors
/// When its program, `sqlite3` or `psql`, is missing or refuses.
pub fn fill(database: &Database, size: Size) -> Result<()> {
    match database {
        Database::Sqlite(path) => {
            let mut command = Command::new("sqlite3");
            command.args(["-bail", "-batch"]).arg(path);
            let series = "with recursive s (n) as (select 1 union all select n + 1 from s where n < {count})";
            let script = format!(
                "pragma synchronous = off; pragma temp_store = memory; begin;\n{}\ncommit;\n\
                 insert into post_search (post_search) values ('optimize');\nanalyze;\n\
                 pragma wal_checkpoint(truncate);",
                rows(size, series)
            );
            run(command, &script)
        }
        Database::Postgres { url, .. } => {
            let series = "with s (n) as (select cast(generate_series(1, {count}) as bigint))";
            // Triggers and references are for strangers: a million rows are checked by being made right.
            let script = format!(
                "set session_replication_role = replica; set synchronous_commit = off;\n\
                 set maintenance_work_mem = '512MB'; set work_mem = '256MB';\n\
                 drop index post_search_trigrams;\nbegin;\n{}\n\
                 insert into post_counts select commune_id, post_type, is_live_post, count(*) from posts group by 1, 2, 3;\n\
                 insert into post_days select commune_id, created_ms / 86400000, count(*) from posts group by 1, 2;\n\
                 commit;\n\
                 create index post_search_trigrams on post_search using gin (words gin_trgm_ops, author gin_trgm_ops);\n\
                 vacuum (analyze);",
                rows(size, series)
            );
            psql(url, &script)
        }
    }
}

/// A word that one post in five thousand has.
pub fn rare_word(n: usize) -> String {
    format!("numero{}", 1_000 + n % 4_000)
}

/// What posts are about, the commonest first, at most twelve characters each.
const WORDS: [&str; 64] = [
    "marche",
    "quartier",
    "eau",
    "route",
    "ecole",
    "reunion",
    "jeunes",
    "fete",
    "electricite",
    "mosquee",
    "hopital",
    "concert",
    "match",
    "football",
    "nettoyage",
    "samedi",
    "dimanche",
    "bonjour",
    "merci",
    "urgence",
    "panne",
    "transport",
    "taxi",
    "carrefour",
    "plage",
    "poisson",
    "riz",
    "prix",
    "vente",
    "location",
    "maison",
    "terrain",
    "bapteme",
    "mariage",
    "deces",
    "prieres",
    "sante",
    "vaccin",
    "medecin",
    "pharmacie",
    "police",
    "securite",
    "vol",
    "perdu",
    "trouve",
    "telephone",
    "carte",
    "identite",
    "passeport",
    "bureau",
    "mairie",
    "election",
    "journal",
    "radio",
    "musique",
    "danse",
    "theatre",
    "cinema",
    "cuisine",
    "recette",
    "atelier",
    "formation",
    "emploi",
    "stage",
];

/// Every row, of the numbers `n` that `series` gives. Both databases know these words.
fn rows(size: Size, series: &str) -> String {
    let Size { posts, members } = size;
    let series = |count: u32| series.replace("{count}", &count.to_string());
    let all: String = WORDS.iter().map(|word| format!("{word:<12}")).collect();
    // Two throws multiplied: the first words come often, the last hardly ever.
    let word = |k: u32| {
        let first = format!("(n * 7919 + {}) % 4001 % 64", k * 1_299_709 % 4001);
        let second = format!("(n * 6007 + {}) % 3001 % 64", k * 15_485 % 3001);
        format!(
            "rtrim(substr('{all}', cast(1 + 12 * (({first}) * ({second}) / 64) as integer), 12))"
        )
    };
    let words: Vec<String> = (1..=10).map(word).collect();
    let content = format!("{} || ' numero' || (n * 31 % 5003)", words.join(" || ' ' || "));
    let like_count = "(case when n % 1000 = 0 then 200 else n % 5 end)";
    let user = |expression: &str| {
        format!("(select base from bench_base) + 1 + ({expression}) % {members}")
    };
    let (author, liker, commenter) =
        (user("n * 7919"), user("n * 13 + k.n * 7919"), user("n * 17 + k.n * 104729"));
    let (of_members, of_posts) = (series(members), series(posts));
    format!(
        "create temporary table bench_base as select max(id) as base from users;
create temporary table bench_k (n integer primary key);
insert into bench_k {up_to_200} select n from s;
insert into users (username, username_key, email, email_key, password_hash, first_name, first_name_search,
        last_name, last_name_search, phone_number, bio, quartier_id, joined_ms)
    {of_members} select 'membre' || n, 'membre' || n, 'membre' || n || '@example.org', 'membre' || n || '@example.org',
        '', 'Mariama' || (n % 1000), 'mariama' || (n % 1000), 'Diallo', 'diallo', '', '', 1 + n % 77, 1700000000000
    from s;
insert into posts (author_id, quartier_id, commune_id, title, content, post_type, is_live_post, likes_count,
        comments_count, views_count, created_ms, updated_ms)
    {of_posts} select u.id, q.id, q.commune_id, 'Publication ' || s.n, {content},
        case s.n % 5 when 0 then 'info' when 1 then 'event' when 2 then 'help' when 3 then 'announcement' else 'discussion' end,
        case when s.n % 10007 = 1 then 1 else 0 end, {like_count}, s.n % 4, s.n % 300,
        1700000000000 + s.n * 10000, 1700000000000 + s.n * 10000
    from s join users u on u.id = {author} join quartiers q on q.id = u.quartier_id order by s.n;
insert into post_search (rowid, place, words, author)
    select p.id, '/' || p.commune_id || '/', lower(p.title) || ' ' || p.content,
        u.first_name_search || ' ' || u.last_name_search || ' ' || u.username_key
    from posts p join users u on u.id = p.author_id;
insert into likes (post_id, user_id, created_ms)
    {of_posts} select s.n, {liker}, 1700000000000 from s cross join bench_k k where k.n <= 4 and k.n <= s.n % 5;
insert into likes (post_id, user_id, created_ms)
    {of_posts} select s.n, {liker}, 1700000000000 from s cross join bench_k k where s.n % 1000 = 0 and k.n <= {members};
insert into comments (post_id, author_id, parent_id, root_id, level, content, is_anonymous, replies_count, created_ms, updated_ms)
    {of_posts} select s.n, {commenter},
        case when k.n = 3 then 6 * ((s.n - 1) / 4) + 4 end, case when k.n = 3 then 6 * ((s.n - 1) / 4) + 4 end,
        case when k.n = 3 then 1 else 0 end, 'Merci pour cette information', 0,
        case when k.n = 1 and s.n % 4 = 3 then 1 else 0 end, 1700000000000, 1700000000000
    from s cross join bench_k k where k.n <= 3 and k.n <= s.n % 4 order by s.n, k.n;
insert into media (owner_id, name, media_type, title, description, size_bytes, width, height, approval_status, created_ms)
    {of_posts} select p.author_id, 'bench/' || s.n || '.jpg', 'image', '', '', 120000, 1280, 720, 'approved', p.created_ms
    from s join posts p on p.id = s.n where s.n % 10 = 0 order by s.n;
insert into post_media (post_id, media_id, place) select id * 10, id, 0 from media where id * 10 <= {posts};",
        content = content.replace("(n ", "(s.n "),
        up_to_200 = series(200),
        like_count = like_count.replace("n %", "s.n %"),
        author = author.replace("n * 7919", "s.n * 7919"),
        liker = liker.replace("(n * 13", "(s.n * 13"),
        commenter = commenter.replace("(n * 17", "(s.n * 17"),
    )
}

fn psql(url: &str, script: &str) -> Result<()> {
    let mut command = Command::new("psql");
    // The address holds a password: not among the arguments, which everybody sees.
    let (user, place) = url
        .strip_prefix("postgres://")
        .and_then(|rest| rest.split_once('@'))
        .context("--postgres: not postgres://USER:PASSWORD@HOST:PORT/NAME")?;
    let (user, password) = user.split_once(':').unwrap_or((user, ""));
    command.env("PGPASSWORD", password).env("PGOPTIONS", "--client_min_messages=warning");
    command.args(["--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1"]);
    command.arg(format!("--dbname=postgres://{user}@{place}"));
    run(command, script)
}

fn run(mut command: Command, script: &str) -> Result<()> {
    let program = command.get_program().display().to_string();
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .with_context(|| format!("cannot start {program}"))?;
    child.stdin.take().context("no input")?.write_all(script.as_bytes())?;
    let status = child.wait()?;
    ensure!(status.success(), "{program}: {status}");
    Ok(())
}
