//! File systems of a test's own: full ones, read-only ones, and one that refuses hard links.

use std::{
    fs::{self, File},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    process::Command,
};

use tempfile::TempDir;

use crate::guard::Guard;

/// A mount; gone when dropped, or when this process ends.
#[derive(Debug)]
pub struct Mount {
    path: PathBuf,
    // Unmounted first, then removed.
    _guard: Guard,
    _folder: TempDir,
}

/// Whoever isn't root needs a `sudo` that doesn't ask.
fn as_root() -> Vec<&'static str> {
    if fs::metadata("/proc/self").is_ok_and(|me| me.uid() == 0) { Vec::new() } else { vec!["sudo", "-n"] }
}

fn try_mount(arguments: &[&str]) -> Result<(), String> {
    let command: Vec<&str> = as_root().into_iter().chain(["mount"]).chain(arguments.iter().copied()).collect();
    let output = Command::new(command[0]).args(&command[1..]).output().map_err(|e| e.to_string())?;
    if output.status.success() {
        Ok(())
    } else {
        Err(format!("`{}`: {}", command.join(" "), String::from_utf8_lossy(&output.stderr)))
    }
}

fn mount(arguments: &[&str]) {
    try_mount(arguments).unwrap_or_else(|e| {
        panic!(
            "the tests need to mount file systems; run them as root, with a sudo that doesn't ask, or in a container \
             with `--privileged`: {e}"
        )
    });
}

impl Mount {
    fn new(path: PathBuf, folder: TempDir) -> Self {
        let shell: Vec<&str> = as_root().into_iter().chain(["sh"]).collect();
        let guard = Guard::new(&shell, r#"umount -l "$1""#, &[&path.display().to_string()]);
        Self { path, _guard: guard, _folder: folder }
    }

    fn on_folder(arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mounted");
        fs::create_dir(&path).unwrap();
        mount(&[arguments, &[&path.display().to_string()]].concat());
        Self::new(path, folder)
    }

    /// A file system in memory of so many MiB.
    ///
    /// # Panics
    /// When it can't be mounted.
    #[must_use]
    pub fn of_size(mebibytes: u64) -> Self {
        Self::on_folder(&["-t", "tmpfs", "-o", &format!("size={mebibytes}m,mode=0777"), "tmpfs"])
    }

    /// An empty file system that can't be written.
    ///
    /// # Panics
    /// When it can't be mounted.
    #[must_use]
    pub fn read_only() -> Self {
        Self::on_folder(&["-t", "tmpfs", "-o", "size=1m,ro", "tmpfs"])
    }

    /// A file system that refuses hard links: exFAT, as on a stick or a Windows disk.
    ///
    /// # Panics
    /// When it can't be made and mounted.
    #[must_use]
    pub fn without_hard_links() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (image, path) = (folder.path().join("image"), folder.path().join("mounted"));
        fs::create_dir(&path).unwrap();
        File::create(&image).and_then(|file| file.set_len(64 * 1_048_576)).unwrap();
        let made = Command::new("mkfs.exfat").arg(&image).env("PATH", "/usr/sbin:/sbin:/usr/bin:/bin").output();
        let made = made.unwrap_or_else(|e| panic!("mkfs.exfat can't be run ({e}): run tests/prepare"));
        assert!(made.status.success(), "mkfs.exfat: {}", String::from_utf8_lossy(&made.stderr));
        let me = fs::metadata("/proc/self").unwrap();
        let options = format!("loop,uid={},gid={}", me.uid(), me.gid());
        let (image, at) = (image.display().to_string(), path.display().to_string());
        // By the helper in user space, which runs on every kernel, or by the kernel itself.
        if try_mount(&["-t", "exfat-fuse", "-o", &options, &image, &at]).is_err() {
            mount(&["-t", "exfat", "-o", &options, &image, &at]);
        }
        let mounted = Self::new(path, folder);
        let (from, to) = (mounted.path.join("from"), mounted.path.join("to"));
        fs::write(&from, "").unwrap();
        assert!(fs::hard_link(&from, &to).is_err(), "this file system takes hard links");
        fs::remove_file(&from).unwrap();
        mounted
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// A file that can be read but neither replaced nor removed, as if another program held it open on Windows; free again
/// when dropped.
///
/// # Panics
/// When it can't be held.
#[must_use]
pub fn hold(file: &Path) -> Mount {
    let at = file.display().to_string();
    mount(&["--bind", &at, &at]);
    Mount::new(file.to_owned(), tempfile::tempdir().unwrap())
}
