//! Which database: from `DATABASE_URL`, or from the `DB_*` variables.

use std::{fmt, path::PathBuf};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use url::Url;

/// What is wrong with the database's address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// The address is no URL.
    #[error(
        "DATABASE_URL is no address ({0}): write postgres://user:password@host:5432/traindb or sqlite://file.sqlite, with special characters of the password percent-encoded"
    )]
    Address(String),
    /// The address is of a database that this program doesn't read.
    #[error("DATABASE_URL begins with `{0}://`: only postgres:// and sqlite:// are read")]
    Scheme(String),
    /// A port that isn't one.
    #[error("DB_PORT `{0}` is no port: write a number from 1 to 65535, usually 5432")]
    Port(String),
    /// A TLS mode that the client library can't do.
    #[error(
        "sslmode `{0}` isn't supported: use `disable`, `prefer` or `require`; with sslrootcert=FILE, `require` checks the server's certificate"
    )]
    TlsMode(String),
    /// A `.env` file that can't be read.
    #[error(
        "the file .env can't be read ({0}): write NAME=value on each line, and in single quotes what has spaces, $, # or \\"
    )]
    DotEnv(String),
    /// A logo that can't be used.
    #[error("the logo `{path}` can't be used: {reason}; give a PNG or JPEG file of at most 100 KiB")]
    Logo {
        /// Its path.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// A colour that isn't one.
    #[error("the accent colour `{0}` is none: write six hexadecimal digits, for example 1F4E79")]
    Accent(String),
    /// The month that the schedule means isn't over.
    #[error(
        "this run was scheduled for {day}, and {period} isn't over yet in {zone}: let the CronJob run later on the 1st, or set its timeZone and REPORT_SCHEDULE_TIME_ZONE to {zone} as well"
    )]
    NotOver {
        /// The day for which it was scheduled, in the schedule's time zone.
        day: jiff::civil::Date,
        /// The days of the month before.
        period: crate::period::ReportPeriod,
        /// The report's time zone.
        zone: String,
    },
    /// At the schedule's time it is another month in the report's zone than in UTC.
    #[error(
        "this run was scheduled for {at}, when it was another month in {zone} than in UTC: set REPORT_SCHEDULE_TIME_ZONE to the CronJob's timeZone, which tells the two apart"
    )]
    UnknownSchedule {
        /// When it was scheduled.
        at: jiff::Timestamp,
        /// The report's time zone.
        zone: String,
    },
    /// A backfill's months that aren't any.
    #[error("REPORT_MONTHS `{0}` is no list of months: write YYYY-MM,YYYY-MM, or unset it")]
    Months(String),
    /// An index that names none of them.
    #[error(
        "JOB_COMPLETION_INDEX `{index}` names none of the months in REPORT_MONTHS: a Job with completionMode Indexed sets it, from 0 to {last}"
    )]
    MonthIndex {
        /// What was given.
        index: String,
        /// The last that there is.
        last: usize,
    },
    /// A name that is empty.
    #[error("{0} is empty: set it, or unset it to use the default")]
    Empty(&'static str),
}

/// A database's address. Its `Display` never shows the password.
#[derive(Clone, PartialEq, Eq)]
pub enum DatabaseAddress {
    /// A PostgreSQL server's, as a URL.
    Postgres(Url),
    /// A SQLite file's path.
    Sqlite(PathBuf),
}

impl DatabaseAddress {
    /// Reads the address from variables, by `lookup`: `DATABASE_URL` if it is set, else `DB_HOST` (localhost),
    /// `DB_PORT` (5432), `DB_NAME` (traindb), `DB_USER` (postgres) and `DB_PASSWORD`.
    ///
    /// # Errors
    /// When a variable's value can't be used.
    pub fn from_variables(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        if let Some(url) = lookup("DATABASE_URL").filter(|url| !url.is_empty()) {
            return Self::parse(&url);
        }
        let host = lookup("DB_HOST").unwrap_or_else(|| "localhost".to_owned());
        let port = lookup("DB_PORT").unwrap_or_else(|| "5432".to_owned());
        let name = lookup("DB_NAME").unwrap_or_else(|| "traindb".to_owned());
        let user = lookup("DB_USER").unwrap_or_else(|| "postgres".to_owned());
        for (variable, value) in [("DB_HOST", &host), ("DB_NAME", &name), ("DB_USER", &user)] {
            if value.is_empty() {
                return Err(ConfigError::Empty(variable));
            }
        }
        port.parse::<u16>().ok().filter(|&port| port > 0).ok_or_else(|| ConfigError::Port(port.clone()))?;
        let password = lookup("DB_PASSWORD").map(|password| format!(":{}", encode(&password))).unwrap_or_default();
        let host = if host.contains(':') { format!("[{host}]") } else { encode(&host) };
        Self::parse(&format!("postgres://{}{password}@{host}:{port}/{}", encode(&user), encode(&name)))
    }

