//! What one 20 ms frame costs on its way in, printed: `cargo test --workspace --lib cost -- --ignored --nocapture`.

use super::activity::Activity;
use super::dtmf::DtmfDetector;
use super::endpoint::Endpointer;
use super::g711;
use super::jitter::Sequencer;
use super::noise::{Colour, Noise, clips};
use super::resample::Resampler;

#[test]
#[ignore = "prints figures of the machine it runs on"]
fn cost_of_a_frame() {
    let mut line: Vec<i16> = Vec::new();
    for (_, clip) in clips() {
        line.extend(clip);
        line.extend(vec![0; 16_000]);
    }
    let noise = Noise::new(Colour::Pink, 1).take(line.len(), -55.0);
    line.iter_mut().zip(&noise).for_each(|(s, n)| *s = s.saturating_add(*n));
    line.truncate(line.len() / 160 * 160);
    let mut codes = Vec::new();
    let mut sum = 0.0;
    let mut stage = |name: &str, work: &mut dyn FnMut()| {
        let started = cpu_us();
        work();
        let took = (cpu_us() - started) / (line.len() / 160) as f64;
        sum += took;
        println!("{name:>12} {took:6.2} us a frame");
    };
    stage("encode", &mut || line.chunks(160).for_each(|f| g711::encode_ulaw(f, &mut codes)));
    let mut pcm = Vec::new();
    stage("decode", &mut || codes.chunks(160).for_each(|f| g711::decode_ulaw(f, &mut pcm)));
    let (mut sequencer, mut mended) = (Sequencer::new(8_000), Vec::new());
    stage("sequencer", &mut || {
        for (n, frame) in pcm.chunks(160).enumerate() {
            sequencer.push(n as u64 * 20, frame, &mut mended);
        }
    });
    let (mut resampler, mut wide) = (Resampler::new(8_000, 16_000).unwrap(), Vec::new());
    stage("8 to 16 kHz", &mut || pcm.chunks(160).for_each(|f| resampler.push(f, &mut wide)));
    resampler.finish(&mut wide);
    let (mut activity, mut endpointer, mut speech, mut now) =
        (Activity::new(), Endpointer::new(Default::default()), 0, 0);
    stage("activity", &mut || {
        for frame in wide.chunks(320) {
            let heard = activity.push(frame);
            speech += usize::from(heard.speech);
            now += 20;
            endpointer.push(now, heard.speech);
        }
    });
    let mut dtmf = DtmfDetector::new();
    stage("dtmf", &mut || pcm.chunks(160).for_each(|f| assert_eq!(dtmf.push(f), None)));
    println!(
        "{:>12} {sum:6.2} us, {:.0} % of the frames speech",
        "sum",
        100.0 * speech as f64 / (line.len() / 160) as f64
    );
}

/// Processor time of this thread: other work on the machine must not count. Giving way brings the
/// kernel's books up to date.
fn cpu_us() -> f64 {
    std::thread::yield_now();
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    stat.split_whitespace().next().unwrap().parse::<f64>().unwrap() / 1000.0
}
