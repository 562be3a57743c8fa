//! Sends push messages (RFC 8030): from the queue in the database to the services of the browsers.
//!
//! Here: whose turn it is, and what an answer means. Not here: what a message says (`push`), who may
//! read it (`sealed`), where requests may go (`reach`), the queue (`store`).
//!
//! So many messages are on their way at once and no more; none waits for another. A service is given
//! two at once until it has answered one well and fast, and again after it did not; one that does not
//! answer, or asks for time, is left alone for a while. All services that are not known to answer
//! share a quarter of the places, and no member has more than four. So neither a dead service nor any
//! number of them that members made up keep the messages of others waiting.

use std::{collections::HashMap, error::Error as _, time::Duration};

use http::{
    StatusCode,
    header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, RETRY_AFTER},
};
use media::id::UserId;
use reqwest::{Client, Response};
use store::{DuePush, Settlement, Store};
use tokio::{task::JoinSet, time::Instant};

use crate::{
    clock::Clock,
    config::Config,
    push::{self, Message},
    reach::{self, NotOutside},
    sealed,
    vapid::Vapid,
};

/// How often the queue is looked at while nothing is on its way.
const LOOK: Duration = Duration::from_secs(1);
/// How long after its longest time a message comes again of which nothing was heard.
const AGAIN_MS: i64 = 30_000;
/// How long a message waits before it is tried again; doubled each time, up to the next.
const RETRY_MS: i64 = 30_000;
const RETRY_MAX_MS: i64 = 3_600_000;
/// Longest that a service may ask for: as long as anything is news.
const RETRY_AFTER_MAX_MS: i64 = 24 * 3_600_000;
/// Messages on their way at once to a service that is not known to answer well and fast.
const UNKNOWN_AT_ONCE: usize = 2;
/// Which part of all places they share: one in so many.
const UNKNOWN_PART: usize = 4;
/// Messages on their way at once to the browsers of one member, who chooses their services: few have
/// more browsers.
const MEMBER_AT_ONCE: usize = 4;
/// An answer that takes longer is not fast. Those of the great services take a tenth of it.
const FAST: Duration = Duration::from_secs(2);
/// When a message comes again that found enough others on their way to its service.
const CROWDED_MS: i64 = 2_000;
/// Services remembered; more, and those that nothing is on its way to are forgotten.
const SERVICES_MAX: usize = 4096;

/// Sends push messages.
pub struct Pusher {
    store: Store,
    sender: Sender,
    at_once: usize,
    allow_private: bool,
    again_ms: i64,
    air: Air,
    flying: JoinSet<Landed>,
}

/// What is on its way: to which services, for whom, and what is known of those.
#[derive(Default)]
struct Air {
    services: HashMap<String, Service>,
    members: HashMap<UserId, usize>,
}

/// What sends one message.
#[derive(Clone)]
struct Sender {
    client: Client,
    vapid: std::sync::Arc<Vapid>,
    clock: Clock,
}

/// What is known of a push service.
#[derive(Default)]
struct Service {
    flying: usize,
    is_good: bool,
    failures: u32,
    /// Until when it is left alone, in Unix milliseconds.
    paused_ms: i64,
}

/// A message of which something is known.
struct Landed {
    id: i64,
    user: UserId,
    service: String,
    settlement: Settlement,
    answer: Answer,
}

/// How a service has behaved.
enum Answer {
    Good,
    Slow,
    /// It did not answer.
    Silent,
    /// It asks to be left alone until then, in Unix milliseconds.
    Busy(i64),
}

/// Why nothing is sent.
#[derive(Debug, thiserror::Error)]
pub enum CannotPush {
    /// A setting cannot be; the text begins with its name.
    #[error("{0}")]
    Setting(String),
    /// The system has no certificates to know services by.
    #[error("push services cannot be reached: {0}")]
    Client(String),
}

impl Pusher {
    /// A sender for the queue of `store`, with the key that browsers subscribed with.
    ///
    /// # Errors
    ///
    /// [`CannotPush`].
    pub fn new(store: Store, config: &Config, clock: Clock) -> Result<Self, CannotPush> {
        let vapid = push::vapid(config).map_err(CannotPush::Setting)?.into();
        let push::Config { at_once, timeout_s, allow_private, .. } = config.push;
        let client = reach::client(Duration::from_secs(timeout_s), allow_private)
            .map_err(|error| CannotPush::Client(error.to_string()))?;
        Ok(Self {
            store,
            sender: Sender { client, vapid, clock },
            at_once,
            allow_private,
            again_ms: i64::try_from(timeout_s).unwrap_or_default() * 1000 + AGAIN_MS,
            air: Air::default(),
            flying: JoinSet::new(),
        })
    }

