//! Large bodies, to and from threads that read and write like files. Promise: memory does not grow
//! with the body; a body that breaks off is an error for its reader, never an early end.

use std::io::{self, BufRead, BufReader, Read, Write};

use axum::body::{Body, Bytes};
use futures_util::StreamExt;
use tokio::sync::mpsc;

use crate::base::limits;

enum Piece {
    Bytes(Bytes),
    End,
    Broken(io::Error),
}

/// The reading end, for a thread that may wait.
pub(super) struct BodyReader {
    pieces: mpsc::Receiver<Piece>,
    rest: Bytes,
    over: bool,
}

/// Moves a body to its reader; run it beside the thread that reads. Dropped before its end, it leaves
/// the reader with an error.
pub(super) struct Pump {
    body: Body,
    pieces: mpsc::Sender<Piece>,
    most: u64,
}

pub(super) fn reader(body: Body, most: u64) -> (Pump, BodyReader) {
    let (sender, pieces) = mpsc::channel(limits::STREAM_PIECES);
    (Pump { body, pieces: sender, most }, BodyReader { pieces, rest: Bytes::new(), over: false })
}

impl Pump {
    pub(super) async fn run(self) {
        let mut body = self.body.into_data_stream();
        let mut length = 0_u64;
        loop {
            let piece = match body.next().await {
                None => Piece::End,
                Some(Err(error)) => Piece::Broken(io::Error::new(io::ErrorKind::UnexpectedEof, error)),
                Some(Ok(bytes)) => {
                    length += bytes.len() as u64;
                    if length > self.most {
                        Piece::Broken(io::Error::new(io::ErrorKind::FileTooLarge, "it is too large"))
                    } else {
                        Piece::Bytes(bytes)
                    }
                }
            };
            let last = !matches!(piece, Piece::Bytes(_));
            // Nobody reads on: it was refused, and the refusal is the answer.
            if self.pieces.send(piece).await.is_err() || last {
                return;
            }
        }
    }
}

impl Read for BodyReader {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.rest.is_empty() && !self.over {
            match self.pieces.blocking_recv() {
                Some(Piece::Bytes(bytes)) => self.rest = bytes,
                Some(Piece::End) => self.over = true,
                Some(Piece::Broken(error)) => return Err(error),
                None => return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the sender went away")),
            }
        }
        let length = self.rest.len().min(into.len());
        into[..length].copy_from_slice(&self.rest.split_to(length));
        Ok(length)
    }
}

/// The first file of a form, read as it comes; for text files, whose lines are never the form's marks.
pub(super) struct FormFile<R> {
    form: BufReader<R>,
    mark: Vec<u8>,
    line: Vec<u8>,
    at: usize,
    /// The line before ended: a mark can begin here.
    fresh: bool,
    inside: bool,
    over: bool,
}

impl<R: Read> FormFile<R> {
    /// `None`: the content type is not that of a form.
    pub(super) fn of(content_type: &str, form: R) -> Result<Self, R> {
        let is_form = content_type.trim_start().to_ascii_lowercase().starts_with("multipart/form-data");
        let boundary = content_type.split(';').find_map(|part| {
            let (name, value) = part.split_once('=')?;
            name.trim().eq_ignore_ascii_case("boundary").then(|| value.trim().trim_matches('"').to_owned())
        });
        match boundary.filter(|boundary| is_form && (1..=70).contains(&boundary.len())) {
            Some(boundary) => Ok(Self {
                form: BufReader::with_capacity(64 * 1024, form),
                mark: format!("--{boundary}").into_bytes(),
                line: Vec::new(),
                at: 0,
                fresh: true,
                inside: false,
                over: false,
            }),
            None => Err(form),
        }
    }

    /// The next line with its end, or a part of one that is very long; false at the end.
    fn next_line(&mut self) -> io::Result<bool> {
        self.line.clear();
        self.at = 0;
        let most = 64 * 1024;
        (&mut self.form).take(most).read_until(b'\n', &mut self.line)?;
        Ok(!self.line.is_empty())
    }

    fn is_mark(&self) -> bool {
        self.fresh && self.line.starts_with(&self.mark)
    }

    /// Goes to the content of the first part that is a file (or called `file`).
    fn find(&mut self) -> io::Result<()> {
        let broken =
            || io::Error::new(io::ErrorKind::InvalidData, "the form has no field `file`; put the list into it");
        loop {
            if !self.next_line()? {
                return Err(broken());
            }
            if !self.is_mark() {
                continue;
            }
            let mut wanted = false;
            loop {
                if !self.next_line()? {
                    return Err(broken());
                }
                let header = String::from_utf8_lossy(&self.line).to_ascii_lowercase();
                if header.trim().is_empty() {
                    break;
                }
                wanted |= header.starts_with("content-disposition:")
                    && (header.contains("filename") || header.contains("name=\"file\""));
            }
            if wanted {
                self.line.clear();
                self.inside = true;
                return Ok(());
            }
        }
    }
}

