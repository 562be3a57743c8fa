//! Lists cut into pages, and what is asked of them.
//!
//! Here: `?page`, `?search`, the links to the pages around. Not here: the rows.

use std::collections::HashMap;

use axum::extract::{FromRequestParts, Query};
use http::request::Parts;
use schemars::JsonSchema;
use serde::Serialize;
use store::{PAGE_SIZE, Page};

use crate::{error::Error, json::no_choice, router::Shared, site::Site};

/// Longest text searched for, in characters; the rest is left out.
const SEARCH_MAX_CHARS: usize = 100;

/// One page of a list, as clients read it.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Page_{T}")]
pub struct Listed<T> {
    count: u64,
    next: Option<String>,
    previous: Option<String>,
    results: Vec<T>,
}

/// What was asked of a list, and where.
pub struct List {
    /// For the URLs within the rows.
    pub site: Site,
    path: String,
    raw_query: String,
    params: HashMap<String, String>,
}

impl<T> Listed<T> {
    /// Whether the whole list is.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }
}

impl List {
    /// The page asked for, from 1.
    ///
    /// # Errors
    ///
    /// 404 when it is not such a number.
    pub fn page(&self) -> Result<u32, Error> {
        match self.param("page") {
            None => Ok(1),
            Some(page) => page.parse().ok().filter(|page| *page >= 1).ok_or(Error::NoPage),
        }
    }

    /// The text searched for, if any.
    pub fn search(&self) -> Option<String> {
        let text: String =
            self.param("search")?.chars().filter(|c| *c != '\0').take(SEARCH_MAX_CHARS).collect();
        let text = text.trim();
        (!text.is_empty()).then(|| text.to_owned())
    }

    /// A parameter of the query; an empty one is none.
    pub fn param(&self, name: &str) -> Option<&str> {
        self.params.get(name).map(|value| value.trim()).filter(|value| !value.is_empty())
    }

    /// A parameter that is true or false, or 1 or 0.
    ///
    /// # Errors
    ///
    /// 400 on it when it is anything else.
    pub fn flag(&self, name: &str) -> Result<Option<bool>, Error> {
        match self.param(name) {
            None => Ok(None),
            Some(text) if text.eq_ignore_ascii_case("true") || text == "1" => Ok(Some(true)),
            Some(text) if text.eq_ignore_ascii_case("false") || text == "0" => Ok(Some(false)),
            Some(text) => Err(Error::field(name, no_choice(text))),
        }
    }

    /// A parameter that is one of several words, as `parse` knows them.
    ///
    /// # Errors
    ///
    /// 400 on it when it is none.
    pub fn choice<T>(
        &self,
        name: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, Error> {
        let known = |text| parse(text).ok_or_else(|| Error::field(name, no_choice(text)));
        self.param(name).map(known).transpose()
    }

    /// A page of the database, row by row.
    ///
    /// # Errors
    ///
    /// 404 when the list has no such page.
    pub fn listed<R, T>(&self, page: Page<R>, row: impl Fn(&R) -> T) -> Result<Listed<T>, Error> {
        if !page.exists() {
            return Err(Error::NoPage);
        }
        Ok(Listed {
            count: page.count,
            next: page.next().map(|number| self.url_of(number)),
            previous: page.previous().map(|number| self.url_of(number)),
            results: page.rows.iter().map(row).collect(),
        })
    }

    /// A page of a list that is in memory.
    ///
    /// # Errors
    ///
    /// 404 when the list has no such page.
    pub fn cut<R: Clone, T>(&self, all: &[R], row: impl Fn(&R) -> T) -> Result<Listed<T>, Error> {
        let number = self.page()?;
        let size = PAGE_SIZE as usize;
        let rows = all.chunks(size).nth(number as usize - 1).map(<[R]>::to_vec).unwrap_or_default();
        self.listed(Page { count: all.len() as u64, number, rows }, row)
    }

    /// A list that is one page, however long.
    ///
    /// # Errors
    ///
    /// 404 when another page than the first is asked for.
    pub fn whole<R, T>(&self, all: &[R], row: impl Fn(&R) -> T) -> Result<Listed<T>, Error> {
        if self.page()? != 1 {
            return Err(Error::NoPage);
        }
        let results: Vec<T> = all.iter().map(row).collect();
        Ok(Listed { count: results.len() as u64, next: None, previous: None, results })
    }

    /// The same list, another page.
    fn url_of(&self, page: u32) -> String {
        let mut query: Vec<&str> = self
            .raw_query
            .split('&')
            .filter(|pair| !pair.is_empty() && *pair != "page" && !pair.starts_with("page="))
            .collect();
        let page = format!("page={page}");
        query.push(&page);
        self.site.at(&format!("{}/?{}", self.path.trim_end_matches('/'), query.join("&")))
    }
}

impl FromRequestParts<Shared> for List {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, api: &Shared) -> Result<Self, Error> {
        let Query(params) = Query::try_from_uri(&parts.uri)
            .map_err(|_| Error::field("non_field_errors", "Paramètres illisibles."))?;
        Ok(Self {
            site: Site::from_request_parts(parts, api).await?,
            path: parts.uri.path().to_owned(),
            raw_query: parts.uri.query().unwrap_or_default().to_owned(),
            params,
        })
    }
}