    /// Sends what there is to send, until the process ends.
    pub async fn run(mut self) {
        loop {
            let looked = match self.take_off().await {
                Ok(_) => self.land().await,
                Err(error) => Err(error),
            };
            if let Err(error) = looked {
                tracing::error!(%error, "cannot look for push messages");
                tokio::time::sleep(LOOK).await;
            }
        }
    }

    /// Sends all whose turn has come, and waits until something is known of each; gives how many.
    ///
    /// # Errors
    ///
    /// Only those of the database.
    pub async fn flush(&mut self) -> Result<usize, store::Error> {
        let mut sent = 0;
        loop {
            let taken = self.take_off().await?;
            if taken == 0 && self.flying.is_empty() {
                return Ok(sent);
            }
            sent += taken;
            if !self.flying.is_empty() {
                self.land().await?;
            }
        }
    }

    /// Sends as many messages as there are places for; gives how many there were.
    async fn take_off(&mut self) -> Result<usize, store::Error> {
        let places = self.at_once - self.flying.len();
        // Half of them at least: a few messages at a time would be a question to the database each.
        if places * 2 < self.at_once {
            return Ok(0);
        }
        let now_ms = self.sender.clock.now_ms();
        let most = u32::try_from(places).unwrap_or(u32::MAX);
        let due = self.store.claim_pushes(now_ms, now_ms + self.again_ms, most).await?;
        let count = due.len();
        let mut settled = Vec::new();
        for push in due {
            let id = push.id;
            if let Err(settlement) = self.send(push, now_ms) {
                settled.push((id, settlement));
            }
        }
        self.settle(&settled).await?;
        Ok(count)
    }

    /// Puts a message on its way, or says what becomes of it otherwise.
    fn send(&mut self, push: DuePush, now_ms: i64) -> Result<(), Settlement> {
        let news = push.news.as_ref().ok_or(Settlement::Dropped)?;
        let message = Message::new(news);
        let url = reach::endpoint(&push.endpoint, self.allow_private).ok_or(Settlement::Refused)?;
        let name = url.origin().ascii_serialization();
        if let Err(next_ms) = self.air.enter(&name, push.user, self.at_once, now_ms) {
            return Err(later(next_ms, push.expires_ms, false));
        }
        let sender = self.sender.clone();
        self.flying.spawn(async move { sender.send(push, message, url, name).await });
        Ok(())
    }

    /// Waits until something is known of a message, or for a while, and writes down what is known.
    async fn land(&mut self) -> Result<(), store::Error> {
        if self.flying.is_empty() {
            tokio::time::sleep(LOOK).await;
            return Ok(());
        }
        let mut settled = Vec::new();
        let mut next = tokio::time::timeout(LOOK, self.flying.join_next()).await.ok().flatten();
        while let Some(landed) = next {
            match landed {
                Ok(landed) => {
                    self.air.leave(&landed, self.sender.clock.now_ms());
                    settled.push((landed.id, landed.settlement));
                }
                // It comes again. Which service it was for is not known any more.
                Err(error) => {
                    tracing::error!(%error, "the sending of a push message broke off");
                    self.air = Air::default();
                }
            }
            next = self.flying.try_join_next();
        }
        self.settle(&settled).await
    }

    async fn settle(&self, settled: &[(i64, Settlement)]) -> Result<(), store::Error> {
        if settled.is_empty() {
            return Ok(());
        }
        for (_, settlement) in settled {
            let outcome = match settlement {
                Settlement::Sent => "sent",
                Settlement::Dropped => "dropped",
                Settlement::Refused => "refused",
                Settlement::Gone => "gone",
                Settlement::Later { was_tried: true, .. } => "failed",
                Settlement::Later { .. } => continue,
            };
            metrics::counter!("push_messages_total", "outcome" => outcome).increment(1);
        }
        self.store.settle_pushes(settled, self.sender.clock.now_ms()).await
    }
}

