//! Posts found by a text: letters anywhere in what they say or in who wrote them.
//!
//! Here: in which way a text is found, and the statements. Not here: what a list without a text is, and the rows of
//! posts (`posts`); which letters are rare (`letters`).

use std::time::Instant;

use tokio::task::spawn_blocking;

use crate::{
    Error, PAGE_SIZE, Store,
    authors::author_columns,
    database::{Database, reading},
    reactions::those_posts,
    text::{like_anywhere, searched},
};

use super::{
    Asked, PostQuery, PostRow, SEARCH_MAX, Scope,
    letters::{self, COUNTED},
    select_posts,
};

/// Shorter texts, in characters, are in no index.
const INDEXED_CHARS: usize = 3;

/// How many of the newest posts a text that is in no index is looked for in.
const READ_MAX: u32 = 1000;

/// How many of the newest posts PostgreSQL looks for a text in first. It takes a millisecond, finds what is common, and
/// tells how common the rest is, which the statistics of the planner do not: it walked all posts for rare words.
pub(super) const SAMPLE: u32 = 4000;

/// From so many of the sample on a text is found by reading on sooner than in the index of words.
const COMMON: u32 = SAMPLE / 200;

/// The index is asked for a piece of a text if at most one post in so many may have it.
const PIECE_SHARE: u32 = 20;

/// At most so many are read for a text: some 10 ms.
const READ_ON_MAX: u32 = 40_000;

/// How a text is found.
#[derive(Debug, Clone, Copy)]
enum Way<'a> {
    /// One that is too short for the index, in the newest [`READ_MAX`].
    Short,
    /// In SQLite's index of words.
    Match,
    /// In what PostgreSQL's index has for this piece of it, or for all of it.
    Index(&'a str),
    /// By reading the newest so many, or until [`SEARCH_MAX`] are found. PostgreSQL only.
    Newest(u32),
}

impl Store {
    pub(super) async fn found_posts(
        &self,
        query: &PostQuery,
        text: &str,
    ) -> Result<(u64, Vec<PostRow>), Error> {
        const SELECT: &str = select_posts!("where p.id in ", those_posts!());
        let ids = self.found(query, text).await?;
        let offset = usize::try_from(query.offset()).unwrap_or(usize::MAX);
        let on_page = ids.iter().skip(offset).take(PAGE_SIZE as usize).map(|(id,)| *id);
        let on_page: Vec<i64> = if query.page == 0 { Vec::new() } else { on_page.collect() };
        let mut rows: Vec<PostRow> = if on_page.is_empty() {
            Vec::new()
        } else {
            reading!(&self.database, |pool| {
                let mut select = sqlx::query_as(SELECT);
                for n in 0..PAGE_SIZE as usize {
                    select = select.bind(on_page.get(n).copied());
                }
                select.fetch_all(pool).await?
            })
        };
        rows.sort_by_key(|row| on_page.iter().position(|id| *id == row.id));
        Ok((ids.len() as u64, rows))
    }

    /// The ids that a search finds, in the order asked for.
    async fn found(&self, query: &PostQuery, text: &str) -> Result<Vec<(i64,)>, Error> {
        let searched = searched(text);
        if searched.chars().count() < INDEXED_CHARS {
            return self.found_by(query, text, Way::Short).await;
        }
        if let Database::Sqlite { .. } = self.database {
            return self.found_by(query, text, Way::Match).await;
        }
        if let Some(counting) = self.letters.to_count(Instant::now()) {
            counting.done(self.count_letters().await?, Instant::now());
        }
        let rarest = self.letters.rarest_piece(&searched);
        let has_at_most_one_in =
            |share| rarest.as_ref().is_some_and(|(_, most)| most * share < COUNTED);
        if !has_at_most_one_in(SAMPLE / COMMON) {
            // What only the newest have is common nowhere else: reading on ends, too.
            for (count, least) in [(SAMPLE, COMMON), (READ_ON_MAX, SEARCH_MAX)] {
                let found = self.found_by(query, text, Way::Newest(count)).await?;
                match found.len() as u32 {
                    SEARCH_MAX.. => return Ok(found),
                    found if found < least => break,
                    _ => {}
                }
            }
        }
        let piece = match &rarest {
            Some((piece, _)) if has_at_most_one_in(PIECE_SHARE) => piece,
            // Of letters that all are common no piece leaves out what the whole does.
            _ => &searched,
        };
        self.found_by(query, text, Way::Index(piece)).await
    }

