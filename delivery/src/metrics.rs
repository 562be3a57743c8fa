//! What delivery counts. Handles are made once: a request costs an atomic addition or two.

use http::StatusCode;
use metrics::{
    Counter, Gauge, Histogram, Unit, counter, describe_counter, describe_gauge, describe_histogram,
    gauge, histogram,
};

use crate::MediaPath;

/// What kind of thing was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Multivariant,
    Media,
    Init,
    Segment,
    Part,
    /// Anything of a recording.
    Recording,
    /// A poster or thumbnails.
    Picture,
    Other,
}

const KINDS: [(Kind, &str); 8] = [
    (Kind::Multivariant, "multivariant"),
    (Kind::Media, "media"),
    (Kind::Init, "init"),
    (Kind::Segment, "segment"),
    (Kind::Part, "part"),
    (Kind::Recording, "recording"),
    (Kind::Picture, "picture"),
    (Kind::Other, "other"),
];

/// Every status delivery answers with.
const STATUSES: [(StatusCode, &str); 10] = [
    (StatusCode::OK, "200"),
    (StatusCode::NO_CONTENT, "204"),
    (StatusCode::PARTIAL_CONTENT, "206"),
    (StatusCode::NOT_MODIFIED, "304"),
    (StatusCode::BAD_REQUEST, "400"),
    (StatusCode::FORBIDDEN, "403"),
    (StatusCode::NOT_FOUND, "404"),
    (StatusCode::METHOD_NOT_ALLOWED, "405"),
    (StatusCode::RANGE_NOT_SATISFIABLE, "416"),
    (StatusCode::SERVICE_UNAVAILABLE, "503"),
];

/// The metrics of delivery, bound to the recorder installed when they are made.
#[derive(Debug)]
pub(crate) struct Metrics {
    kinds: [OfKind; KINDS.len()],
    /// Requests waiting now, for a first segment or for what comes next.
    pub(crate) waiting: Gauge,
    /// How long those that got their playlist had waited, in seconds.
    pub(crate) first_playlist_seconds: Histogram,
}

#[derive(Debug)]
struct OfKind {
    requests: [Counter; STATUSES.len()],
    sent_bytes: Counter,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        const REQUESTS: &str = "delivery_requests_total";
        const SENT: &str = "delivery_sent_bytes_total";
        const WAITING: &str = "delivery_waiting_requests";
        const FIRST_PLAYLIST: &str = "delivery_first_playlist_wait_seconds";
        describe_counter!(REQUESTS, Unit::Count, "HLS requests answered, by kind and status.");
        describe_counter!(SENT, Unit::Bytes, "Bytes of HLS bodies handed to the network, by kind.");
        describe_gauge!(WAITING, Unit::Count, "Requests waiting for what comes next in a live.");
        describe_histogram!(
            FIRST_PLAYLIST,
            Unit::Seconds,
            "How long playlist requests waited for a first segment and got it."
        );
        Self {
            kinds: KINDS.map(|(_, kind)| OfKind {
                requests: STATUSES
                    .map(|(_, status)| counter!(REQUESTS, "kind" => kind, "status" => status)),
                sent_bytes: counter!(SENT, "kind" => kind),
            }),
            waiting: gauge!(WAITING),
            first_playlist_seconds: histogram!(FIRST_PLAYLIST),
        }
    }

    /// Counts one answer.
    pub(crate) fn answered(&self, kind: Kind, status: StatusCode) {
        let counters = STATUSES.iter().zip(&self.of(kind).requests);
        for (_, counter) in counters.filter(|((known, _), _)| *known == status) {
            counter.increment(1);
        }
    }

    /// Where the bytes of bodies of this kind are counted.
    pub(crate) fn sent_bytes(&self, kind: Kind) -> Counter {
        self.of(kind).sent_bytes.clone()
    }

    fn of(&self, kind: Kind) -> &OfKind {
        let [multivariant, media, init, segment, part, recording, picture, other] = &self.kinds;
        match kind {
            Kind::Multivariant => multivariant,
            Kind::Media => media,
            Kind::Init => init,
            Kind::Segment => segment,
            Kind::Part => part,
            Kind::Recording => recording,
            Kind::Picture => picture,
            Kind::Other => other,
        }
    }
}

impl Kind {
    /// The kind of what a path names.
    pub(crate) fn of(path: &MediaPath<'_>) -> Self {
        match path {
            MediaPath::Multivariant { .. } | MediaPath::Rewind { .. } => Self::Multivariant,
            MediaPath::Media { .. } | MediaPath::RewindMedia { .. } => Self::Media,
            MediaPath::Init { .. } => Self::Init,
            MediaPath::Segment { .. } => Self::Segment,
            MediaPath::Part { .. } => Self::Part,
        }
    }
}
