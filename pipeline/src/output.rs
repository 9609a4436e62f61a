//! The extra copy of the workbook that `--output` asks for: whole or not at all.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use crate::{error::Error, interrupt::HalfMade};

/// A file that will be put in place in one step.
#[derive(Debug)]
pub struct Output {
    path: PathBuf,
    staged: PathBuf,
    _half_made: HalfMade,
}

impl Output {
    /// Sees that the copy can be written, before any work is done for it.
    ///
    /// # Errors
    /// When the path is a folder's, or its folder is missing or can't be written.
    pub fn prepare(path: &Path) -> Result<Self, Error> {
        let failed = |reason: String| Error::Output { path: path.display().to_string(), reason };
        let absolute = std::path::absolute(path).map_err(|e| failed(e.to_string()))?;
        let (Some(folder), Some(name)) = (absolute.parent(), absolute.file_name()) else {
            return Err(failed("it names no file; add a file's name".to_owned()));
        };
        if absolute.is_dir() {
            return Err(failed("it is a folder; add a file's name".to_owned()));
        }
        if !folder.is_dir() {
            return Err(failed(format!("the folder `{}` doesn't exist; make it first", folder.display())));
        }
        if fs::metadata(&absolute).is_ok_and(|found| found.permissions().readonly()) {
            return Err(failed("it is read-only; choose another name or make it writable".to_owned()));
        }
        let staged = folder.join(format!(".{}.{}.part", name.to_string_lossy(), std::process::id()));
        let half_made = HalfMade::new(staged.clone());
        fs::File::create(&staged).map_err(|e| failed(format!("{e}; choose a folder that can be written")))?;
        Ok(Self { path: absolute, staged, _half_made: half_made })
    }

    /// Where the copy will be.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A file to fill before [`Self::place`].
    ///
    /// # Errors
    /// When it can't be opened.
    pub fn file(&self) -> Result<fs::File, Error> {
        fs::File::create(&self.staged).map_err(|e| self.failed(&e))
    }

    /// Copies a finished file and puts it in place.
    ///
    /// # Errors
    /// When it can't be copied or put in place; what was there stays.
    pub fn copy_from(self, finished: &Path) -> Result<PathBuf, Error> {
        fs::copy(finished, &self.staged).map_err(|e| self.failed(&e))?;
        fs::File::open(&self.staged).and_then(|file| file.sync_all()).map_err(|e| self.failed(&e))?;
        self.place()
    }

    /// Puts the filled file in place.
    ///
    /// # Errors
    /// When somebody holds the old file open on a system that forbids replacing it then.
    pub fn place(self) -> Result<PathBuf, Error> {
        fs::rename(&self.staged, &self.path).map_err(|e| self.failed(&e))?;
        Ok(self.path)
    }

    fn failed(&self, error: &io::Error) -> Error {
        let remedy = match error.kind() {
            io::ErrorKind::StorageFull => "free some room",
            io::ErrorKind::PermissionDenied => "close it if a program holds it open, or choose another name",
            _ => "choose another name",
        };
        Error::Output { path: self.path.display().to_string(), reason: format!("{error}; {remedy}") }
    }
}
