//! Bytes between a plain socket and a leg: what is to be written, and for how long the peer has not taken it.
//! What WebSockets do in [`super::socket`], for peers that speak in [`super::packets`].

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use super::Input;
use crate::base::{Clock, Moment, limits};

pub struct Pump {
    clock: Clock,
    piece: Vec<u8>,
    /// Bytes to be written.
    pub outbox: Vec<u8>,
    last_progress: Moment,
}

impl Pump {
    /// Reads `at_once` bytes at most.
    pub fn new(clock: Clock, at_once: usize) -> Self {
        Self { clock, piece: vec![0; at_once], outbox: Vec::new(), last_progress: clock.now() }
    }

    /// What happens next; a tick at `deadline`. Nothing is lost if dropped.
    pub async fn next(
        &mut self,
        reader: &mut (impl AsyncRead + Unpin),
        writer: &mut (impl AsyncWrite + Unpin),
        deadline: Option<Moment>,
    ) -> Input<'_> {
        let Self { clock, piece, outbox, last_progress } = self;
        loop {
            if outbox.is_empty() {
                *last_progress = clock.now();
            }
            let stalled = *last_progress + limits::LEG_WRITE_STALL_MAX;
            let due = deadline.map_or(stalled, |at| at.min(stalled)).since(clock.now());
            tokio::select! {
                read = reader.read(piece) => return match read {
                    Ok(0) => Input::PeerClosed(None),
                    Ok(length) => Input::Binary(&piece[..length]),
                    Err(_) => Input::Broken,
                },
                written = writer.write(outbox), if !outbox.is_empty() => match written {
                    Ok(length) => {
                        outbox.drain(..length);
                        *last_progress = clock.now();
                    }
                    Err(_) => return Input::Broken,
                },
                () = tokio::time::sleep(due) => {
                    let late = !outbox.is_empty() && clock.now() >= stalled;
                    return if late { Input::Stalled } else { Input::Tick };
                }
            }
        }
    }
}
