//! Exotel's transport from the settings.

use crate::config::Settings;
use crate::telephony::exotel::ExotelSettings;
use crate::telephony::exotel::access::{Access, Login};

pub(super) fn settings(settings: &Settings, public: &str) -> anyhow::Result<ExotelSettings> {
    let exotel = &settings.exotel;
    let login = exotel.user.clone().zip(exotel.password.clone());
    let access = Access {
        login: login.map(|(user, password)| Login { user, password }),
        secret_path: exotel.path_secret.clone(),
        networks: exotel.allow_from.clone(),
        trusted_proxies: settings.auth.trusted_proxies.clone(),
    };
    Ok(ExotelSettings {
        sample_rate: exotel.sample_rate,
        chunk_bytes: exotel.chunk_bytes,
        spoken_busy: settings.calls.busy_line,
        ..ExotelSettings::new(access, public.parse()?)
    })
}
