//! The packages each suite asks for; apt adds what they depend on.

use super::Suite;

/// Small enough for every push: shells, text tools and three interpreters.
const SMOKE: &[&str] = &[
    "base-files",
    "base-passwd",
    "bash",
    "bc",
    "busybox-static",
    "bzip2",
    "coreutils",
    "dash",
    "dc",
    "debianutils",
    "diffutils",
    "file",
    "findutils",
    "gawk",
    "grep",
    "gzip",
    "hostname",
    "jq",
    "less",
    "libc-bin",
    "lua5.4",
    "mawk",
    "ncurses-base",
    "ncurses-bin",
    "patch",
    "procps",
    "python3-minimal",
    "sed",
    "sqlite3",
    "tar",
    "util-linux",
    "xz-utils",
    "zstd",
];

/// What the full suite adds.
const FULL: &[&str] = &[
    "bsdextrautils",
    "curl",
    "ed",
    "gcc",
    "git",
    "libc6-dev",
    "libpython3-stdlib",
    "libpython3.11-testsuite",
    "lighttpd",
    "m4",
    "make",
    "openssl",
    "perl",
    "python3",
    "redis-server",
    "redis-tools",
    "ruby",
    "tcc",
    "vim-tiny",
    "xxd",
];

/// The packages of a suite, in a fixed order.
pub(crate) fn of(suite: Suite) -> impl Iterator<Item = &'static str> {
    let more: &[&str] = match suite {
        Suite::Smoke => &[],
        Suite::Full => FULL,
    };
    SMOKE.iter().chain(more).copied()
}
