/* What the programs here share: entry, three system calls, parameters.
 *
 * There is no C library: a machine of a batch should cost only the instructions and the memory of
 * its work. Each program reads its parameters from standard input, prints one line and exits with 0;
 * with parameters that it does not understand it says so and exits with 2. The x86-64 build is for
 * comparison.
 */
#include "random.h"
#include <stddef.h>

#if defined __aarch64__
enum { SYS_READ = 63, SYS_WRITE = 64, SYS_EXIT = 93 };

static long system_call(long number, long a, long b, long c)
{
    register long x8 __asm__("x8") = number;
    register long x0 __asm__("x0") = a;
    register long x1 __asm__("x1") = b;
    register long x2 __asm__("x2") = c;
    __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2) : "memory");
    return x0;
}

__asm__(".globl _start\n_start: mov x29, xzr\n mov x30, xzr\n mov x0, sp\n b start\n");
#elif defined __x86_64__
enum { SYS_READ = 0, SYS_WRITE = 1, SYS_EXIT = 60 };

static long system_call(long number, long a, long b, long c)
{
    long result;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "0"(number), "D"(a), "S"(b), "d"(c)
                     : "rcx", "r11", "memory");
    return result;
}

__asm__(".globl _start\n_start: mov %rsp, %rdi\n and $-16, %rsp\n call start\n");
#else
#error "AArch64 or x86-64 Linux"
#endif

/* The compiler may call these four for copies and comparisons of its own. */
void *memcpy(void *to, const void *from, size_t size)
{
    for (size_t i = 0; i < size; i++)
        ((unsigned char *)to)[i] = ((const unsigned char *)from)[i];
    return to;
}

void *memmove(void *to, const void *from, size_t size)
{
    if ((uintptr_t)to - (uintptr_t)from >= size)
        return memcpy(to, from, size);
    while (size--)
        ((unsigned char *)to)[size] = ((const unsigned char *)from)[size];
    return to;
}

void *memset(void *to, int byte, size_t size)
{
    for (size_t i = 0; i < size; i++)
        ((unsigned char *)to)[i] = byte;
    return to;
}

int memcmp(const void *a, const void *b, size_t size)
{
    const unsigned char *x = a, *y = b;
    for (size_t i = 0; i < size; i++)
        if (x[i] != y[i])
            return x[i] - y[i];
    return 0;
}

static _Noreturn void leave(int status)
{
    for (;;)
        system_call(SYS_EXIT, status, 0, 0);
}

/* Writes everything; a closed output ends the program with 1. */
static void write_all(int fd, const void *bytes, size_t size)
{
    for (const char *at = bytes; size;) {
        long done = system_call(SYS_WRITE, fd, (long)at, (long)size);
        if (done <= 0)
            leave(1);
        at += done;
        size -= (size_t)done;
    }
}

static inline _Noreturn void refuse(const char *message)
{
    size_t size = 0;
    while (message[size])
        size++;
    write_all(2, message, size);
    leave(2);
}

/* Reads until the buffer is full or the input ends, and returns the bytes read. */
static inline size_t read_some(void *buffer, size_t size)
{
    size_t have = 0;
    while (have < size) {
        long more = system_call(SYS_READ, 0, (long)buffer + (long)have, (long)(size - have));
        if (more < 0)
            refuse("cannot read standard input\n");
        if (more == 0)
            break;
        have += (size_t)more;
    }
    return have;
}

/* Reads a line of standard input without its end; a longer one is refused. */
static inline void read_line(char *line, size_t size)
{
    size_t have = 0;
    for (;;) {
        long more = system_call(SYS_READ, 0, (long)line + (long)have, (long)(size - 1 - have));
        if (more < 0)
            refuse("cannot read standard input\n");
        for (long i = 0; i < more; i++)
            if (line[have + (size_t)i] == '\n') {
                line[have + (size_t)i] = 0;
                return;
            }
        have += (size_t)more;
        if (more == 0)
            break;
        if (have == size - 1)
            refuse("the first line of standard input is too long\n");
    }
    line[have] = 0;
}

/* Takes a decimal number and the spaces after it off the front of a line; 0 if there is none. */
static inline int take_number(const char **line, uint64_t *number)
{
    const char *at = *line;
    uint64_t value = 0;
    if (*at < '0' || *at > '9')
        return 0;
    for (; *at >= '0' && *at <= '9'; at++)
        value = value * 10 + (uint64_t)(*at - '0');
    while (*at == ' ')
        at++;
    *line = at;
    *number = value;
    return 1;
}

/* Decimal digits of a number, at the end of a buffer of 20 bytes; returns where they begin. */
static inline char *decimal(char digits[20], uint64_t number)
{
    char *at = digits + 20;
    do
        *--at = (char)('0' + number % 10);
    while (number /= 10);
    return at;
}

/* Implemented by the program; what it returns is the exit status. */
static int run(int argc, char **argv);

__attribute__((used)) _Noreturn void start(long *stack)
{
    leave(run((int)stack[0], (char **)(stack + 1)));
}
