//! `cargo xtask ptx`: the machine as PTX.
//!
//! Compiles `ncpu-gpu-kernel` and everything under it for `nvptx64-nvidia-cuda` with Debian's
//! compiler, which can build `core` from its packaged sources: once for each of the crate's features,
//! which are the modules that `ncpu-cuda` embeds. Only the last crate's code is emitted, with other
//! crates' functions inlined or instantiated into it; a function or static that is left behind shows up
//! as an `.extern`, which would fail or read as zero on the GPU.
//!
//! The text that is committed has short names in place of mangled ones, which hash the compiler and
//! the sources' places, and no comments. It depends on the sources and the compiler's release alone.

#[path = "../../../crates/ncpu-gpu-kernel/src/stack.rs"]
#[expect(unreachable_pub, reason = "the file is the kernel crate's too")]
mod limit;
mod stack;

use anyhow::{Context, Result, bail, ensure};
use lzma_rust2::{XzOptions, XzReader, XzWriter};
use std::collections::HashMap;
use std::fmt::Write as _;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

const RUSTC: &str = "/usr/bin/rustc";
const CARGO: &str = "/usr/bin/cargo";
/// The release that the committed text is from; another gives another text.
const RELEASE: &str = "rustc 1.96.0";
/// Panics trap at once: their messages would bring in the statics of `core::fmt`.
const FLAGS: &str = "-Ctarget-cpu=sm_80 -Zcross-crate-inline-threshold=always \
                     -Zunstable-options -Cpanic=immediate-abort";
/// Debian packages that bring the compiler and the sources of `core`.
pub(crate) const PACKAGES: [&str; 3] = ["rustc-web", "cargo-web", "rust-web-src"];
/// Where the modules are committed.
const FOLDER: &str = "crates/ncpu-cuda/ptx";

/// A module of kernels.
struct Module {
    /// A feature of `ncpu-gpu-kernel`, and the file's name.
    name: &'static str,
    /// Flags for the last crate, whose code is all that is emitted. LLVM multiplies its inline
    /// threshold by 11 for GPUs, which suits small kernels. The driver's compiler takes about 4 s for
    /// each MB, more for large functions: the operating system 59 s as LLVM would have it, 16 s so.
    flags: &'static [&'static str],
    /// Its kernels, sorted.
    entries: &'static [&'static str],
}

const MODULES: [Module; 5] = [
    Module { name: "run", flags: &["-Copt-level=3"], entries: &["ncpu_execute"] },
    Module { name: "alone", flags: &["-Copt-level=3"], entries: &["ncpu_execute_alone"] },
    Module { name: "exact", flags: &["-Copt-level=3"], entries: &["ncpu_execute_exactly"] },
    Module {
        name: "neural",
        flags: &["-Copt-level=3"],
        entries: &["ncpu_execute_neural", "ncpu_neural_chain", "ncpu_neural_pairs"],
    },
    Module {
        name: "service",
        flags: &["-Copt-level=s", "-Cllvm-args=-inline-threshold=2"],
        entries: &[
            "ncpu_arrange",
            "ncpu_bind",
            "ncpu_collect",
            "ncpu_count",
            "ncpu_cut",
            "ncpu_fork",
            "ncpu_gather",
            "ncpu_hash",
            "ncpu_lay_out",
            "ncpu_lift_clear",
            "ncpu_lift_decode",
            "ncpu_lift_emit",
            "ncpu_lift_end",
            "ncpu_lift_forget",
            "ncpu_lift_place",
            "ncpu_resume",
            "ncpu_scan",
            "ncpu_serve",
        ],
    },
];

/// Arguments of `cargo xtask ptx`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Compare with the committed modules and change nothing
    #[arg(long)]
    check: bool,
}

/// `cargo xtask ptx`: compiles the modules and writes or compares them.
pub(crate) fn run(root: &Path, args: &Args) -> Result<()> {
    if args.check {
        return check(root);
    }
    let found = release()?;
    ensure!(
        found.starts_with(RELEASE),
        "{RUSTC} is {found}, and the modules are from {RELEASE}: change RELEASE in \
         xtask/src/ptx/mod.rs to move on"
    );
    for module in &MODULES {
        let text = build(root, module)?;
        let path = committed(root, module);
        let packed = compress(text.as_bytes())?;
        std::fs::create_dir_all(path.parent().expect("it has a folder"))?;
        std::fs::write(&path, &packed).with_context(|| path.display().to_string())?;
        report(module, &text)?;
        println!("  {}: {} KiB", path.display(), packed.len() / 1024);
    }
    Ok(())
}

