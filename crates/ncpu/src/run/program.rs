//! What to execute in a machine, composed as `docker run` does.

use crate::cli::GuestOptions;
use crate::tree;
use anyhow::{Context, bail, ensure};
use ncpu_engine::{Program, User};
use ncpu_image::RootImage;
use ncpu_linux::rom::Rom;
use std::path::Path;

/// Started when neither the user nor the root file system says what to run.
const SHELLS: &[&str] = &["/bin/bash", "/bin/sh"];
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Where a program of the host is put in the built-in root file system.
pub(super) fn guest_path(host: &Path) -> anyhow::Result<String> {
    let name = host.file_name().with_context(|| format!("{} is a folder", host.display()))?;
    Ok(format!("/bin/{}", name.to_string_lossy()))
}

/// The first program of the machine. `host` is set when it comes from the host.
pub(super) fn compose(
    options: &GuestOptions,
    words: &[String],
    terminal: bool,
    root: &RootImage,
    host: Option<&Path>,
) -> anyhow::Result<Program> {
    let config = root.config();
    let rom = root.rom()?;
    let command = match &options.entrypoint {
        // As with docker, an entry point that the user gives makes the image's command void.
        Some(entry) if !entry.is_empty() => [std::slice::from_ref(entry), words].concat(),
        Some(_) => words.to_vec(),
        None => config.command(words),
    };
    let command = if command.is_empty() {
        let exists = |path: &&&str| tree::read(&rom, path.as_bytes()).is_some();
        let shell = SHELLS.iter().find(exists).context(
            "the root file system has no shell, nor says what to run in it: give a program",
        )?;
        vec![(*shell).to_owned()]
    } else {
        command
    };
    ensure!(
        command.iter().all(|word| !word.contains('\0')) && !command[0].is_empty(),
        "the name of the program is empty"
    );
    let path = match host {
        Some(host) => guest_path(host)?,
        None => command[0].clone(),
    };
    let wanted = options.user.as_deref().unwrap_or(&config.user);
    let (user, home) = user(&rom, wanted)?;
    let environment = environment(options, terminal, &config.env, &home)?;
    let directory = match &options.workdir {
        Some(directory) => directory.clone(),
        None => config.working_dir.clone(),
    };
    ensure!(
        directory.is_empty() || directory.starts_with('/'),
        "the working directory has to be absolute, not {directory:?}"
    );
    let bytes = |words: Vec<String>| words.into_iter().map(String::into_bytes).collect();
    Ok(Program {
        path: path.into_bytes(),
        arguments: bytes(command),
        environment: bytes(environment),
        directory: directory.into_bytes(),
        user,
    })
}

/// Defaults, then the image's variables, then those of files, then those of options.
fn environment(
    options: &GuestOptions,
    terminal: bool,
    image: &[String],
    home: &str,
) -> anyhow::Result<Vec<String>> {
    let mut all = vec![format!("PATH={PATH}"), format!("HOME={home}")];
    if let Some(name) = &options.hostname {
        all.push(format!("HOSTNAME={name}"));
    }
    if terminal {
        all.push("TERM=xterm".to_owned());
    }
    for entry in image {
        set(&mut all, entry);
    }
    let mut given = Vec::new();
    for path in &options.env_file {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("--env-file {}", path.display()))?;
        for (index, line) in text.lines().enumerate() {
            let line = line.trim_start();
            if !line.is_empty() && !line.starts_with('#') {
                check(line).with_context(|| format!("{}:{}", path.display(), index + 1))?;
                given.push(line.to_owned());
            }
        }
    }
    for entry in &options.env {
        check(entry)?;
        given.push(entry.clone());
    }
    for entry in given {
        if entry.contains('=') {
            set(&mut all, &entry);
        } else {
            match std::env::var(&entry) {
                Ok(value) => set(&mut all, &format!("{entry}={value}")),
                Err(std::env::VarError::NotPresent) => {
                    all.retain(|e| e.split('=').next() != Some(entry.as_str()));
                }
                Err(error) => bail!("the host's variable {entry}: {error}"),
            }
        }
    }
    Ok(all)
}

fn check(entry: &str) -> anyhow::Result<()> {
    let name = entry.split('=').next().unwrap_or("");
    ensure!(!name.is_empty(), "{entry:?} is not NAME=VALUE");
    ensure!(
        !name.contains(char::is_whitespace) && !entry.contains('\0'),
        "{name:?} is not the name of a variable"
    );
    Ok(())
}

/// Sets `NAME=value` in a list of variables, or appends it.
fn set(environment: &mut Vec<String>, entry: &str) {
    let name = entry.split('=').next().unwrap_or(entry);
    match environment.iter().position(|e| e.split('=').next() == Some(name)) {
        Some(index) => environment[index] = entry.to_owned(),
        None => environment.push(entry.to_owned()),
    }
}

/// A line of passwd(5) or group(5), split.
fn lines<'r>(rom: &Rom<'r>, path: &str) -> Vec<Vec<&'r str>> {
    let text = tree::read(rom, path.as_bytes()).unwrap_or(&[]);
    let lines = text.split(|&b| b == b'\n').filter_map(|line| std::str::from_utf8(line).ok());
    lines.map(|line| line.split(':').collect()).collect()
}

/// Whom `USER[:GROUP]` names, and the home directory. A number need not be in the files.
fn user(rom: &Rom<'_>, text: &str) -> anyhow::Result<(User, String)> {
    let (name, group) = match text.split_once(':') {
        Some((name, group)) => (name, Some(group).filter(|group| !group.is_empty())),
        None => (text, None),
    };
    let name = if name.is_empty() { "0" } else { name };
    let number = name.parse::<u32>().ok();
    let accounts = lines(rom, "/etc/passwd");
    let account = accounts.iter().find(|fields| {
        fields.len() >= 6
            && (fields[0] == name || number.is_some() && fields[2].parse().ok() == number)
    });
    let uid = match account.and_then(|fields| fields[2].parse().ok()).or(number) {
        Some(uid) => uid,
        None => bail!("there is no user {name:?} in the root file system's /etc/passwd"),
    };
    let groups = lines(rom, "/etc/group");
    let by_name = |name: &str| {
        let named = groups.iter().find(|fields| fields.len() >= 3 && fields[0] == name);
        named.and_then(|fields| fields[2].parse().ok())
    };
    let gid = match group {
        Some(group) => match group.parse().ok().or_else(|| by_name(group)) {
            Some(gid) => gid,
            None => bail!("there is no group {group:?} in the root file system's /etc/group"),
        },
        None => account.and_then(|fields| fields[3].parse().ok()).unwrap_or(0),
    };
    let mut user = User { uid, gid, groups: Vec::new() };
    if let (None, Some(account)) = (group, account) {
        let member = |fields: &&Vec<&str>| {
            fields.len() >= 4 && fields[3].split(',').any(|member| member == account[0])
        };
        user.groups = groups.iter().filter(member).filter_map(|f| f[2].parse().ok()).collect();
    }
    let home = account.map(|fields| fields[5]).filter(|home| !home.is_empty()).unwrap_or("/");
    Ok((user, home.to_owned()))
}