    /// Reads an address in the form of `DATABASE_URL`.
    ///
    /// # Errors
    /// When it is no URL, or of another kind of database.
    pub fn parse(address: &str) -> Result<Self, ConfigError> {
        if let Some(path) = address.strip_prefix("sqlite:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            if path.is_empty() {
                return Err(ConfigError::Address("the file's path is missing".to_owned()));
            }
            return Ok(Self::Sqlite(PathBuf::from(path)));
        }
        let url = Url::parse(address).map_err(|e| ConfigError::Address(e.to_string()))?;
        // What a password has left in other parts of the address must not be shown with them. The query isn't shown, and
        // may name a user with an `@`.
        let broken = url.query().is_some_and(|query| query.contains('@')) && url.username().is_empty();
        if url.path().contains('@') || url.fragment().is_some() || broken {
            return Err(ConfigError::Address(
                "a `/`, `?`, `#` or `@` in the password must be written as %2F, %3F, %23 or %40".to_owned(),
            ));
        }
        if !matches!(url.scheme(), "postgres" | "postgresql") {
            return Err(ConfigError::Scheme(url.scheme().to_owned()));
        }
        let mode = url.query_pairs().find(|(key, _)| key == "sslmode").map(|(_, mode)| mode.into_owned());
        match mode {
            Some(mode) if !matches!(mode.as_str(), "disable" | "prefer" | "require") => Err(ConfigError::TlsMode(mode)),
            _ => Ok(Self::Postgres(url)),
        }
    }
}

/// Everything but what RFC 3986 calls unreserved.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

fn encode(text: &str) -> String {
    utf8_percent_encode(text, RESERVED).to_string()
}

impl fmt::Display for DatabaseAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite://{}", path.display()),
            Self::Postgres(url) => {
                let user = if url.username().is_empty() { String::new() } else { format!("{}@", url.username()) };
                let host = url.host_str().unwrap_or("localhost");
                write!(f, "postgres://{user}{host}:{}{}", url.port().unwrap_or(5432), url.path())
            }
        }
    }
}

impl fmt::Debug for DatabaseAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(variables: &[(&str, &str)]) -> Result<DatabaseAddress, ConfigError> {
        DatabaseAddress::from_variables(|name| {
            variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn the_variables_have_the_defaults_people_know() {
        assert_eq!(from(&[]).unwrap().to_string(), "postgres://postgres@localhost:5432/traindb");
    }

    #[test]
    fn a_password_of_special_characters_arrives_whole_and_is_never_shown() {
        let address = from(&[("DB_PASSWORD", "p@ss/w:rd%?#")]).unwrap();
        let DatabaseAddress::Postgres(url) = &address else { panic!("not PostgreSQL") };
        let decoded = percent_encoding::percent_decode_str(url.password().unwrap()).decode_utf8().unwrap();
        assert_eq!(decoded, "p@ss/w:rd%?#");
        assert!(!format!("{address} {address:?}").contains("ss"), "{address}");
    }

    #[test]
    fn addresses_that_cannot_work_are_refused_with_the_remedy() {
        let cases = [
            (&[("DATABASE_URL", "mysql://localhost/x")], "only postgres:// and sqlite://"),
            (&[("DATABASE_URL", "traindb")], "write postgres://"),
            (&[("DATABASE_URL", "sqlite://")], "path is missing"),
            (&[("DATABASE_URL", "postgres://h/d?sslmode=verify-full")], "`require` checks"),
            (&[("DB_PORT", "abc")], "from 1 to 65535"),
            (&[("DB_HOST", "")], "DB_HOST is empty"),
        ];
        for (variables, remedy) in cases {
            let error = from(variables).unwrap_err().to_string();
            assert!(error.contains(remedy), "{error}");
        }
    }
}
