//! Makes the list of webhook presets out of the folder they lie in, so that adding one is adding a file, and compiles what is
//! set in the C library before the program starts.

use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs, io};

fn main() -> io::Result<()> {
    list_presets()?;
    set_arenas();
    Ok(())
}

/// `src/arenas.c`, linked as it is: nothing names it, so out of a library it would not be taken.
fn set_arenas() {
    let source = "src/arenas.c";
    println!("cargo::rerun-if-changed={source}");
    for object in cc::Build::new().file(source).compile_intermediates() {
        println!("cargo::rustc-link-arg-bins={}", object.display());
    }
}

fn list_presets() -> io::Result<()> {
    let root = env::var("CARGO_MANIFEST_DIR").map_err(io::Error::other)?;
    let folder = Path::new(&root).join("src/channel/presets");
    println!("cargo::rerun-if-changed={}", folder.display());
    let mut names = Vec::new();
    for entry in fs::read_dir(&folder)? {
        let path = entry?.path();
        let is_preset = path.extension().is_some_and(|ending| ending == "toml");
        names.extend(path.file_stem().filter(|_| is_preset).map(|name| name.to_string_lossy().into_owned()));
    }
    names.sort();
    let mut list = String::from("const PRESETS: &[(&str, &str)] = &[\n");
    for name in names {
        let file = folder.join(format!("{name}.toml"));
        writeln!(list, "({name:?}, include_str!({:?})),", file.display().to_string())
            .map_err(io::Error::other)?;
    }
    list.push_str("];\n");
    let out = env::var("OUT_DIR").map_err(io::Error::other)?;
    fs::write(Path::new(&out).join("presets.rs"), list)
}
