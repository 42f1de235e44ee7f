//! A browser's connection as the messages of a line: packets are binary, the data channel's words text,
//! and the box's goodbye is a close.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::{Sink, Stream};
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::{Error, Message};

use super::browser::{Browser, News};
use super::wire::{join, split};
use crate::base::tasks::Scope;

/// Messages between line and connection; one that does not fit is lost, as on any network.
const QUEUE: usize = 256;
/// What was said last leaves before the connection closes.
const LAST_WORDS: Duration = Duration::from_millis(100);

pub(super) struct Packets {
    incoming: mpsc::Receiver<Message>,
    /// `None`: closed.
    outgoing: Option<mpsc::Sender<Message>>,
}

impl Packets {
    pub(super) fn new(browser: Browser, tasks: &Scope) -> Self {
        let (tell, incoming) = mpsc::channel(QUEUE);
        let (outgoing, taken) = mpsc::channel(QUEUE);
        tasks.spawn("browser's connection", pump(browser, taken, tell));
        Self { incoming, outgoing: Some(outgoing) }
    }
}

/// Moves messages until either side ends.
async fn pump(mut browser: Browser, mut taken: mpsc::Receiver<Message>, tell: mpsc::Sender<Message>) {
    let (mut open, mut waiting) = (false, Vec::new());
    loop {
        tokio::select! {
            news = browser.next() => match news {
                News::Packet(packet) => {
                    let header = &packet.header;
                    let message = join(header.sequence_number, header.timestamp, &packet.payload);
                    let _ = tell.try_send(Message::binary(message));
                }
                News::ChannelOpen => {
                    open = true;
                    for text in waiting.drain(..) {
                        let text: String = text;
                        browser.send_message(&text).await;
                    }
                }
                News::Message(text) => {
                    let message: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
                    let bye = message["t"] == "bye";
                    let _ = tell.send(if bye { Message::Close(None) } else { Message::text(text) }).await;
                }
                News::ChannelClosed => {}
                News::Closed => break,
            },
            message = taken.recv() => match message {
                Some(Message::Binary(bytes)) => {
                    if let Some((sequence, ticks, payload)) = split(&bytes)
                        && !browser.send_packet(sequence, ticks, payload.to_vec()).await
                    {
                        break;
                    }
                }
                Some(Message::Text(text)) if open => {
                    browser.send_message(text.as_str()).await;
                }
                Some(Message::Text(text)) => waiting.push(text.as_str().to_owned()),
                Some(Message::Close(_)) => {
                    tokio::time::sleep(LAST_WORDS).await;
                    break;
                }
                Some(_) => {}
                // A line that is dropped and not closed is one that was cut.
                None => return browser.vanish().await,
            },
        }
    }
    browser.close().await;
}

impl Stream for Packets {
    type Item = Result<Message, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.incoming.poll_recv(cx).map(|message| message.map(Ok))
    }
}

impl Sink<Message> for Packets {
    type Error = Error;

    fn poll_ready(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn start_send(self: Pin<&mut Self>, message: Message) -> Result<(), Error> {
        match self.outgoing.as_ref().map(|outgoing| outgoing.try_send(message)) {
            Some(Err(mpsc::error::TrySendError::Closed(_))) | None => Err(Error::ConnectionClosed),
            Some(Ok(()) | Err(mpsc::error::TrySendError::Full(_))) => Ok(()),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        if let Some(outgoing) = self.outgoing.take() {
            let _ = outgoing.try_send(Message::Close(None));
        }
        Poll::Ready(Ok(()))
    }
}
