//! Pushes: what members' browsers are still to be sent, and where they are reached.
//!
//! Here: subscriptions, and a queue that is filled in the transaction of the notification itself, so
//! that nothing is lost or sent of what never happened. Not here: sending (`api`), what is told to
//! whom (`notifications`).
//!
//! What a member is told hourly or daily comes as one message for all of it.

use std::collections::HashMap;

use media::id::{PlaybackName, UserId};
use sqlx::{Database as Sql, Encode, QueryBuilder, Type};

use crate::{
    Error, LiveState, Notification, NotificationKind, Store,
    database::{reading, row, transaction, writing},
    lives::stored_name,
    notifications::{NotificationRow, notification_columns, notification_tables},
};

/// Messages in a row that a push service refuses before the subscription is forgotten: what is wrong
/// with it then will not pass.
pub const REFUSALS_MAX: u32 = 5;

/// Puts down for each browser of those who are told what these notifications say, if they want it
/// pushed. That a live has begun is news for an hour, everything else for a day.
pub(crate) fn queue_pushes<DB: Sql>(ids: &[i64]) -> QueryBuilder<DB>
where
    for<'q> i64: Encode<'q, DB> + Type<DB>,
{
    let mut insert = QueryBuilder::new(
        "insert into push_messages (subscription_id, notification_id, due_ms, next_ms, expires_ms)
         select s.id, case when n.due_ms > n.created_ms then null else n.id end, n.due_ms, n.due_ms,
             n.due_ms + case n.kind when 'live_started' then 3600000 else 86400000 end
         from notifications n join push_subscriptions s on s.user_id = n.recipient_id
             left join notification_preferences p on p.user_id = n.recipient_id
         where coalesce(p.push, 1) = 1 and n.id in (",
    );
    let mut list = insert.separated(", ");
    for id in ids {
        list.push_bind(*id);
    }
    insert.push(") on conflict do nothing");
    insert
}

/// Names a subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SubscriptionId(i64);

impl SubscriptionId {
    /// Wraps a number, which need not be the id of anything.
    pub const fn new(id: i64) -> Self {
        Self(id)
    }

    /// The number itself.
    pub const fn get(self) -> i64 {
        self.0
    }
}

/// A browser that is to be told. Already validated.
#[derive(Clone)]
pub struct NewSubscription {
    /// Whose.
    pub user: UserId,
    /// Where its push service takes messages. Whoever knows it may not write there without our key.
    pub endpoint: String,
    /// The public key of the browser: a point of P-256, uncompressed.
    pub p256dh: [u8; 65],
    /// The secret it shares with us.
    pub auth: [u8; 16],
    /// Now, in Unix milliseconds.
    pub now_ms: i64,
}

/// A browser that is told, as its member is shown it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscription {
    /// Never given twice.
    pub id: SubscriptionId,
    /// Where its push service takes messages.
    pub endpoint: String,
    /// Since when, in Unix milliseconds.
    pub created_ms: i64,
    /// When its push service last took a message, in Unix milliseconds.
    pub sent_ms: Option<i64>,
}

/// A message whose turn has come.
#[derive(Clone)]
pub struct DuePush {
    /// Of the message.
    pub id: i64,
    /// Whose browser it is for.
    pub user: UserId,
    /// Where its push service takes messages.
    pub endpoint: String,
    /// The public key of the browser.
    pub p256dh: [u8; 65],
    /// The secret it shares with us.
    pub auth: [u8; 16],
    /// How often it was tried before.
    pub attempts: u32,
    /// From when on it is no news any more, in Unix milliseconds.
    pub expires_ms: i64,
    /// What it says; `None` for what is no news any more.
    pub news: Option<News>,
}

/// What a message says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// What a notification says, and the live it is about.
    One(Box<Notification>, Option<PlaybackName>),
    /// That so many notifications wait to be read.
    Many(i64),
}

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settlement {
    /// Its push service has it.
    Sent,
    /// It is no news any more.
    Dropped,
    /// Its push service does not want it.
    Refused,
    /// Its push service does not know the browser any more: nothing will ever come through.
    Gone,
    /// It is tried again, not before this time.
    Later {
        /// In Unix milliseconds.
        next_ms: i64,
        /// Whether it was tried now.
        was_tried: bool,
    },
}

