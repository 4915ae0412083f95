//! Where is libseccomp's archive, which becomes a part of the program?
//!
//! It is linked statically, so that the program asks for no library of the machine it runs on. The
//! compiler knows where its archives are; `LIBSECCOMP_LIB_PATH` names another folder.

use std::path::{Path, PathBuf};
use std::process::Command;

const ARCHIVE: &str = "libseccomp.a";

fn main() -> Result<(), String> {
    println!("cargo:rerun-if-changed=build.rs");
    for variable in ["LIBSECCOMP_LIB_PATH", "CC"] {
        println!("cargo:rerun-if-env-changed={variable}");
    }
    let folder = std::env::var_os("LIBSECCOMP_LIB_PATH")
        .map(PathBuf::from)
        .or_else(asked)
        .ok_or_else(|| {
            format!(
                "{ARCHIVE} was not found: install libseccomp-dev (Debian, Ubuntu) or libseccomp-static \
                 (Fedora, Alpine), or say in LIBSECCOMP_LIB_PATH which folder has it"
            )
        })?;
    println!("cargo:rustc-link-search=native={}", folder.display());
    println!("cargo:rustc-link-lib=static=seccomp");
    Ok(())
}

/// The folder in which the compiler for the target has the archive.
fn asked() -> Option<PathBuf> {
    let said = |name: &str| std::env::var(name).ok();
    let compiler = said("CC").or_else(|| {
        if said("HOST") == said("TARGET") {
            return Some("cc".to_owned());
        }
        Some(format!("{}-linux-gnu-gcc", said("CARGO_CFG_TARGET_ARCH")?))
    })?;
    let output = Command::new(compiler)
        .arg(format!("-print-file-name={ARCHIVE}"))
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    // A compiler that does not find it says the bare name.
    let path = Path::new(text.trim()).canonicalize().ok()?;
    Some(path.parent()?.to_owned())
}
