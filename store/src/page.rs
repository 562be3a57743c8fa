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

/// One page of a list, or `None` where `$count`, a statement of how many rows it has, gives nothing: what
/// it is a list of is not there. `$select` gives the rows themselves. Both take the parameters, and
/// `$select` a limit and an offset after them, and then what else is named. Rows of a page that does
/// not exist are not asked for.
macro_rules! read_page_if {
    ($database:expr, $page:expr, $count:expr, $select:expr, [$($parameter:expr),*] $($last:expr)?) => {{
        let number: u32 = $page;
        let offset = i64::from(number.saturating_sub(1)) * i64::from($crate::PAGE_SIZE);
        $crate::database::reading!($database, |pool| {
            let count = sqlx::query_scalar($count);
            let count: Option<i64> = count$(.bind($parameter))*.fetch_optional(pool).await?;
            match count {
                None => None,
                Some(count) => {
                    let rows = if number == 0 || offset >= count {
                        Vec::new()
                    } else {
                        let select = sqlx::query_as($select)$(.bind($parameter))*;
                        let select = select.bind(i64::from($crate::PAGE_SIZE)).bind(offset);
                        select$(.bind($last))?.fetch_all(pool).await?
                    };
                    Some($crate::Page { count: count.cast_unsigned(), number, rows })
                }
            }
        })
    }};
}

/// One page of a list that is there in any case, as [`read_page_if`] reads it.
macro_rules! read_page {
    ($($list:tt)*) => {
        $crate::page::read_page_if!($($list)*).expect("a count of rows is a row")
    };
}

pub(crate) use {read_page, read_page_if};

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
