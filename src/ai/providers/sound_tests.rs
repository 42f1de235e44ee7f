//! Decoding, bounds and the choice of voices and rates.

use futures_util::future;
use proptest::prelude::*;

use super::*;
use crate::ai::providers::Auth;
use crate::base::Lang;

pub(in crate::ai::providers) fn endpoint(id: &str) -> Endpoint {
    Endpoint {
        id: id.to_owned(),
        base_url: "http://127.0.0.1:9".parse().unwrap(),
        auth: Auth::None,
        model: id.split('/').next_back().unwrap().to_owned(),
        options: serde_json::Map::new(),
        voices: [(Lang::Hi, "ritu".to_owned())].into(),
    }
}

fn request(voice: Option<&str>, rate: u32) -> TtsRequest {
    TtsRequest {
        call: None,
        text: "x".to_owned(),
        language: Lang::Hi,
        voice: voice.map(str::to_owned),
        pace: 1.0,
        rate,
    }
}

fn decode(pieces: &[&[u8]], from: u32, to: u32) -> Result<Vec<i16>, BadSound> {
    let (mut decoder, mut out) = (Decoder::new(from, to), Vec::new());
    for piece in pieces {
        decoder.push(piece, &mut out)?;
    }
    decoder.finish(&mut out)?;
    Ok(out)
}

fn float_wav(samples: &[f32], channels: u16) -> Vec<u8> {
    let spec = hound::WavSpec {
        channels,
        sample_rate: 22_050,
        bits_per_sample: 32,
        sample_format: hound::SampleFormat::Float,
    };
    let mut file = std::io::Cursor::new(Vec::new());
    let mut writer = hound::WavWriter::new(&mut file, spec).unwrap();
    samples.iter().for_each(|sample| writer.write_sample(*sample).unwrap());
    writer.finalize().unwrap();
    file.into_inner()
}

#[test]
fn what_is_sent_is_a_wav_file() {
    let file = wav(&[1, -2, 3]);
    let mut reader = hound::WavReader::new(&file[..]).unwrap();
    assert_eq!(reader.spec().sample_rate, 16_000);
    assert_eq!(reader.samples::<i16>().map(Result::unwrap).collect::<Vec<_>>(), [1, -2, 3]);
    assert_eq!(bytes_of(&[1, -2]), [1, 0, 0xfe, 0xff]);
}

#[test]
fn wav_files_of_every_kind_are_read() {
    let pcm = [100, -200, 300, 32_000];
    let file = wav(&pcm);
    assert_eq!(decode(&[&file], 8_000, 16_000).unwrap(), pcm, "the header's rate counts");
    let mut open = file.clone();
    open[40..44].copy_from_slice(&u32::MAX.to_le_bytes());
    assert_eq!(decode(&[&open], 8_000, 16_000).unwrap(), pcm, "streamed, without a length");
    let mut tail = file.clone();
    tail.extend_from_slice(b"LIST\x04\0\0\0abcd");
    assert_eq!(decode(&[&tail], 8_000, 16_000).unwrap(), pcm, "what follows is no sound");
    assert_eq!(decode(&[&float_wav(&[0.5, -0.5], 1)], 8_000, 22_050).unwrap(), [16_384, -16_384]);
    assert_eq!(decode(&[&float_wav(&[1.0, 0.0], 2)], 8_000, 22_050).unwrap(), [16_384]);
    assert_eq!(decode(&[&float_wav(&[9.0, f32::NAN], 1)], 8_000, 22_050).unwrap(), [32_767, 0]);
}

#[test]
fn what_is_no_sound_is_a_fault() {
    assert_eq!(decode(&[], 8_000, 8_000), Err(BadSound::Nothing));
    assert_eq!(decode(&[b"x"], 8_000, 8_000), Err(BadSound::Nothing));
    assert_eq!(decode(&[b"RIFF\0\0\0\0AVI LIST"], 8_000, 8_000), Err(BadSound::Header));
    assert_eq!(decode(&[b"RIFF\0\0\0\0WAVE"], 8_000, 8_000), Err(BadSound::Header));
    assert_eq!(decode(&[&wav(&[])], 8_000, 8_000), Err(BadSound::Nothing));
    let mut strange = wav(&[1, 2]);
    strange[20] = 0x55;
    assert_eq!(decode(&[&strange], 8_000, 8_000), Err(BadSound::Format));
    let mut still = wav(&[1, 2]);
    still[24..28].fill(0);
    assert_eq!(decode(&[&still], 8_000, 8_000), Err(BadSound::Rate));
    let mut endless = b"RIFF\0\0\0\0WAVEjunk\xff\xff\xff\x7f".to_vec();
    endless.resize(HEADER_MAX + 1, 0);
    assert_eq!(decode(&[&endless], 8_000, 8_000), Err(BadSound::Header));
}

