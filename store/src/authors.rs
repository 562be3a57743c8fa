//! What other members may see of a member.
//!
//! Here: the author of a post, a comment or a like, read beside it in the same statement. Not here:
//! accounts (`users`), who is shown an anonymous author (`api`).

use std::sync::Arc;

use media::id::UserId;

use crate::{Error, Geography, Quartier, QuartierId, Role, User, database::row};

/// What other members may see of a member who wrote or likes something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Author {
    /// The member.
    pub id: UserId,
    /// The member's name on the site.
    pub username: String,
    /// May be empty.
    pub first_name: String,
    /// May be empty.
    pub last_name: String,
    /// Where the picture is stored, relative to the media root.
    pub profile_picture: Option<String>,
    /// Where the member lives now, which need not be where the post belongs.
    pub quartier: Option<Arc<Quartier>>,
    /// What the member may do.
    pub role: Role,
    /// Whether the team has checked who it is.
    pub is_verified: bool,
}

/// The columns of an [`AuthorRow`], of the member that a statement calls `u`.
macro_rules! author_columns {
    () => {
        "u.id as author_id, u.username, u.first_name, u.last_name, u.profile_picture, \
         u.quartier_id as author_quartier_id, u.role, u.is_verified"
    };
}
pub(crate) use author_columns;

row! {
    /// A member, in a row of what he wrote.
    pub(crate) struct AuthorRow {
        author_id: i64,
        username: String,
        first_name: String,
        last_name: String,
        profile_picture: Option<String>,
        author_quartier_id: Option<i64>,
        role: String,
        is_verified: i64,
    }
}

impl AuthorRow {
    pub(crate) fn into_author(self, geography: &Geography) -> Result<Author, Error> {
        let quartier = |id| geography.quartier(QuartierId::new(id)).cloned();
        Ok(Author {
            id: UserId::new(self.author_id),
            username: self.username,
            first_name: self.first_name,
            last_name: self.last_name,
            profile_picture: self.profile_picture,
            quartier: self.author_quartier_id.and_then(quartier),
            role: Role::from_stored(&self.role)?,
            is_verified: self.is_verified != 0,
        })
    }
}

impl From<&User> for Author {
    fn from(user: &User) -> Self {
        Self {
            id: user.id,
            username: user.username.clone(),
            first_name: user.first_name.clone(),
            last_name: user.last_name.clone(),
            profile_picture: user.profile_picture.clone(),
            quartier: user.quartier.clone(),
            role: user.role,
            is_verified: user.is_verified,
        }
    }
}
