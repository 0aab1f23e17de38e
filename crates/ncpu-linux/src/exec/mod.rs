//! Loading programs: ELF, scripts, the initial stack (`execve(2)`).
//!
//! A program is loaded into a new address space while the old one is still there. First the strings
//! are copied and the files looked at (`arguments`, `script`, `elf`), which may fail with an error
//! number; then segments are mapped and the stack is finished (`elf`, `stack`). Failing there is too
//! late for an error, as in Linux: the process then has the new address space and dies of SIGSEGV.

mod arguments;
mod elf;
mod script;
mod stack;

use crate::file;
use crate::image::Kernel;
use crate::process::{self, attribute};
use crate::scratch::{PageScratch, zeroed};
use crate::signal::{self, Info};
use crate::vfs::{self, AT_FDCWD, Node};
use crate::{Block, Errno, SysResult, mm};
use arguments::{Source, Strings};
use ncpu_machine::Core;

/// Bytes of a path with its NUL.
const PATH_MAX: usize = 4096;
/// Scripts that may run scripts (`exec_binprm` in fs/exec.c).
const MAX_DEPTH: u32 = 5;
/// execveat: a symbolic link at the end is not followed.
const AT_SYMLINK_NOFOLLOW: u32 = 0x100;
/// execveat: an empty path means the descriptor itself.
const AT_EMPTY_PATH: u32 = 0x1000;

const S_IFMT: u32 = 0o170_000;
const S_IFREG: u32 = 0o100_000;
const S_IFLNK: u32 = 0o120_000;

/// A program that is about to be executed.
struct Program {
    /// The file in the end: not a script.
    node: Node,
    /// Real and effective user and group with which it will run.
    user: [u32; 2],
    group: [u32; 2],
    /// Its ELF header and, if it asks for one, its interpreter.
    image: elf::Image,
    interpreter: Option<elf::Image>,
}

/// A program as execve is asked for it.
struct Request<'a> {
    dirfd: i32,
    path: &'a [u8],
    /// How the path is looked up.
    walk: u32,
    /// What the program is told as its name.
    name: &'a [u8],
    /// Whether that name goes through a descriptor that will be closed.
    is_hidden: bool,
}

/// Loads the first program into the process of the current task.
///
/// # Errors
/// As execve; EINVAL, ENOMEM and so on also when segments cannot be mapped.
pub fn boot(k: &mut Kernel<'_>, path: &[u8], argv: &[&[u8]], envp: &[&[u8]]) -> Result<(), Errno> {
    let request =
        Request { dirfd: AT_FDCWD, path, walk: vfs::FOLLOW, name: path, is_hidden: false };
    match execute(k, &request, &Source::Kernel(argv), &Source::Kernel(envp))? {
        Start::Running => Ok(()),
        Start::TooLate(errno) => Err(errno),
    }
}

/// execve.
pub fn execve(k: &mut Kernel<'_>, path: u64, argv: u64, envp: u64) -> SysResult {
    execveat(k, AT_FDCWD, path, argv, envp, 0)
}

/// execveat.
pub fn execveat(
    k: &mut Kernel<'_>,
    dirfd: i32,
    path: u64,
    argv: u64,
    envp: u64,
    flags: u32,
) -> SysResult {
    if flags & !(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH) != 0 {
        return Err(Errno::EINVAL.into());
    }
    let mut scratch = PageScratch::uninit();
    let buffer = zeroed(&mut scratch);
    let path = k.read_string(path, buffer)?;
    if path.is_empty() && flags & AT_EMPTY_PATH == 0 {
        return Err(Errno::ENOENT.into());
    }
    let mut walk = if flags & AT_SYMLINK_NOFOLLOW == 0 { vfs::FOLLOW } else { 0 };
    if flags & AT_EMPTY_PATH != 0 {
        walk |= vfs::EMPTY_PATH;
    }
    let mut scratch = PageScratch::uninit();
    let buffer = zeroed(&mut scratch);
    let by_path = dirfd == AT_FDCWD || path.first() == Some(&b'/');
    let name = if by_path { path } else { descriptor_path(dirfd, path, buffer)? };
    let is_hidden = !by_path && is_closed_by_exec(k, dirfd);
    let request = Request { dirfd, path, walk, name, is_hidden };
    if let Start::TooLate(_) = execute(k, &request, &Source::User(argv), &Source::User(envp))? {
        const SI_KERNEL: i32 = 0x80;
        let task = k.current();
        signal::force(k, task, Info::fault(signal::SIGSEGV, SI_KERNEL, 0));
    }
    Err(Block::NoReturn)
}

/// The name of a program given by a descriptor: `/dev/fd/N`, or `/dev/fd/N/PATH`.
fn descriptor_path<'b>(fd: i32, path: &[u8], out: &'b mut [u8]) -> Result<&'b [u8], Errno> {
    const PREFIX: &[u8] = b"/dev/fd/";
    let mut digits = [0; 10];
    let mut first = digits.len();
    let mut rest = fd.unsigned_abs();
    loop {
        first -= 1;
        digits[first] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    let separator: &[u8] = if path.is_empty() { b"" } else { b"/" };
    let mut len = 0;
    for part in [PREFIX, &digits[first..], separator, path] {
        let end = len + part.len();
        out.get_mut(len..end).ok_or(Errno::ENAMETOOLONG)?.copy_from_slice(part);
        len = end;
    }
    Ok(&out[..len])
}

/// How execve ended once the old program was gone.
enum Start {
    /// The new program runs.
    Running,
    /// It could not be loaded.
    TooLate(Errno),
}