#[test]
fn rates_and_voices_are_chosen() {
    assert_eq!(
        [8_000, 11_025, 48_000].map(|wanted| rate_for(&[8_000, 16_000, 24_000], wanted)),
        [8_000, 16_000, 24_000]
    );
    let voice = |named| voice(&endpoint("sarvam/bulbul"), &request(named, 8_000));
    assert_eq!(voice(None).as_deref(), Some("ritu"));
    assert_eq!(voice(Some("anushka")).as_deref(), Some("anushka"));
    assert_eq!(voice(Some("sarvam:anushka")).as_deref(), Some("anushka"));
    assert_eq!(voice(Some("espeak:hi+m3")).as_deref(), Some("ritu"), "another engine's");
    assert_eq!([0.1, 1.004, f32::NAN, 9.0].map(|pace| hundredths(pace, (0.5, 2.0))), [0.5, 1.0, 1.0, 2.0]);
}

fn speech(to: u32) -> Speech {
    Speech { endpoint: endpoint("x/y"), clock: Clock::system(), from: 8_000, to, voice: "v".to_owned() }
}

#[tokio::test]
async fn a_clause_is_played_and_accounted() {
    let pieces =
        stream::iter([&[1_u8][..], &[0, 2, 0, 3], &[], &[0, 9]].map(|piece| Ok(Bytes::copy_from_slice(piece))));
    let events: Vec<_> = speech(8_000).stream(future::ready(Ok(pieces.boxed())).boxed()).collect().await;
    let mut sound = Vec::new();
    for event in &events[..events.len() - 1] {
        let Ok(TtsEvent::Audio(piece)) = event else { panic!("{event:?}") };
        assert!(!piece.is_empty());
        sound.extend_from_slice(piece);
    }
    assert_eq!(sound, [1, 2, 3]);
    let Some(Ok(TtsEvent::Done(usage))) = events.last() else { panic!("no end") };
    assert_eq!(usage.audio, Duration::from_micros(375));
    assert!(usage.first_audio <= usage.took);
}

#[tokio::test]
async fn a_fault_ends_the_stream() {
    let broke = || Err(endpoint("x/y").fault(FaultKind::Unavailable, "the connection broke"));
    let pieces = stream::iter([Ok(Bytes::from_static(&[1, 0])), broke()]).boxed();
    let events: Vec<_> = speech(8_000).stream(future::ready(Ok(pieces)).boxed()).collect().await;
    assert!(matches!(&events[..], [Ok(TtsEvent::Audio(_)), Err(fault)] if fault.kind == FaultKind::Unavailable));
    let endless = stream::repeat_with(|| Ok(Bytes::from(vec![0; 1 << 20]))).boxed();
    let last = speech(8_000).stream(future::ready(Ok(endless)).boxed()).collect::<Vec<_>>().await.pop();
    assert!(matches!(last, Some(Err(fault)) if fault.kind == FaultKind::Broken));
    let events: Vec<_> = speech(1).stream(future::pending().boxed()).collect().await;
    assert!(matches!(&events[..], [Err(fault)] if fault.kind == FaultKind::Refused));
}

#[tokio::test]
async fn nothing_lasts_for_ever() {
    let fault = no_longer_than::<()>(Duration::ZERO, &endpoint("x/y"), future::pending()).await.unwrap_err();
    assert_eq!(fault.kind, FaultKind::Deadline);
}

proptest! {
    #[test]
    fn where_the_reads_fall_makes_no_difference(
        pcm in proptest::collection::vec(any::<i16>(), 1..400),
        cuts in proptest::collection::vec(0_usize..60, 0..20),
        in_file in any::<bool>(),
    ) {
        let bytes = if in_file { wav(&pcm) } else { bytes_of(&pcm) };
        let (mut pieces, mut rest) = (Vec::new(), &bytes[..]);
        for cut in cuts {
            let (now, later) = rest.split_at(cut.min(rest.len()));
            pieces.push(now);
            rest = later;
        }
        pieces.push(rest);
        prop_assert_eq!(decode(&pieces, 16_000, 16_000), Ok(pcm));
    }

    #[test]
    fn any_bytes_are_read_without_harm(
        bytes in proptest::collection::vec(any::<u8>(), 0..300),
        at in 0_usize..60,
        cut in 0_usize..300,
    ) {
        let mut file = wav(&[1, 2, 3]);
        file.splice(at.min(file.len()).., bytes.iter().copied());
        for bytes in [&bytes, &file] {
            let (a, b) = bytes.split_at(cut.min(bytes.len()));
            prop_assert_eq!(decode(&[bytes], 8_000, 8_000), decode(&[a, b], 8_000, 8_000));
        }
    }
}
