//! Mentions: members whom others name in what they write.
//!
//! Here: finding names in a text, and which of those named are told. Not here: telling them
//! (`notifications`).

use std::collections::BTreeSet;

use crate::text::key;

/// Names noticed in one text: more are a list, and would make a few words tell half a commune.
pub const MENTIONS_MAX: usize = 10;

/// Longest name looked for, in characters: as long as one may be.
const NAME_MAX_CHARS: usize = 150;

/// Where somebody is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// In a post.
    Post,
    /// In a comment.
    Comment,
    /// In what is said beside a live, which is for those the live is for.
    Chat,
}

/// The names that `text` mentions and `before` did not, as [`key`]s: at most [`MENTIONS_MAX`] of them
/// are looked for.
///
/// A mention is an `@` that no name goes on into (an e-mail address has none), and what may stand in
/// a name after it. Points and dashes at its end may belong to the sentence: it is looked for with
/// them and without.
pub(crate) fn newly_mentioned(text: &str, before: &str) -> Vec<String> {
    let before: BTreeSet<String> = mentioned(before).flatten().collect();
    let mut names = Vec::new();
    let new = mentioned(text).filter(|spellings| !spellings.iter().any(|it| before.contains(it)));
    for spelling in new.take(MENTIONS_MAX).flatten() {
        if !names.contains(&spelling) {
            names.push(spelling);
        }
    }
    names
}

/// The names in `text`, each as it may be spelled.
fn mentioned(text: &str) -> impl Iterator<Item = Vec<String>> {
    let begins = |at: usize| !text[..at].chars().next_back().is_some_and(is_of_name);
    text.match_indices('@').filter(move |(at, _)| begins(*at)).filter_map(|(at, _)| {
        let rest = &text[at + 1..];
        let name = rest.find(|c| !is_of_name(c)).map_or(rest, |end| &rest[..end]);
        let bare = name.trim_end_matches(['.', '-', '+', '@']);
        if bare.is_empty() || name.chars().count() > NAME_MAX_CHARS {
            return None;
        }
        Some(if bare == name { vec![key(name)] } else { vec![key(name), key(bare)] })
    })
}

/// Whether a name may hold it, as `api` takes names.
fn is_of_name(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '@' | '.' | '+' | '-' | '_')
}

/// The parameters of so many names as [`newly_mentioned`] may give, in two spellings each.
macro_rules! those_names {
    () => {
        "($5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24)"
    };
}

/// Of the members named `$5` and following, those who are shown what `$2` wrote about the post `$1`,
/// where `$3` says in a chat and `$4` the comment: the post is for its commune and for whoever takes
/// part in it, the chat of a live for those the live is for. Who was told of this text before is left
/// out, and so is whoever both spellings of a name mean.
pub(crate) const THOSE_NAMED: &str = concat!(
    "select u.id from users u
         join posts p on p.id = $1
         join quartiers there on there.id = p.quartier_id
         left join quartiers own on own.id = u.quartier_id
         left join lives l on l.id = p.id
     where u.username_key in ",
    those_names!(),
    " and u.id <> $2
       and (u.role = 'admin' or u.id = p.author_id
            or case when $3 = 1 then l.audience = 'public' or u.quartier_id = p.quartier_id
               else u.quartier_id is null or own.commune_id = there.commune_id
                   or exists (select 1 from comments c
                              where c.post_id = p.id and c.author_id = u.id)
               end)
       and ($3 = 1 or not exists (
           select 1 from notifications n
           where n.recipient_id = u.id and n.sender_id = $2 and n.post_id = p.id
             and coalesce(n.comment_id, 0) = $4 and n.kind in ('mention', 'comment')
             and (n.comment_id is not null or n.excerpt = '')))
     order by u.id"
);

/// Names that [`THOSE_NAMED`] takes.
pub(crate) const NAMES_AT_ONCE: usize = 2 * MENTIONS_MAX;

#[cfg(test)]
mod tests;
