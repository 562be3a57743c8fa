//! The routes, and what every request passes through.
//!
//! Here: the layers in order, the answers for no route and no method, health. Not here: any
//! resource; each has its own `router()`.

use std::{
    any::Any,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    Json, Router,
    body::Bytes,
    extract::{DefaultBodyLimit, MatchedPath, Request, State},
    middleware::{Next, from_fn, from_fn_with_state, map_response},
    response::Response,
};
use http::{
    HeaderName, HeaderValue, Method, StatusCode,
    header::{
        ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CACHE_CONTROL, CONTENT_SECURITY_POLICY,
        CONTENT_TYPE, DNT, LOCATION, ORIGIN, REFERRER_POLICY, RETRY_AFTER, USER_AGENT,
        X_CONTENT_TYPE_OPTIONS,
    },
};
use media::id::PlaybackName;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};
use storage::Storage;
use store::{PostQuery, Store};
use tower::{Layer, util::MapRequestLayer};
use tower_http::{
    CompressionLevel,
    catch_panic::CatchPanicLayer,
    compression::{
        CompressionLayer,
        predicate::{Predicate, SizeAbove},
    },
    cors::{AllowOrigin, CorsLayer},
    normalize_path::NormalizePathLayer,
};
use tracing::Instrument;

use crate::{
    address::Client,
    admin, analytics, attachments, auth, chat,
    clock::Clock,
    comments,
    config::Config,
    control::LiveControl,
    error::{self, Error},
    films,
    form::MULTIPART,
    geography,
    json::content_type,
    likes,
    limits::Limits,
    lives::{self, Public},
    mail::Outbox,
    moderation, notifications,
    openapi::{self, Routes, anyone, get},
    password::{self, Hasher},
    posts, push,
    random::{NoRandomness, random_bytes},
    realtime::{self, Realtime},
    recent::Recent,
    recovery,
    resumable::{self, PIECE, Turns},
    shares,
    token::Tokens,
    uploads::Slots,
    users,
    vapid::Vapid,
    workshop::Workshop,
};

/// What a request can be followed by in the log, also sent back to the client.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// How long a browser may remember a preflight answer: a day.
const PREFLIGHT_AGE: Duration = Duration::from_secs(86_400);

/// What the handlers share.
pub(crate) struct Api {
    pub store: Store,
    pub storage: Storage,
    pub workshop: Workshop,
    pub config: Config,
    pub control: Arc<dyn LiveControl>,
    pub clock: Clock,
    pub tokens: Tokens,
    pub hasher: Hasher,
    pub outbox: Outbox,
    pub limits: Limits,
    pub slots: Slots,
    pub turns: Turns,
    pub watched: Recent<PlaybackName, Public>,
    pub listed: Recent<PostQuery, posts::Shown>,
    pub places: Bytes,
    pub vapid: Vapid,
    pub realtime: Realtime,
    /// What the routes say of themselves.
    pub document: Bytes,
}

/// The state of every route.
pub(crate) type Shared = Arc<Api>;

/// Why there is no API.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// A setting cannot be; the text begins with its name.
    #[error("{0}")]
    Setting(String),
    /// The system gives no random bytes.
    #[error(transparent)]
    Random(#[from] NoRandomness),
    /// The password hash does not work.
    #[error("passwords: {0}")]
    Passwords(String),
}

/// Everything under `/api/`. To be merged with the other routers and served with
/// `into_make_service_with_connect_info::<SocketAddr>()`, without which all clients are one
/// address. Metrics go to the recorder installed before this call.
///
/// # Errors
///
/// [`Refused::Setting`] for a configuration that does not validate; the others when the system
/// fails.
pub fn router(
    store: Store,
    storage: Storage,
    workshop: Workshop,
    config: Config,
    control: Arc<dyn LiveControl>,
) -> Result<Router, Refused> {
    router_at(store, storage, workshop, config, control, Clock::system())
}

