//! Text made comparable: what readers see as the same word compares equal.
//!
//! Done here and not in SQL: `lower` knows ASCII only in SQLite and depends on the locale in
//! PostgreSQL, and neither folds accents.

use std::borrow::Cow;

/// `text` without case and accents, for ordering and searching French names.
///
/// Covers Latin letters as written in French and in the languages of Guinea; other characters are
/// only put in lowercase.
pub fn fold(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    for c in text.chars().flat_map(char::to_lowercase) {
        match c {
            'à' | 'á' | 'â' | 'ã' | 'ä' | 'å' => folded.push('a'),
            'ɓ' => folded.push('b'),
            'ç' => folded.push('c'),
            'ɗ' => folded.push('d'),
            'è' | 'é' | 'ê' | 'ë' | 'ɛ' => folded.push('e'),
            'ì' | 'í' | 'î' | 'ï' => folded.push('i'),
            'ñ' | 'ŋ' | 'ɲ' => folded.push('n'),
            'ò' | 'ó' | 'ô' | 'õ' | 'ö' | 'ø' | 'ɔ' => folded.push('o'),
            'ù' | 'ú' | 'û' | 'ü' => folded.push('u'),
            'ý' | 'ÿ' | 'ƴ' => folded.push('y'),
            'œ' => folded.push_str("oe"),
            'æ' => folded.push_str("ae"),
            '’' => folded.push('\''),
            '\0' => folded.push('\u{fffd}'),
            // Combining marks: an accent typed as a character of its own, as macOS writes it.
            '\u{300}'..='\u{36f}' => {}
            c => folded.push(c),
        }
    }
    folded
}

/// `text` in the form in which two names or addresses are the same.
pub(crate) fn key(text: &str) -> String {
    storable(text.trim()).to_lowercase()
}

/// `text` as both databases can hold it: PostgreSQL refuses U+0000 in a text, which JSON may carry.
pub(crate) fn storable(text: &str) -> Cow<'_, str> {
    if text.contains('\0') { text.replace('\0', "\u{fffd}").into() } else { text.into() }
}

/// Longest text searched for, in characters: longer ones find nothing more, and a pattern has a limit in
/// SQLite (50 000 bytes).
pub(crate) const SEARCHED_CHARS: usize = 200;

/// What is looked for when a reader searches for `text`.
pub(crate) fn searched(text: &str) -> String {
    fold(text.trim()).chars().take(SEARCHED_CHARS).collect()
}

/// The pattern that finds `text` anywhere in a folded column with `like $n escape '\'`.
pub(crate) fn like_anywhere(text: &str) -> String {
    let mut pattern = String::from("%");
    for c in searched(text).chars() {
        if matches!(c, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern.push('%');
    pattern
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_and_accents_do_not_count() {
        assert_eq!(fold("Guéckédou"), "gueckedou");
        assert_eq!(fold("ÉLÉONORE Cœur d’Alène"), "eleonore coeur d'alene");
        assert_eq!(fold("Kipe\u{301}"), fold("KIPÉ"));
    }

    #[test]
    fn what_postgresql_cannot_hold_is_replaced() {
        assert_eq!(storable("a\0b"), "a\u{fffd}b");
        assert_eq!(key(" A\0 "), "a\u{fffd}");
        assert_eq!(fold("\0"), "\u{fffd}");
    }

    #[test]
    fn the_signs_of_a_pattern_are_taken_literally() {
        assert_eq!(like_anywhere(r" 100 %_\ "), r"%100 \%\_\\%");
    }

    #[test]
    fn a_long_search_is_cut() {
        assert_eq!(like_anywhere(&"a".repeat(1000)).len(), 202);
    }
}
