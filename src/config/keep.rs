//! `[backup]` and `[objects]`: where sealed files go, and how often.

use std::fmt;
use std::path::{Path, PathBuf};

use super::load::Place;
use super::roots::Roots;
use super::schema::secret;
use super::tree::Fields;
use crate::base::limits::{BACKUP_EVERY_MAX_HOURS, BACKUPS_KEPT_MAX};
use crate::base::secret::Secret;

/// A folder of this machine, or a bucket of an S3-compatible store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    Folder(PathBuf),
    Bucket {
        name: String,
        /// What names in the bucket begin with; without slashes at its ends, may be empty.
        prefix: String,
    },
}

impl Address {
    /// `file:///path`, `s3://bucket/prefix`, or a path, meant from `base` if it is relative.
    pub fn parse(text: &str, base: &Path) -> Result<Self, String> {
        let text = text.trim();
        if text.is_empty() || text.contains('\0') {
            return Err("is empty".to_owned());
        }
        if let Some(rest) = text.strip_prefix("s3://") {
            let (name, prefix) = rest.split_once('/').unwrap_or((rest, ""));
            let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || ".-".contains(c);
            if !(3..=63).contains(&name.len()) || !name.chars().all(good) {
                return Err("names no bucket (3 to 63 small letters, digits, dots and hyphens)".to_owned());
            }
            let prefix = prefix.trim_matches('/');
            let plain = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
            if !prefix.is_empty()
                && !prefix.split('/').all(|part| !part.is_empty() && !part.starts_with('.') && part.chars().all(plain))
            {
                return Err("has a prefix of other signs than letters, digits, - . _ and /".to_owned());
            }
            return Ok(Self::Bucket { name: name.to_owned(), prefix: prefix.to_owned() });
        }
        if let Some(path) = text.strip_prefix("file://") {
            if !path.starts_with('/') {
                return Err("names no folder; three slashes come after `file:`".to_owned());
            }
            return Ok(Self::Folder(path.into()));
        }
        if let Some((scheme, _)) = text.split_once("://") {
            return Err(format!("begins with {scheme:?}, which is not spoken here"));
        }
        Ok(Self::Folder(base.join(text)))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(path) => write!(f, "file://{}", path.display()),
            Self::Bucket { name, prefix } if prefix.is_empty() => write!(f, "s3://{name}"),
            Self::Bucket { name, prefix } => write!(f, "s3://{name}/{prefix}"),
        }
    }
}

/// How an S3-compatible store is reached.
#[derive(Clone, Debug, Default)]
pub struct S3 {
    /// `None`: the one of AWS for the region.
    pub endpoint: Option<String>,
    pub region: String,
    pub access_key_id: Option<String>,
    pub secret_access_key: Option<Secret>,
    /// `https://host/bucket/name` instead of `https://bucket.host/name`.
    pub path_style: bool,
    /// What is sent is sealed; but the key's signature and the names travel open.
    pub allow_http: bool,
    /// Trusted besides the usual authorities.
    pub roots: Roots,
}

#[derive(Clone, Debug)]
pub struct Objects {
    /// `None`: `objects/` in the state directory.
    pub to: Option<Address>,
    pub s3: S3,
}

/// When the daemon makes backups by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rhythm {
    Never,
    EveryHours(u32),
    /// On the site's clock.
    AtHour(u8),
}

#[derive(Clone, Debug)]
pub struct Backup {
    pub rhythm: Rhythm,
    /// `None`: `backups/` in the state directory.
    pub to: Option<Address>,
    /// So many are kept; older ones are removed after a new one was verified.
    pub keep: usize,
    /// `None`: as `[objects.s3]` says.
    pub s3: Option<S3>,
}

fn address(fields: &mut Fields<'_>, key: &str, place: &Place) -> Option<Address> {
    let (text, at) = fields.optional::<String>(key)?;
    if text.trim().is_empty() {
        return None;
    }
    Address::parse(&text, &place.config_dir)
        .map_err(|fault| {
            let name = fields.name(key);
            fields.refuse(
                &at,
                format!("`{name}` {fault}; write for example \"file:///srv/vaani\" or \"s3://bucket/prefix\""),
            );
        })
        .ok()
}

impl S3 {
    fn read(mut fields: Fields<'_>, roots: &Roots) -> Self {
        let allow_http = fields.or("allow_http", false);
        let endpoint = fields.optional::<String>("endpoint").and_then(|(text, at)| {
            let wanted = text.trim().trim_end_matches('/').to_owned();
            if wanted.is_empty() {
                return None;
            }
            let name = fields.name("endpoint");
            if let Err(fault) = super::validate::base_url(&wanted) {
                fields.refuse(&at, format!("`{name}` is {text:?}, {fault}; write for example \"https://s3.box.example.in\""));
            } else if wanted.starts_with("http://") && !allow_http {
                fields.refuse(
                    &at,
                    format!("`{name}` is {text:?}, which is not encrypted; write https://, or set `allow_http = true` beside it"),
                );
            }
            Some(wanted)
        });
        let region = fields.optional::<String>("region").map_or_else(
            || "us-east-1".to_owned(),
            |(text, at)| {
                let plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
                if text.is_empty() || !text.chars().all(plain) {
                    let name = fields.name("region");
                    fields.refuse(&at, format!("`{name}` is {text:?}; write for example \"ap-south-1\""));
                }
                text
            },
        );
        let access_key_id = fields.optional::<String>("access_key_id").map(|(text, at)| (text.trim().to_owned(), at));
        let access_key_id = access_key_id.filter(|(text, _)| !text.is_empty());
        let secret_access_key = secret(&mut fields, "secret_access_key", 8);
        match (&access_key_id, &secret_access_key) {
            (Some((_, at)), None) | (None, Some((_, at))) => {
                let (id, key) = (fields.name("access_key_id"), fields.name("secret_access_key"));
                fields.refuse(at, format!("`{id}` and `{key}` belong together; write both or none"));
            }
            _ => {}
        }
        let path_style = fields.or("path_style", endpoint.is_some());
        fields.finish();
        Self {
            endpoint,
            region,
            access_key_id: access_key_id.map(|(id, _)| id),
            secret_access_key: secret_access_key.map(|(key, _)| key),
            path_style,
            allow_http,
            roots: roots.clone(),
        }
    }
}

