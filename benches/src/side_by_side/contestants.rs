//! Who is measured.

use std::{
    env,
    path::{Path, PathBuf},
};

/// How a contestant is run.
pub(crate) enum Program {
    /// A program of this workspace, beside this one.
    Ours(&'static str),
    /// A script in `benches/rivals`.
    Python(&'static str),
    /// What `benches/prepare` compiles.
    Compiled(&'static str),
}

/// One way to the workbook.
pub(crate) struct Contestant {
    /// Its short name, in the history.
    pub(crate) name: &'static str,
    /// Its name in the table.
    pub(crate) title: &'static str,
    pub(crate) program: Program,
    /// The most rows with which it is worth anybody's time.
    pub(crate) most_rows: u64,
    /// Whether the short form has it.
    pub(crate) in_short: bool,
    /// Whether it reads the keys as well, for the Parquet file.
    pub(crate) reads_keys: bool,
}

/// The name of the one that all others are compared with.
pub(crate) const OURS: &str = "ours";

const UNUSABLE_ABOVE: u64 = 100_000;
const A_SHEET: u64 = 1_048_575;

const fn rival(name: &'static str, title: &'static str, program: Program, most_rows: u64) -> Contestant {
    Contestant { name, title, program, most_rows, in_short: false, reads_keys: false }
}

/// All of them; the order is that of the table.
pub(crate) static ALL: [Contestant; 9] = [
    Contestant {
        name: OURS,
        title: "ticketing-report, with its Parquet snapshot",
        program: Program::Ours("side-by-side-ours"),
        most_rows: A_SHEET,
        in_short: true,
        reads_keys: true,
    },
    Contestant {
        in_short: true,
        ..rival(
            "rustpy-xlsxwriter",
            "Python: connectorx, rustpy-xlsxwriter",
            Program::Python("rustpy_xlsxwriter_frame.py"),
            A_SHEET,
        )
    },
    Contestant {
        in_short: true,
        ..rival(
            "rust_xlsxwriter",
            "Rust: postgres, rust_xlsxwriter in constant memory",
            Program::Ours("side-by-side-rust-xlsxwriter"),
            A_SHEET,
        )
    },
    rival("duckdb", "DuckDB: extensions postgres and excel", Program::Python("duckdb_copy.py"), A_SHEET),
    rival(
        "libxlsxwriter",
        "C: libpq, libxlsxwriter in constant memory",
        Program::Compiled("bin/libxlsxwriter"),
        A_SHEET,
    ),
    rival("pyexcelerate", "Python: psycopg2, PyExcelerate", Program::Python("pyexcelerate_rows.py"), UNUSABLE_ABOVE),
    rival(
        "pandas-xlsxwriter",
        "Python: pandas, XlsxWriter in constant memory",
        Program::Python("pandas_xlsxwriter.py"),
        UNUSABLE_ABOVE,
    ),
    rival(
        "polars",
        "Python: connectorx, polars `write_excel`",
        Program::Python("polars_write_excel.py"),
        UNUSABLE_ABOVE,
    ),
    rival(
        "pandas-openpyxl",
        "Python: pandas `to_excel`, openpyxl (what we replace)",
        Program::Python("pandas_openpyxl.py"),
        UNUSABLE_ABOVE,
    ),
];

/// The title of a contestant in the history, whose contestants may be gone.
pub(crate) fn title(name: &str) -> &str {
    ALL.iter().find(|one| one.name == name).map_or(name, |one| one.title)
}

impl Contestant {
    /// The program and its arguments but the workbook's path.
    pub(crate) fn command(&self) -> Result<Vec<PathBuf>, String> {
        let words = match self.program {
            Program::Ours(program) => {
                let this = env::current_exe().map_err(|e| format!("where this program is can't be told: {e}"))?;
                vec![this.with_file_name(program)]
            }
            Program::Python(script) => {
                let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("rivals");
                vec![rivals().join("bin/python"), scripts.join(script)]
            }
            Program::Compiled(program) => vec![rivals().join(program)],
        };
        match words.iter().find(|word| !word.exists()) {
            Some(missing) => Err(format!("{} is missing: run benches/prepare", missing.display())),
            None => Ok(words),
        }
    }
}

/// The folder that `benches/prepare` fills.
pub(crate) fn rivals() -> PathBuf {
    let cache = env::var_os("XDG_CACHE_HOME").filter(|path| !path.is_empty()).map(PathBuf::from);
    let cache = cache.unwrap_or_else(|| PathBuf::from(env::var_os("HOME").unwrap_or_default()).join(".cache"));
    cache.join("ticketing-report/rivals")
}
