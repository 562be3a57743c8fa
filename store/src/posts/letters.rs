//! Which letters are rare in what posts say, so that an index is asked for those.
//!
//! An index of trigrams reads a list for each three letters of a text: of a million posts, 34 ms for eight
//! lists of which most posts are in five, 5 ms for the three in which few are (PostgreSQL 15). Here: the
//! counts of a sample, and a text's rarest piece. Not here: the search (`search`), which looks for the whole text in
//! what the piece finds.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// The newest posts are counted, so many.
pub(crate) const COUNTED: u32 = 2000;

/// How long counts are good for: what is common does not change in minutes.
const GOOD_FOR: Duration = Duration::from_mins(10);

/// The length of a piece, in characters. Its three trigrams leave few posts to look at; more of them cost more
/// to read than they leave out.
const PIECE: usize = 5;

/// What is known of the letters of a database.
#[derive(Debug, Default)]
pub(crate) struct Letters(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    /// How many of the counted posts have these three characters.
    posts: HashMap<[char; 3], u32>,
    good_until: Option<Instant>,
}

impl Letters {
    /// Whether they are to be counted (again), which is left to whoever is told so first.
    pub(crate) fn want_counting(&self) -> bool {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let is_old = known.good_until.is_none_or(|until| until <= now);
        if is_old {
            known.good_until = Some(now + GOOD_FOR);
        }
        is_old
    }

    /// Counts the letters of these posts, and forgets those counted before.
    pub(crate) fn count<T: AsRef<str>>(&self, texts: impl IntoIterator<Item = T>) {
        let mut posts = HashMap::new();
        for text in texts {
            let mut of_this = trigrams(text.as_ref());
            of_this.sort_unstable();
            of_this.dedup();
            for trigram in of_this {
                *posts.entry(trigram).or_default() += 1;
            }
        }
        self.0.lock().unwrap_or_else(PoisonError::into_inner).posts = posts;
    }

    /// The piece of `text` with the rarest letters, and how many of the counted posts may have it at most; all of a
    /// short text.
    pub(crate) fn rarest_piece(&self, text: &str) -> (String, u32) {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = |trigram: [char; 3]| known.posts.get(&trigram).copied().unwrap_or(0);
        let letters: Vec<char> = text.chars().collect();
        let pieces = letters.windows(PIECE.min(letters.len()).max(1)).map(|piece| {
            let counts = || piece.windows(3).filter_map(|three| three.try_into().ok()).map(count);
            // Only letters and digits are in the index for certain.
            let signs = piece.iter().filter(|c| !c.is_alphanumeric()).count();
            (signs, counts().sum::<u32>(), counts().min().unwrap_or(0), piece)
        });
        let rarest = pieces.min_by_key(|(signs, sum, ..)| (*signs, *sum));
        rarest.map_or_else(Default::default, |(.., least, piece)| (piece.iter().collect(), least))
    }
}

fn trigrams(text: &str) -> Vec<[char; 3]> {
    let letters: Vec<char> = text.chars().collect();
    letters.windows(3).filter_map(|three| three.try_into().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rarest_piece_leaves_out_what_every_post_has() {
        let letters = Letters::default();
        letters.count(["annonce numero1000", "annonce numero2034", "annonce numero5512"]);
        assert_eq!(letters.rarest_piece("numero1234"), ("o1234".to_owned(), 0));
        assert_eq!(letters.rarest_piece("annonce"), ("annon".to_owned(), 3));
        assert_eq!(letters.rarest_piece("o20"), ("o20".to_owned(), 1));
    }

    #[test]
    fn a_piece_is_of_letters_and_digits_where_it_can_be() {
        let letters = Letters::default();
        letters.count(["marche", "marche", "!!!"]);
        assert_eq!(letters.rarest_piece("!!??!! marche"), ("march".to_owned(), 2));
        assert_eq!(letters.rarest_piece("!?!").0, "!?!");
        assert_eq!(letters.rarest_piece(""), (String::new(), 0));
    }

    #[test]
    fn one_is_told_to_count_until_the_counts_are_old() {
        let letters = Letters::default();
        assert!(letters.want_counting());
        assert!(!letters.want_counting());
    }
}