impl Store {
    /// Notes a browser to be told, and gives its id and whether it is new. What was known of it
    /// before is replaced: whoever signs in to it last is told, and nobody else. Of more than `most`
    /// of one member, those go that have not been renewed the longest.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn subscribe(
        &self,
        new: &NewSubscription,
        most: u32,
    ) -> Result<(SubscriptionId, bool), Error> {
        let (id, found) = transaction!(&self.database, |transaction| {
            // With what waits for it, which is not for the next one's eyes.
            sqlx::query("delete from push_subscriptions where endpoint = $1 and user_id <> $2")
                .bind(&new.endpoint)
                .bind(new.user.get())
                .execute(&mut *transaction)
                .await?;
            let found: Option<i64> =
                sqlx::query_scalar("select id from push_subscriptions where endpoint = $1")
                    .bind(&new.endpoint)
                    .fetch_optional(&mut *transaction)
                    .await?;
            let id: i64 = sqlx::query_scalar(
                "insert into push_subscriptions (user_id, endpoint, p256dh, auth, created_ms, \
                     renewed_ms)
                 values ($1, $2, $3, $4, $5, $5)
                 on conflict (endpoint) do update set user_id = excluded.user_id,
                     p256dh = excluded.p256dh, auth = excluded.auth,
                     renewed_ms = excluded.renewed_ms, refusals = 0
                 returning id",
            )
            .bind(new.user.get())
            .bind(&new.endpoint)
            .bind(new.p256dh.as_slice())
            .bind(new.auth.as_slice())
            .bind(new.now_ms)
            .fetch_one(&mut *transaction)
            .await?;
            sqlx::query(
                "delete from push_subscriptions where user_id = $1 and id not in (
                     select id from push_subscriptions where user_id = $1
                     order by renewed_ms desc, id desc limit $2
                 )",
            )
            .bind(new.user.get())
            .bind(i64::from(most))
            .execute(&mut *transaction)
            .await?;
            (id, found)
        });
        Ok((SubscriptionId(id), found.is_none()))
    }

    /// The browsers of a member that are told, newest first.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn subscriptions(&self, user: UserId) -> Result<Vec<Subscription>, Error> {
        let rows: Vec<(i64, String, i64, Option<i64>)> = reading!(&self.database, |pool| {
            sqlx::query_as(
                "select id, endpoint, created_ms, sent_ms from push_subscriptions
                 where user_id = $1 order by id desc",
            )
            .bind(user.get())
            .fetch_all(pool)
            .await?
        });
        let row = |(id, endpoint, created_ms, sent_ms)| Subscription {
            id: SubscriptionId(id),
            endpoint,
            created_ms,
            sent_ms,
        };
        Ok(rows.into_iter().map(row).collect())
    }

    /// Forgets a browser of a member with all that waits for it; says whether he had it.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn unsubscribe(&self, user: UserId, id: SubscriptionId) -> Result<bool, Error> {
        let gone = writing!(&self.database, |pool| {
            sqlx::query("delete from push_subscriptions where id = $2 and user_id = $1")
                .bind(user.get())
                .bind(id.0)
                .execute(pool)
                .await?
                .rows_affected()
        });
        Ok(gone > 0)
    }

    /// Up to `most` messages whose turn has come. They come again at `again_ms` if nothing becomes of
    /// them until then: whatever ends the sender, nothing is lost.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn claim_pushes(
        &self,
        now_ms: i64,
        again_ms: i64,
        most: u32,
    ) -> Result<Vec<DuePush>, Error> {
        // Asked all the time: whoever writes is not kept waiting for it.
        let waiting: Option<i64> = reading!(&self.database, |pool| {
            sqlx::query_scalar("select id from push_messages where next_ms <= $1 limit 1")
                .bind(now_ms)
                .fetch_optional(pool)
                .await?
        });
        if waiting.is_none() {
            return Ok(Vec::new());
        }
        let claimed: Vec<i64> = writing!(&self.database, |pool| {
            sqlx::query_scalar(
                "update push_messages set next_ms = $2 where id in (
                     select id from push_messages where next_ms <= $1 order by next_ms, id limit $3
                 )
                 returning id",
            )
            .bind(now_ms)
            .bind(again_ms)
            .bind(i64::from(most))
            .fetch_all(pool)
            .await?
        });
        if claimed.is_empty() {
            return Ok(Vec::new());
        }
        let rows: Vec<MessageRow> = reading!(&self.database, |pool| {
            listing(
                "select m.id as message_id, m.notification_id, m.attempts, m.expires_ms, s.user_id,
                     s.endpoint, s.p256dh, s.auth
                 from push_messages m join push_subscriptions s on s.id = m.subscription_id
                 where m.id in (",
                &claimed,
            )
            .build_query_as()
            .fetch_all(pool)
            .await?
        });
        let ids: Vec<i64> = rows.iter().filter_map(|row| row.notification_id).collect();
        let notifications = self.noted(&ids).await?;
        let mut due = Vec::with_capacity(rows.len());
        for row in rows {
            let news = match row.notification_id {
                _ if row.expires_ms <= now_ms => None,
                Some(id) => notifications.get(&id).cloned().flatten(),
                None => {
                    let user = UserId::new(row.user_id);
                    let unread = self.notification_counts(user, now_ms).await?.unread;
                    (unread > 0).then_some(News::Many(unread))
                }
            };
            due.push(row.into_due(news)?);
        }
        Ok(due)
    }

    /// Writes down what became of messages, in one transaction.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn settle_pushes(
        &self,
        settled: &[(i64, Settlement)],
        now_ms: i64,
    ) -> Result<(), Error> {
        let ids_of = |wanted: fn(&Settlement) -> bool| -> Vec<i64> {
            settled.iter().filter(|(_, it)| wanted(it)).map(|(id, _)| *id).collect()
        };
        let sent = ids_of(|it| *it == Settlement::Sent);
        let refused = ids_of(|it| *it == Settlement::Refused);
        let gone = ids_of(|it| *it == Settlement::Gone);
        let over = ids_of(|it| !matches!(it, Settlement::Later { .. } | Settlement::Gone));
        transaction!(&self.database, |transaction| {
            for (id, settlement) in settled {
                let Settlement::Later { next_ms, was_tried } = settlement else { continue };
                sqlx::query(
                    "update push_messages set next_ms = $2, attempts = attempts + $3 where id = $1",
                )
                .bind(*id)
                .bind(*next_ms)
                .bind(i64::from(*was_tried))
                .execute(&mut *transaction)
                .await?;
            }
            if !sent.is_empty() {
                let mut update = QueryBuilder::new("update push_subscriptions set sent_ms = ");
                update.push_bind(now_ms).push(", refusals = 0").push(OF_MESSAGES);
                list(update, &sent, "))").build().execute(&mut *transaction).await?;
            }
            if !refused.is_empty() {
                let mut update =
                    QueryBuilder::new("update push_subscriptions set refusals = refusals + 1");
                update.push(OF_MESSAGES);
                list(update, &refused, "))").build().execute(&mut *transaction).await?;
                let mut forget = QueryBuilder::new("delete from push_subscriptions");
                forget.push(OF_MESSAGES);
                let mut forget = list(forget, &refused, ")) and refusals >= ");
                forget.push_bind(i64::from(REFUSALS_MAX));
                forget.build().execute(&mut *transaction).await?;
            }
            if !gone.is_empty() {
                let mut forget = QueryBuilder::new("delete from push_subscriptions");
                forget.push(OF_MESSAGES);
                list(forget, &gone, "))").build().execute(&mut *transaction).await?;
            }
            if !over.is_empty() {
                listing("delete from push_messages where id in (", &over)
                    .build()
                    .execute(&mut *transaction)
                    .await?;
            }
        });
        Ok(())
    }

    /// What these notifications say, by their ids; `None` for a live that began and is over.
    async fn noted(&self, ids: &[i64]) -> Result<HashMap<i64, Option<News>>, Error> {
        const SELECT: &str = concat!(
            "select l.playback_name, l.state, ",
            notification_columns!(),
            " from ",
            notification_tables!(),
            "left join lives l on l.id = n.post_id where n.id in ("
        );
        if ids.is_empty() {
            return Ok(HashMap::new());
        }
        let rows: Vec<NewsRow> = reading!(&self.database, |pool| {
            listing(SELECT, ids).build_query_as().fetch_all(pool).await?
        });
        let mut found = HashMap::new();
        for row in rows {
            let notification = Notification::try_from(row.notification)?;
            let state = row.state.as_deref().map(LiveState::from_stored).transpose()?;
            let is_over = state == Some(LiveState::Ended)
                && notification.kind == NotificationKind::LiveStarted;
            let live = row.playback_name.as_deref().map(stored_name).transpose()?;
            let id = notification.id;
            let news = (!is_over).then(|| News::One(Box::new(notification), live));
            found.insert(id, news);
        }
        Ok(found)
    }
}