/// As [`router`], by another clock: expiry and limits follow it.
///
/// # Errors
///
/// As [`router`].
pub fn router_at(
    store: Store,
    storage: Storage,
    workshop: Workshop,
    config: Config,
    control: Arc<dyn LiveControl>,
    clock: Clock,
) -> Result<Router, Refused> {
    config.validate().map_err(Refused::Setting)?;
    if config.jwt_secret.is_none() && config.keyring.is_empty() {
        tracing::warn!("jwt_secret is not set: every session ends when this server does");
    }
    if config.push.vapid_key.is_none() {
        tracing::warn!("push.vapid_key is not set: every browser subscribes again after a start");
    }
    describe_metrics();
    if config.commons.is_there().is_some() {
        tokio::spawn(realtime::tell_others(store.changes(), config.commons.clone()));
    }
    let (routes, document) = routes().finish();
    let api = Arc::new(Api {
        tokens: Tokens::new(&config)?,
        hasher: Hasher::new(&config.passwords)?,
        outbox: Outbox::open(&config.smtp).map_err(Refused::Setting)?,
        limits: Limits::new(&config.limits, &config.commons),
        slots: Slots::new(&config.uploads),
        turns: Turns::default(),
        watched: Recent::new(lives::WATCHED_MAX),
        listed: Recent::new(posts::LISTED_MAX),
        places: geography::data(store.geography()),
        vapid: push::vapid(&config).map_err(Refused::Setting)?,
        realtime: Realtime::new(),
        document: document.to_string().into(),
        store,
        storage,
        workshop,
        config,
        control,
        clock,
    });
    let routes = routes
        .fallback(no_route)
        .method_not_allowed_fallback(no_method)
        .layer(DefaultBodyLimit::max(api.config.body_max_bytes))
        .layer(from_fn_with_state(Arc::clone(&api), limit_address))
        .layer(from_fn_with_state(Arc::clone(&api), limit_time))
        .layer(CatchPanicLayer::custom(|panic: Box<dyn Any + Send>| error::of_panic(&*panic)))
        .layer(from_fn(observe))
        .layer(compression())
        .layer(cors(&api.config))
        .layer(map_response(harden))
        .layer(from_fn(resumable::announce))
        .with_state(api);
    // A path means the same with and without the slash at its end, for every method.
    let routes = NormalizePathLayer::trim_trailing_slash().layer(routes);
    let routes = MapRequestLayer::new(forget_outer_match).layer(routes);
    Ok(Router::new()
        .route_service("/api", routes.clone())
        .route_service("/api/", routes.clone())
        .route_service("/api/{*path}", routes))
}

/// The API described by its own routes: OpenAPI 3.1.
pub fn document() -> Value {
    routes().finish().1
}

fn routes() -> Routes {
    Routes::about("Service")
        .route(
            "/api/health",
            get(
                health,
                anyone("Si le serveur et sa base répondent")
                    .ok::<Health>()
                    .answers::<Health>(StatusCode::SERVICE_UNAVAILABLE),
            ),
        )
        .route(
            "/api/schema",
            get(openapi::schema, anyone("Ce document").ok::<Map<String, Value>>()),
        )
        .merge(auth::router())
        .merge(recovery::router())
        .merge(users::router())
        .merge(geography::router())
        .merge(posts::router())
        .merge(likes::router())
        .merge(comments::router())
        .merge(shares::router())
        .merge(analytics::router())
        .merge(attachments::router())
        .merge(resumable::router())
        .merge(lives::router())
        .merge(films::router())
        .merge(chat::router())
        .merge(notifications::router())
        .merge(push::router())
        .merge(moderation::router())
        .merge(admin::router())
        .merge(realtime::router())
}

impl From<password::Fault> for Refused {
    fn from(fault: password::Fault) -> Self {
        Self::Passwords(fault.to_string())
    }
}

/// Whether all is well.
#[derive(Serialize, JsonSchema)]
struct Health {
    status: &'static str,
    message: &'static str,
    /// Whether media is worked on.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = ["on", "off"]))]
    media_processing: Option<&'static str>,
    /// Whether the Redis answers, where there is one. All is well without it, too.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = ["on", "away"]))]
    redis: Option<&'static str>,
    /// Whether recordings reach their bucket, where there is one. They wait on the disk meanwhile.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = ["on", "away"]))]
    bucket: Option<&'static str>,
}

async fn health(State(api): State<Shared>) -> (StatusCode, Json<Health>) {
    let told = |is_there| if is_there { "on" } else { "away" };
    let redis = api.config.commons.is_there().map(told);
    let bucket = api.control.bucket().map(told);
    match api.store.ping().await {
        Ok(()) => {
            let message = "API CommuniConnect is running";
            let media_processing = Some(if api.workshop.is_on() { "on" } else { "off" });
            (
                StatusCode::OK,
                Json(Health { status: "ok", message, media_processing, redis, bucket }),
            )
        }
        Err(fault) => {
            tracing::error!(error = %fault, "the database does not answer");
            let message = "The database does not answer";
            (
                StatusCode::SERVICE_UNAVAILABLE,
                Json(Health {
                    status: "unavailable",
                    message,
                    media_processing: None,
                    redis,
                    bucket,
                }),
            )
        }
    }
}

async fn no_route() -> Error {
    Error::NotFound
}

async fn no_method(method: Method) -> Error {
    Error::Method(method)
}

/// The catch-all route outside has matched too; only the route inside is of interest, and axum
/// would name both in one.
fn forget_outer_match(mut request: Request) -> Request {
    request.extensions_mut().remove::<MatchedPath>();
    request
}

/// Refuses an address that asks too often, before anything is read or looked up.
async fn limit_address(
    State(api): State<Shared>,
    request: Request,
    next: Next,
) -> Result<Response, Error> {
    let client = Client::of(request.extensions(), request.headers(), &api.config.trusted_proxies);
    let route = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    let now_ms = api.clock.now_ms();
    match route {
        // Who watches a live follows it so; all come back at once after a break.
        Some(lives::WATCH_ROUTE | realtime::SOCKET_ROUTE | realtime::STREAM_ROUTE) => {
            api.limits.watch(&client, now_ms)?
        }
        _ => api.limits.request(&client, now_ms)?,
    }
    Ok(next.run(request).await)
}

