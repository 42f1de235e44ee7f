//! What the fake's voices say, and what its ears accept.

/// Half a second of a 440 Hz tone.
pub(crate) fn tone(rate: u32) -> Vec<i16> {
    (0..rate / 2)
        .map(|n| {
            let phase = f64::from(n) * 440.0 * std::f64::consts::TAU / f64::from(rate);
            (phase.sin() * 8_000.0) as i16
        })
        .collect()
}

pub(crate) fn bytes(pcm: &[i16]) -> Vec<u8> {
    pcm.iter().flat_map(|sample| sample.to_le_bytes()).collect()
}

/// Pieces that cut samples in two.
pub(crate) fn odd(bytes: &[u8]) -> Vec<Vec<u8>> {
    bytes.chunks(1_601).map(<[u8]>::to_vec).collect()
}

/// As servers write it that stream: the lengths are not filled in.
pub(crate) fn wav(rate: u32, pcm: &[i16]) -> Vec<u8> {
    let mut file = b"RIFF\xff\xff\xff\xffWAVEfmt \x10\0\0\0\x01\0\x01\0".to_vec();
    file.extend_from_slice(&rate.to_le_bytes());
    file.extend_from_slice(&(rate * 2).to_le_bytes());
    file.extend_from_slice(b"\x02\0\x10\0data\xff\xff\xff\xff");
    file.extend_from_slice(&bytes(pcm));
    file
}

/// A complete WAV file of 16 kHz, 16 bits, mono, whose lengths are true.
pub(crate) fn is_16k_wav(file: &[u8]) -> bool {
    let long = |at: usize| file.get(at..at + 4).map(|b| u32::from_le_bytes(b.try_into().unwrap()));
    file.starts_with(b"RIFF")
        && file.get(8..24) == Some(b"WAVEfmt \x10\0\0\0\x01\0\x01\0")
        && long(24) == Some(16_000)
        && file.get(36..40) == Some(b"data")
        && long(40).is_some_and(|len| len as usize == file.len() - 44)
        && long(4).is_some_and(|len| len as usize == file.len() - 8)
}
