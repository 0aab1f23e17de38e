//! Debian's apt with a state of its own: lists, cache and package status all live in one folder.
//!
//! The release is fixed (the recorded scenarios speak of its versions); the mirror and the proxy
//! are the host's. Signatures and hashes are apt's to check: nothing here turns that off.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

/// The Debian release that guests come from.
const RELEASE: &str = "bookworm";
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// A package archive that apt chose.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Archive {
    pub(super) package: String,
    pub(super) version: String,
    /// File name in apt's archive folder.
    pub(super) file: String,
    /// Size of the download in bytes.
    pub(super) bytes: u64,
}

/// An apt that knows nothing of the host's packages.
pub(super) struct Apt {
    folder: PathBuf,
}

impl Apt {
    /// Sets the folder up and fetches the package lists, if they are missing or `update` asks.
    pub(super) fn prepare(guests: &Path, update: bool) -> Result<Self> {
        let apt = Self { folder: guests.join("apt") };
        for folder in ["state/lists/partial", "cache/archives/partial", "empty.d"] {
            let path = apt.folder.join(folder);
            fs::create_dir_all(&path)
                .with_context(|| format!("cannot create {}", path.display()))?;
        }
        fs::write(apt.folder.join("status"), "")?;
        // The host's hooks (Docker's images delete downloads in one) are not for this cache.
        fs::write(
            apt.folder.join("apt.conf"),
            "#clear APT::Update::Pre-Invoke;\n\
             #clear APT::Update::Post-Invoke;\n\
             #clear APT::Update::Post-Invoke-Success;\n\
             #clear DPkg::Pre-Invoke;\n\
             #clear DPkg::Post-Invoke;\n\
             #clear DPkg::Pre-Install-Pkgs;\n",
        )?;
        fs::write(apt.folder.join("guests.sources"), sources())?;

        let fetched = apt.folder.join("lists.stamp");
        if update || !fetched.exists() {
            println!("fetching the package lists of Debian {RELEASE}, arm64");
            apt.fetch(&["update"], "fetch the package lists")?;
            fs::write(&fetched, "")?;
        }
        Ok(apt)
    }

    /// Resolves `packages` and what they need, and downloads what is not here yet.
    pub(super) fn download(&self, packages: &[&str]) -> Result<Vec<Archive>> {
        let install = ["install", "--yes", "--no-install-recommends"];
        let output = self
            .command()
            .args(install)
            .arg("--print-uris")
            .args(packages)
            .output()
            .map_err(not_started)?;
        ensure!(
            output.status.success(),
            "apt-get could not resolve the packages:\n{}",
            String::from_utf8_lossy(&output.stderr).trim_end()
        );
        let listing = String::from_utf8_lossy(&output.stdout);
        // Archives that are already here are not listed; the simulation lists every package.
        let missing: Vec<Archive> = listing.lines().filter_map(parse_uri).collect();
        if !missing.is_empty() {
            let bytes: u64 = missing.iter().map(|archive| archive.bytes).sum();
            println!("fetching {} archives, {} MB", missing.len(), bytes.div_ceil(1_000_000));
            let mut arguments = install.to_vec();
            arguments.push("--download-only");
            arguments.extend(packages);
            self.fetch(&arguments, "download the packages")?;
        }
        self.resolved(packages)
    }

    /// Every archive that `packages` resolve to, sorted by package name.
    fn resolved(&self, packages: &[&str]) -> Result<Vec<Archive>> {
        let output = self
            .command()
            .args(["install", "--yes", "--no-install-recommends", "--simulate"])
            .args(packages)
            .output()
            .map_err(not_started)?;
        ensure!(
            output.status.success(),
            "apt-get could not resolve the packages:\n{}",
            String::from_utf8_lossy(&output.stderr).trim_end()
        );
        let listing = String::from_utf8_lossy(&output.stdout);
        let mut archives: Vec<Archive> = listing.lines().filter_map(parse_install).collect();
        ensure!(!archives.is_empty(), "apt-get resolved the packages to nothing");
        for archive in &mut archives {
            let path = ["arm64", "all"]
                .map(|arch| format!("{}_{}_{arch}.deb", archive.package, quote(&archive.version)))
                .into_iter()
                .find(|file| self.folder.join("cache/archives").join(file).exists());
            archive.file = path.with_context(|| {
                format!("apt-get fetched no archive of {} {}", archive.package, archive.version)
            })?;
        }
        archives.sort_by(|a, b| a.package.cmp(&b.package));
        Ok(archives)
    }

    /// Where an archive lies after its download.
    pub(super) fn archive_path(&self, archive: &Archive) -> PathBuf {
        self.folder.join("cache/archives").join(&archive.file)
    }

    /// Runs a command that needs the network, with apt's own progress on the terminal.
    fn fetch(&self, arguments: &[&str], purpose: &str) -> Result<()> {
        let output = self.command().arg("-q").args(arguments).output().map_err(not_started)?;
        let errors = String::from_utf8_lossy(&output.stderr);
        // `apt-get update` treats an unreachable mirror as a warning and exits with 0.
        if errors.contains("404 ") {
            bail!(
                "apt-get could not {purpose}: the mirror no longer has what the lists name; add \
                 --update\n{}",
                errors.trim_end()
            );
        }
        let unreachable = ["Failed to fetch", "Could not resolve", "Could not connect"]
            .iter()
            .any(|sign| errors.contains(sign));
        if unreachable {
            bail!(
                "apt-get could not {purpose}: the Debian mirror was not reached. Check the network \
                 and apt's proxy settings, then run the command again; finished downloads are \
                 kept.\n{}",
                errors.trim_end()
            );
        }
        ensure!(output.status.success(), "apt-get could not {purpose}:\n{}", errors.trim_end());
        Ok(())
    }