impl Air {
    /// Takes one of `at_once` places for a message to a browser of `user` at this service.
    ///
    /// # Errors
    ///
    /// When there may be one, in Unix milliseconds.
    fn enter(&mut self, name: &str, user: UserId, at_once: usize, now_ms: i64) -> Result<(), i64> {
        if self.services.len() >= SERVICES_MAX {
            self.services.retain(|_, service| service.flying > 0);
        }
        let unknown = self.services.values().filter(|service| !service.is_good);
        let unknown: usize = unknown.map(|service| service.flying).sum();
        let of_user = self.members.get(&user).copied().unwrap_or_default();
        let service = self.services.entry(name.to_owned()).or_default();
        if service.paused_ms > now_ms {
            return Err(service.paused_ms);
        }
        let share = (at_once / UNKNOWN_PART).max(UNKNOWN_AT_ONCE);
        let is_crowded =
            !service.is_good && (service.flying >= UNKNOWN_AT_ONCE || unknown >= share);
        if is_crowded || of_user >= MEMBER_AT_ONCE {
            return Err(now_ms + CROWDED_MS);
        }
        service.flying += 1;
        self.members.insert(user, of_user + 1);
        Ok(())
    }

    /// Gives the place back, and remembers how the service has behaved.
    fn leave(&mut self, landed: &Landed, now_ms: i64) {
        if let Some(of_user) = self.members.get_mut(&landed.user) {
            *of_user = of_user.saturating_sub(1);
            if *of_user == 0 {
                self.members.remove(&landed.user);
            }
        }
        let Some(service) = self.services.get_mut(&landed.service) else { return };
        service.flying = service.flying.saturating_sub(1);
        service.is_good = matches!(landed.answer, Answer::Good);
        match landed.answer {
            Answer::Good | Answer::Slow => service.failures = 0,
            Answer::Silent => {
                // Once for all that were on their way together.
                if service.paused_ms <= now_ms {
                    service.paused_ms = now_ms + retry_ms(service.failures);
                    service.failures += 1;
                    let (name, paused_ms) = (&landed.service, service.paused_ms - now_ms);
                    tracing::warn!(service = %name, paused_ms, "a push service does not answer");
                }
            }
            Answer::Busy(until_ms) => service.paused_ms = service.paused_ms.max(until_ms),
        }
    }
}

impl Sender {
    async fn send(
        self,
        push: DuePush,
        message: Message,
        url: reqwest::Url,
        name: String,
    ) -> Landed {
        let DuePush { id, user, .. } = push;
        let landed =
            |settlement, answer| Landed { id, user, service: name.clone(), settlement, answer };
        let now_ms = self.clock.now_ms();
        let plain = serde_json::to_vec(&message).unwrap_or_default();
        let sealed = sealed::seal(&plain, &push.p256dh, &push.auth);
        let (Some(sealed), Some(authorization)) = (sealed, self.vapid.authorization(&name, now_ms))
        else {
            return landed(Settlement::Dropped, Answer::Good);
        };
        let started = Instant::now();
        let answer = self
            .client
            .post(url)
            .header(AUTHORIZATION, authorization)
            .header(CONTENT_ENCODING, "aes128gcm")
            .header(CONTENT_TYPE, "application/octet-stream")
            .header("TTL", ((push.expires_ms - now_ms) / 1000).max(0))
            .header("Urgency", message.urgency.as_str())
            .header("Topic", message.topic())
            .body(sealed)
            .send()
            .await;
        // The body of the answer, if any, is of no interest and is not read.
        let now_ms = self.clock.now_ms();
        let pace = if started.elapsed() > FAST { Answer::Slow } else { Answer::Good };
        let again = |next_ms| later(next_ms, push.expires_ms, true);
        let response = match answer {
            Ok(response) => response,
            Err(error) if is_inside(&error) => return landed(Settlement::Refused, pace),
            Err(error) => {
                // Never with its address, which is a secret of the browser's.
                let error = error.without_url();
                tracing::debug!(service = %name, %error, "a push message did not come through");
                return landed(again(now_ms + retry_ms(push.attempts)), Answer::Silent);
            }
        };
        match response.status() {
            status if status.is_success() => landed(Settlement::Sent, pace),
            StatusCode::NOT_FOUND | StatusCode::GONE => landed(Settlement::Gone, pace),
            StatusCode::PAYLOAD_TOO_LARGE => landed(Settlement::Dropped, pace),
            status
                if status.is_server_error()
                    || status == StatusCode::TOO_MANY_REQUESTS
                    || status == StatusCode::REQUEST_TIMEOUT =>
            {
                let asked_ms = retry_after(&response, now_ms);
                let next_ms = asked_ms.unwrap_or(now_ms + retry_ms(push.attempts));
                landed(again(next_ms), asked_ms.map_or(Answer::Slow, Answer::Busy))
            }
            status => {
                tracing::warn!(service = %name, %status, "a push service refuses a message");
                landed(Settlement::Refused, pace)
            }
        }
    }
}

/// Tried again at `next_ms`, unless it is no news any more by then.
fn later(next_ms: i64, expires_ms: i64, was_tried: bool) -> Settlement {
    if next_ms >= expires_ms {
        return Settlement::Dropped;
    }
    Settlement::Later { next_ms, was_tried }
}

