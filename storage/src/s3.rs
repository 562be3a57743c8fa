//! The client of S3-compatible stores, for programs that are built with one (feature `s3`).
//!
//! Here: how a bucket is reached. Not here: what is asked of it (`storage`).

use std::{sync::Arc, time::Duration};

use object_store::{BackoffConfig, ClientOptions, ObjectStore, RetryConfig, aws::AmazonS3Builder};

use crate::{Error, S3, storage::setting};

/// The wait before the second try; each further one waits up to twice as long, until [`RETRY_MAX`].
const RETRY_FIRST: Duration = Duration::from_millis(100);
const RETRY_MAX: Duration = Duration::from_secs(2);
/// Tries of one request. The time they may take (`s3.retry_s`) ends them first.
const TRIES: usize = 1000;
/// How long the store may be silent: it stores a piece within a few seconds.
const SILENCE: Duration = Duration::from_secs(30);
/// How long a connection to the store may take to open.
const CONNECT: Duration = Duration::from_secs(5);

/// Opens a bucket. Nothing is asked of it yet.
///
/// # Errors
/// [`Error::Setting`].
pub(crate) fn open(s3: &S3) -> Result<Arc<dyn ObjectStore>, Error> {
    Ok(Arc::new(client(s3).build().map_err(setting)?))
}

fn client(s3: &S3) -> AmazonS3Builder {
    let mut builder = AmazonS3Builder::new()
        .with_bucket_name(&s3.bucket)
        .with_region(&s3.region)
        .with_access_key_id(&s3.key_id)
        .with_secret_access_key(s3.secret.reveal())
        .with_virtual_hosted_style_request(!s3.path_style)
        // One object at a time is all that is ever deleted.
        .with_disable_bulk_delete(true)
        .with_retry(RetryConfig {
            backoff: BackoffConfig { init_backoff: RETRY_FIRST, max_backoff: RETRY_MAX, base: 2.0 },
            max_retries: TRIES,
            retry_timeout: Duration::from_secs(s3.retry_s),
        });
    let mut client = ClientOptions::new()
        // A slow reader may take as long as he likes; silence of the store may not.
        .with_timeout_disabled()
        .with_read_timeout(SILENCE)
        .with_connect_timeout(CONNECT);
    if let Some(endpoint) = &s3.endpoint {
        client = client.with_allow_http(endpoint.starts_with("http://"));
        builder = builder.with_endpoint(hosted(endpoint.trim_end_matches('/'), s3));
    }
    builder.with_client_options(client)
}

/// The address that requests go to, but for the bucket where it stands in the path.
fn hosted(endpoint: &str, s3: &S3) -> String {
    match endpoint.split_once("://") {
        Some((scheme, host)) if !s3.path_style => format!("{scheme}://{}.{host}", s3.bucket),
        _ => endpoint.to_owned(),
    }
}
