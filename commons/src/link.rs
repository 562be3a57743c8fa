//! The connection to the Redis, which comes and goes.
//!
//! Here: one task that connects, looks whether the Redis still does its work and hears what other servers
//! tell; questions with a deadline. The first question without an answer opens the circuit: those after it
//! are not asked until the Redis has answered the task. So a Redis that is dead, or hangs, costs the
//! requests of one moment a deadline and all others nothing. Not here: what is asked.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::StreamExt as _;
use redis::{
    AsyncConnectionConfig, Client, Cmd, FromRedisValue, RedisError,
    aio::{MultiplexedConnection, PubSub},
    cmd,
};
use tokio::{
    sync::{broadcast, watch},
    task::AbortHandle,
    time::{MissedTickBehavior, interval, sleep, timeout},
};

/// Longest time to connect, sign in and see that it works.
const CONNECT: Duration = Duration::from_secs(2);
/// How soon after it went it is looked for again.
const RETRY: Duration = Duration::from_secs(1);
/// How often it is looked whether it is still there, should nobody ask anything.
const LOOK: Duration = Duration::from_secs(5);
/// What is written to see whether it can be: a Redis that is full, or a copy that only reads, is as good
/// as none. Gone by itself.
const TRIAL: &str = "communiconnect:trial";

/// The connection. Ends with the last clone of who holds it.
pub(crate) struct Link {
    circuit: Arc<Circuit>,
    deadline: Duration,
    task: AbortHandle,
}

struct Circuit {
    state: Mutex<State>,
    /// Whether it is there, once that is known: for who waits.
    is_there: watch::Sender<Option<bool>>,
}

enum State {
    /// It was not found yet, nor missed.
    Unknown,
    /// It answers; which connection this is, counted from the first.
    There(u64, MultiplexedConnection),
    /// It does not.
    Away,
}

impl Link {
    /// Looks for the Redis from now on. What comes by `channel` is passed on to `told`.
    pub(crate) fn open(
        client: Client,
        deadline: Duration,
        channel: String,
        told: broadcast::Sender<i64>,
    ) -> Self {
        metrics::describe_gauge!("redis_up", "Whether the Redis of redis.url answers");
        metrics::describe_counter!("redis_failures_total", "Times that it stopped answering");
        metrics::gauge!("redis_up").set(0.0);
        let circuit = Arc::new(Circuit {
            state: Mutex::new(State::Unknown),
            is_there: watch::Sender::new(None),
        });
        let keeper = Keeper { client, circuit: circuit.clone(), deadline, channel, told };
        Self { circuit, deadline, task: tokio::spawn(keeper.keep()).abort_handle() }
    }

    pub(crate) fn is_there(&self) -> bool {
        matches!(*self.circuit.lock(), State::There(..))
    }

    /// Waits until it was found, or was not.
    pub(crate) async fn settle(&self) {
        let mut is_there = self.circuit.is_there.subscribe();
        // The sender is held by this link.
        let _ = is_there.wait_for(Option::is_some).await;
    }

    /// The answer to a question; `None` when there is none in time.
    pub(crate) async fn ask<T: FromRedisValue>(&self, question: &Cmd) -> Option<T> {
        let (number, mut connection) = match &*self.circuit.lock() {
            State::There(number, connection) => (*number, connection.clone()),
            State::Unknown | State::Away => return None,
        };
        match timeout(self.deadline, question.query_async(&mut connection)).await {
            Ok(Ok(answer)) => Some(answer),
            Ok(Err(error)) => self.circuit.lost(Some(number), &error.to_string()),
            Err(_) => self.circuit.lost(Some(number), "no answer in time"),
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Circuit {
    /// It answers, over this connection.
    fn found(&self, number: u64, connection: MultiplexedConnection) {
        *self.lock() = State::There(number, connection);
        metrics::gauge!("redis_up").set(1.0);
        tracing::info!("the Redis answers: limits are shared");
        self.is_there.send_replace(Some(true));
    }

    /// It does not answer: over the connection of this number, should it still be the one, or at all.
    fn lost<T>(&self, number: Option<u64>, why: &str) -> Option<T> {
        let mut state = self.lock();
        let is_news = match &*state {
            State::There(current, _) => number == Some(*current),
            State::Unknown => true,
            State::Away => false,
        };
        if is_news {
            *state = State::Away;
            drop(state);
            metrics::gauge!("redis_up").set(0.0);
            metrics::counter!("redis_failures_total").increment(1);
            tracing::warn!(error = why, "the Redis does not answer: limits are this server's own");
            self.is_there.send_replace(Some(false));
        }
        None
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The task that looks for it.
struct Keeper {
    client: Client,
    circuit: Arc<Circuit>,
    deadline: Duration,
    channel: String,
    told: broadcast::Sender<i64>,
}

impl Keeper {
    async fn keep(self) {
        for number in 0.. {
            match timeout(CONNECT, self.connect()).await {
                Ok(Ok((connection, telling))) => {
                    self.circuit.found(number, connection.clone());
                    let why = self.watch(connection, telling).await;
                    self.circuit.lost::<()>(Some(number), &why);
                }
                Ok(Err(error)) => drop(self.circuit.lost::<()>(None, &error.to_string())),
                Err(_) => drop(self.circuit.lost::<()>(None, "no connection in time")),
            }
            sleep(RETRY).await;
        }
    }

    /// Both connections: one to ask by, which has been seen to do its work, and one to hear by, for a
    /// connection that hears is asked nothing else.
    async fn connect(&self) -> Result<(MultiplexedConnection, PubSub), RedisError> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT))
            // Each question has a limit of its own.
            .set_response_timeout(None);
        let mut connection =
            self.client.get_multiplexed_async_connection_with_config(&config).await?;
        trial().query_async::<()>(&mut connection).await?;
        let mut telling = self.client.get_async_pubsub().await?;
        telling.subscribe(&self.channel).await?;
        Ok((connection, telling))
    }

    /// Stays until it does not answer any more; says why.
    async fn watch(&self, mut connection: MultiplexedConnection, telling: PubSub) -> String {
        let (mut hearing, mut told) = telling.split();
        let mut is_there = self.circuit.is_there.subscribe();
        let mut looks = interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let missed =
                async { drop(is_there.wait_for(|is_there| *is_there == Some(false)).await) };
            tokio::select! {
                // Somebody got no answer, and has said so.
                () = missed => return String::new(),
                message = told.next() => match message {
                    // Nobody may listen; what is no number is not ours.
                    Some(message) => drop(message.get_payload::<i64>().map(|id| self.told.send(id))),
                    None => return "the connection ended".into(),
                },
                _ = looks.tick() => {
                    let both = async {
                        trial().query_async::<()>(&mut connection).await?;
                        hearing.ping::<()>().await
                    };
                    match timeout(CONNECT.min(self.deadline * 2), both).await {
                        Ok(Ok(())) => {}
                        Ok(Err(error)) => return error.to_string(),
                        Err(_) => return "no answer in time".into(),
                    }
                }
            }
        }
    }
}

fn trial() -> Cmd {
    let mut set = cmd("SET");
    set.arg(TRIAL).arg(1).arg("PX").arg(1);
    set
}
