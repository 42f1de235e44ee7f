//! May Exotel call, if anybody wants it to?

use super::finding::Finding;
use crate::config::{ExotelReadiness, Settings};

pub(super) fn check(settings: &Settings) -> Finding {
    match settings.exotel.readiness() {
        ExotelReadiness::Unused => Finding::fine("exotel_access", "Exotel is not used"),
        ExotelReadiness::Ready => Finding::fine("exotel_access", "Exotel can be told from others"),
        ExotelReadiness::Unguarded => Finding::warning(
            "exotel_access",
            "nothing tells Exotel from others: all that comes from it is refused",
            "set exotel.user and exotel.password (or the systemd credential exotel_password), exotel.path_secret or exotel.allow_from, and write them into the addresses of the applets",
        ),
    }
}