/// Compiles the modules and compares them with the committed ones.
pub(crate) fn check(root: &Path) -> Result<()> {
    let found = release()?;
    let pinned = found.starts_with(RELEASE);
    for module in &MODULES {
        let text = build(root, module)?;
        report(module, &text)?;
        let path = committed(root, module);
        if !pinned {
            println!("  not compared: {RUSTC} is {found}, and the committed one is from {RELEASE}");
            continue;
        }
        let file = std::fs::read(&path).with_context(|| path.display().to_string())?;
        let mut kept = String::new();
        XzReader::new(file.as_slice(), false)
            .read_to_string(&mut kept)
            .with_context(|| path.display().to_string())?;
        if let Some(line) = first_difference(&kept, &text) {
            bail!(
                "{} is not what the sources give, from line {line} on: run `cargo xtask ptx` and \
                 commit what it writes",
                path.display()
            );
        }
    }
    Ok(())
}

fn committed(root: &Path, module: &Module) -> PathBuf {
    root.join(FOLDER).join(format!("{}.ptx.xz", module.name))
}

/// The compiler's first line about itself.
fn release() -> Result<String> {
    for tool in [RUSTC, CARGO] {
        ensure!(
            Path::new(tool).exists(),
            "{tool} is missing: apt-get install {}",
            PACKAGES.join(" ")
        );
    }
    let output = Command::new(RUSTC).arg("-V").output().with_context(|| RUSTC.to_owned())?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Compiles a module and gives its text, which is also left in `target/ptx`.
fn build(root: &Path, module: &Module) -> Result<String> {
    let target = root.join("target/ptx");
    let raw = target.join(format!("{}.raw.ptx", module.name));
    let status = Command::new(CARGO)
        .current_dir(root)
        .env_remove("RUSTUP_TOOLCHAIN")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .env("RUSTC", RUSTC)
        .env("RUSTC_BOOTSTRAP", "1")
        .env("RUSTFLAGS", FLAGS)
        .env("CARGO_TARGET_DIR", &target)
        .args(["rustc", "--release", "--locked", "-p", "ncpu-gpu-kernel", "--lib"])
        .args(["--features", module.name])
        .args(["-Zbuild-std=core", "-Zbuild-std-features=compiler-builtins-mem"])
        .args(["--target", "nvptx64-nvidia-cuda", "--", "-Ccodegen-units=1", "-Cdebuginfo=0"])
        .arg(format!("--emit=asm={}", raw.display()))
        .args(module.flags)
        .status()
        .with_context(|| format!("cannot run {CARGO}"))?;
    ensure!(status.success(), "module {} does not compile for the GPU", module.name);
    let text = std::fs::read_to_string(&raw).with_context(|| {
        format!("the compiler left no {}: remove {}", raw.display(), target.display())
    })?;
    let text = normal(&text);
    verify(module, &text)?;
    std::fs::write(target.join(format!("{}.ptx", module.name)), &text)?;
    Ok(text)
}

/// Refuses what drivers refuse, or worse, take.
fn verify(module: &Module, text: &str) -> Result<()> {
    let name = module.name;
    let undefined: Vec<&str> = text.lines().filter(|line| line.starts_with(".extern")).collect();
    ensure!(undefined.is_empty(), "module {name} has undefined symbols:\n{}", undefined.join("\n"));
    // LLVM passes u128 to functions so, whatever the version that it declares.
    ensure!(
        !text.contains(".b128"),
        "module {name} uses .b128, which its PTX version lacks: inline the function with a u128"
    );
    let mut entries: Vec<&str> =
        text.lines().filter_map(|line| line.split_once(".entry ")?.1.split('(').next()).collect();
    entries.sort_unstable();
    ensure!(
        entries == module.entries,
        "module {name} has entry points {entries:?}, and {:?} are expected",
        module.entries
    );
    let (bytes, way) = stack::deepest(text)?;
    ensure!(
        bytes <= limit::STACK_BYTES,
        "module {name}: calls take up to {bytes} bytes of stack, threads have {}: {}",
        limit::STACK_BYTES,
        way.join(" > ")
    );
    Ok(())
}

fn report(module: &Module, text: &str) -> Result<()> {
    let (stack, _) = stack::deepest(text)?;
    let functions = text.lines().filter(|line| *line == "{").count();
    println!(
        "module {}: {} KiB, {functions} functions, no undefined symbols, {stack} bytes of stack",
        module.name,
        text.len() / 1024
    );
    Ok(())
}

fn compress(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut writer = XzWriter::new(Vec::new(), XzOptions::with_preset(9))?;
    writer.write_all(bytes)?;
    Ok(writer.finish()?)
}

/// The number of the first line in which two texts differ.
fn first_difference(a: &str, b: &str) -> Option<usize> {
    if a == b {
        return None;
    }
    Some(1 + a.lines().zip(b.lines()).take_while(|(a, b)| a == b).count())
}

/// PTX without comments and empty lines, and with short names.
fn normal(text: &str) -> String {
    let mut names = Names::default();
    let mut result = String::with_capacity(text.len());
    for line in text.lines() {
        let line = line.split("//").next().unwrap_or_default().trim_end();
        if line.is_empty() {
            continue;
        }
        let mut rest = line;
        while let Some(start) = rest.find(is_name) {
            let (before, from) = rest.split_at(start);
            let (name, after) = from.split_at(from.find(|c| !is_name(c)).unwrap_or(from.len()));
            result.push_str(before);
            names.write_short(name, &mut result);
            rest = after;
        }
        result.push_str(rest);
        result.push('\n');
    }
    result
}

fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == '$'
}

