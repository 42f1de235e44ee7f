//! `vaani serve`: the daemon.

use std::process::ExitCode;

use crate::app::App;
use crate::config::Settings;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Address and port, instead of the one configured; port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<std::net::SocketAddr>,
    /// Print one JSON line with address and process id when ready to take calls.
    #[arg(long)]
    announce: bool,
}

pub async fn run(args: Args, mut settings: Settings) -> anyhow::Result<ExitCode> {
    if let Some(listen) = args.listen {
        settings.http.listen = listen;
    }
    let app = App::start(settings).await?;
    let address = app.address();
    if args.announce {
        let mut ready = serde_json::json!({ "listening": address.to_string(), "pid": std::process::id() });
        if let Some(address) = app.tls_address() {
            ready["tls"] = address.to_string().into();
        }
        println!("{ready}");
    }
    app.run_until_told().await;
    Ok(ExitCode::SUCCESS)
}
