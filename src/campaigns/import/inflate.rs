//! How large a zip archive becomes once unpacked, told without unpacking it: the codes of DEFLATE
//! are followed and lengths added up, nothing is kept. What an archive says of its own sizes is not
//! believed. Bounded by the bytes of the archive and by the answer: it stops at the limit.

/// Why an archive is not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// It would be larger than the limit.
    TooLarge,
    /// It is no zip archive, is cut off, or packed in a way that spreadsheets are not.
    Broken,
}

/// Bytes of all entries together.
pub(super) fn unpacked(archive: &[u8], limit: u64) -> Result<u64, Refused> {
    let mut total = 0;
    for entry in entries(archive).ok_or(Refused::Broken)? {
        let left = limit.checked_sub(total).ok_or(Refused::TooLarge)?;
        total += match entry.method {
            0 => entry.packed.len() as u64,
            8 => length(entry.packed, left)?,
            _ => return Err(Refused::Broken),
        };
    }
    if total > limit { Err(Refused::TooLarge) } else { Ok(total) }
}

struct Entry<'a> {
    method: u16,
    packed: &'a [u8],
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at.checked_add(2)?)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<usize> {
    usize::try_from(u32::from_le_bytes(bytes.get(at..at.checked_add(4)?)?.try_into().ok()?)).ok()
}

/// From the central directory, as readers of archives go by it. Zip64 is refused: no list is so long.
fn entries(archive: &[u8]) -> Option<Vec<Entry<'_>>> {
    const END: usize = 22;
    const COMMENT_MAX: usize = 65_535;
    const ENTRIES_MAX: u16 = 4_096;
    let from = archive.len().saturating_sub(END + COMMENT_MAX);
    let end = (from..=archive.len().checked_sub(END)?).rev().find(|at| archive[*at..].starts_with(b"PK\x05\x06"))?;
    let count = u16_at(archive, end + 10)?;
    let mut at = u32_at(archive, end + 16)?;
    if count > ENTRIES_MAX || at == u32::MAX as usize {
        return None;
    }
    let mut found = Vec::with_capacity(usize::from(count));
    for _ in 0..count {
        if !archive.get(at..)?.starts_with(b"PK\x01\x02") {
            return None;
        }
        let size = u32_at(archive, at + 20)?;
        let local = u32_at(archive, at + 42)?;
        if size == u32::MAX as usize || !archive.get(local..)?.starts_with(b"PK\x03\x04") {
            return None;
        }
        let data = local + 30 + usize::from(u16_at(archive, local + 26)?) + usize::from(u16_at(archive, local + 28)?);
        found.push(Entry { method: u16_at(archive, at + 10)?, packed: archive.get(data..data.checked_add(size)?)? });
        let name_and_more = [28, 30, 32].map(|field| u16_at(archive, at + field).map(usize::from));
        at += 46 + name_and_more.into_iter().sum::<Option<usize>>()?;
    }
    Some(found)
}

struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
    held: u32,
    count: u32,
}

impl Bits<'_> {
    fn take(&mut self, wanted: u32) -> Result<u32, Refused> {
        while self.count < wanted {
            let byte = *self.bytes.get(self.at).ok_or(Refused::Broken)?;
            self.held |= u32::from(byte) << self.count;
            self.at += 1;
            self.count += 8;
        }
        let value = self.held & ((1 << wanted) - 1);
        self.held >>= wanted;
        self.count -= wanted;
        Ok(value)
    }
}

const LONGEST: usize = 15;

/// A canonical Huffman code: how many symbols have each length, and the symbols in order.
struct Code {
    counts: [u16; LONGEST + 1],
    symbols: Vec<u16>,
}

impl Code {
    fn new(lengths: &[u8]) -> Result<Self, Refused> {
        let mut counts = [0_u16; LONGEST + 1];
        for length in lengths {
            counts[usize::from(*length)] += 1;
        }
        let mut left = 1_i32;
        for count in &counts[1..] {
            left = (left << 1) - i32::from(*count);
            if left < 0 {
                return Err(Refused::Broken);
            }
        }
        let mut symbols: Vec<u16> = (0..).take(lengths.len()).filter(|s| lengths[usize::from(*s)] > 0).collect();
        symbols.sort_by_key(|symbol| (lengths[usize::from(*symbol)], *symbol));
        counts[0] = 0;
        Ok(Self { counts, symbols })
    }

