//! Announcements: a commune is told that a live has begun, and those who took part that it is over.
//!
//! Here: telling all of them, however many, a few at a time and never while a live starts or ends. Not
//! here: what they are told (`notifications`), which lives start and end (`lives`).

use media::id::UserId;

use crate::{
    Error, LiveState, NOTIFICATIONS_KEPT, Store, Told,
    database::{reading, transaction},
    notifications::{Noted, Notify as _, due, wanted},
};

/// Members told of a live in one transaction: a few milliseconds, after which others write.
const TOLD_AT_ONCE: i64 = 200;

/// Puts down whose neighbours are still to be told of a live that began at `$2`: those of its
/// quartier where it is for them alone, else those of the whole commune.
pub(crate) const PUT_DOWN_ANNOUNCEMENTS: &str =
    "insert into live_announcements (live_id, quartier_id)
     select l.id, q.id
     from lives l join posts p on p.id = l.id join quartiers own on own.id = p.quartier_id
         join quartiers q on q.id = own.id
             or (l.audience = 'public' and q.commune_id = own.commune_id)
     where l.id = $1 and l.started_ms = $2
     on conflict do nothing";

const ANNOUNCE: &str = concat!(
    "insert into notifications (recipient_id, kind, sender_id, post_id, created_ms, due_ms)
     select u.id, 'live_started', $2, $1, $6, ",
    due!("$6"),
    " from users u left join notification_preferences p on p.user_id = u.id
      where u.quartier_id = $3 and u.id > $4 and u.id <= $5 and u.id <> $2 and ",
    wanted!("'live_started'"),
    " on conflict do nothing returning id, recipient_id"
);

/// Takes the oldest notifications of the neighbours of one [`ANNOUNCE`] that are too many.
const MAKE_ROOM_FOR_NEIGHBOURS: &str = "delete from notifications where id in (
         select id from (
             select n.id, row_number() over (partition by n.recipient_id order by n.id desc) as age
             from users u join notifications n on n.recipient_id = u.id
             where u.quartier_id = $1 and u.id > $2 and u.id <= $3
         ) aged
         where age > $4
     )";

/// Puts down that those who took part in a live that was on the air are to be told that it is over.
pub(crate) const PUT_DOWN_FAREWELL: &str = "insert into live_farewells (live_id)
     select id from lives where id = $1 and started_ms is not null
     on conflict do nothing";

/// The next members, at most `$3` after the id `$2`, who liked, shared or commented on the live `$1`
/// or spoke beside it.
macro_rules! participants {
    () => {
        "(select * from (select user_id as id from likes
                         where post_id = $1 and user_id > $2 order by user_id limit $3) liked
          union select * from (select distinct user_id from post_shares
                         where post_id = $1 and user_id > $2 order by user_id limit $3) shared
          union select * from (select distinct author_id from comments
                         where post_id = $1 and author_id > $2 order by author_id limit $3) commented
          union select * from (select distinct author_id from live_messages
                         where live_id = $1 and author_id > $2 order by author_id limit $3) spoke
          order by id limit $3)"
    };
}

const NEXT_PARTICIPANTS: &str =
    concat!("select count(*), max(id) from ", participants!(), " next_participants");

const SAY_FAREWELL: &str = concat!(
    "insert into notifications (recipient_id, kind, sender_id, post_id, created_ms, due_ms)
     select u.id, 'live_ended', $4, $1, $5, ",
    due!("$5"),
    " from ",
    participants!(),
    " t join users u on u.id = t.id
          left join notification_preferences p on p.user_id = u.id
      where u.id <> $4 and ",
    wanted!("'live_ended'"),
    " on conflict do nothing returning id, recipient_id"
);

/// Takes the oldest notifications of the participants of one [`SAY_FAREWELL`] that are too many.
const MAKE_ROOM_FOR_PARTICIPANTS: &str = concat!(
    "delete from notifications where id in (
         select id from (
             select n.id, row_number() over (partition by n.recipient_id order by n.id desc) as age
             from ",
    participants!(),
    " t join notifications n on n.recipient_id = t.id
         ) aged
         where age > $4
     )"
);

