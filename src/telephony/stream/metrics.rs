//! What is counted of media streams without knowing anything of a call. Clones count together.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

#[derive(Clone, Debug, Default)]
pub struct StreamMetrics {
    pub streams: Counter,
    pub refused: Counter,
    pub lost: Counter,
    pub dropped_audio_frames: Counter,
    pub oddities: Family<[(&'static str, &'static str); 1], Counter>,
}

impl StreamMetrics {
    /// Under the transport's own prefix.
    pub fn register(&self, registry: &mut Registry) {
        for (name, help, counter) in [
            ("refused_streams", "Media streams closed before they carried a call", &self.refused),
            ("streams", "Media streams that carried a call", &self.streams),
            ("lost_streams", "Media streams that broke or stalled during a call", &self.lost),
            ("dropped_audio_frames", "Caller's audio dropped because the call was behind", &self.dropped_audio_frames),
        ] {
            registry.register(name, help, counter.clone());
        }
        registry.register("oddities", "Peer's messages skipped or repaired, by kind", self.oddities.clone());
    }

    pub fn count_oddities(&self, oddities: impl IntoIterator<Item = (&'static str, u32)>) {
        for (kind, count) in oddities {
            self.oddities.get_or_create(&[("kind", kind)]).inc_by(u64::from(count));
        }
    }
}
