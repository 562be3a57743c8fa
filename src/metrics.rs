//! `/metrics` for Prometheus, on a listener of its own: operators only.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use anyhow::Context as _;
use axum::{Router, http::header, routing::get};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use serde::Deserialize;

use crate::{http::Connections, lives::Lives};

/// Where metrics are served.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Address and port. Loopback by default: figures are for operators.
    pub listen: SocketAddr,
}

impl Default for Config {
    fn default() -> Self {
        Self { listen: SocketAddr::from(([127, 0, 0, 1], 9090)) }
    }
}

/// Durations are told in these steps, in seconds: from a cached answer to a parked one.
const DURATION_BUCKETS_S: [f64; 10] = [0.000_5, 0.001, 0.005, 0.02, 0.1, 0.3, 1.0, 3.0, 8.0, 20.0];

/// How often the recorder folds what it gathered, so that it stays small between scrapes.
const UPKEEP: Duration = Duration::from_secs(10);

/// Installs the recorder of the whole process. Metrics counted before are lost.
pub(crate) fn install() -> anyhow::Result<PrometheusHandle> {
    PrometheusBuilder::new()
        .set_buckets(&DURATION_BUCKETS_S)
        .and_then(PrometheusBuilder::install_recorder)
        .context("cannot install the metrics recorder")
}

/// Folds what was counted, until the process ends.
pub(crate) async fn upkeep(recorder: PrometheusHandle) {
    let mut ticks = tokio::time::interval(UPKEEP);
    loop {
        ticks.tick().await;
        recorder.run_upkeep();
    }
}

/// Where the figures come from.
#[derive(Clone)]
pub(crate) struct Figures {
    /// What was counted as it happened.
    pub(crate) recorder: PrometheusHandle,
    /// What the lives hold.
    pub(crate) lives: Lives,
    /// Connections to the RTMP port.
    pub(crate) encoders: Arc<ingest::Counters>,
    /// Connections to the HTTP port.
    pub(crate) viewers: Arc<Connections>,
}

impl Figures {
    /// What is held is read when asked for, not counted as it changes.
    fn render(&self) -> String {
        self.lives.record_gauges();
        ::metrics::gauge!("http_connections").set(self.viewers.count() as f64);
        ::metrics::gauge!("ingest_connections").set(self.encoders.open() as f64);
        ::metrics::counter!("ingest_connections_total").absolute(self.encoders.connections());
        ::metrics::counter!("ingest_connections_refused_total").absolute(self.encoders.refused());
        ::metrics::counter!("ingest_connections_failed_total").absolute(self.encoders.failed());
        self.recorder.render()
    }
}

/// The route of `/metrics`.
pub(crate) fn router(figures: Figures) -> Router {
    let scrape = move || {
        let figures = figures.clone();
        async move {
            let kind = "text/plain; version=0.0.4; charset=utf-8";
            ([(header::CONTENT_TYPE, kind)], figures.render())
        }
    };
    Router::new().route("/metrics", get(scrape))
}