impl Store {
    /// Tells the next of those who are to know that a live has begun, or is over; says whether there
    /// may be more to do. To be called until there is not, now and then.
    ///
    /// How far it came is written down with what was told: whatever ends it, nobody is told twice
    /// nor left out. A live that is over before its turn is no news any more.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn announce_lives(&self, now_ms: i64) -> Result<bool, Error> {
        // Asked far more often than a live begins: whoever writes is not kept waiting for it.
        let waiting: Option<i64> = reading!(&self.database, |pool| {
            sqlx::query_scalar("select live_id from live_announcements limit 1")
                .fetch_optional(pool)
                .await?
        });
        if waiting.is_none() {
            return self.say_farewell(now_ms).await;
        }
        let told = transaction!(&self.database, |transaction| {
            let mut told: Vec<(i64, i64)> = Vec::new();
            let next: Option<(i64, i64, i64, i64, String)> = sqlx::query_as(
                "select a.live_id, a.quartier_id, a.after_user_id, l.author_id, l.state
                 from live_announcements a join lives l on l.id = a.live_id
                 order by a.live_id, a.quartier_id limit 1",
            )
            .fetch_optional(&mut *transaction)
            .await?;
            let Some((live, quartier, after, author, state)) = next else { return Ok(false) };
            let (neighbours, last): (i64, Option<i64>) = sqlx::query_as(
                "select count(*), max(id) from (
                     select id from users where quartier_id = $1 and id > $2
                     order by id limit $3
                 ) next_neighbours",
            )
            .bind(quartier)
            .bind(after)
            .bind(TOLD_AT_ONCE)
            .fetch_one(&mut *transaction)
            .await?;
            let last = last.unwrap_or(after);
            let is_over = LiveState::from_stored(&state)? == LiveState::Ended;
            if !is_over && last > after {
                told = sqlx::query_as(ANNOUNCE)
                    .bind(live)
                    .bind(author)
                    .bind(quartier)
                    .bind(after)
                    .bind(last)
                    .bind(now_ms)
                    .fetch_all(&mut *transaction)
                    .await?;
                let ids: Vec<i64> = told.iter().map(|(id, _)| *id).collect();
                transaction.queue(&ids).await?;
                sqlx::query(MAKE_ROOM_FOR_NEIGHBOURS)
                    .bind(quartier)
                    .bind(after)
                    .bind(last)
                    .bind(i64::from(NOTIFICATIONS_KEPT))
                    .execute(&mut *transaction)
                    .await?;
            }
            if is_over || neighbours < TOLD_AT_ONCE {
                sqlx::query(
                    "delete from live_announcements where live_id = $1 and quartier_id = $2",
                )
                .bind(live)
                .bind(quartier)
                .execute(&mut *transaction)
                .await?;
            } else {
                sqlx::query(
                    "update live_announcements set after_user_id = $3
                     where live_id = $1 and quartier_id = $2",
                )
                .bind(live)
                .bind(quartier)
                .bind(last)
                .execute(&mut *transaction)
                .await?;
            }
            told
        });
        self.changes.told(noted(told));
        Ok(true)
    }

    /// Tells the next of those who took part in a live that it is over, as [`Self::announce_lives`].
    async fn say_farewell(&self, now_ms: i64) -> Result<bool, Error> {
        let waiting: Option<i64> = reading!(&self.database, |pool| {
            sqlx::query_scalar("select live_id from live_farewells limit 1")
                .fetch_optional(pool)
                .await?
        });
        if waiting.is_none() {
            return Ok(false);
        }
        let told = transaction!(&self.database, |transaction| {
            let mut told: Vec<(i64, i64)> = Vec::new();
            let next: Option<(i64, i64, i64)> = sqlx::query_as(
                "select f.live_id, f.after_user_id, l.author_id
                 from live_farewells f join lives l on l.id = f.live_id
                 order by f.live_id limit 1",
            )
            .fetch_optional(&mut *transaction)
            .await?;
            let Some((live, after, author)) = next else { return Ok(false) };
            let (participants, last): (i64, Option<i64>) = sqlx::query_as(NEXT_PARTICIPANTS)
                .bind(live)
                .bind(after)
                .bind(TOLD_AT_ONCE)
                .fetch_one(&mut *transaction)
                .await?;
            if participants > 0 {
                told = sqlx::query_as(SAY_FAREWELL)
                    .bind(live)
                    .bind(after)
                    .bind(TOLD_AT_ONCE)
                    .bind(author)
                    .bind(now_ms)
                    .fetch_all(&mut *transaction)
                    .await?;
                let ids: Vec<i64> = told.iter().map(|(id, _)| *id).collect();
                transaction.queue(&ids).await?;
                sqlx::query(MAKE_ROOM_FOR_PARTICIPANTS)
                    .bind(live)
                    .bind(after)
                    .bind(TOLD_AT_ONCE)
                    .bind(i64::from(NOTIFICATIONS_KEPT))
                    .execute(&mut *transaction)
                    .await?;
            }
            if participants < TOLD_AT_ONCE {
                sqlx::query("delete from live_farewells where live_id = $1")
                    .bind(live)
                    .execute(&mut *transaction)
                    .await?;
            } else {
                sqlx::query("update live_farewells set after_user_id = $2 where live_id = $1")
                    .bind(live)
                    .bind(last)
                    .execute(&mut *transaction)
                    .await?;
            }
            told
        });
        self.changes.told(noted(told));
        Ok(true)
    }
}

/// Notifications that were made: their ids and whose they are.
fn noted(told: Vec<(i64, i64)>) -> impl Iterator<Item = Noted> {
    let told = told.into_iter();
    told.map(|(id, recipient)| Noted(Some(Told { id, recipient: UserId::new(recipient) })))
}

#[cfg(test)]
mod tests;