    fn command(&self) -> Command {
        let at = |path: &str| self.folder.join(path).display().to_string();
        let mut command = Command::new("apt-get");
        command.env("LC_ALL", "C").env("DEBIAN_FRONTEND", "noninteractive");
        command.args(["-c", &at("apt.conf")]);
        let options = [
            ("APT::Architecture", "arm64".to_string()),
            ("APT::Architectures", "arm64".to_string()),
            ("APT::Sandbox::User", String::new()),
            ("Acquire::Languages", "none".to_string()),
            ("Acquire::IndexTargets::deb::DEP-11::DefaultEnabled", "false".to_string()),
            ("Acquire::Retries", "3".to_string()),
            ("Dir::Cache", at("cache")),
            ("Dir::Etc::preferences", "/dev/null".to_string()),
            ("Dir::Etc::preferencesparts", at("empty.d")),
            ("Dir::Etc::sourcelist", at("guests.sources")),
            ("Dir::Etc::sourceparts", at("empty.d")),
            ("Dir::State", at("state")),
            ("Dir::State::status", at("status")),
        ];
        for (key, value) in options {
            command.args(["-o", &format!("{key}={value}")]);
        }
        command
    }
}

fn not_started(error: std::io::Error) -> anyhow::Error {
    if error.kind() == ErrorKind::NotFound {
        anyhow::anyhow!(
            "apt-get was not found. The guests come from Debian's archive through Debian's own \
             tools: run this on Debian or Ubuntu, or in a container of one (packages apt and dpkg)"
        )
    } else {
        anyhow::Error::new(error).context("cannot start apt-get")
    }
}

/// The sources of the fixed release, at the mirrors that the host uses for Debian, if it does.
fn sources() -> String {
    let mut main = None;
    let mut security = None;
    let mut files = vec![PathBuf::from("/etc/apt/sources.list")];
    if let Ok(folder) = fs::read_dir("/etc/apt/sources.list.d") {
        files.extend(folder.flatten().map(|entry| entry.path()));
    }
    files.sort();
    for file in files {
        let Ok(text) = fs::read_to_string(file) else { continue };
        for line in text.lines().filter(|line| !line.trim_start().starts_with('#')) {
            for word in line.split_whitespace() {
                let uri = word.trim_end_matches('/');
                if uri.ends_with("/debian") {
                    main.get_or_insert_with(|| uri.to_string());
                } else if uri.ends_with("/debian-security") {
                    security.get_or_insert_with(|| uri.to_string());
                }
            }
        }
    }
    let main = main.unwrap_or_else(|| "http://deb.debian.org/debian".into());
    let security = security.unwrap_or_else(|| "http://deb.debian.org/debian-security".into());
    // Without Debian's keyring file, apt falls back to the keys that the host trusts.
    let signed = match Path::new(KEYRING).exists() {
        true => format!("Signed-By: {KEYRING}\n"),
        false => String::new(),
    };
    format!(
        "Types: deb\nURIs: {main}\nSuites: {RELEASE} {RELEASE}-updates\nComponents: main\n{signed}\n\
         Types: deb\nURIs: {security}\nSuites: {RELEASE}-security\nComponents: main\n{signed}"
    )
}

/// Parses a line of `--print-uris`: `'URI' FILE SIZE HASH`.
fn parse_uri(line: &str) -> Option<Archive> {
    let mut words = line.strip_prefix('\'')?.split_whitespace().skip(1);
    let file = words.next()?.to_string();
    let bytes = words.next()?.parse().ok()?;
    let (package, rest) = file.split_once('_')?;
    let (version, _) = rest.split_once('_')?;
    Some(Archive { package: package.into(), version: version.into(), bytes, file: file.clone() })
}

/// Parses a line of `--simulate`: `Inst PACKAGE (VERSION ARCHIVE [ARCH])`.
fn parse_install(line: &str) -> Option<Archive> {
    let rest = line.strip_prefix("Inst ")?;
    let (package, rest) = rest.split_once(' ')?;
    let version = rest.strip_prefix('(')?.split_whitespace().next()?;
    Some(Archive {
        package: package.into(),
        version: version.into(),
        file: String::new(),
        bytes: 0,
    })
}

/// The version as apt writes it in a file name: an epoch's colon is percent-encoded.
fn quote(version: &str) -> String {
    version.replace(':', "%3a")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_printed_uri_gives_name_version_and_size() {
        let line = "'http://deb.debian.org/debian/pool/main/g/git/git_2.39.5-0%2bdeb12u3_arm64.deb' \
                    git_1%3a2.39.5-0+deb12u3_arm64.deb 7152820 SHA256:aa";
        let archive = parse_uri(line).unwrap();
        assert_eq!(archive.package, "git");
        assert_eq!(archive.version, "1%3a2.39.5-0+deb12u3");
        assert_eq!(archive.bytes, 7_152_820);
        assert_eq!(parse_uri("Reading package lists..."), None);
    }

    #[test]
    fn a_simulated_installation_gives_name_and_version() {
        let line = "Inst git (1:2.39.5-0+deb12u3 Debian:12.11/oldstable [arm64]) []";
        let archive = parse_install(line).unwrap();
        assert_eq!(
            (archive.package.as_str(), archive.version.as_str()),
            ("git", "1:2.39.5-0+deb12u3")
        );
        assert_eq!(quote(&archive.version), "1%3a2.39.5-0+deb12u3");
        assert_eq!(parse_install("Conf git (1:2.39.5 Debian [arm64])"), None);
    }
}