/// How long to wait after so many failures and one more.
fn retry_ms(failures: u32) -> i64 {
    RETRY_MS.saturating_mul(1 << failures.min(16)).min(RETRY_MAX_MS)
}

/// When a service says that it may be asked again, in Unix milliseconds (RFC 9110 §10.2.3).
fn retry_after(response: &Response, now_ms: i64) -> Option<i64> {
    let text = response.headers().get(RETRY_AFTER)?.to_str().ok()?.trim();
    let wait_ms = match text.parse::<i64>() {
        Ok(seconds) => seconds.saturating_mul(1000),
        Err(_) => {
            let date = httpdate::parse_http_date(text).ok()?;
            let since_epoch = date.duration_since(std::time::UNIX_EPOCH).ok()?;
            i64::try_from(since_epoch.as_millis()).ok()?.saturating_sub(now_ms)
        }
    };
    Some(now_ms + wait_ms.clamp(1000, RETRY_AFTER_MAX_MS))
}

/// Whether a request failed because it would have gone to an address that is not outside.
fn is_inside(error: &reqwest::Error) -> bool {
    let mut source = error.source();
    while let Some(error) = source {
        if error.is::<NotOutside>() {
            return true;
        }
        source = error.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn enters(air: &mut Air, service: &str, member: i64) -> Result<(), i64> {
        air.enter(service, UserId::new(member), 32, 0)
    }

    fn lands(air: &mut Air, service: &str, member: i64, answer: Answer) {
        let (user, service, settlement) = (UserId::new(member), service.into(), Settlement::Sent);
        air.leave(&Landed { id: 1, user, service, settlement, answer }, 0);
    }

    #[test]
    fn services_that_members_made_up_share_a_quarter_of_the_places() {
        let mut air = Air::default();
        // Ten members with ten services of their own each.
        let tries = (0..100).map(|n| enters(&mut air, &format!("https://{n}.example"), n / 10));
        assert_eq!(tries.filter(Result::is_ok).count(), 8);
        assert_eq!(enters(&mut air, "https://good.example", 99), Err(CROWDED_MS));
        // One that answers well has the other places, whatever those do.
        lands(&mut air, "https://0.example", 0, Answer::Silent);
        assert_eq!(enters(&mut air, "https://good.example", 99), Ok(()));
        lands(&mut air, "https://good.example", 99, Answer::Good);
        let tries = (100..124).map(|member| enters(&mut air, "https://good.example", member));
        assert_eq!(tries.filter(Result::is_ok).count(), 24);
    }

    #[test]
    fn no_member_has_more_than_four_messages_on_their_way() {
        let mut air = Air::default();
        enters(&mut air, "https://good.example", 1).unwrap();
        lands(&mut air, "https://good.example", 1, Answer::Good);
        for _ in 0..4 {
            assert_eq!(enters(&mut air, "https://good.example", 1), Ok(()));
        }
        assert_eq!(enters(&mut air, "https://good.example", 1), Err(CROWDED_MS));
        assert_eq!(enters(&mut air, "https://good.example", 2), Ok(()));
        lands(&mut air, "https://good.example", 1, Answer::Good);
        assert_eq!(enters(&mut air, "https://good.example", 1), Ok(()));
    }

    #[test]
    fn a_message_waits_twice_as_long_each_time_and_an_hour_at_most() {
        let waits = [0, 1, 2, 6, 7, 40, u32::MAX].map(|n| retry_ms(n) / 1000);
        assert_eq!(waits, [30, 60, 120, 1920, 3600, 3600, 3600]);
    }

    #[test]
    fn what_is_no_news_by_then_is_not_tried_again() {
        assert_eq!(later(10, 11, true), Settlement::Later { next_ms: 10, was_tried: true });
        assert_eq!(later(11, 11, true), Settlement::Dropped);
    }

    #[test]
    fn a_service_says_when_in_seconds_or_as_a_date() {
        let asked = |text: &str| {
            let response = http::Response::builder().header(RETRY_AFTER, text).body("").unwrap();
            retry_after(&response.into(), 0)
        };
        assert_eq!(asked("120"), Some(120_000));
        assert_eq!(asked("Thu, 01 Jan 1970 00:01:00 GMT"), Some(60_000));
        assert_eq!(asked("0"), Some(1000));
        assert_eq!(asked("-5"), Some(1000));
        assert_eq!(asked("9999999999999999"), Some(RETRY_AFTER_MAX_MS));
        assert_eq!(asked("soon"), None);
    }
}
