//! `vaani token`: API keys and short-lived tokens of programs.

use std::process::ExitCode;

use anyhow::bail;
use serde_json::json;

use super::access::{caller, closing, open, tenant};
use super::output::{json_line, line};
use crate::auth::{Gate, Permission, Role, WantedKey, WantedToken, shown_key};
use crate::base::TenantId;
use crate::base::limits;
use crate::config::Settings;

#[derive(clap::Args, Debug)]
pub struct Args {
    #[command(subcommand)]
    pub what: What,
    /// One JSON object a line.
    #[arg(long, global = true)]
    pub json: bool,
}

#[derive(clap::Subcommand, Debug)]
pub enum What {
    /// Makes an API key and prints it, once. With --seconds a token that runs out by itself.
    Create {
        /// For people: what it is for.
        name: String,
        #[arg(long)]
        role: Role,
        /// The tenant it belongs to; without it the whole box (a token: the tenant default).
        #[arg(long)]
        tenant: Option<String>,
        /// Only these of what the role may; may be given several times.
        #[arg(long = "scope", value_name = "PERMISSION")]
        scopes: Vec<Permission>,
        /// The key ends after so many days; without it when it is revoked.
        #[arg(long, conflicts_with = "seconds", value_parser = clap::value_parser!(u32).range(1..=3_650))]
        days: Option<u32>,
        /// A token instead of a key: holds so long, an hour at most.
        #[arg(long)]
        seconds: Option<u64>,
    },
    /// Keys, and tokens that hold.
    List,
    /// Makes a key or a token void; of a key also the tokens it issued.
    Revoke { id: String },
}

pub async fn run(args: Args, settings: &Settings) -> anyhow::Result<ExitCode> {
    let gate = open(settings)?;
    closing(&gate, work(&gate, args)).await?;
    Ok(ExitCode::SUCCESS)
}

async fn work(gate: &Gate, args: Args) -> anyhow::Result<()> {
    let who = caller();
    match args.what {
        What::Create { name, role, tenant: of, scopes, days: _, seconds: Some(seconds) } => {
            let tenant = tenant(of.as_deref())?.unwrap_or_else(TenantId::default_tenant);
            let scopes = (!scopes.is_empty()).then_some(scopes);
            let (token, signed) =
                gate.make_token(&who, WantedToken { name, role: Some(role), tenant, scopes, seconds }).await?;
            if args.json {
                json_line(
                    &json!({ "jti": token.jti, "token": signed.expose(), "tenant": token.tenant, "role": token.role, "scopes": token.scopes, "until_ms": token.until_ms }),
                )?;
            } else {
                line(signed.expose())?;
            }
        }
        What::Create { name, role, tenant: of, scopes, days, seconds: None } => {
            let until_ms = days.map(|days| gate.now_ms() + i64::from(days) * 86_400_000);
            let scopes = (!scopes.is_empty()).then_some(scopes);
            let wanted = WantedKey { name, role, tenant: tenant(of.as_deref())?, scopes, until_ms };
            let (about, key) = gate.make_key(&who, wanted).await?;
            if args.json {
                json_line(
                    &json!({ "id": about.id, "key": key.expose(), "tenant": about.tenant, "role": about.role, "scopes": about.scopes, "until_ms": about.until_ms }),
                )?;
            } else {
                line(key.expose())?;
            }
        }
        What::List => list(gate, args.json).await?,
        What::Revoke { id } => {
            let revoked = match gate.revoke_key(&who, &id).await {
                Err(crate::auth::Refusal::NotFound(_)) => gate.revoke_token(&who, &id).await,
                done => done,
            };
            if matches!(revoked, Err(crate::auth::Refusal::NotFound(_))) {
                bail!("there is no key or token {id}; `vaani token list` names them");
            }
            revoked?;
            if args.json {
                json_line(&json!({ "id": id, "revoked": true }))?;
            } else {
                line(&format!("{id} is void"))?;
            }
        }
    }
    Ok(())
}

async fn list(gate: &Gate, json: bool) -> anyhow::Result<()> {
    let now_ms = gate.now_ms();
    let print = |kind: &str,
                 id: &str,
                 shown: &str,
                 name: &str,
                 role: &str,
                 tenant: Option<&str>,
                 holds: bool,
                 until: Option<i64>| {
        if json {
            return json_line(
                &json!({ "kind": kind, "id": id, "name": name, "role": role, "tenant": tenant, "holds": holds, "until_ms": until }),
            );
        }
        let state = if holds { "" } else { "void" };
        let tenant = tenant.unwrap_or("(whole box)");
        line(format!("{kind:<6} {shown:<38} {role:<12} {tenant:<20} {name:<24} {state}").trim_end())
    };
    let mut after = String::new();
    loop {
        let keys = gate.keys(&caller(), &after, limits::ACCESS_PAGE_MAX).await?;
        let Some(last) = keys.last() else { break };
        after = last.id.clone();
        for key in &keys {
            let holds = key.revoked_ms.is_none() && key.until_ms.is_none_or(|until| until > now_ms);
            print(
                "key",
                &key.id,
                &shown_key(&key.id),
                &key.name,
                &key.role,
                key.tenant.as_deref(),
                holds,
                key.until_ms,
            )?;
        }
    }
    after.clear();
    loop {
        let tokens = gate.tokens(&after, limits::ACCESS_PAGE_MAX).await?;
        let Some(last) = tokens.last() else { break };
        after = last.jti.clone();
        for token in &tokens {
            print(
                "token",
                &token.jti,
                &token.jti,
                &token.name,
                &token.role,
                Some(&token.tenant),
                true,
                Some(token.until_ms),
            )?;
        }
    }
    Ok(())
}
