//! Bytes that nobody can guess.
//!
//! Here: the one place of this crate that asks the system's generator.

/// The system gives no random bytes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the system gives no random bytes: {0}")]
pub struct NoRandomness(String);

impl NoRandomness {
    pub(crate) fn new(reason: &str) -> Self {
        Self(reason.to_owned())
    }
}

/// So many bytes of the system's generator.
///
/// # Errors
///
/// When the system gives none.
pub fn random_bytes<const N: usize>() -> Result<[u8; N], NoRandomness> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|fault| NoRandomness(fault.to_string()))?;
    Ok(bytes)
}
