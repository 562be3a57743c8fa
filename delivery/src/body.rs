//! A response body in one piece, which counts what leaves.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use metrics::Counter;

/// Bytes that are not copied on their way to the socket. A viewer who goes away before they are
/// handed over is not counted.
#[derive(Debug)]
pub(crate) struct Counted {
    bytes: Bytes,
    sent_bytes: Counter,
}

impl Counted {
    /// A body of `bytes`, counted in `sent_bytes`.
    pub(crate) fn new(bytes: Bytes, sent_bytes: Counter) -> Self {
        Self { bytes, sent_bytes }
    }
}

impl Body for Counted {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let bytes = std::mem::take(&mut self.bytes);
        if bytes.is_empty() {
            return Poll::Ready(None);
        }
        self.sent_bytes.increment(bytes.len() as u64);
        Poll::Ready(Some(Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.bytes.len() as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_byte_is_copied_and_the_size_is_exact_until_the_end() {
        let bytes = Bytes::from(vec![1, 2, 3]);
        let start = bytes.as_ptr();
        let mut body = Box::pin(Counted::new(bytes, Counter::noop()));
        assert_eq!(body.size_hint().exact(), Some(3));
        let mut context = Context::from_waker(std::task::Waker::noop());
        let Poll::Ready(Some(Ok(frame))) = body.as_mut().poll_frame(&mut context) else { panic!() };
        assert_eq!(frame.into_data().unwrap().as_ptr(), start);
        assert!(body.is_end_stream());
        assert!(matches!(body.as_mut().poll_frame(&mut context), Poll::Ready(None)));
    }
}