/// Which subscriptions the messages that follow in a list are for.
const OF_MESSAGES: &str = " where id in (select subscription_id from push_messages where id in (";

/// A statement that ends in a list of ids.
fn listing<DB: Sql>(beginning: &'static str, ids: &[i64]) -> QueryBuilder<DB>
where
    for<'q> i64: Encode<'q, DB> + Type<DB>,
{
    list(QueryBuilder::new(beginning), ids, ")")
}

/// Adds a list of ids, and what stands after it.
fn list<DB: Sql>(
    mut statement: QueryBuilder<DB>,
    ids: &[i64],
    end: &'static str,
) -> QueryBuilder<DB>
where
    for<'q> i64: Encode<'q, DB> + Type<DB>,
{
    let mut list = statement.separated(", ");
    for id in ids {
        list.push_bind(*id);
    }
    statement.push(end);
    statement
}

row! {
    /// A row of `push_messages` with where it goes.
    struct MessageRow {
        message_id: i64,
        notification_id: Option<i64>,
        attempts: i64,
        expires_ms: i64,
        user_id: i64,
        endpoint: String,
        p256dh: Vec<u8>,
        auth: Vec<u8>,
    }
}

impl MessageRow {
    fn into_due(self, news: Option<News>) -> Result<DuePush, Error> {
        let odd = |_| Error::Database("a key of a subscription has an odd length".into());
        Ok(DuePush {
            id: self.message_id,
            user: UserId::new(self.user_id),
            endpoint: self.endpoint,
            p256dh: self.p256dh.try_into().map_err(odd)?,
            auth: self.auth.try_into().map_err(odd)?,
            attempts: u32::try_from(self.attempts).unwrap_or(u32::MAX),
            expires_ms: self.expires_ms,
            news,
        })
    }
}

row! {
    /// A notification with the live it is about.
    struct NewsRow {
        playback_name: Option<String>,
        state: Option<String>,
        ..notification: NotificationRow,
    }
}

#[cfg(test)]
mod tests;