    async fn count_letters(&self) -> Result<letters::Posts, Error> {
        let texts: Vec<String> = reading!(&self.database, |pool| {
            let newest = "select left(words, cast($1 as integer)) || ' ' || author from post_search order by rowid desc limit $2";
            let newest = sqlx::query_scalar(newest).bind(letters::COUNTED_CHARS);
            newest.bind(i64::from(COUNTED)).fetch_all(pool).await?
        });
        let counted = spawn_blocking(move || letters::count(texts)).await;
        counted.map_err(|_| Error::Database("nobody counted letters".into()))
    }

    async fn found_by(
        &self,
        query: &PostQuery,
        text: &str,
        way: Way<'_>,
    ) -> Result<Vec<(i64,)>, Error> {
        let asked = query.search(text, way);
        Ok(reading!(&self.database, |pool| asked.rows(pool).await?))
    }
}

impl PostQuery {
    /// The ids that a search for `text` finds in one way, in the order asked for.
    fn search(&self, text: &str, way: Way<'_>) -> Asked {
        let mut asked = Asked::new("select p.id from (select s.rowid as id from ");
        // `post_search` knows the place: posts are read only where more is asked of them.
        let (place, rest) = match self.scope {
            Scope::Commune(id) => {
                let rest = Self { scope: Scope::Everywhere, ..self.clone() };
                (Some(format!("/{}/", id.get())), rest)
            }
            Scope::Everywhere | Scope::Author(_) => (None, self.clone()),
        };
        let join = if rest.asks_of_posts() { " join posts p on p.id = s.rowid " } else { " " };
        let mut newest_first = " order by s.rowid desc limit ";
        match way {
            Way::Short => {
                asked.push("(select p.id, '/' || p.commune_id || '/' as place from posts p ");
                self.conditions(&mut asked);
                asked.push(" order by p.created_ms desc, p.id desc limit ");
                asked.bind(i64::from(READ_MAX));
                asked.push(") p join post_search s on s.rowid = p.id and s.place = p.place where ");
                asked.like(text);
            }
            Way::Newest(count) => {
                asked.push("(select s.rowid, s.words, s.author from post_search s");
                if let Some(place) = place {
                    asked.push(" where s.place = ");
                    asked.bind(place);
                }
                asked.push(newest_first);
                asked.bind(i64::from(count));
                asked.push(") s");
                asked.push(join);
                rest.conditions(&mut asked);
                asked.push(" and ");
                asked.strpos(text);
            }
            Way::Match => {
                asked.push("post_search s");
                asked.push(join);
                rest.conditions(&mut asked);
                asked.push(" and s.post_search match ");
                asked.bind(phrase(text, place.as_deref()));
            }
            Way::Index(piece) => {
                asked.push("post_search s");
                asked.push(join);
                rest.conditions(&mut asked);
                asked.push(" and ");
                asked.like(piece);
                asked.push(" and ");
                asked.strpos(text);
                if let Some(place) = place {
                    asked.push(" and s.place = ");
                    asked.bind(place);
                }
                // A sum is in no order that could be walked.
                newest_first = " order by s.rowid + 0 desc limit ";
            }
        }
        asked.push(newest_first);
        asked.bind(i64::from(SEARCH_MAX));
        asked.push(&format!(
            ") found join posts p on p.id = found.id order by {}",
            self.sort.order()
        ));
        asked
    }

    /// Whether its conditions need anything of a post.
    fn asks_of_posts(&self) -> bool {
        self.scope != Scope::Everywhere
            || self.post_type.is_some()
            || self.is_live_post.is_some()
            || self.is_anonymous.is_some()
    }
}

impl Asked {
    /// That what `s`, of `post_search`, is searched by contains `text`.
    fn like(&mut self, text: &str) {
        let pattern = like_anywhere(text);
        self.push("(s.words like ");
        self.bind(pattern.clone());
        self.push(" escape '\\' or s.author like ");
        self.bind(pattern);
        self.push(" escape '\\')");
    }

    /// That what `s`, of PostgreSQL's `post_search`, is searched by contains `text`: twice as fast as
    /// [`Asked::like`] where each row is read, and in no index.
    fn strpos(&mut self, text: &str) {
        let text = searched(text);
        self.push("(strpos(s.words, ");
        self.bind(text.clone());
        self.push(") > 0 or strpos(s.author, ");
        self.bind(text);
        self.push(") > 0)");
    }
}

/// The words of SQLite's index for `text`, of a place if there is one.
fn phrase(text: &str, place: Option<&str>) -> String {
    let quoted = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
    let text = quoted(&searched(text));
    let place = place.map(|place| format!("place : {} AND ", quoted(place))).unwrap_or_default();
    format!("{place}{{words author}} : {text}")
}