/// Short names by mangled ones, numbered in the order of appearance.
#[derive(Default)]
struct Names(HashMap<String, String>);

impl Names {
    /// Writes a name, in short if it is a mangled function, a parameter of one, or a constant that is
    /// named after a hash of the crate.
    fn write_short(&mut self, name: &str, result: &mut String) {
        let (symbol, parameter) = match name.rfind("_param_") {
            Some(at) => name.split_at(at),
            None => (name, ""),
        };
        let is_long = symbol.contains("_R") || symbol.starts_with("anon_$_");
        if !is_long {
            result.push_str(name);
            return;
        }
        let next = self.0.len();
        let short = self.0.entry(symbol.to_owned()).or_insert_with(|| match symbol.find("_R") {
            Some(at) => format!("{}_{next}", last_part(&symbol[at..])),
            None => format!("const_{next}"),
        });
        write!(result, "{short}{}", parameter.replace("_param_", "_p")).expect("strings grow");
    }
}

/// What a mangled name's path ends with, generic arguments aside.
fn last_part(symbol: &str) -> String {
    let path = format!("{:#}", rustc_demangle::demangle(symbol));
    let path = path.split("::<").next().unwrap_or_default();
    let last = path.rsplit("::").next().unwrap_or_default();
    let name: String = last.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
    if name.starts_with(|c: char| c.is_ascii_alphabetic()) { name } else { format!("f{name}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_keeps_its_meaning_and_loses_what_depends_on_the_machine() {
        let text = "//\n// Generated by LLVM\n\n.target sm_80\n\
            .func  (.param .b64 func_retval0) _RNvNtCs5gdGtMfFxPB_8ncpu_a645table6decode( // @f\n\
            \t.param .b64 _RNvNtCs5gdGtMfFxPB_8ncpu_a645table6decode_param_0\n)\n\
            \tld.b8 \t%rs1, [anon_$_8ca8a15a0aa5e751b401f8108e247ac1_$_7+3]; // 1-byte\n\
            $L__BB0_1:\n\tmov.b64 \t%rd1, __local_depot0;\n";
        let expected = ".target sm_80\n\
            .func  (.param .b64 func_retval0) decode_0(\n\t.param .b64 decode_0_p0\n)\n\
            \tld.b8 \t%rs1, [const_1+3];\n$L__BB0_1:\n\tmov.b64 \t%rd1, __local_depot0;\n";
        assert_eq!(normal(text), expected);
    }

    #[test]
    fn a_module_with_something_left_out_is_refused() {
        let module = Module { name: "run", flags: &[], entries: &["ncpu_run"] };
        let entry = ".visible .entry ncpu_run(\n";
        assert!(verify(&module, entry).is_ok());
        assert!(verify(&module, ".visible .entry ncpu_runs(\n").is_err());
        assert!(verify(&module, &format!("{entry}{}", entry.replace("run", "walk"))).is_err());
        assert!(verify(&module, &format!("{entry}.extern .func memcmp\n")).is_err());
        assert!(verify(&module, &format!("{entry}\t.param .b128 wide\n")).is_err());
    }

    #[test]
    fn what_is_packed_comes_back() {
        let text = "ld.param.b64 ".repeat(1000);
        let mut back = String::new();
        let packed = compress(text.as_bytes()).unwrap();
        XzReader::new(packed.as_slice(), false).read_to_string(&mut back).unwrap();
        assert_eq!(first_difference(&back, &text), None);
        assert_eq!(first_difference("a\nb\nc\n", "a\nb\nd\n"), Some(3));
        assert_eq!(first_difference("a\n", "a\nb\n"), Some(2));
    }
}