impl<R: Read> Read for FormFile<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if !self.inside {
            self.find()?;
        }
        if self.at == self.line.len() && !self.over {
            if !self.next_line()? {
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the form ends in the middle of the file"));
            }
            self.over = self.is_mark();
            self.fresh = self.line.ends_with(b"\n");
        }
        if self.over {
            return Ok(0);
        }
        let length = (self.line.len() - self.at).min(into.len());
        into[..length].copy_from_slice(&self.line[self.at..self.at + length]);
        self.at += length;
        Ok(length)
    }
}

/// The writing end of a body, for a thread that may wait.
pub(super) struct BodyWriter {
    pieces: mpsc::Sender<io::Result<Bytes>>,
    buffer: Vec<u8>,
}

/// A body and the pen that writes it. A pen dropped without [`BodyWriter::finish`] breaks the body off.
pub(super) fn writer() -> (BodyWriter, Body) {
    let (pieces, mut written) = mpsc::channel::<io::Result<Bytes>>(limits::STREAM_PIECES);
    let stream = futures_util::stream::poll_fn(move |context| written.poll_recv(context));
    (BodyWriter { pieces, buffer: Vec::with_capacity(PIECE) }, Body::from_stream(stream))
}

const PIECE: usize = 64 * 1024;

impl BodyWriter {
    fn send(&mut self) -> io::Result<()> {
        let bytes = Bytes::from(std::mem::take(&mut self.buffer));
        self.pieces.blocking_send(Ok(bytes)).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }

    pub(super) fn finish(mut self) -> io::Result<()> {
        self.send()
    }

    /// The reader sees that it is not whole.
    pub(super) fn break_off(self) {
        drop(self.pieces.blocking_send(Err(io::ErrorKind::UnexpectedEof.into())));
    }
}

impl Write for BodyWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= PIECE {
            self.send()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(content: &str) -> io::Result<String> {
        let body = format!(
            "before\r\n--xx\r\nContent-Disposition: form-data; name=\"kind\"\r\n\r\nown\r\n--xx\r\n\
             Content-Disposition: form-data; name=\"file\"; filename=\"a.csv\"\r\nContent-Type: text/csv\r\n\r\n{content}"
        );
        let mut file = String::new();
        FormFile::of("multipart/form-data; boundary=\"xx\"", body.as_bytes())
            .ok()
            .unwrap()
            .read_to_string(&mut file)?;
        Ok(file)
    }

    #[test]
    fn the_file_of_a_form_is_read_and_nothing_else() {
        assert_eq!(form("1\r\n2\r\n--xx--\r\nafter").unwrap(), "1\r\n2\r\n");
        assert_eq!(form("1\n --xx\n--xx").unwrap(), "1\n --xx\n");
        assert_eq!(form("--xx--").unwrap(), "");
        let long = "9".repeat(200_000);
        assert_eq!(form(&format!("{long}--xx\r\n--xx--")).unwrap(), format!("{long}--xx\r\n"), "a mark begins a line");
        for broken in ["1\r\n2\r\n", ""] {
            assert!(form(broken).is_err(), "{broken}");
        }
        assert!(FormFile::of("text/csv", &b""[..]).is_err());
        assert!(FormFile::of("multipart/form-data", &b""[..]).is_err());
    }

    #[tokio::test]
    async fn a_body_that_breaks_off_is_an_error_for_its_reader() {
        let read = |mut reader: BodyReader| {
            tokio::task::spawn_blocking(move || {
                let mut all = Vec::new();
                reader.read_to_end(&mut all).map(|_| all)
            })
        };
        let (pump, whole) = reader(Body::from("abc"), 100);
        let work = read(whole);
        pump.run().await;
        assert_eq!(work.await.unwrap().unwrap(), b"abc");

        let (pump, cut) = reader(Body::from("abc"), 100);
        let work = read(cut);
        drop(pump);
        assert!(work.await.unwrap().is_err(), "the client went away");

        let (pump, large) = reader(Body::from("abc"), 2);
        let work = read(large);
        pump.run().await;
        assert_eq!(work.await.unwrap().unwrap_err().kind(), io::ErrorKind::FileTooLarge);
    }

    #[tokio::test]
    async fn what_a_thread_writes_arrives_whole_or_broken() {
        for whole in [true, false] {
            let (mut pen, body) = writer();
            let work = tokio::task::spawn_blocking(move || {
                for _ in 0..50 {
                    pen.write_all(&[b'x'; 5_000]).unwrap();
                }
                if whole { pen.finish().unwrap() } else { pen.break_off() }
            });
            let bytes = axum::body::to_bytes(body, usize::MAX).await;
            work.await.unwrap();
            assert_eq!(bytes.is_ok_and(|bytes| bytes.len() == 250_000), whole);
        }
    }
}
