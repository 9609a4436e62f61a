//! Tidying up that happens even if the tests are killed.

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::OnceLock,
};

/// A shell that waits for this process to let go of it, or to end in whatever way, and then runs a script.
#[derive(Debug)]
pub struct Guard(Child);

impl Guard {
    /// Starts `program` (a shell, perhaps through something that changes the user) with the script and its arguments,
    /// which the script knows as `$1`, `$2` and so on.
    ///
    /// # Panics
    /// When the shell can't be started.
    #[must_use]
    pub fn new(program: &[&str], script: &str, arguments: &[&str]) -> Self {
        use std::os::unix::process::CommandExt;
        // Keys pressed in the terminal go to a whole group of processes: this one stays out of it.
        let child = Command::new(program[0])
            .args(&program[1..])
            .args(["-c", &format!("trap '' HUP INT TERM; read -r line; {script}"), "guard"])
            .args(arguments)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn();
        Self(child.unwrap_or_else(|e| panic!("`{}` can't be started: {e}", program.join(" "))))
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

/// A folder for what all tests of this process share; gone when the process ends.
///
/// # Panics
/// When the system gives none.
#[must_use]
pub fn shared_folder() -> &'static Path {
    static FOLDER: OnceLock<(PathBuf, Guard)> = OnceLock::new();
    let (folder, _) = FOLDER.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap().keep();
        let guard = Guard::new(&["sh"], r#"rm -rf "$1""#, &[&folder.display().to_string()]);
        (folder, guard)
    });
    folder
}
