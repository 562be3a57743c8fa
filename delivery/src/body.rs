//! A response body that is a rope: the parts of a segment, none of them copied.

use std::{
    convert::Infallible,
    ops::Range,
    pin::Pin,
    task::{Context, Poll},
    vec,
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use metrics::Counter;

/// A body made of several `Bytes`, yielded one by one and never joined, so that hyper hands them to
/// one `writev`. Its length is known from the start.
#[derive(Debug)]
pub struct Rope {
    /// A body in one piece needs no allocation.
    first: Option<Bytes>,
    rest: vec::IntoIter<Bytes>,
    left_bytes: u64,
    sent_bytes: Counter,
}

impl Rope {
    /// A body in one piece.
    pub fn single(bytes: Bytes) -> Self {
        let left_bytes = bytes.len() as u64;
        Self {
            first: Some(bytes).filter(|bytes| !bytes.is_empty()),
            rest: Vec::new().into_iter(),
            left_bytes,
            sent_bytes: Counter::noop(),
        }
    }

    /// The pieces one after the other.
    pub fn whole(pieces: impl IntoIterator<Item = Bytes>) -> Self {
        let pieces: Vec<Bytes> = pieces.into_iter().filter(|piece| !piece.is_empty()).collect();
        let left_bytes = pieces.iter().map(|piece| piece.len() as u64).sum();
        Self { first: None, rest: pieces.into_iter(), left_bytes, sent_bytes: Counter::noop() }
    }

    /// The same rope, cut down to the bytes of `range`. What lies beyond its end is not there.
    pub fn slice(self, range: Range<u64>) -> Self {
        let mut start = 0;
        Self::whole(self.first.into_iter().chain(self.rest).map(|piece| {
            let len = piece.len() as u64;
            // Both lie inside the piece, so they fit a `usize` as its length does.
            let from = range.start.saturating_sub(start).min(len) as usize;
            let to = range.end.saturating_sub(start).min(len) as usize;
            start += len;
            if from < to { piece.slice(from..to) } else { Bytes::new() }
        }))
    }

    /// Counts what leaves in `sent_bytes`: a viewer who goes away half-way is counted half.
    pub(crate) fn counted_in(self, sent_bytes: Counter) -> Self {
        Self { sent_bytes, ..self }
    }

    /// Bytes not yet yielded.
    pub fn len(&self) -> u64 {
        self.left_bytes
    }

    /// Whether nothing is left.
    pub fn is_empty(&self) -> bool {
        self.left_bytes == 0
    }
}

impl Body for Rope {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let next = self.first.take().or_else(|| self.rest.next());
        if let Some(piece) = &next {
            let len = piece.len() as u64;
            self.left_bytes = self.left_bytes.saturating_sub(len);
            self.sent_bytes.increment(len);
        }
        Poll::Ready(next.map(|piece| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left_bytes)
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;
    use proptest::prelude::*;

    use super::*;

    fn collect(rope: Rope) -> Vec<u8> {
        let (promised, mut rope, mut all) = (rope.len(), Box::pin(rope), Vec::new());
        let mut context = Context::from_waker(std::task::Waker::noop());
        while let Poll::Ready(Some(Ok(frame))) = rope.as_mut().poll_frame(&mut context) {
            all.extend_from_slice(&frame.into_data().unwrap());
        }
        assert_eq!(all.len() as u64, promised);
        assert!(rope.is_end_stream());
        all
    }

    #[test]
    fn no_byte_is_copied() {
        let piece = Bytes::from(vec![1, 2, 3, 4]);
        let start = piece.as_ptr();
        let mut rope = Box::pin(Rope::whole([piece]).slice(1..3));
        let mut context = Context::from_waker(std::task::Waker::noop());
        let Poll::Ready(Some(Ok(frame))) = rope.as_mut().poll_frame(&mut context) else { panic!() };
        let data = frame.into_data().unwrap();
        assert_eq!(data.as_ptr(), start.wrapping_add(1));
    }

    #[test]
    fn the_size_is_exact_until_the_end() {
        let rope = Rope::whole([Bytes::from_static(b"ab"), Bytes::new(), Bytes::from_static(b"c")]);
        assert_eq!(rope.size_hint().exact(), Some(3));
        assert!(Rope::single(Bytes::new()).is_end_stream());
        let _ = rope.boxed();
    }

    proptest! {
        #[test]
        fn a_slice_of_the_rope_is_a_slice_of_the_whole(
            pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..20), 0..8),
            start in 0_usize..100,
            len in 0_usize..100,
        ) {
            let whole = pieces.concat();
            let (start, end) = (start.min(whole.len()), (start + len).min(whole.len()));
            let rope = Rope::whole(pieces.into_iter().map(Bytes::from));
            let sliced = collect(rope.slice(start as u64..end as u64));
            prop_assert_eq!(&sliced, &whole[start..end]);
        }
    }
}
