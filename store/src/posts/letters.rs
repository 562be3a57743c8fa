//! Which letters are rare in what posts say, so that an index is asked for those.
//!
//! An index of trigrams reads a list for each three letters of a text: of a million posts, 34 ms for eight
//! lists of which most posts are in five, 5 ms for the three in which few are (PostgreSQL 15). Here: the
//! counts of a sample, and a text's rarest piece. Not here: the search (`search`), which looks for the whole text in
//! what the piece finds.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// The newest posts are counted, so many.
pub(crate) const COUNTED: u32 = 1000;

/// So many characters of each are: with the author's name, at most 400 000 trigrams.
pub(crate) const COUNTED_CHARS: i64 = 300;

/// How long counts are good for: what is common does not change in minutes.
const GOOD_FOR: Duration = Duration::from_mins(10);

/// The length of a piece, in characters. Its three trigrams leave few posts to look at; more of them cost more
/// to read than they leave out.
const PIECE: usize = 5;

/// How many of the counted posts have which three characters.
pub(crate) type Posts = HashMap<[char; 3], u32>;

/// What is known of the letters of a database.
#[derive(Debug, Default)]
pub(crate) struct Letters(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    /// None before the first count.
    posts: Option<Posts>,
    good_until: Option<Instant>,
    is_counted: bool,
}

/// The right to count, one at a time. Given back on drop.
pub(crate) struct Counting<'a>(&'a Letters);

impl Letters {
    /// The right to count them, where they are not known or what is known is old by now, and nobody does.
    pub(crate) fn to_count(&self, now: Instant) -> Option<Counting<'_>> {
        let mut known = self.lock();
        let is_old = known.good_until.is_none_or(|until| until <= now);
        if !is_old || known.is_counted {
            return None;
        }
        known.is_counted = true;
        Some(Counting(self))
    }

    /// The piece of `text` with the rarest letters, and how many of the counted posts may have it at most; all of a
    /// short text. `None` while nothing was counted.
    pub(crate) fn rarest_piece(&self, text: &str) -> Option<(String, u32)> {
        let known = self.lock();
        let posts = known.posts.as_ref()?;
        let count = |trigram: [char; 3]| posts.get(&trigram).copied().unwrap_or(0);
        let letters: Vec<char> = text.chars().collect();
        let pieces = letters.windows(PIECE.min(letters.len()).max(1)).map(|piece| {
            let counts = || piece.windows(3).filter_map(|three| three.try_into().ok()).map(count);
            // Only letters and digits are in the index for certain.
            let signs = piece.iter().filter(|c| !c.is_alphanumeric()).count();
            (signs, counts().sum::<u32>(), counts().min().unwrap_or(0), piece)
        });
        let (.., least, piece) = pieces.min_by_key(|(signs, sum, ..)| (*signs, *sum))?;
        Some((piece.iter().collect(), least))
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counting<'_> {
    /// Says what was counted by `now`.
    pub(crate) fn done(self, posts: Posts, now: Instant) {
        let mut known = self.0.lock();
        known.posts = Some(posts);
        known.good_until = Some(now + GOOD_FOR);
    }
}

impl Drop for Counting<'_> {
    fn drop(&mut self) {
        self.0.lock().is_counted = false;
    }
}

/// Counts the letters of posts; what one post alone has is as rare as what none has.
pub(crate) fn count<T: AsRef<str>>(texts: impl IntoIterator<Item = T>) -> Posts {
    let mut posts = Posts::new();
    for text in texts {
        let letters: Vec<char> = text.as_ref().chars().collect();
        let mut trigrams: Vec<[char; 3]> =
            letters.windows(3).filter_map(|three| three.try_into().ok()).collect();
        trigrams.sort_unstable();
        trigrams.dedup();
        for trigram in trigrams {
            *posts.entry(trigram).or_default() += 1;
        }
    }
    posts.retain(|_, count| *count > 1);
    posts.shrink_to_fit();
    posts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(texts: &[&str]) -> Letters {
        let letters = Letters::default();
        let now = Instant::now();
        letters.to_count(now).unwrap().done(count(texts), now);
        letters
    }

    fn rarest(letters: &Letters, text: &str) -> (String, u32) {
        letters.rarest_piece(text).unwrap()
    }

    #[test]
    fn the_rarest_piece_leaves_out_what_every_post_has() {
        let letters = counted(&["annonce numero1000", "annonce numero1034", "annonce numero2012"]);
        assert_eq!(rarest(&letters, "numero1234"), ("o1234".to_owned(), 0));
        assert_eq!(rarest(&letters, "annonce"), ("annon".to_owned(), 3));
        assert_eq!(rarest(&letters, "o10"), ("o10".to_owned(), 2));
    }

    #[test]
    fn a_piece_is_of_letters_and_digits_where_it_can_be() {
        let letters = counted(&["marche", "marche", "!!!"]);
        assert_eq!(rarest(&letters, "!!??!! marche"), ("march".to_owned(), 2));
        assert_eq!(rarest(&letters, "!?!").0, "!?!");
        assert_eq!(letters.rarest_piece(""), None);
    }

    #[test]
    fn nothing_is_rare_before_it_was_counted() {
        let letters = Letters::default();
        assert_eq!(letters.rarest_piece("numero1234"), None);
        let now = Instant::now();
        drop(letters.to_count(now).unwrap());
        assert_eq!(letters.rarest_piece("numero1234"), None, "the count failed");
        letters.to_count(now).unwrap().done(Posts::new(), now);
        assert!(letters.rarest_piece("numero1234").is_some());
    }

    #[test]
    fn one_counts_at_a_time_and_again_when_the_counts_are_old() {
        let letters = Letters::default();
        let now = Instant::now();
        let counting = letters.to_count(now).unwrap();
        assert!(letters.to_count(now).is_none(), "somebody does");
        counting.done(Posts::new(), now);
        assert!(letters.to_count(now + GOOD_FOR / 2).is_none(), "they are good");
        assert!(letters.to_count(now + GOOD_FOR).is_some());
    }
}