/// Gives up on a request that takes too long, its body included: later where it may hold a file, or makes one.
async fn limit_time(
    State(api): State<Shared>,
    request: Request,
    next: Next,
) -> Result<Response, Error> {
    let route = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    let is_long = matches!(content_type(&request).as_deref(), Some(MULTIPART | PIECE))
        || route == Some(films::CLIP_ROUTE);
    let longest = if is_long {
        Duration::from_secs(api.config.uploads.timeout_s)
    } else {
        Duration::from_millis(api.config.request_timeout_ms)
    };
    tokio::time::timeout(longest, next.run(request)).await.map_err(|_| Error::Timeout)
}

/// Names the request in the log, measures it, and says that no cache may keep the answer.
///
/// The route is a template and the method one of a few, so that strangers cannot make up metrics;
/// queries, headers and bodies are never recorded.
async fn observe(request: Request, next: Next) -> Response {
    let started = Instant::now();
    let method = known_method(request.method());
    let route = route_of(&request);
    let id = random_bytes().map(u64::from_be_bytes).unwrap_or_default();
    let id = format!("{id:016x}");
    let span = tracing::info_span!(
        "api request",
        request.id = %id,
        http.method = method,
        http.route = %route,
        user.id = tracing::field::Empty
    );
    let mut response = next.run(request).instrument(span.clone()).await;
    let elapsed = started.elapsed();
    let status = response.status().as_u16();
    span.in_scope(|| {
        tracing::debug!(http.status = status, duration_ms = elapsed.as_millis(), "answered");
    });
    metrics::counter!("api_requests_total", "method" => method, "route" => route.clone(),
        "status" => status.to_string())
    .increment(1);
    metrics::histogram!("api_request_duration_seconds", "method" => method, "route" => route)
        .record(elapsed);
    let headers = response.headers_mut();
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    if let Ok(id) = HeaderValue::from_str(&id) {
        headers.insert(REQUEST_ID, id);
    }
    response
}

/// Every answer, a preflight's and a panic's too: data, of the type it says, that is no page and is
/// framed by none, whatever a browser is made to open.
async fn harden(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(
        CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"),
    );
    response
}

fn known_method(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        _ => "other",
    }
}

/// A page of posts is forty kilobytes of JSON, and five of gzip. What strangers write stands beside one secret there, whose
/// length could be guessed at: the ticket of a live for a quartier, which is one viewer's own and another one each second.
fn compression() -> CompressionLayer<impl Predicate> {
    /// Below this, it saves no packet.
    const MIN_BYTES: u64 = 1000;
    let is_json =
        |_: StatusCode, _: http::Version, headers: &http::HeaderMap, _: &http::Extensions| {
            headers
                .get(CONTENT_TYPE)
                .is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"))
        };
    CompressionLayer::new()
        .quality(CompressionLevel::Fastest)
        .compress_when(SizeAbove::new(MIN_BYTES).and(is_json))
}

fn route_of(request: &Request) -> String {
    let route = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    route.map_or_else(|| "none".to_owned(), |route| format!("{route}/"))
}

fn cors(config: &Config) -> CorsLayer {
    let origins = config.cors_origins.iter().filter_map(|origin| origin.parse().ok());
    CorsLayer::new()
        .allow_origin(AllowOrigin::list(origins))
        .allow_credentials(true)
        .allow_methods([
            Method::DELETE,
            Method::GET,
            Method::OPTIONS,
            Method::PATCH,
            Method::POST,
            Method::PUT,
        ])
        .allow_headers([
            ACCEPT,
            ACCEPT_ENCODING,
            AUTHORIZATION,
            CONTENT_TYPE,
            DNT,
            ORIGIN,
            USER_AGENT,
            HeaderName::from_static("x-csrftoken"),
            HeaderName::from_static("x-requested-with"),
            resumable::TUS_RESUMABLE,
            resumable::UPLOAD_LENGTH,
            resumable::UPLOAD_METADATA,
            resumable::UPLOAD_OFFSET,
        ])
        .expose_headers([
            RETRY_AFTER,
            REQUEST_ID,
            LOCATION,
            resumable::TUS_RESUMABLE,
            resumable::TUS_VERSION,
            resumable::TUS_EXTENSION,
            resumable::UPLOAD_OFFSET,
            resumable::UPLOAD_LENGTH,
            resumable::UPLOAD_EXPIRES,
            resumable::MEDIA_ID,
        ])
        .max_age(PREFLIGHT_AGE)
}

fn describe_metrics() {
    metrics::describe_gauge!("realtime_clients", "Clients that stay, by WebSocket or as a stream");
    metrics::describe_counter!(
        "realtime_slow_clients_total",
        "Clients let go because they did not keep up"
    );
    metrics::describe_counter!("api_requests_total", "API requests by method, route and status");
    metrics::describe_counter!(
        "push_messages_total",
        "Messages to browsers, by what became of them"
    );
    metrics::describe_histogram!(
        "api_request_duration_seconds",
        metrics::Unit::Seconds,
        "Time from an API request's headers to its answer"
    );
}