/// Replaces the program of the current process.
fn execute(
    k: &mut Kernel<'_>,
    request: &Request<'_>,
    argv: &Source<'_>,
    envp: &Source<'_>,
) -> Result<Start, Errno> {
    let space = mm::new(k)?;
    let prepared = Strings::copy(k, space, request.name, argv, envp).and_then(|mut strings| {
        let node = vfs::resolve(k, request.dirfd, request.path, request.walk)?;
        Ok((prepare(k, node, request, &mut strings)?, strings))
    });
    let (program, strings) = match prepared {
        Ok(prepared) => prepared,
        Err(errno) => {
            mm::release(k, space);
            return Err(errno);
        }
    };
    let start = elf::map_program(k, space, &program)
        .and_then(|loaded| stack::finish(k, space, &program, &strings, &loaded));
    commit(k, space, &program, request.name);
    match start {
        Ok((entry, stack)) => {
            let task = k.current();
            k.cores[task] = Core { pc: entry, ..Core::default() };
            k.cores[task].set_sp(stack);
            Ok(Start::Running)
        }
        Err(errno) => Ok(Start::TooLate(errno)),
    }
}

fn is_closed_by_exec(k: &Kernel<'_>, fd: i32) -> bool {
    let table = &k.fd_tables[k.processes[k.current_process()].fd_table as usize];
    usize::try_from(fd)
        .ok()
        .and_then(|fd| table.entries.get(fd))
        .is_some_and(|entry| entry & file::FdTable::CLOSE_ON_EXEC != 0)
}

/// Checks that a node can be executed: EACCES, or ETXTBSY while it is open for writing.
fn check_executable(k: &mut Kernel<'_>, node: Node) -> Result<vfs::Status, Errno> {
    let status = vfs::status(k, node)?;
    match status.mode & S_IFMT {
        S_IFREG => {}
        S_IFLNK => return Err(Errno::ELOOP),
        _ => return Err(Errno::EACCES),
    }
    vfs::allowed(k, node, 1)?;
    if vfs::mount::has(k, node, vfs::mount::NOEXEC) {
        return Err(Errno::EACCES);
    }
    if vfs::open::is_open_for_writing(k, node) {
        return Err(Errno::ETXTBSY);
    }
    Ok(status)
}

/// Follows scripts to the program that runs them and looks at its headers.
fn prepare(
    k: &mut Kernel<'_>,
    mut node: Node,
    request: &Request<'_>,
    strings: &mut Strings,
) -> Result<Program, Errno> {
    let mut first_line = [0; script::LINE];
    let mut script_name = [0; script::LINE];
    let mut script_length = None;
    let mut depth = 0;
    loop {
        let status = check_executable(k, node)?;
        first_line.fill(0);
        vfs::read_node(k, node, 0, &mut first_line)?;
        let Some(line) = script::parse(&first_line)? else {
            let image = elf::Image::open(k, node)?.ok_or(Errno::ENOEXEC)?;
            let interpreter = image.interpreter(k)?;
            let (user, group) = identities(k, node, &status);
            return Ok(Program { node, user, group, image, interpreter });
        };
        if request.is_hidden {
            return Err(Errno::ENOENT);
        }
        strings.remove_first(k)?;
        let script = script_length.map_or(request.name, |length| &script_name[..length]);
        strings.push_argument(k, script)?;
        if let Some(argument) = line.argument {
            strings.push_argument(k, argument)?;
        }
        strings.push_argument(k, line.interpreter)?;
        node = vfs::resolve(k, AT_FDCWD, line.interpreter, vfs::FOLLOW)?;
        script_length = Some(line.interpreter.len());
        script_name[..line.interpreter.len()].copy_from_slice(line.interpreter);
        depth += 1;
        if depth > MAX_DEPTH {
            return Err(Errno::ELOOP);
        }
    }
}

/// Real and effective user and group that a program gets: set-user-ID and set-group-ID bits.
fn identities(k: &Kernel<'_>, node: Node, status: &vfs::Status) -> ([u32; 2], [u32; 2]) {
    const S_ISUID: u32 = 0o4000;
    const S_ISGID_AND_X: u32 = 0o2010;
    let p = &k.processes[k.current_process()];
    let mut user = [p.credentials.uid[0], p.credentials.uid[1]];
    let mut group = [p.credentials.gid[0], p.credentials.gid[1]];
    let ignored = vfs::mount::has(k, node, vfs::mount::NOSUID);
    if p.attributes[attribute::NO_NEW_PRIVILEGES] == 0 && !ignored {
        if status.mode & S_ISUID != 0 {
            user[1] = status.uid;
        }
        if status.mode & S_ISGID_AND_X == S_ISGID_AND_X {
            group[1] = status.gid;
        }
    }
    (user, group)
}

/// Gives the process its new address space, identities and name.
fn commit(k: &mut Kernel<'_>, space: usize, program: &Program, name: &[u8]) {
    let process = k.current_process();
    let credentials = &mut k.processes[process].credentials;
    // Saved and file-system identities become the effective ones (credentials(7)).
    credentials.uid[1..].fill(program.user[1]);
    credentials.gid[1..].fill(program.group[1]);
    let base = name.rsplit(|&byte| byte == b'/').next().unwrap_or(name);
    process::on_exec(k, base);
    vfs::hold(k, program.node);
    let p = &mut k.processes[process];
    let executable = core::mem::replace(&mut p.executable, program.node.0);
    let old = core::mem::replace(&mut p.mm, space as u32);
    if executable != Node::NONE.0 {
        vfs::drop_node(k, Node(executable));
    }
    let root = ncpu_machine::Ppn(k.mms[space].root);
    k.mem.set_root(root);
    mm::release(k, old as usize);
}
