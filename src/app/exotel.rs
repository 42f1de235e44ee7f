//! Exotel's transport from the settings.

use crate::config::Settings;
use crate::telephony::exotel::ExotelSettings;
use crate::telephony::exotel::access::{Access, Login};

/// How the carrier is told from others.
pub(crate) fn access(settings: &Settings) -> Access {
    let exotel = &settings.exotel;
    let login = exotel.user.clone().zip(exotel.password.clone());
    Access {
        login: login.map(|(user, password)| Login { user, password }),
        secret_path: exotel.path_secret.clone(),
        networks: exotel.allow_from.clone(),
        trusted_proxies: settings.auth.trusted_proxies.clone(),
    }
}

pub(super) fn settings(settings: &Settings, public: &str) -> anyhow::Result<ExotelSettings> {
    let exotel = &settings.exotel;
    Ok(ExotelSettings {
        sample_rate: exotel.sample_rate,
        chunk_bytes: exotel.chunk_bytes,
        spoken_busy: settings.calls.busy_line,
        exophone: exotel.exophone.clone(),
        ..ExotelSettings::new(access(settings), public.parse()?)
    })
}
