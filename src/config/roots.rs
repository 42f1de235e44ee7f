//! `[tls]`: whom the box trusts besides the usual authorities, when it calls others in the site's own
//! network: webhooks' receivers and S3-compatible stores.

use std::fmt;
use std::sync::Arc;

use super::load::Place;
use super::tree::Fields;
use crate::base::limits::EXTRA_ROOTS_MAX;

/// Certificates of the site's own authorities, as PEM. Cheap to clone; empty: none.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Roots(Arc<[u8]>);

impl fmt::Debug for Roots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Roots({} bytes)", self.0.len())
    }
}

impl Roots {
    /// An error says what is wrong with the text.
    pub fn of_pem(pem: &[u8]) -> Result<Self, &'static str> {
        match reqwest::Certificate::from_pem_bundle(pem) {
            Ok(found) if found.is_empty() => Err("holds no certificate"),
            Ok(_) => Ok(Self(pem.into())),
            Err(_) => Err("holds something that is no certificate"),
        }
    }

    /// One or more certificates, each in its armour.
    pub fn pem(&self) -> &[u8] {
        &self.0
    }

    /// For an HTTP client.
    pub fn certificates(&self) -> Result<Vec<reqwest::Certificate>, reqwest::Error> {
        reqwest::Certificate::from_pem_bundle(&self.0)
    }

    pub(super) fn read(mut fields: Fields<'_>, place: &Place) -> Self {
        let roots = fields.optional::<String>("extra_roots").and_then(|(text, at)| {
            if text.trim().is_empty() {
                return None;
            }
            let path = place.config_dir.join(text.trim());
            let pem = match std::fs::metadata(&path) {
                Ok(about) if about.len() > EXTRA_ROOTS_MAX => Err("is larger than such a file is".to_owned()),
                _ => std::fs::read(&path).map_err(|error| format!("cannot be read: {error}")),
            };
            let roots = pem.and_then(|pem| Self::of_pem(&pem).map_err(str::to_owned));
            roots
                .map_err(|fault| {
                    let (name, path) = (fields.name("extra_roots"), path.display());
                    fields.refuse(
                        &at,
                        format!("`{name}`: {path} {fault}; name a file with the authority's certificate in PEM"),
                    );
                })
                .ok()
        });
        fields.finish();
        roots.unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::super::{ConfigError, Environment, Settings};

    /// Made for this test alone; it signs nothing.
    const CA: &str = include_str!("../../tests/support/some-ca.pem");

    fn read(files: &[(&str, &str)]) -> Result<Settings, ConfigError> {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(dir.path().join(name), text).unwrap();
        }
        let environment =
            Environment { working: dir.path().to_owned(), program: "/usr/bin/vaani".into(), ..Environment::default() };
        Settings::load_from(Some(dir.path()), &environment)
    }

    #[test]
    fn a_file_of_roots_reaches_whoever_calls_out() {
        let toml = "[tls]\nextra_roots = \"ca.pem\"\n[backup.s3]\nregion = \"eu-west-1\"\n";
        let settings = read(&[("vaani.toml", toml), ("ca.pem", &format!("a remark\n{CA}{CA}"))]).unwrap();
        assert_eq!(settings.webhooks.roots.certificates().unwrap().len(), 2);
        assert_eq!(settings.objects.s3.roots, settings.webhooks.roots);
        assert_eq!(settings.backup.s3.unwrap().roots, settings.webhooks.roots);
        let none = read(&[("vaani.toml", "[tls]\nextra_roots = \"\"\n")]).unwrap();
        assert!(none.webhooks.roots.pem().is_empty() && none.webhooks.roots.certificates().unwrap().is_empty());
    }

    #[test]
    fn what_is_no_certificate_is_refused_with_its_file() {
        let toml = "[tls]\nextra_roots = \"ca.pem\"\n";
        let broken = "-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----\n";
        for (text, why) in [("", "no certificate"), ("hello", "no certificate"), (broken, "no certificate")] {
            let error = read(&[("vaani.toml", toml), ("ca.pem", text)]).unwrap_err();
            let said = error.to_string();
            assert!(error.problems.len() == 1 && said.contains(why) && said.contains("ca.pem"), "{text}: {said}");
        }
        let missing = read(&[("vaani.toml", toml)]).unwrap_err().to_string();
        assert!(missing.contains("cannot be read"), "{missing}");
    }
}
