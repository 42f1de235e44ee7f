//! A recording on its way: a sealed file that grows while the call lasts.
//!
//! Promise: nothing of it is ever on the disk in the open; whatever dies meanwhile, what was sealed
//! before can be read to the last whole piece, and [`Reader::ending`] says whether that was all. Nothing
//! that was not written is ever read. Memory does not grow with the file. All calls wait for the disk.
//!
//! Inside the seal one note follows another: a byte that says what it is, four bytes of length, the note.
//! Absent on purpose: what head and tail say, and what becomes of the file.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::sealed::{HEAD, Opener, PIECE, SealError, Sealer, sealed_len};
use crate::base::limits;
use crate::base::{CallId, TenantId};

/// What the purpose of a tenant's key is called.
pub const PURPOSE: &str = "recordings on their way 1";
const EXTENSION: &str = "spool";

/// One note.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// First: what the recording is of.
    Head(Vec<u8>),
    /// 16-bit samples of both sides in turn, lowest byte first.
    Sound(Vec<u8>),
    /// So many samples a channel without any sound.
    Silence(u64),
    /// The caller has gone on after the notice without a word against it.
    Confirmed,
    /// Last: what is known at the end only.
    Tail(Vec<u8>),
}

/// How a file ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    Whole,
    /// Whoever wrote it died, or its disk was full; up to there it is good.
    Cut,
}

/// `recordings/{tenant}/{call}.spool` in the state directory.
pub fn path(state: &Path, tenant: &TenantId, call: CallId) -> PathBuf {
    folder(state).join(tenant.as_str()).join(format!("{call}.{EXTENSION}"))
}

fn folder(state: &Path) -> PathBuf {
    state.join("recordings")
}

/// Every file there is, with whose it is.
pub fn all(state: &Path) -> io::Result<Vec<(TenantId, CallId, PathBuf)>> {
    let mut found = Vec::new();
    let tenants = match fs::read_dir(folder(state)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(found),
        tenants => tenants?,
    };
    for tenant in tenants {
        let tenant = tenant?;
        let Some(id) = tenant.file_name().to_str().and_then(|name| name.parse::<TenantId>().ok()) else { continue };
        for file in fs::read_dir(tenant.path())? {
            let path = file?.path();
            let call = path.file_stem().and_then(|stem| stem.to_str()).and_then(|stem| stem.parse().ok());
            if let Some(call) = call.filter(|_| path.extension().is_some_and(|ext| ext == EXTENSION)) {
                found.push((id.clone(), call, path));
            }
        }
    }
    found.sort();
    Ok(found)
}

/// Writes one file.
pub struct Writer(Sealer<BufWriter<File>>);

impl Writer {
    /// `AlreadyExists`: a call has one.
    pub fn create(path: &Path, key: &[u8; 32], head: &[u8]) -> io::Result<Self> {
        if let Some(dir) = path.parent() {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
        }
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        // What is sealed leaves at once: who dies loses what was not sealed yet and nothing more.
        let mut writer = Self(Sealer::new(BufWriter::new(file), key)?);
        writer.0.flush()?;
        writer.note(1, head)?;
        Ok(writer)
    }

    fn note(&mut self, what: u8, bytes: &[u8]) -> io::Result<()> {
        let length = u32::try_from(bytes.len()).map_err(io::Error::other)?;
        self.0.write_all(&[what])?;
        self.0.write_all(&length.to_le_bytes())?;
        self.0.write_all(bytes)?;
        self.0.flush()
    }

    pub fn sound(&mut self, both: &[i16]) -> io::Result<()> {
        let bytes = Zeroizing::new(both.iter().flat_map(|sample| sample.to_le_bytes()).collect::<Vec<u8>>());
        self.note(2, &bytes)
    }

    pub fn silence(&mut self, samples: u64) -> io::Result<()> {
        self.note(3, &samples.to_le_bytes())
    }

    pub fn confirmed(&mut self) -> io::Result<()> {
        self.note(4, &[])
    }

    /// Ends the file; it is on the disk when this returns.
    pub fn finish(mut self, tail: &[u8]) -> io::Result<()> {
        self.note(5, tail)?;
        let file = self.0.finish()?.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.sync_all()
    }
}

/// A byte behind the last whole piece, so that it is read as one of the middle.
const MORE: &[u8] = &[0];

/// Reads one file.
pub struct Reader {
    open: Opener<io::Chain<BufReader<File>, &'static [u8]>>,
    ending: Option<Ending>,
}

impl Reader {
    /// An error of the seal says that there is nothing in it for anybody.
    pub fn open(path: &Path, key: &[u8; 32]) -> io::Result<Self> {
        let more = if is_cut_between(path, key)? { MORE } else { &[] };
        let source = BufReader::new(File::open(path)?).chain(more);
        Ok(Self { open: Opener::new(source, key)?, ending: None })
    }

    /// Known once [`Reader::next_note`] has given nothing.
    pub const fn ending(&self) -> Option<Ending> {
        self.ending
    }