impl Objects {
    pub(super) fn read(mut fields: Fields<'_>, place: &Place, roots: &Roots) -> Self {
        let to = address(&mut fields, "to", place);
        let s3 = S3::read(fields.section("s3"), roots);
        fields.finish();
        Self { to, s3 }
    }
}

impl Backup {
    pub(super) fn read(mut fields: Fields<'_>, place: &Place, roots: &Roots) -> Self {
        let by_hours = fields.place("every_hours").is_some();
        let every = fields.whole("every_hours", 0, 0, BACKUP_EVERY_MAX_HOURS);
        let hour = u8::try_from(fields.whole("at_hour", 2, 0, 23)).unwrap_or(2);
        // Later layers add `every_hours` while the shipped file's `at_hour` still stands.
        let rhythm = match (by_hours, every) {
            (true, 0) => Rhythm::Never,
            (true, hours) => Rhythm::EveryHours(hours),
            (false, _) => Rhythm::AtHour(hour),
        };
        let to = address(&mut fields, "to", place);
        let keep = fields.whole("keep", 7, 1, BACKUPS_KEPT_MAX) as usize;
        let own = fields.place("s3").is_some();
        let s3 = S3::read(fields.section("s3"), roots);
        fields.finish();
        Self { rhythm, to, keep, s3: own.then_some(s3) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_shown() {
        let base = Path::new("/etc/vaani");
        for (text, shown) in [
            ("file:///srv/vaani", "file:///srv/vaani"),
            ("/srv/vaani", "file:///srv/vaani"),
            ("copies", "file:///etc/vaani/copies"),
            ("s3://bucket", "s3://bucket"),
            ("s3://bucket/", "s3://bucket"),
            (" s3://my.bucket-1/box/one/ ", "s3://my.bucket-1/box/one"),
        ] {
            assert_eq!(Address::parse(text, base).unwrap().to_string(), shown);
        }
        for wrong in
            ["", " ", "file://x", "s3://", "s3://B/x", "s3://bucket/a//b", "s3://bucket/../x", "ftp://x", "s3://b.c/é"]
        {
            assert!(Address::parse(wrong, base).is_err(), "{wrong}");
        }
    }

    fn read(text: &str) -> Result<super::super::Settings, super::super::ConfigError> {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("vaani.toml"), text).unwrap();
        let environment = super::super::Environment {
            working: dir.path().to_owned(),
            program: "/usr/bin/vaani".into(),
            ..Default::default()
        };
        super::super::Settings::load_from(Some(dir.path()), &environment)
    }

    #[test]
    fn when_and_where_backups_are_made() {
        for (text, rhythm) in [
            ("", Rhythm::AtHour(2)),
            ("at_hour = 5", Rhythm::AtHour(5)),
            ("every_hours = 6", Rhythm::EveryHours(6)),
            ("every_hours = 0\nat_hour = 3", Rhythm::Never),
            ("every_hours = 6\nat_hour = 3", Rhythm::EveryHours(6)),
        ] {
            assert_eq!(read(&format!("[backup]\n{text}\n")).unwrap().backup.rhythm, rhythm, "{text}");
        }
        let settings = read("[backup]\nto = \"s3://copies/box\"\n[backup.s3]\nregion = \"eu-west-1\"\n").unwrap();
        assert_eq!(settings.backup.to.unwrap().to_string(), "s3://copies/box");
        assert_eq!(settings.backup.s3.unwrap().region, "eu-west-1");
        assert!(read("").unwrap().backup.s3.is_none(), "as the objects'");
    }

    #[test]
    fn an_open_line_half_a_key_and_odd_places_are_refused() {
        for (text, why) in [
            ("[objects.s3]\nendpoint = \"http://s3.local\"\n", "allow_http"),
            ("[objects.s3]\nendpoint = \"s3.local\"\n", "https://"),
            ("[objects.s3]\naccess_key_id = \"AK\"\n", "belong together"),
            ("[objects.s3]\nregion = \"a b\"\n", "ap-south-1"),
            ("[objects]\nto = \"ftp://x\"\n", "s3://bucket/prefix"),
            ("[backup]\nat_hour = 24\n", "0 to 23"),
            ("[backup]\nkeep = 0\n", "from 1"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.problems.len() == 1 && error.to_string().contains(why), "{text}: {error}");
        }
        let plain = "[objects.s3]\nendpoint = \"http://s3.local/\"\nallow_http = true\n";
        let s3 = read(plain).unwrap().objects.s3;
        assert_eq!((s3.endpoint.as_deref(), s3.path_style), (Some("http://s3.local"), true));
        let secret = "[objects.s3]\naccess_key_id = \"AKID\"\nsecret_access_key = \"very secret\"\n";
        let error = read(secret).unwrap_err().to_string();
        assert!(!error.contains("very secret"), "{error}");
    }
}
