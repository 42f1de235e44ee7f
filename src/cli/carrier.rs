//! Which carrier a rehearsal or a bench plays, and how it calls a box as that one.

use anyhow::Context as _;

use crate::app;
use crate::base::secret::Secret;
use crate::config::Settings;
use crate::telephony::exotel::ExotelSettings;
use crate::telephony::exotel::access::Login;
use crate::telephony::exotel::carrier as exotel;
use crate::telephony::public_url::PublicUrl;

/// How calls come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Transport {
    Twilio,
    Exotel,
}

/// Who the daemons of rehearsals and benches know Exotel by.
pub(super) fn own_login() -> std::io::Result<Login> {
    Ok(Login { user: "rehearsal".to_owned(), password: Secret::random()? })
}

/// A call as Exotel makes it to a box with this configuration, by another login if one is given.
pub(super) fn exotel_call(
    settings: &Settings,
    real: &PublicUrl,
    public: &PublicUrl,
    login: Option<&Login>,
) -> anyhow::Result<exotel::DialOptions> {
    let mut access = app::exotel::access(settings);
    if let Some(login) = login {
        access.login = Some(login.clone());
    }
    // Networks say nothing about who asks: from this machine it is known by login or path alone.
    anyhow::ensure!(
        access.login.is_some() || access.secret_path.is_some(),
        "nothing is configured here that the box knows Exotel by; set exotel.user and exotel.password to the box's"
    );
    let address = ExotelSettings::new(access, real.clone()).webhook_url("");
    let address = address.parse().context("the box's address is odd")?;
    Ok(exotel::DialOptions::new(address, public.clone()))
}
