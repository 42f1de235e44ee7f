//! The order of the bytes inside a backup's seal:
//!
//! ```text
//! head      'H' | length, 4 bytes | JSON: format, version, time, steps of the tables
//! members   'M' | kind, 1 byte | length of the name, 2 bytes | name | length, 8 bytes | bytes | sha256
//! manifest  'E' | length, 4 bytes | JSON: the head, every member but objects, a sum over the objects
//! ```
//!
//! Numbers are big-endian. Promise: reading hands on what the manifest confirms, or fails; what a member is
//! called never leads out of the folder it is put in. Absent on purpose: files and databases.

use std::io::{self, Read, Write};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::BackupError;
use crate::base::limits;
use crate::base::secret::hex;

pub(super) const FORMAT: u32 = 1;

/// What a member is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    Key,
    Database,
    /// Something else of the state directory.
    File,
    Config,
    Object,
}

impl Kind {
    const ALL: [(u8, Self); 5] =
        [(b'k', Self::Key), (b'd', Self::Database), (b'f', Self::File), (b'c', Self::Config), (b'o', Self::Object)];

    fn letter(self) -> u8 {
        Self::ALL.iter().find(|(_, kind)| *kind == self).map_or(b'f', |(letter, _)| *letter)
    }

    fn of(letter: u8) -> Option<Self> {
        Self::ALL.iter().find(|(known, _)| *known == letter).map(|(_, kind)| *kind)
    }
}

/// How many steps the tables of each kind of database have had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schemas {
    pub system: usize,
    pub tenant: usize,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    pub format: u32,
    /// The version that made it.
    pub vaani: String,
    pub made_ms: u64,
    pub schemas: Schemas,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    pub name: String,
    pub kind: Kind,
    pub bytes: u64,
    pub sha256: String,
    /// Why a database could only be copied as it is; `None`: it is sound as far as its copy shows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub broken: Option<String>,
}

/// Objects are many: they are summed up.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Objects {
    pub count: u64,
    pub bytes: u64,
    /// Over the names and sums of all objects in their order.
    pub sha256: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    #[serde(flatten)]
    pub head: Head,
    pub members: Vec<Member>,
    pub objects: Objects,
    /// What could not be copied as it should, for people.
    pub remarks: Vec<String>,
}

impl Manifest {
    pub fn bytes(&self) -> u64 {
        self.members.iter().map(|member| member.bytes).sum::<u64>() + self.objects.bytes
    }
}

/// A relative path of plain parts.
pub(super) fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 1_024
        && !name.contains('\0')
        && name.split('/').all(|part| !part.is_empty() && part != "." && part != ".." && part.len() <= 255)
}

/// What both sides gather.
#[derive(Default)]
struct Sums {
    members: Vec<Member>,
    objects: Objects,
    over_objects: Sha256,
}

impl Sums {
    fn add(&mut self, name: String, kind: Kind, bytes: u64, sum: &[u8; 32], broken: Option<String>) {
        if kind == Kind::Object {
            self.objects.count += 1;
            self.objects.bytes += bytes;
            self.over_objects.update(name.as_bytes());
            self.over_objects.update([0]);
            self.over_objects.update(sum);
        } else {
            self.members.push(Member { name, kind, bytes, sha256: hex(sum), broken });
        }
    }

    fn objects(&self) -> Objects {
        Objects { sha256: hex(&self.over_objects.clone().finalize()), ..self.objects.clone() }
    }
}

/// Writes the members into a (sealed) stream.
pub(super) struct Writer<W: Write> {
    out: W,
    head: Head,
    sums: Sums,
    pub remarks: Vec<String>,
}

impl<W: Write> Writer<W> {
    pub(super) fn new(mut out: W, head: Head) -> io::Result<Self> {
        block(&mut out, b'H', &serde_json::to_vec(&head)?)?;
        Ok(Self { out, head, sums: Sums::default(), remarks: Vec::new() })
    }

