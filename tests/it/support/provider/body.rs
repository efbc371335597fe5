//! Bodies as misbehaving servers send them.

use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::Body;
use bytes::Bytes;
use hyper::body::{Frame, SizeHint};

/// What a step of a scripted body is.
pub(crate) enum Step {
    Send(Bytes),
    /// This many spaces, in blocks.
    Spaces(usize),
    /// Nothing until this future is done.
    Wait(Pin<Box<dyn Future<Output = ()> + Send>>),
    /// The connection breaks.
    Break,
}

struct Script {
    steps: std::vec::IntoIter<Step>,
    current: Option<Step>,
    length: Option<u64>,
}

/// A body that follows a script; `length` is declared whether true or not.
pub(crate) fn scripted(steps: Vec<Step>, length: Option<u64>) -> Body {
    Body::new(Script {
        steps: steps.into_iter(),
        current: None,
        length,
    })
}

const BLOCK: &[u8] = &[b' '; 16 * 1024];

impl hyper::body::Body for Script {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        loop {
            let step = match self.current.take() {
                Some(step) => step,
                None => match self.steps.next() {
                    Some(step) => step,
                    None => return Poll::Ready(None),
                },
            };
            match step {
                Step::Send(bytes) => return Poll::Ready(Some(Ok(Frame::data(bytes)))),
                Step::Spaces(0) => {}
                Step::Spaces(left) => {
                    let block = left.min(BLOCK.len());
                    self.current = Some(Step::Spaces(left - block));
                    let block = Bytes::from_static(&BLOCK[..block]);
                    return Poll::Ready(Some(Ok(Frame::data(block))));
                }
                Step::Wait(mut future) => {
                    if future.as_mut().poll(context).is_pending() {
                        self.current = Some(Step::Wait(future));
                        return Poll::Pending;
                    }
                }
                Step::Break => {
                    return Poll::Ready(Some(Err(std::io::ErrorKind::ConnectionReset.into())));
                }
            }
        }
    }

    fn size_hint(&self) -> SizeHint {
        self.length
            .map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}
