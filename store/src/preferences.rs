//! Preferences: what a member wants to be told, and how soon.
//!
//! Here: keeping them. Not here: honouring them, which whatever notes a notification does itself
//! (`notifications`).

use media::id::UserId;

use crate::{
    Error, Store,
    database::{reading, writing},
};

/// What a member may have turned off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Switch {
    /// Likes of the member's posts.
    Likes,
    /// Comments on them, and replies to the member's own.
    Comments,
    /// Whoever follows the member.
    Follows,
    /// Lives of neighbours, that begin or end.
    Live,
    /// Whoever names the member.
    Mention,
    /// What the site itself has to say.
    System,
    /// Alerts of the community, which nothing sends today.
    CommunityAlert,
    /// By e-mail, which nothing is sent by today.
    Email,
    /// By push message, likewise.
    Push,
    /// On the site at all.
    InApp,
}

impl Switch {
    /// All of them, in the order of their columns.
    pub const ALL: [Self; 10] = [
        Self::Likes,
        Self::Comments,
        Self::Follows,
        Self::Live,
        Self::Mention,
        Self::System,
        Self::CommunityAlert,
        Self::Email,
        Self::Push,
        Self::InApp,
    ];
}

/// How soon a member wants to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Frequency {
    /// At once.
    #[default]
    Immediate,
    /// Together, at the end of the hour.
    Hourly,
    /// Together, at the end of the day.
    Daily,
}

impl Frequency {
    /// The frequency as stored and as the API names it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Immediate => "immediate",
            Self::Hourly => "hourly",
            Self::Daily => "daily",
        }
    }

    /// The frequency a text stands for, stored or from a member.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Immediate, Self::Hourly, Self::Daily].into_iter().find(|f| f.as_str() == text)
    }
}

/// What a member wants to be told, and how soon. By default all of it, at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Preferences {
    is_on: [bool; Switch::ALL.len()],
    /// How soon.
    pub frequency: Frequency,
}

impl Preferences {
    /// Whether a switch is on.
    pub fn is_on(&self, switch: Switch) -> bool {
        self.is_on[switch as usize]
    }
}

impl Default for Preferences {
    fn default() -> Self {
        Self { is_on: [true; Switch::ALL.len()], frequency: Frequency::default() }
    }
}

/// What a member changes of his preferences; the rest stays as it is.
#[derive(Debug, Clone, Copy, Default)]
pub struct PreferenceChange {
    pub(crate) switched: [Option<bool>; Switch::ALL.len()],
    /// How soon.
    pub frequency: Option<Frequency>,
}

impl PreferenceChange {
    /// Turns a switch on or off.
    pub fn set(&mut self, switch: Switch, is_on: bool) {
        self.switched[switch as usize] = Some(is_on);
    }
}

/// The columns of [`PreferencesRow`]: the switches, in the order of [`Switch::ALL`].
macro_rules! preference_columns {
    () => {
        "likes, comments, follows, live, mention, system, community_alert, email, push, in_app, \
         frequency"
    };
}

type PreferencesRow = (i64, i64, i64, i64, i64, i64, i64, i64, i64, i64, String);

impl Store {
    /// What a member wants to be told of.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn preferences(&self, user: UserId) -> Result<Preferences, Error> {
        const SELECT: &str = concat!(
            "select ",
            preference_columns!(),
            " from notification_preferences where user_id = $1"
        );
        let row: Option<PreferencesRow> = reading!(&self.database, |pool| {
            sqlx::query_as(SELECT).bind(user.get()).fetch_optional(pool).await?
        });
        row.map_or_else(|| Ok(Preferences::default()), Preferences::try_from)
    }

    /// Changes what a member wants to be told, from now on, and gives it as it is then.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn set_preferences(
        &self,
        user: UserId,
        change: &PreferenceChange,
    ) -> Result<Preferences, Error> {
        const UPSERT: &str = concat!(
            "insert into notification_preferences as kept (user_id, ",
            preference_columns!(),
            ") values ($1, coalesce($2, 1), coalesce($3, 1), coalesce($4, 1), coalesce($5, 1),
                 coalesce($6, 1), coalesce($7, 1), coalesce($8, 1), coalesce($9, 1),
                 coalesce($10, 1), coalesce($11, 1), coalesce($12, 'immediate'))
             on conflict (user_id) do update set
                 likes = coalesce($2, kept.likes),
                 comments = coalesce($3, kept.comments),
                 follows = coalesce($4, kept.follows),
                 live = coalesce($5, kept.live),
                 mention = coalesce($6, kept.mention),
                 system = coalesce($7, kept.system),
                 community_alert = coalesce($8, kept.community_alert),
                 email = coalesce($9, kept.email),
                 push = coalesce($10, kept.push),
                 in_app = coalesce($11, kept.in_app),
                 frequency = coalesce($12, kept.frequency)
             returning ",
            preference_columns!()
        );
        let row: PreferencesRow = writing!(&self.database, |pool| {
            let mut upsert = sqlx::query_as(UPSERT).bind(user.get());
            for switched in change.switched {
                upsert = upsert.bind(switched.map(i64::from));
            }
            upsert.bind(change.frequency.map(Frequency::as_str)).fetch_one(pool).await?
        });
        row.try_into()
    }
}

impl TryFrom<PreferencesRow> for Preferences {
    type Error = Error;

    fn try_from(row: PreferencesRow) -> Result<Self, Error> {
        let switches = [row.0, row.1, row.2, row.3, row.4, row.5, row.6, row.7, row.8, row.9];
        Ok(Self {
            is_on: switches.map(|switch| switch != 0),
            frequency: Frequency::parse(&row.10)
                .ok_or_else(|| Error::Database("a frequency is unknown to this version".into()))?,
        })
    }
}

#[cfg(test)]
mod tests;