    fn next(&self, bits: &mut Bits<'_>) -> Result<u16, Refused> {
        let (mut code, mut first, mut index) = (0_i32, 0_i32, 0_i32);
        for count in &self.counts[1..] {
            code |= i32::try_from(bits.take(1)?).map_err(|_| Refused::Broken)?;
            let count = i32::from(*count);
            if code - count < first {
                let at = usize::try_from(index + code - first).map_err(|_| Refused::Broken)?;
                return self.symbols.get(at).copied().ok_or(Refused::Broken);
            }
            index += count;
            first = (first + count) << 1;
            code <<= 1;
        }
        Err(Refused::Broken)
    }
}

const LENGTH_BASE: [u16; 29] =
    [3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258];
const LENGTH_EXTRA: [u8; 29] = [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0];
const ORDER: [usize; 19] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

/// Bytes that a DEFLATE stream becomes; ends early once they are more than `limit`.
fn length(packed: &[u8], limit: u64) -> Result<u64, Refused> {
    let mut bits = Bits { bytes: packed, at: 0, held: 0, count: 0 };
    let mut total = 0_u64;
    loop {
        let last = bits.take(1)? == 1;
        match bits.take(2)? {
            0 => {
                // What is left of the byte is filling.
                bits.held = 0;
                bits.count = 0;
                let size = u16_at(packed, bits.at).ok_or(Refused::Broken)?;
                let check = u16_at(packed, bits.at + 2).ok_or(Refused::Broken)?;
                bits.at += 4 + usize::from(size);
                if size != !check || bits.at > packed.len() {
                    return Err(Refused::Broken);
                }
                total += u64::from(size);
            }
            1 => {
                let mut lengths = [8_u8; 288];
                lengths[144..256].fill(9);
                lengths[256..280].fill(7);
                follow(&mut bits, &Code::new(&lengths)?, &Code::new(&[5; 30])?, &mut total, limit)?;
            }
            2 => {
                let (lengths, distances) = codes(&mut bits)?;
                follow(&mut bits, &lengths, &distances, &mut total, limit)?;
            }
            _ => return Err(Refused::Broken),
        }
        if total > limit {
            return Err(Refused::TooLarge);
        }
        if last {
            return Ok(total);
        }
    }
}

/// The two codes that a block brings along, themselves packed with a third.
fn codes(bits: &mut Bits<'_>) -> Result<(Code, Code), Refused> {
    let literals = bits.take(5)? as usize + 257;
    let distances = bits.take(5)? as usize + 1;
    let given = bits.take(4)? as usize + 4;
    if literals > 286 || distances > 30 {
        return Err(Refused::Broken);
    }
    let mut lengths = [0_u8; 19];
    for place in &ORDER[..given] {
        lengths[*place] = u8::try_from(bits.take(3)?).map_err(|_| Refused::Broken)?;
    }
    let packing = Code::new(&lengths)?;
    let mut all: Vec<u8> = Vec::with_capacity(literals + distances);
    while all.len() < literals + distances {
        let (value, times) = match packing.next(bits)? {
            symbol @ 0..=15 => (u8::try_from(symbol).map_err(|_| Refused::Broken)?, 1),
            16 => (*all.last().ok_or(Refused::Broken)?, 3 + bits.take(2)?),
            17 => (0, 3 + bits.take(3)?),
            _ => (0, 11 + bits.take(7)?),
        };
        all.extend((0..times).map(|_| value));
    }
    if all.len() > literals + distances {
        return Err(Refused::Broken);
    }
    Ok((Code::new(&all[..literals])?, Code::new(&all[literals..])?))
}

fn follow(bits: &mut Bits<'_>, lengths: &Code, distances: &Code, total: &mut u64, limit: u64) -> Result<(), Refused> {
    loop {
        let symbol = lengths.next(bits)?;
        if symbol < 256 {
            *total += 1;
        } else if symbol == 256 {
            return Ok(());
        } else {
            let place = usize::from(symbol - 257);
            let base = *LENGTH_BASE.get(place).ok_or(Refused::Broken)?;
            *total += u64::from(base) + u64::from(bits.take(u32::from(LENGTH_EXTRA[place]))?);
            let distance = distances.next(bits)?;
            // The extra bits of a distance: none for the first four, then one more every two.
            bits.take(u32::from(distance / 2).saturating_sub(1))?;
        }
        if *total > limit {
            return Err(Refused::TooLarge);
        }
    }
}
