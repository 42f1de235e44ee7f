//! `vaani user`: people who log in, kept from the command line.

use std::process::ExitCode;

use serde_json::{Value, json};

use super::access::{caller, closing, new_password, open, tenant};
use super::output::{json_line, line};
use crate::auth::people::{Change, Wanted};
use crate::auth::{Gate, Role};
use crate::config::Settings;
use crate::store::users::User;

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
    /// Makes somebody; the password is typed, or the first line of standard input.
    Add {
        login: String,
        /// admin, supervisor, human_agent, ai_ops or viewer
        #[arg(long)]
        role: Role,
        /// The tenant they belong to; without it the whole box.
        #[arg(long)]
        tenant: Option<String>,
        /// As people read it.
        #[arg(long, default_value = "")]
        name: String,
        /// Print a one-time code with which they set a password themselves.
        #[arg(long)]
        invite: bool,
    },
    /// Everybody.
    List,
    /// Closes an account: nobody comes in, every session ends.
    Disable { login: String },
    /// Opens it again.
    Enable { login: String },
    /// Sets a password; it is typed, or the first line of standard input.
    Password { login: String },
    /// Gives another role, and with --tenant another tenant (`*`: the whole box).
    Role {
        login: String,
        role: Role,
        #[arg(long)]
        tenant: Option<String>,
    },
    /// Makes the password void and prints a one-time code for a new one.
    Reset {
        login: String,
        /// The second factor goes too: the device is lost.
        #[arg(long)]
        second_factor: bool,
    },
}

pub async fn run(args: Args, settings: &Settings) -> anyhow::Result<ExitCode> {
    let gate = open(settings)?;
    closing(&gate, work(&gate, args)).await?;
    Ok(ExitCode::SUCCESS)
}

async fn work(gate: &Gate, args: Args) -> anyhow::Result<()> {
    let say = |user: &User, more: Value| {
        if !args.json {
            return line(&text(user));
        }
        let mut object = row(user);
        if let (Value::Object(object), Value::Object(more)) = (&mut object, more) {
            object.extend(more);
        }
        json_line(&object)
    };
    let who = caller();
    match args.what {
        What::List => {
            let mut after = String::new();
            loop {
                let users = gate.users(&who, &after, crate::base::limits::ACCESS_PAGE_MAX).await?;
                let Some(last) = users.last() else { break };
                after = last.id.to_string();
                users.iter().try_for_each(|user| say(user, Value::Null))?;
            }
        }
        What::Add { login, role, tenant: of, name, invite } => {
            let wanted = Wanted { login, name, role, tenant: tenant(of.as_deref())? };
            if invite {
                let (user, code) = gate.make_user(&who, wanted).await?;
                say(&user, json!({ "code": code }))?;
                if !args.json {
                    line(&format!("one-time code, to set a password within a day: {code}"))?;
                }
            } else {
                let user = gate.make_user_with(&who, wanted, new_password().await?).await?;
                say(&user, Value::Null)?;
            }
        }
        What::Disable { login } => {
            say(&change(gate, &login, Change { disabled: Some(true), ..Change::default() }).await?, Value::Null)?;
        }
        What::Enable { login } => {
            say(&change(gate, &login, Change { disabled: Some(false), ..Change::default() }).await?, Value::Null)?;
        }
        What::Role { login, role, tenant: of } => {
            let tenant = of.as_deref().map(|of| tenant(Some(of))).transpose()?;
            say(&change(gate, &login, Change { role: Some(role), tenant, ..Change::default() }).await?, Value::Null)?;
        }
        What::Password { login } => {
            let user = gate.user_of_login(&login).await?;
            gate.set_password(&who, user.id, new_password().await?).await?;
            say(&gate.user_of_login(&login).await?, Value::Null)?;
        }
        What::Reset { login, second_factor } => {
            let user = gate.user_of_login(&login).await?;
            let code = gate.reset_user(&who, user.id, second_factor).await?;
            say(&gate.user_of_login(&login).await?, json!({ "code": code }))?;
            if !args.json {
                line(&format!("one-time code, to set a password within a day: {code}"))?;
            }
        }
    }
    Ok(())
}

async fn change(gate: &Gate, login: &str, change: Change) -> anyhow::Result<User> {
    let user = gate.user_of_login(login).await?;
    Ok(gate.change_user(&caller(), user.id, user.version, change).await?)
}

fn row(user: &User) -> Value {
    json!({
        "id": user.id,
        "login": user.login,
        "name": user.name,
        "role": user.role,
        "tenant": user.tenant,
        "disabled": user.disabled,
        "second_factor": user.totp_confirmed,
        "single_sign_on": user.provider.is_some(),
        "has_password": user.password.is_some(),
        "login_ms": user.login_ms,
    })
}

fn text(user: &User) -> String {
    let tenant = user.tenant.as_deref().unwrap_or("(whole box)");
    let mut marks = Vec::new();
    for (is, mark) in [
        (user.disabled, "disabled"),
        (user.totp_confirmed, "second factor"),
        (user.provider.is_some(), "single sign-on"),
        (user.password.is_none() && user.provider.is_none(), "no password yet"),
    ] {
        marks.extend(is.then_some(mark));
    }
    format!("{:<32} {:<12} {tenant:<20} {}", user.login, user.role, marks.join(", ")).trim_end().to_owned()
}