    /// The next note; `None` at the end.
    pub fn next_note(&mut self) -> io::Result<Option<Note>> {
        if self.ending.is_some() {
            return Ok(None);
        }
        match self.read() {
            Ok(note) => {
                if note.is_none() {
                    self.ending = Some(Ending::Whole);
                }
                Ok(note)
            }
            // A piece that is half there, or a note whose rest is in one that is not.
            Err(error) if SealError::of(&error).is_some() || error.kind() == io::ErrorKind::UnexpectedEof => {
                self.ending = Some(Ending::Cut);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    fn read(&mut self) -> io::Result<Option<Note>> {
        let mut what = [0];
        if self.open.read(&mut what)? == 0 {
            return Ok(None);
        }
        let mut length = [0; 4];
        self.open.read_exact(&mut length)?;
        let length = u32::from_le_bytes(length) as usize;
        let most = if what[0] == 2 { 4 * crate::base::audio::LINE_RATE as usize } else { limits::RECORDING_NOTE_MAX };
        if length > most {
            return Err(SealError::Damaged(0).into());
        }
        let mut bytes = vec![0; length];
        self.open.read_exact(&mut bytes)?;
        Ok(Some(match (what[0], bytes.first_chunk::<8>()) {
            (1, _) => Note::Head(bytes),
            (2, _) if length.is_multiple_of(4) => Note::Sound(bytes),
            (3, Some(samples)) => Note::Silence(u64::from_le_bytes(*samples)),
            (4, _) => Note::Confirmed,
            (5, _) => Note::Tail(bytes),
            _ => return Err(SealError::Damaged(0).into()),
        }))
    }
}

/// Whoever is killed leaves whole pieces: then the last one is good, but none that ends a stream, and the
/// seal gives out nothing of what may have been cut off.
fn is_cut_between(path: &Path, key: &[u8; 32]) -> io::Result<bool> {
    let piece = sealed_len(PIECE as u64) - HEAD as u64;
    let body = fs::metadata(path)?.len().saturating_sub(HEAD as u64);
    if body == 0 || !body.is_multiple_of(piece) {
        return Ok(false);
    }
    let mut open = Opener::new(BufReader::new(File::open(path)?), key)?;
    let read = io::copy(&mut open, &mut io::sink());
    Ok(read.is_err_and(|error| matches!(SealError::of(&error), Some(SealError::CutOff(_)))))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: [u8; 32] = [3; 32];

    fn notes(path: &Path) -> (Vec<Note>, Ending) {
        let mut reader = Reader::open(path, &KEY).unwrap();
        let mut found = Vec::new();
        while let Some(note) = reader.next_note().unwrap() {
            found.push(note);
        }
        (found, reader.ending().unwrap())
    }

    fn samples(notes: &[Note]) -> usize {
        notes.iter().map(|note| if let Note::Sound(bytes) = note { bytes.len() / 4 } else { 0 }).sum()
    }

    #[test]
    fn what_was_written_is_read_and_nothing_of_it_is_in_the_open() {
        let dir = tempfile::tempdir().unwrap();
        let (tenant, call) = (TenantId::default_tenant(), CallId::from_seed(1, 2));
        let at = path(dir.path(), &tenant, call);
        let mut writer = Writer::create(&at, &KEY, b"{}").unwrap();
        assert_eq!(Writer::create(&at, &KEY, b"{}").err().map(|e| e.kind()), Some(io::ErrorKind::AlreadyExists));
        writer.sound(&[1_000_i16, -2].repeat(8_000)).unwrap();
        writer.silence(800).unwrap();
        writer.confirmed().unwrap();
        writer.finish(b"[]").unwrap();
        let (found, ending) = notes(&at);
        assert_eq!(ending, Ending::Whole);
        assert_eq!(found.len(), 5);
        assert_eq!(found[0], Note::Head(b"{}".to_vec()));
        assert!(matches!(&found[1], Note::Sound(bytes) if bytes[..4] == [0xE8, 3, 0xFE, 0xFF]));
        assert_eq!(found[2..], [Note::Silence(800), Note::Confirmed, Note::Tail(b"[]".to_vec())]);
        let bytes = fs::read(&at).unwrap();
        assert!(!bytes.windows(8).any(|w| w == [0xE8, 3, 0xFE, 0xFF, 0xE8, 3, 0xFE, 0xFF]));
        assert_eq!(all(dir.path()).unwrap(), [(tenant, call, at)]);
        let error = Reader::open(&path(dir.path(), &TenantId::default_tenant(), call), &[4; 32]).err().unwrap();
        assert_eq!(SealError::of(&error), Some(SealError::WrongKey));
    }

    /// Whoever writes dies after any byte.
    #[test]
    fn every_cut_leaves_what_was_sealed_before_it() {
        let dir = tempfile::tempdir().unwrap();
        let at = dir.path().join("a.spool");
        let mut writer = Writer::create(&at, &KEY, b"{}").unwrap();
        for n in 0..8 {
            writer.sound(&vec![n; 16_000]).unwrap();
        }
        // No end: the process is gone, but what it wrote is in the file.
        let died = fs::read(&at).unwrap();
        assert!(died.len() >= HEAD + 3 * PIECE, "{} bytes", died.len());
        drop(writer);
        let whole = fs::read(&at).unwrap();
        for cut in (HEAD..whole.len()).step_by(4_099).chain([HEAD + PIECE + 15, HEAD + PIECE + 16, HEAD + PIECE + 17]) {
            fs::write(&at, &whole[..cut]).unwrap();
            let (found, ending) = notes(&at);
            assert_eq!(ending, Ending::Cut, "{cut}");
            let pieces = (cut - HEAD) / (PIECE + 16);
            let certain = (pieces * PIECE).saturating_sub(64) / 32_005 * 8_000;
            assert!(samples(&found) >= certain, "{cut}: {} of {certain}", samples(&found));
            for (n, note) in found.iter().skip(1).enumerate() {
                assert!(matches!(note, Note::Sound(bytes) if bytes.chunks(2).all(|s| s == [n as u8, 0])));
            }
        }
        fs::write(&at, &whole[..HEAD - 1]).unwrap();
        assert!(SealError::of(&Reader::open(&at, &KEY).err().unwrap()).is_some());
    }
}
