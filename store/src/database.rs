//! The connections: which database, how many, how they are set up.

use crate::{Error, Geography};

/// The pools of the database in use.
#[derive(Clone)]
pub(crate) struct Database;

impl Database {
    pub(crate) async fn open(url: &str) -> Result<(Self, Geography), Error> {
        let _ = url;
        unimplemented!()
    }
    pub(crate) async fn ping(&self) -> Result<(), Error> {
        unimplemented!()
    }
    pub(crate) async fn close(&self) {}
}
