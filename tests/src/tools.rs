//! Other people's programs, where `tests/prepare` puts them.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

/// A file in the cache folder that `tests/prepare` fills.
fn prepared(path: &str) -> PathBuf {
    let cache = env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let cache = cache.or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".cache")));
    let file = cache.expect("HOME isn't set").join("ticketing-report").join(path);
    assert!(file.exists(), "{} is missing: run tests/prepare", file.display());
    file
}

/// Runs a program, which must succeed, and gives what it writes to stdout.
///
/// # Panics
/// When it can't be run or fails.
#[track_caller]
pub fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|e| panic!("{command:?} can't be run ({e}): run tests/prepare"));
    let [stdout, stderr] = [&output.stdout, &output.stderr].map(|said| String::from_utf8_lossy(said).into_owned());
    assert!(output.status.success(), "{command:?}\n{stdout}\n{stderr}");
    stdout
}

/// Runs one of the scripts in `tests/python`, whose packages `tests/python/requirements.txt` names.
///
/// # Panics
/// When it fails; the message is what the script says.
#[track_caller]
pub fn python(script: &str, arguments: &[&Path]) -> String {
    python_of("venv", script, arguments)
}

/// Runs one of these scripts with the packages of another folder that `tests/prepare` fills.
///
/// # Panics
/// When it fails; the message is what the script says.
#[track_caller]
pub fn python_of(packages: &str, script: &str, arguments: &[&Path]) -> String {
    run(python_command(packages, script).args(arguments))
}

/// One of these scripts, not started yet.
///
/// # Panics
/// When its packages aren't there.
#[must_use]
#[track_caller]
pub fn python_command(packages: &str, script: &str) -> Command {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("python").join(script);
    let mut command = Command::new(prepared(&format!("{packages}/bin/python")));
    command.arg(script);
    command
}

/// Validates a workbook against the schemas and rules of the Open XML SDK.
///
/// # Panics
/// When it breaks one of them.
#[track_caller]
pub fn validate_open_xml(workbook: &Path) {
    run(Command::new(prepared("node/node_modules/.bin/ooxml-validator")).arg(workbook));
}

/// Lets LibreOffice convert a workbook into a folder.
///
/// # Panics
/// When it can't.
#[track_caller]
pub fn convert_in_libreoffice(workbook: &Path, format: &str, folder: &Path) -> PathBuf {
    let said = run(Command::new("soffice")
        .arg(format!("-env:UserInstallation=file://{}/profile", folder.display()))
        .args(["--headless", "--norestore", "--convert-to", format, "--outdir"])
        .arg(folder)
        .arg(workbook));
    let extension = format.split(':').next().unwrap();
    let converted = folder.join(workbook.file_name().unwrap()).with_extension(extension);
    assert!(converted.is_file(), "LibreOffice made no {}: {said}", converted.display());
    converted
}
