//! Where the logs are.

use std::fmt;
use std::path::PathBuf;

/// Where the logs are kept. Neither its `Debug` nor its `Display` form shows a password.
#[derive(Clone, PartialEq, Eq)]
pub enum StoreLocation {
    /// A file, which one process uses at a time.
    File(PathBuf),
    /// A PostgreSQL server, by its address; processes share it.
    #[cfg(feature = "postgres")]
    Postgres(PostgresUrl),
}

impl StoreLocation {
    /// Takes the address of a PostgreSQL server, or else the path of a file.
    ///
    /// # Errors
    /// When an address makes no sense. The error does not repeat it, since it may hold a password.
    pub fn parse(text: &str) -> Result<Self, String> {
        if !["postgres://", "postgresql://"]
            .iter()
            .any(|scheme| text.starts_with(scheme))
        {
            return Ok(Self::File(text.into()));
        }
        Self::database(text)
    }

    #[cfg(feature = "postgres")]
    fn database(text: &str) -> Result<Self, String> {
        PostgresUrl::parse(text).map(Self::Postgres)
    }

    #[cfg(not(feature = "postgres"))]
    fn database(_: &str) -> Result<Self, String> {
        Err("this program was built without the feature postgres".to_owned())
    }

    /// Whether several processes may use it at a time.
    pub(crate) fn is_shared(&self) -> bool {
        !matches!(self, Self::File(_))
    }
}

impl fmt::Display for StoreLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            #[cfg(feature = "postgres")]
            Self::Postgres(url) => write!(f, "{url}"),
        }
    }
}

impl fmt::Debug for StoreLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StoreLocation({self})")
    }
}

/// The address of a PostgreSQL server, which may hold a password.
#[cfg(feature = "postgres")]
#[derive(Clone, PartialEq, Eq)]
pub struct PostgresUrl(Box<tokio_postgres::Config>);

#[cfg(feature = "postgres")]
impl PostgresUrl {
    fn parse(text: &str) -> Result<Self, String> {
        let config = text.parse::<tokio_postgres::Config>();
        let config = config.ok().filter(|config| !config.get_hosts().is_empty());
        config
            .map(|config| Self(Box::new(config)))
            .ok_or_else(|| "such an address is like postgres://user@host:5432/database".to_owned())
    }

    pub(super) fn config(&self) -> &tokio_postgres::Config {
        &self.0
    }
}

#[cfg(feature = "postgres")]
impl fmt::Display for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use tokio_postgres::config::Host;

        let hosts = self.0.get_hosts().iter().map(|host| match host {
            Host::Tcp(name) => name.clone(),
            #[cfg(unix)]
            Host::Unix(folder) => folder.display().to_string(),
        });
        let hosts: Vec<String> = hosts.collect();
        let database = self.0.get_dbname().unwrap_or_default();
        write!(f, "postgres://{}/{database}", hosts.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_words_are_a_file() {
        let file = StoreLocation::parse("logs.redb").unwrap();
        assert_eq!(file, StoreLocation::File("logs.redb".into()));
        assert!(!file.is_shared());
    }

    #[cfg(feature = "postgres")]
    #[test]
    fn a_password_is_not_shown() {
        let location = StoreLocation::parse("postgres://edit:hunter2@10.0.0.5/logs").unwrap();
        assert_eq!(location.to_string(), "postgres://10.0.0.5/logs");
        assert!(location.is_shared());
        assert!(!format!("{location:?}").contains("hunter2"));
        for senseless in [
            "postgres://u:hunter2@h/d?no=such",
            "postgres:///d",
            "postgres://h:x/",
        ] {
            let refused = StoreLocation::parse(senseless).unwrap_err();
            assert!(!refused.contains("hunter2"), "{refused}");
        }
    }
}
