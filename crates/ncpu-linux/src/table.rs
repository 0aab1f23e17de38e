//! The table of system calls.
//!
//! A row is a number, a name and, where the call is implemented, its handler with the types of its
//! arguments. A row without a handler returns ENOSYS and is counted, so that `--strict` can list it.
//! Argument types say how the 64-bit register is read: `fd`, `int` (i32), `uint` (u32), `long`
//! (i64), `ptr`, `size` (u64).

use crate::image::Kernel;
use crate::{Errno, SysResult};

/// Numbers below this have a row.
pub const NUMBERS: usize = 451;

/// Name of the call with this number.
pub const fn name(number: u32) -> Option<&'static str> {
    if (number as usize) < NUMBERS { NAMES[number as usize] } else { None }
}

/// Whether the call with this number is implemented.
pub const fn is_implemented(number: u32) -> bool {
    (number as usize) < NUMBERS && IMPLEMENTED[number as usize]
}

/// Counts a system call, once however often it is tried.
pub(crate) fn count(kernel: &mut Kernel<'_>, number: u64) {
    if let Some(count) = kernel.header.counters.calls.get_mut(number as usize) {
        *count = count.saturating_add(1);
    }
}

macro_rules! argument {
    (fd $x:expr) => {
        $x as i32
    };
    (int $x:expr) => {
        $x as i32
    };
    (uint $x:expr) => {
        $x as u32
    };
    (long $x:expr) => {
        $x as i64
    };
    (ptr $x:expr) => {
        $x
    };
    (size $x:expr) => {
        $x
    };
}

macro_rules! call {
    ($k:ident $a:ident $handler:path;) => { $handler($k) };
    ($k:ident $a:ident $handler:path; $t0:ident) => { $handler($k, argument!($t0 $a[0])) };
    ($k:ident $a:ident $handler:path; $t0:ident $t1:ident) => {
        $handler($k, argument!($t0 $a[0]), argument!($t1 $a[1]))
    };
    ($k:ident $a:ident $handler:path; $t0:ident $t1:ident $t2:ident) => {
        $handler($k, argument!($t0 $a[0]), argument!($t1 $a[1]), argument!($t2 $a[2]))
    };
    ($k:ident $a:ident $handler:path; $t0:ident $t1:ident $t2:ident $t3:ident) => {
        $handler(
            $k, argument!($t0 $a[0]), argument!($t1 $a[1]), argument!($t2 $a[2]),
            argument!($t3 $a[3]),
        )
    };
    ($k:ident $a:ident $handler:path; $t0:ident $t1:ident $t2:ident $t3:ident $t4:ident) => {
        $handler(
            $k, argument!($t0 $a[0]), argument!($t1 $a[1]), argument!($t2 $a[2]),
            argument!($t3 $a[3]), argument!($t4 $a[4]),
        )
    };
    ($k:ident $a:ident $handler:path;
     $t0:ident $t1:ident $t2:ident $t3:ident $t4:ident $t5:ident) => {
        $handler(
            $k, argument!($t0 $a[0]), argument!($t1 $a[1]), argument!($t2 $a[2]),
            argument!($t3 $a[3]), argument!($t4 $a[4]), argument!($t5 $a[5]),
        )
    };
}

macro_rules! system_calls {
    ($($number:literal $name:ident $($handler:path [$($type:ident)*])?;)*) => {
        const NAMES: [Option<&str>; NUMBERS] = {
            let mut names = [None; NUMBERS];
            $(names[$number] = Some(stringify!($name));)*
            names
        };
        const IMPLEMENTED: [bool; NUMBERS] = {
            let mut known = [false; NUMBERS];
            $($(known[$number] = true; let _: &str = stringify!($handler);)?)*
            known
        };

        /// Serves a system call of the current task.
        pub fn call(kernel: &mut Kernel<'_>, number: u32, arguments: [u64; 6]) -> SysResult {
            match number {
                $($($number => call!(kernel arguments $handler; $($type)*),)?)*
                _ => {
                    if let Some(count) = kernel.header.counters.missing.get_mut(number as usize) {
                        *count = count.saturating_add(1);
                    }
                    Err(Errno::ENOSYS.into())
                }
            }
        }
    };
}

