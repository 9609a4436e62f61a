//! Whose workbook it is: the company's name, logo and colour, from what the command is told.

use std::{fs::File, io::Read, path::Path};

use base64::{Engine as _, prelude::BASE64_STANDARD};

use crate::{config::ConfigError, manifest::Branding, workbook::check_picture};

/// Bytes that a logo may have: it is kept in every manifest.
const LOGO_BYTES: u64 = 102_400;

/// What pictures begin with that Excel shows.
const PICTURES: [&[u8]; 2] = [b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"];

/// Takes what is told, empty values for none.
///
/// # Errors
/// When the logo can't be read or is no picture, or the colour isn't one.
pub fn read(company: Option<&str>, logo: Option<&Path>, accent: Option<&str>) -> Result<Branding, ConfigError> {
    let given = |text: &&str| !text.trim().is_empty();
    let accent = accent.filter(given).map(colour).transpose()?;
    let logo = logo.filter(|path| !path.as_os_str().is_empty()).map(picture).transpose()?;
    Ok(Branding { company: company.filter(given).map(|name| name.trim().to_owned()), accent, logo })
}

fn colour(text: &str) -> Result<String, ConfigError> {
    let digits = text.trim().trim_start_matches('#');
    if digits.len() == 6 && digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        Ok(digits.to_ascii_uppercase())
    } else {
        Err(ConfigError::Accent(text.to_owned()))
    }
}

fn picture(path: &Path) -> Result<String, ConfigError> {
    let unusable = |reason: String| ConfigError::Logo { path: path.to_owned(), reason };
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(|e| unusable(e.to_string()))?;
    file.take(LOGO_BYTES + 1).read_to_end(&mut bytes).map_err(|e| unusable(e.to_string()))?;
    if bytes.len() as u64 > LOGO_BYTES {
        return Err(unusable("it is too large".to_owned()));
    }
    if !PICTURES.iter().any(|beginning| bytes.starts_with(beginning)) {
        return Err(unusable("it is no such picture".to_owned()));
    }
    check_picture(&bytes).map_err(|e| unusable(e.to_string()))?;
    Ok(BASE64_STANDARD.encode(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The header of a PNG file of one pixel.
    const PIXEL: &[u8] =
        b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\0\0\0\0\x3a\x7e\x9b\x55\0\0\0\0IEND\xae\x42\x60\x82";

    #[test]
    fn a_colour_is_six_digits_with_or_without_a_hash() {
        assert_eq!(read(None, None, Some("#1f4e79")).unwrap().accent.as_deref(), Some("1F4E79"));
        assert_eq!(read(Some(" "), None, Some("")).unwrap(), Branding::default());
        for wrong in ["blue", "#1f4e7", "1f4e799", "gg0000"] {
            assert!(read(None, None, Some(wrong)).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_logo_must_be_a_small_picture() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("logo.png");
        for (bytes, fits) in [
            (PIXEL.to_vec(), true),
            (b"\x89PNG\r\n\x1a\nrest".to_vec(), false),
            (b"<svg/>".to_vec(), false),
            ([b"\xff\xd8\xff".to_vec(), vec![0; 102_400]].concat(), false),
        ] {
            std::fs::write(&path, bytes).unwrap();
            assert_eq!(read(None, Some(&path), None).is_ok(), fits);
        }
        assert!(read(None, Some(&folder.path().join("none.png")), None).is_err());
    }
}
