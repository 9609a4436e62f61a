//! The words of our own sheets, in one file a language. Sheets' names and the columns of `TicketingReport` have only one.

use std::{collections::BTreeMap, sync::LazyLock};

use serde::{Deserialize, Serialize};

use crate::summary::terms;

/// A language of the workbook's sheets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "engine", derive(clap::ValueEnum))]
#[serde(rename_all = "snake_case")]
pub enum Locale {
    /// English.
    #[default]
    En,
    /// German.
    De,
}

/// A language's words by their keys.
type Words = BTreeMap<String, String>;

static EN: LazyLock<Words> = LazyLock::new(|| read(include_str!("locale/en.json")));
static DE: LazyLock<Words> = LazyLock::new(|| read(include_str!("locale/de.json")));

fn read(json: &str) -> Words {
    serde_json::from_str(json).unwrap_or_default()
}

impl Locale {
    /// All languages.
    pub const ALL: [Self; 2] = [Self::En, Self::De];

    fn words(self) -> &'static Words {
        match self {
            Self::En => &EN,
            Self::De => &DE,
        }
    }

    /// The words of a key.
    #[must_use]
    pub fn text(self, key: &str) -> String {
        let text = self.words().get(key).cloned();
        debug_assert!(text.is_some(), "{self:?} has no words for `{key}`");
        text.unwrap_or_else(|| key.to_owned())
    }

    /// The words of a key, with `{0}`, `{1}` and so on replaced by values.
    #[must_use]
    pub fn fill(self, key: &str, values: &[&str]) -> String {
        let mut text = self.text(key);
        for (i, value) in values.iter().enumerate() {
            text = text.replace(&format!("{{{i}}}"), value);
        }
        text
    }

    /// What a column of the tickets means, which in English is told with the column.
    #[must_use]
    pub fn column(self, name: &str, english: &str) -> String {
        match self {
            Self::En => english.to_owned(),
            Self::De => self.text(&format!("column.{name}")),
        }
    }

    /// What one row of a table is, which in English is told with the table.
    #[must_use]
    pub fn table(self, name: &str, english: &str) -> String {
        match self {
            Self::En => english.to_owned(),
            Self::De => self.text(&format!("row.{name}")),
        }
    }

    /// The name of a term or reason. The English ones stand in [`terms`].
    #[must_use]
    pub fn name(self, key: &str) -> String {
        match (self, terms::find(key)) {
            (Self::En, Some(term)) => term.name.to_owned(),
            _ => self.text(&format!("name.{key}")),
        }
    }

    /// What a term or reason means.
    #[must_use]
    pub fn meaning(self, key: &str) -> String {
        match (self, terms::find(key)) {
            (Self::En, Some(term)) => term.meaning.to_owned(),
            _ => self.text(&format!("meaning.{key}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The places for values in a text.
    fn places(text: &str) -> Vec<&str> {
        let mut places: Vec<_> = text.split('{').skip(1).filter_map(|rest| rest.split('}').next()).collect();
        places.sort_unstable();
        places
    }

    #[test]
    fn headings_can_stand_in_formulas() {
        // In Excel's references to a column, other signs would have to be escaped.
        let plain = |text: &str| text.chars().all(|c| c.is_alphanumeric() || c == ' ');
        for locale in Locale::ALL {
            for (key, heading) in locale.words().iter().filter(|(key, _)| key.starts_with("heading.")) {
                assert!(plain(heading), "{locale:?} {key}: {heading}");
            }
            for key in
                ["tickets", "gross", "refunds", "net", "average_fare", "share", "load", "outstanding", "unexplained"]
            {
                assert!(plain(&locale.name(key)), "{locale:?} {key}");
            }
        }
    }

    #[test]
    fn every_language_says_everything() {
        assert!(EN.len() > 50);
        for (key, english) in EN.iter() {
            let german = DE.get(key).unwrap_or_else(|| panic!("no German for `{key}`"));
            assert_eq!(places(german), places(english), "{key}");
            assert!(!german.is_empty() && !english.is_empty());
        }
        for term in terms::TERMS.iter().chain(&terms::REASONS) {
            for key in [format!("name.{}", term.key), format!("meaning.{}", term.key)] {
                assert!(DE.contains_key(&key), "no German for `{key}`");
            }
        }
        for (_, column, _) in crate::columns::TICKETS.sheet_columns() {
            assert!(DE.contains_key(&format!("column.{}", column.name)), "no German for the column {}", column.name);
        }
        for table in crate::columns::TABLES {
            assert!(DE.contains_key(&format!("row.{}", table.name)), "no German for a row of {}", table.name);
        }
        for key in DE.keys().filter(|key| !key.starts_with("column.") && !key.starts_with("row.")) {
            let term = key.strip_prefix("name.").or_else(|| key.strip_prefix("meaning."));
            assert!(
                EN.contains_key(key) || term.is_some_and(|term| terms::find(term).is_some()),
                "`{key}` is in German only"
            );
        }
    }
}