system_calls! {
    0 io_setup;
    1 io_destroy;
    2 io_submit;
    3 io_cancel;
    4 io_getevents;
    5 setxattr crate::vfs::attr::xattr [ptr];
    6 lsetxattr crate::vfs::attr::lxattr [ptr];
    7 fsetxattr crate::vfs::attr::fxattr [fd];
    8 getxattr crate::vfs::attr::xattr [ptr];
    9 lgetxattr crate::vfs::attr::lxattr [ptr];
    10 fgetxattr crate::vfs::attr::fxattr [fd];
    11 listxattr crate::vfs::attr::listxattr [ptr];
    12 llistxattr crate::vfs::attr::llistxattr [ptr];
    13 flistxattr crate::vfs::attr::flistxattr [fd];
    14 removexattr crate::vfs::attr::xattr [ptr];
    15 lremovexattr crate::vfs::attr::lxattr [ptr];
    16 fremovexattr crate::vfs::attr::fxattr [fd];
    17 getcwd crate::vfs::cwd::getcwd [ptr size];
    18 lookup_dcookie;
    19 eventfd2 crate::ipc::eventfd::eventfd2 [uint uint];
    20 epoll_create1 crate::ipc::epoll::epoll_create1 [uint];
    21 epoll_ctl crate::ipc::epoll::epoll_ctl [fd int fd ptr];
    22 epoll_pwait crate::ipc::epoll::epoll_pwait [fd ptr int int ptr size];
    23 dup crate::file::table::dup [fd];
    24 dup3 crate::file::table::dup3 [fd fd uint];
    25 fcntl crate::file::control::fcntl [fd uint ptr];
    26 inotify_init1 crate::ipc::inotify::inotify_init1 [uint];
    27 inotify_add_watch crate::ipc::inotify::inotify_add_watch [fd ptr uint];
    28 inotify_rm_watch crate::ipc::inotify::inotify_rm_watch [fd int];
    29 ioctl crate::file::control::ioctl [fd uint ptr];
    30 ioprio_set crate::process::sched::ioprio_set [int int uint];
    31 ioprio_get crate::process::sched::ioprio_get [int int];
    32 flock crate::file::lock::flock [fd uint];
    33 mknodat crate::vfs::tree::mknodat [fd ptr uint uint];
    34 mkdirat crate::vfs::tree::mkdirat [fd ptr uint];
    35 unlinkat crate::vfs::tree::unlinkat [fd ptr uint];
    36 symlinkat crate::vfs::tree::symlinkat [ptr fd ptr];
    37 linkat crate::vfs::tree::linkat [fd ptr fd ptr uint];
    38 renameat crate::vfs::rename::renameat [fd ptr fd ptr];
    39 umount2 crate::vfs::mount::umount2 [ptr uint];
    40 mount crate::vfs::mount::mount [ptr ptr ptr ptr ptr];
    41 pivot_root crate::vfs::mount::pivot_root [ptr ptr];
    42 nfsservctl;
    43 statfs crate::vfs::stat::statfs [ptr ptr];
    44 fstatfs crate::vfs::stat::fstatfs [fd ptr];
    45 truncate crate::vfs::attr::truncate [ptr long];
    46 ftruncate crate::vfs::attr::ftruncate [fd long];
    47 fallocate crate::vfs::attr::fallocate [fd uint long long];
    48 faccessat crate::vfs::attr::faccessat [fd ptr uint];
    49 chdir crate::vfs::cwd::chdir [ptr];
    50 fchdir crate::vfs::cwd::fchdir [fd];
    51 chroot crate::vfs::cwd::chroot [ptr];
    52 fchmod crate::vfs::attr::fchmod [fd uint];
    53 fchmodat crate::vfs::attr::fchmodat [fd ptr uint];
    54 fchownat crate::vfs::attr::fchownat [fd ptr uint uint uint];
    55 fchown crate::vfs::attr::fchown [fd uint uint];
    56 openat crate::vfs::open::openat [fd ptr uint uint];
    57 close crate::file::table::close [fd];
    58 vhangup;
    59 pipe2 crate::ipc::pipe::pipe2 [ptr uint];
    60 quotactl crate::process::system::not_permitted [];
    61 getdents64 crate::file::directory::getdents64 [fd ptr uint];
    62 lseek crate::file::io::lseek [fd long uint];
    63 read crate::file::io::read [fd ptr size];
    64 write crate::file::io::write [fd ptr size];
    65 readv crate::file::io::readv [fd ptr size];
    66 writev crate::file::io::writev [fd ptr size];
    67 pread64 crate::file::io::pread64 [fd ptr size long];
    68 pwrite64 crate::file::io::pwrite64 [fd ptr size long];
    69 preadv crate::file::io::preadv [fd ptr size long];
    70 pwritev crate::file::io::pwritev [fd ptr size long];
    71 sendfile crate::file::transfer::sendfile [fd fd ptr size];
    72 pselect6 crate::ipc::poll::pselect6 [int ptr ptr ptr ptr ptr];
    73 ppoll crate::ipc::poll::ppoll [ptr uint ptr ptr size];
    74 signalfd4 crate::ipc::signalfd::signalfd4 [fd ptr size uint];
    75 vmsplice crate::file::transfer::vmsplice [fd ptr size uint];
    76 splice crate::file::transfer::splice [fd ptr fd ptr size uint];
    77 tee crate::file::transfer::tee [fd fd size uint];
    78 readlinkat crate::vfs::attr::readlinkat [fd ptr ptr int];
    79 fstatat crate::vfs::stat::fstatat [fd ptr ptr uint];
    80 fstat crate::vfs::stat::fstat [fd ptr];
    81 sync crate::file::control::sync [];
    82 fsync crate::file::control::fsync [fd];
    83 fdatasync crate::file::control::fsync [fd];
    84 sync_file_range crate::file::control::sync_file_range [fd long long uint];
    85 timerfd_create crate::ipc::timerfd::timerfd_create [int uint];
    86 timerfd_settime crate::ipc::timerfd::timerfd_settime [fd uint ptr ptr];
    87 timerfd_gettime crate::ipc::timerfd::timerfd_gettime [fd ptr];
    88 utimensat crate::vfs::attr::utimensat [fd ptr ptr uint];
    89 acct crate::process::system::not_permitted [];
    90 capget crate::process::identity::capget [ptr ptr];
    91 capset crate::process::identity::capset [ptr ptr];
    92 personality crate::process::system::personality [uint];
    93 exit crate::process::exit::exit [int];
    94 exit_group crate::process::exit::exit_group_call [int];
    95 waitid crate::process::wait::waitid [int int ptr uint ptr];
    96 set_tid_address crate::process::clone::set_tid_address [ptr];
    97 unshare crate::process::clone::unshare [size];
    98 futex crate::process::futex::futex [ptr uint uint ptr ptr uint];
    99 set_robust_list crate::process::futex::set_robust_list [ptr size];
    100 get_robust_list crate::process::futex::get_robust_list [int ptr ptr];
    101 nanosleep crate::time::sleep::nanosleep [ptr ptr];
    102 getitimer crate::time::interval::getitimer [uint ptr];
    103 setitimer crate::time::interval::setitimer [uint ptr ptr];
    104 kexec_load;
    105 init_module;
    106 delete_module;
    107 timer_create crate::time::timer::timer_create [int ptr ptr];
    108 timer_gettime crate::time::timer::timer_gettime [int ptr];
    109 timer_getoverrun crate::time::timer::timer_getoverrun [int];
    110 timer_settime crate::time::timer::timer_settime [int uint ptr ptr];
    111 timer_delete crate::time::timer::timer_delete [int];
    112 clock_settime crate::time::clock::clock_settime [int ptr];
    113 clock_gettime crate::time::clock::clock_gettime [int ptr];
    114 clock_getres crate::time::clock::clock_getres [int ptr];
    115 clock_nanosleep crate::time::sleep::clock_nanosleep [int uint ptr ptr];
    116 syslog crate::process::system::syslog [int ptr int];
    117 ptrace;
    118 sched_setparam crate::process::sched::sched_setparam [int ptr];
    119 sched_setscheduler crate::process::sched::sched_setscheduler [int int ptr];
    120 sched_getscheduler crate::process::sched::sched_getscheduler [int];
    121 sched_getparam crate::process::sched::sched_getparam [int ptr];
    122 sched_setaffinity crate::process::sched::sched_setaffinity [int uint ptr];
    123 sched_getaffinity crate::process::sched::sched_getaffinity [int uint ptr];
    124 sched_yield crate::process::sched::sched_yield [];
    125 sched_get_priority_max crate::process::sched::sched_get_priority_max [uint];
    126 sched_get_priority_min crate::process::sched::sched_get_priority_min [uint];
    127 sched_rr_get_interval crate::process::sched::sched_rr_get_interval [int ptr];
    128 restart_syscall crate::process::system::restart_syscall [];
    129 kill crate::signal::kill::kill [int int];
    130 tkill crate::signal::kill::tkill [int int];
    131 tgkill crate::signal::kill::tgkill [int int int];
    132 sigaltstack crate::signal::calls::sigaltstack [ptr ptr];
    133 rt_sigsuspend crate::signal::calls::rt_sigsuspend [ptr size];
    134 rt_sigaction crate::signal::calls::rt_sigaction [int ptr ptr size];
    135 rt_sigprocmask crate::signal::calls::rt_sigprocmask [int ptr ptr size];
    136 rt_sigpending crate::signal::calls::rt_sigpending [ptr size];
    137 rt_sigtimedwait crate::signal::calls::rt_sigtimedwait [ptr ptr ptr size];
    138 rt_sigqueueinfo crate::signal::kill::rt_sigqueueinfo [int int ptr];
    139 rt_sigreturn crate::signal::frame::rt_sigreturn [];
    140 setpriority crate::process::sched::setpriority [int uint int];
    141 getpriority crate::process::sched::getpriority [int uint];
    142 reboot crate::process::system::reboot [uint uint uint ptr];
    143 setregid crate::process::identity::setregid [uint uint];
    144 setgid crate::process::identity::setgid [uint];
    145 setreuid crate::process::identity::setreuid [uint uint];
    146 setuid crate::process::identity::setuid [uint];
    147 setresuid crate::process::identity::setresuid [uint uint uint];
    148 getresuid crate::process::identity::getresuid [ptr ptr ptr];
    149 setresgid crate::process::identity::setresgid [uint uint uint];
    150 getresgid crate::process::identity::getresgid [ptr ptr ptr];
    151 setfsuid crate::process::identity::setfsuid [uint];
    152 setfsgid crate::process::identity::setfsgid [uint];
    153 times crate::process::limits::times [ptr];
    154 setpgid crate::process::group::setpgid [int int];
    155 getpgid crate::process::group::getpgid [int];
    156 getsid crate::process::group::getsid [int];
    157 setsid crate::process::group::setsid [];
    158 getgroups crate::process::identity::getgroups [int ptr];
    159 setgroups crate::process::identity::setgroups [int ptr];
    160 uname crate::process::system::uname [ptr];
    161 sethostname crate::process::system::sethostname [ptr int];
    162 setdomainname crate::process::system::setdomainname [ptr int];
    163 getrlimit crate::process::limits::getrlimit [uint ptr];
    164 setrlimit crate::process::limits::setrlimit [uint ptr];
    165 getrusage crate::process::limits::getrusage [int ptr];
    166 umask crate::process::system::umask [uint];
    167 prctl crate::process::prctl::prctl [uint size size size size];
    168 getcpu crate::process::sched::getcpu [ptr ptr ptr];
    169 gettimeofday crate::time::clock::gettimeofday [ptr ptr];
    170 settimeofday crate::time::clock::settimeofday [ptr ptr];
    171 adjtimex crate::time::clock::adjtimex [ptr];
    172 getpid crate::process::group::getpid [];
    173 getppid crate::process::group::getppid [];
    174 getuid crate::process::identity::getuid [];
    175 geteuid crate::process::identity::geteuid [];
    176 getgid crate::process::identity::getgid [];
    177 getegid crate::process::identity::getegid [];
    178 gettid crate::process::group::gettid [];
    179 sysinfo crate::process::system::sysinfo [ptr];
    180 mq_open;
    181 mq_unlink;
    182 mq_timedsend;
    183 mq_timedreceive;
    184 mq_notify;
    185 mq_getsetattr;
    186 msgget crate::ipc::sysv::message::msgget [int uint];
    187 msgctl crate::ipc::sysv::message::msgctl [int int ptr];
    188 msgrcv crate::ipc::sysv::message::msgrcv [int ptr size long uint];
    189 msgsnd crate::ipc::sysv::message::msgsnd [int ptr size uint];
    190 semget crate::ipc::sysv::semaphore::semget [int int uint];
    191 semctl crate::ipc::sysv::semaphore::semctl [int int int ptr];
    192 semtimedop crate::ipc::sysv::semaphore::semtimedop [int ptr size ptr];
    193 semop crate::ipc::sysv::semaphore::semop [int ptr size];
    194 shmget crate::ipc::sysv::shared::shmget [int size uint];
    195 shmctl crate::ipc::sysv::shared::shmctl [int int ptr];
    196 shmat crate::ipc::sysv::shared::shmat [int ptr uint];
    197 shmdt crate::ipc::sysv::shared::shmdt [ptr];
    198 socket crate::net::calls::socket [uint uint uint];
    199 socketpair crate::net::calls::socketpair [uint uint uint ptr];
    200 bind crate::net::calls::bind [fd ptr uint];
    201 listen crate::net::calls::listen [fd uint];
    202 accept crate::net::calls::accept [fd ptr ptr];
    203 connect crate::net::calls::connect [fd ptr uint];
    204 getsockname crate::net::calls::getsockname [fd ptr ptr];
    205 getpeername crate::net::calls::getpeername [fd ptr ptr];
    206 sendto crate::net::message::sendto [fd ptr size uint ptr uint];
    207 recvfrom crate::net::message::recvfrom [fd ptr size uint ptr ptr];
    208 setsockopt crate::net::options::setsockopt [fd uint uint ptr uint];
    209 getsockopt crate::net::options::getsockopt [fd uint uint ptr ptr];
    210 shutdown crate::net::calls::shutdown [fd uint];
    211 sendmsg crate::net::message::sendmsg [fd ptr uint];
    212 recvmsg crate::net::message::recvmsg [fd ptr uint];
    213 readahead crate::file::control::readahead [fd long size];
    214 brk crate::mm::heap::brk [ptr];
    215 munmap crate::mm::map::munmap [ptr size];
    216 mremap crate::mm::remap::mremap [ptr size size uint ptr];
    217 add_key;
    218 request_key;
    219 keyctl;
    220 clone crate::process::clone::clone [size ptr ptr ptr ptr];
    221 execve crate::exec::execve [ptr ptr ptr];
    222 mmap crate::mm::map::mmap [ptr size uint uint fd size];
    223 fadvise64 crate::file::control::fadvise64 [fd long long uint];
    224 swapon crate::process::system::not_permitted [];
    225 swapoff crate::process::system::not_permitted [];
    226 mprotect crate::mm::protect::mprotect [ptr size uint];
    227 msync crate::mm::advise::msync [ptr size uint];
    228 mlock crate::mm::lock::mlock [ptr size];
    229 munlock crate::mm::lock::munlock [ptr size];
    230 mlockall crate::mm::lock::mlockall [uint];
    231 munlockall crate::mm::lock::munlockall [];
    232 mincore crate::mm::advise::mincore [ptr size ptr];
    233 madvise crate::mm::advise::madvise [ptr size int];
    234 remap_file_pages;
    235 mbind crate::mm::policy::mbind [ptr size uint ptr size uint];
    236 get_mempolicy crate::mm::policy::get_mempolicy [ptr ptr size ptr uint];
    237 set_mempolicy crate::mm::policy::set_mempolicy [uint ptr size];
    238 migrate_pages;
    239 move_pages;
    240 rt_tgsigqueueinfo crate::signal::kill::rt_tgsigqueueinfo [int int int ptr];
    241 perf_event_open;
    242 accept4 crate::net::calls::accept4 [fd ptr ptr uint];
    243 recvmmsg crate::net::message::recvmmsg [fd ptr uint uint ptr];
    244 arch_specific_syscall;
    260 wait4 crate::process::wait::wait4 [int ptr uint ptr];
    261 prlimit64 crate::process::limits::prlimit64 [int uint ptr ptr];
    262 fanotify_init;
    263 fanotify_mark;
    264 name_to_handle_at crate::vfs::attr::name_to_handle_at [fd ptr ptr ptr uint];
    265 open_by_handle_at;
    266 clock_adjtime crate::time::clock::clock_adjtime [int ptr];
    267 syncfs crate::file::control::syncfs [fd];
    268 setns;
    269 sendmmsg crate::net::message::sendmmsg [fd ptr uint uint];
    270 process_vm_readv crate::mm::transfer::process_vm_readv [int ptr size ptr size size];
    271 process_vm_writev crate::mm::transfer::process_vm_writev [int ptr size ptr size size];
    272 kcmp;
    273 finit_module;
    274 sched_setattr crate::process::sched::sched_setattr [int ptr uint];
    275 sched_getattr crate::process::sched::sched_getattr [int ptr uint uint];
    276 renameat2 crate::vfs::rename::renameat2 [fd ptr fd ptr uint];
    277 seccomp crate::process::system::seccomp [uint uint ptr];
    278 getrandom crate::entropy::getrandom [ptr size uint];
    279 memfd_create crate::vfs::open::memfd_create [ptr uint];
    280 bpf;
    281 execveat crate::exec::execveat [fd ptr ptr ptr uint];
    282 userfaultfd;
    283 membarrier crate::mm::advise::membarrier [int uint int];
    284 mlock2 crate::mm::lock::mlock2 [ptr size uint];
    285 copy_file_range crate::file::transfer::copy_file_range [fd ptr fd ptr size uint];
    286 preadv2 crate::file::io::preadv2 [fd ptr size long size uint];
    287 pwritev2 crate::file::io::pwritev2 [fd ptr size long size uint];
    288 pkey_mprotect;
    289 pkey_alloc;
    290 pkey_free;
    291 statx crate::vfs::stat::statx [fd ptr uint uint ptr];
    292 io_pgetevents;
    293 rseq;
    294 kexec_file_load;
    403 clock_gettime64;
    404 clock_settime64;
    405 clock_adjtime64;
    406 clock_getres_time64;
    407 clock_nanosleep_time64;
    408 timer_gettime64;
    409 timer_settime64;
    410 timerfd_gettime64;
    411 timerfd_settime64;
    412 utimensat_time64;
    413 pselect6_time64;
    414 ppoll_time64;
    416 io_pgetevents_time64;
    417 recvmmsg_time64;
    418 mq_timedsend_time64;
    419 mq_timedreceive_time64;
    420 semtimedop_time64;
    421 rt_sigtimedwait_time64;
    422 futex_time64;
    423 sched_rr_get_interval_time64;
    424 pidfd_send_signal crate::process::pidfd::pidfd_send_signal [int int ptr uint];
    425 io_uring_setup;
    426 io_uring_enter;
    427 io_uring_register;
    428 open_tree;
    429 move_mount;
    430 fsopen;
    431 fsconfig;
    432 fsmount;
    433 fspick;
    434 pidfd_open crate::process::pidfd::pidfd_open [int uint];
    435 clone3 crate::process::clone::clone3 [ptr size];
    436 close_range crate::file::table::close_range [uint uint uint];
    437 openat2 crate::vfs::open::openat2 [fd ptr ptr size];
    438 pidfd_getfd crate::process::pidfd::pidfd_getfd [int int uint];
    439 faccessat2 crate::vfs::attr::faccessat2 [fd ptr uint uint];
    440 process_madvise;
    441 epoll_pwait2 crate::ipc::epoll::epoll_pwait2 [fd ptr int ptr ptr size];
    442 mount_setattr;
    443 quotactl_fd;
    444 landlock_create_ruleset;
    445 landlock_add_rule;
    446 landlock_restrict_self;
    447 memfd_secret;
    448 process_mrelease;
    449 futex_waitv crate::process::futex::futex_waitv [ptr uint uint ptr int];
    450 set_mempolicy_home_node;
}
