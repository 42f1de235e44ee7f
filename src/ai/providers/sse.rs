//! Server-sent events (WHATWG HTML, "Interpreting an event stream"): bytes in, events out.

/// One event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Event {
    /// Empty if the server named none.
    pub name: String,
    pub data: String,
}

/// Bytes of one event.
const EVENT_MAX: usize = 1 << 20;

/// Cuts a byte stream into events, wherever the reads fall.
#[derive(Debug, Default)]
pub struct Parser {
    line: Vec<u8>,
    /// The last byte was a carriage return, so that a line feed now belongs to it.
    after_cr: bool,
    event: Event,
    has_data: bool,
    size: usize,
    begun: bool,
}

/// The stream is no event stream that we could read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an event is larger than {EVENT_MAX} bytes")]
pub struct TooLarge;

impl Parser {
    pub fn push(&mut self, bytes: &[u8], events: &mut Vec<Event>) -> Result<(), TooLarge> {
        for &byte in bytes {
            match byte {
                b'\n' if self.after_cr => self.after_cr = false,
                b'\n' | b'\r' => {
                    self.after_cr = byte == b'\r';
                    self.end_line(events);
                }
                _ => {
                    self.after_cr = false;
                    self.size += 1;
                    if self.size > EVENT_MAX {
                        return Err(TooLarge);
                    }
                    self.line.push(byte);
                }
            }
        }
        Ok(())
    }

    fn end_line(&mut self, events: &mut Vec<Event>) {
        let bytes = std::mem::take(&mut self.line);
        let mut line: &[u8] = &bytes;
        if !std::mem::replace(&mut self.begun, true) {
            line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
        }
        if line.is_empty() {
            self.size = 0;
            let event = std::mem::take(&mut self.event);
            if std::mem::take(&mut self.has_data) {
                events.push(event);
            }
            return;
        }
        let line = String::from_utf8_lossy(line);
        let (field, value) = line.split_once(':').unwrap_or((&line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "data" => {
                if self.has_data {
                    self.event.data.push('\n');
                }
                self.has_data = true;
                self.event.data.push_str(value);
            }
            "event" => value.clone_into(&mut self.event.name),
            // Comments, ids and reconnection times mean nothing to a single answer.
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(pieces: &[&[u8]]) -> Vec<(String, String)> {
        let (mut parser, mut events) = (Parser::default(), Vec::new());
        pieces.iter().for_each(|piece| parser.push(piece, &mut events).unwrap());
        events.into_iter().map(|e| (e.name, e.data)).collect()
    }

    #[test]
    fn events_are_read_as_the_standard_says() {
        let of = |pairs: &[(&str, &str)]| pairs.iter().map(|(n, d)| ((*n).into(), (*d).into())).collect::<Vec<_>>();
        assert_eq!(read(&[b"data: a\n\ndata:b\n\n"]), of(&[("", "a"), ("", "b")]));
        assert_eq!(read(&[b"\xef\xbb\xbfdata: a\r\n\r\n"]), of(&[("", "a")]));
        assert_eq!(read(&[b": hello\nevent: ping\ndata: {}\ndata: x\n\n"]), of(&[("ping", "{}\nx")]));
        assert_eq!(read(&[b"data: no end\n"]), of(&[]));
        assert_eq!(read(&[b"event: nothing\n\ndata\n\n"]), of(&[("", "")]));
        assert_eq!(
            read(&["data: न".as_bytes().split_at(7).0, "data: न".as_bytes().split_at(7).1, b"\n\n"]),
            of(&[("", "न")])
        );
    }

    #[test]
    fn an_endless_line_is_refused() {
        let (mut parser, mut events) = (Parser::default(), Vec::new());
        assert_eq!(parser.push(&vec![b'x'; EVENT_MAX + 1], &mut events), Err(TooLarge));
    }

    proptest! {
        #[test]
        fn where_the_reads_fall_makes_no_difference(bytes in proptest::collection::vec(
            prop_oneof![Just(b'\n'), Just(b'\r'), Just(b':'), Just(b' '), Just(b'd'), any::<u8>()], 0..300),
            cut in 0_usize..300,
        ) {
            let (a, b) = bytes.split_at(cut.min(bytes.len()));
            prop_assert_eq!(read(&[&bytes]), read(&[a, b]));
        }
    }
}
