//! Lists cut into pages.

/// Rows on one page (API contract, section 1).
pub const PAGE_SIZE: u32 = 20;

/// One page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// Rows in the whole list.
    pub count: u64,
    /// Which page this is, from 1.
    pub number: u32,
    /// The rows of this page, at most [`PAGE_SIZE`].
    pub rows: Vec<T>,
}

impl<T> Page<T> {
    /// Pages of the whole list; an empty list has one, empty.
    pub fn pages(&self) -> u64 {
        self.count.div_ceil(u64::from(PAGE_SIZE)).max(1)
    }

    /// Whether the list has such a page at all.
    pub fn exists(&self) -> bool {
        self.number >= 1 && u64::from(self.number) <= self.pages()
    }

    /// The number of the page after this one, if there is one.
    pub fn next(&self) -> Option<u32> {
        (u64::from(self.number) < self.pages()).then(|| self.number.saturating_add(1))
    }

    /// The number of the page before this one, if there is one.
    pub fn previous(&self) -> Option<u32> {
        (self.exists() && self.number > 1).then(|| self.number - 1)
    }

    /// The same page of what its rows stand for.
    pub(crate) fn try_map<U, E>(self, row: impl FnMut(T) -> Result<U, E>) -> Result<Page<U>, E> {
        let rows = self.rows.into_iter().map(row).collect::<Result<_, E>>()?;
        Ok(Page { count: self.count, number: self.number, rows })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(count: u64, number: u32) -> Page<()> {
        Page { count, number, rows: Vec::new() }
    }

    #[test]
    fn an_empty_list_has_a_first_page_and_no_other() {
        assert!(page(0, 1).exists());
        assert_eq!((page(0, 1).next(), page(0, 1).previous()), (None, None));
        assert!(!page(0, 2).exists() && !page(0, 0).exists());
    }

    #[test]
    fn a_full_last_page_has_no_next() {
        assert_eq!(page(40, 1).next(), Some(2));
        assert_eq!((page(40, 2).next(), page(40, 2).previous()), (None, Some(1)));
        assert!(!page(40, 3).exists());
        assert!(page(41, 3).exists());
    }
}