    /// `source` must give `bytes` bytes; `between` is asked now and then and may stop everything.
    pub(super) fn add(
        &mut self,
        name: &str,
        kind: Kind,
        bytes: u64,
        source: &mut dyn Read,
        broken: Option<String>,
        between: &dyn Fn() -> io::Result<()>,
    ) -> io::Result<()> {
        let length = u16::try_from(name.len()).ok().filter(|_| is_name(name));
        let length = length.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "a name cannot be kept"))?;
        self.out.write_all(&[b'M', kind.letter()])?;
        self.out.write_all(&length.to_be_bytes())?;
        self.out.write_all(name.as_bytes())?;
        self.out.write_all(&bytes.to_be_bytes())?;
        let mut left = bytes;
        let mut sum = Sha256::new();
        let mut buffer = vec![0; 256 * 1024];
        while left > 0 {
            between()?;
            let most = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            let read = source.read(&mut buffer[..most])?;
            if read == 0 {
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "a file became shorter while it was read"));
            }
            sum.update(&buffer[..read]);
            self.out.write_all(&buffer[..read])?;
            left -= read as u64;
        }
        let sum: [u8; 32] = sum.finalize().into();
        self.out.write_all(&sum)?;
        self.sums.add(name.to_owned(), kind, bytes, &sum, broken);
        Ok(())
    }

    pub(super) fn finish(mut self) -> io::Result<(W, Manifest)> {
        let objects = self.sums.objects();
        let manifest = Manifest { head: self.head, members: self.sums.members, objects, remarks: self.remarks };
        block(&mut self.out, b'E', &serde_json::to_vec(&manifest)?)?;
        Ok((self.out, manifest))
    }
}

fn block(out: &mut impl Write, letter: u8, json: &[u8]) -> io::Result<()> {
    let length = u32::try_from(json.len()).ok().filter(|length| u64::from(*length) <= limits::BACKUP_MANIFEST_MAX);
    let length = length.ok_or_else(|| io::Error::other("the list of what is in the backup is too long"))?;
    out.write_all(&[letter])?;
    out.write_all(&length.to_be_bytes())?;
    out.write_all(json)
}

/// Takes what a backup holds, in its order.
pub(super) trait Sink {
    fn head(&mut self, head: &Head) -> Result<(), BackupError>;
    /// `bytes` gives exactly the member's; what is not read is skipped.
    fn member(&mut self, name: &str, kind: Kind, bytes: &mut dyn Read) -> Result<(), BackupError>;
}

/// Reads a whole backup. Only after this returns is what the sink got known to be all and right.
pub(super) fn read(source: &mut dyn Read, sink: &mut dyn Sink) -> Result<Manifest, BackupError> {
    let damaged = |what: &str| BackupError::Damaged(what.to_owned());
    let first: [u8; 1] = take(source)?;
    if first != *b"H" {
        return Err(damaged("it does not begin as one"));
    }
    let head = json(source)?;
    // A newer format may look different from here on.
    let format = head.get("format").and_then(serde_json::Value::as_u64);
    let by = head.get("vaani").and_then(serde_json::Value::as_str).unwrap_or("unknown").to_owned();
    if format.is_some_and(|format| format > u64::from(FORMAT)) {
        return Err(BackupError::Newer(by));
    }
    let head: Head = serde_json::from_value(head).map_err(|_| damaged("its head cannot be read"))?;
    sink.head(&head)?;
    let mut sums = Sums::default();
    loop {
        match take(source)? {
            [b'M'] => member(source, sink, &mut sums)?,
            [b'E'] => break,
            _ => return Err(damaged("a member has no head")),
        }
        if sums.members.len() > limits::BACKUP_MEMBERS_MAX {
            return Err(damaged("it has too many members"));
        }
    }
    let manifest: Manifest =
        serde_json::from_value(json(source)?).map_err(|_| damaged("its manifest cannot be read"))?;
    // The end of the stream is part of what is verified.
    if source.read(&mut [0]).map_err(BackupError::reading)? != 0 {
        return Err(damaged("something follows its end"));
    }
    let told = |member: &Member| (member.name.clone(), member.kind, member.bytes, member.sha256.clone());
    let same = manifest.head == head
        && manifest.objects == sums.objects()
        && manifest.members.iter().map(told).eq(sums.members.iter().map(told));
    if same { Ok(manifest) } else { Err(damaged("its members are not those of its manifest")) }
}

fn member(source: &mut dyn Read, sink: &mut dyn Sink, sums: &mut Sums) -> Result<(), BackupError> {
    let damaged = |what: String| BackupError::Damaged(what);
    let [letter] = take(source)?;
    let kind = Kind::of(letter).ok_or_else(|| damaged("a member is of no known kind".to_owned()))?;
    let length = u16::from_be_bytes(take(source)?);
    let mut name = vec![0; usize::from(length)];
    source.read_exact(&mut name).map_err(BackupError::reading)?;
    let name = String::from_utf8(name).ok().filter(|name| is_name(name));
    let name = name.ok_or_else(|| damaged("a member has no usable name".to_owned()))?;
    let bytes = u64::from_be_bytes(take(source)?);
    let mut limited = Summing { source: (&mut *source).take(bytes), sum: Sha256::new(), seen: 0, fault: None };
    let done = sink.member(&name, kind, &mut limited);
    // An error of the source is told as such, whatever the sink made of it.
    if let Some(fault) = limited.fault.take() {
        return Err(BackupError::reading(fault));
    }
    done?;
    io::copy(&mut limited, &mut io::sink())
        .map_err(|error| BackupError::reading(limited.fault.take().unwrap_or(error)))?;
    let (seen, sum): (u64, [u8; 32]) = (limited.seen, limited.sum.finalize().into());
    if seen != bytes {
        return Err(damaged(format!("{name} ends too early")));
    }
    if take::<32>(source)? != sum {
        return Err(damaged(format!("{name} is not what was written")));
    }
    sums.add(name, kind, bytes, &sum, None);
    Ok(())
}

/// Sums up what passes and keeps the source's own error.
struct Summing<R> {
    source: io::Take<R>,
    sum: Sha256,
    seen: u64,
    fault: Option<io::Error>,
}

impl<R: Read> Read for Summing<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self.source.read(into) {
            Ok(read) => {
                self.sum.update(&into[..read]);
                self.seen += read as u64;
                Ok(read)
            }
            Err(error) => {
                let again = io::Error::from(error.kind());
                self.fault = Some(error);
                Err(again)
            }
        }
    }
}

fn take<const N: usize>(source: &mut dyn Read) -> Result<[u8; N], BackupError> {
    let mut bytes = [0; N];
    source.read_exact(&mut bytes).map_err(BackupError::reading)?;
    Ok(bytes)
}

fn json(source: &mut dyn Read) -> Result<serde_json::Value, BackupError> {
    let length = u64::from(u32::from_be_bytes(take(source)?));
    if length > limits::BACKUP_MANIFEST_MAX {
        return Err(BackupError::Damaged("one of its lists is too long".to_owned()));
    }
    let mut bytes = Vec::new();
    source.take(length).read_to_end(&mut bytes).map_err(BackupError::reading)?;
    if bytes.len() as u64 != length {
        return Err(BackupError::Damaged("it ends too early".to_owned()));
    }
    serde_json::from_slice(&bytes).map_err(|_| BackupError::Damaged("one of its lists cannot be read".to_owned()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Default)]
    struct Taken(Vec<(String, Kind, Vec<u8>)>);

    impl Sink for Taken {
        fn head(&mut self, head: &Head) -> Result<(), BackupError> {
            assert_eq!(head.format, FORMAT);
            Ok(())
        }

        fn member(&mut self, name: &str, kind: Kind, bytes: &mut dyn Read) -> Result<(), BackupError> {
            let mut all = Vec::new();
            // Of the second half nobody reads more than a byte.
            if kind == Kind::File {
                bytes.take(1).read_to_end(&mut all).map_err(BackupError::reading)?;
            } else {
                bytes.read_to_end(&mut all).map_err(BackupError::reading)?;
            }
            self.0.push((name.to_owned(), kind, all));
            Ok(())
        }
    }

    fn head() -> Head {
        Head { format: FORMAT, vaani: "0.1.0".into(), made_ms: 5, schemas: Schemas { system: 1, tenant: 2 } }
    }

    fn written() -> (Vec<u8>, Manifest) {
        let mut writer = Writer::new(Vec::new(), head()).unwrap();
        for (name, kind, text) in [
            ("keys/system.key", Kind::Key, "key"),
            ("system.db", Kind::Database, "rows"),
            ("objects/a/b", Kind::Object, "sound"),
            ("hash", Kind::File, "some bytes"),
            ("objects/a/c", Kind::Object, ""),
        ] {
            writer.add(name, kind, text.len() as u64, &mut text.as_bytes(), None, &|| Ok(())).unwrap();
        }
        writer.finish().unwrap()
    }

    fn read(bytes: &[u8]) -> Result<(Manifest, Taken), BackupError> {
        let mut taken = Taken::default();
        let manifest = super::read(&mut { bytes }, &mut taken)?;
        Ok((manifest, taken))
    }

    #[test]
    fn members_come_back_in_their_order() {
        let (bytes, manifest) = written();
        let (read, taken) = read(&bytes).unwrap();
        assert_eq!(read, manifest);
        assert_eq!((manifest.members.len(), manifest.objects.count, manifest.bytes()), (3, 2, 22));
        let names: Vec<_> = taken.0.iter().map(|(name, ..)| name.as_str()).collect();
        assert_eq!(names, ["keys/system.key", "system.db", "objects/a/b", "hash", "objects/a/c"]);
        assert_eq!((taken.0[1].2.as_slice(), taken.0[3].2.as_slice()), (b"rows".as_slice(), b"s".as_slice()));
    }

    #[test]
    fn names_that_lead_elsewhere_are_not_written_or_read() {
        for wrong in ["", "/etc/passwd", "../x", "a/../../x", "a//b", "./a", "a\0b"] {
            assert!(!is_name(wrong), "{wrong:?}");
            let mut writer = Writer::new(Vec::new(), head()).unwrap();
            assert!(writer.add(wrong, Kind::File, 0, &mut io::empty(), None, &|| Ok(())).is_err());
            let mut forged = Vec::new();
            block(&mut forged, b'H', &serde_json::to_vec(&head()).unwrap()).unwrap();
            forged.extend_from_slice(b"Mf");
            forged.extend_from_slice(&(wrong.len() as u16).to_be_bytes());
            forged.extend_from_slice(wrong.as_bytes());
            assert!(matches!(read(&forged), Err(BackupError::Damaged(_))), "{wrong:?}");
        }
    }

    #[test]
    fn a_newer_format_is_refused_before_anything_else() {
        let mut newer = Vec::new();
        block(&mut newer, b'H', br#"{"format":2,"vaani":"9.9","other":"things"}"#).unwrap();
        newer.extend_from_slice(b"whatever follows");
        assert!(matches!(read(&newer), Err(BackupError::Newer(by)) if by == "9.9"));
    }

    /// The seal finds damage before this does; here it must at least never be taken for good.
    #[test]
    fn every_cut_and_every_flip_is_found() {
        let (bytes, manifest) = written();
        for cut in 0..bytes.len() {
            assert!(read(&bytes[..cut]).is_err(), "cut at {cut}");
        }
        for at in 0..bytes.len() {
            let mut bent = bytes.clone();
            bent[at] ^= 4;
            // A changed kind or remark inside the JSON may still be one; the members are what they were.
            if let Ok((read, _)) = read(&bent) {
                assert_eq!(read.members.len(), manifest.members.len(), "byte {at}");
                assert!(read.members.iter().zip(&manifest.members).all(|(a, b)| a.sha256 == b.sha256), "byte {at}");
            }
        }
        assert!(read(&[bytes, vec![0]].concat()).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            prop_assert!(read(&bytes).is_err());
            let after_a_head = [b"H\0\0\0\x02{}".as_slice(), &bytes].concat();
            prop_assert!(read(&after_a_head).is_err());
        }
    }
}
