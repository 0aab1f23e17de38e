/* An interpreter of classic BPF: McCanne and Jacobson, "The BSD Packet Filter", USENIX 1993.
 *
 * Numbers of instructions are those of bpf(4) and of Linux's Documentation/networking/filter.rst.
 * Verdicts agree with libpcap's bpf_filter(): a load that reaches outside the captured bytes and a
 * division by zero reject the packet, shifts by 32 and more leave 0. Unlike libpcap's, this one also
 * rejects where a program leaves its instructions or its scratch memory or has an unknown one, so it
 * needs no separate validation.
 */
#pragma once
#include <stdint.h>

struct instruction {
    uint16_t code;
    uint8_t jt, jf;
    uint32_t k;
};

enum {
    /* Classes */
    LD = 0, LDX = 1, ST = 2, STX = 3, ALU = 4, JMP = 5, RET = 6, MISC = 7,
    /* Sizes and modes of loads */
    W = 0x00, H = 0x08, B = 0x10,
    IMM = 0x00, ABS = 0x20, IND = 0x40, MEM = 0x60, LEN = 0x80, MSH = 0xa0,
    /* Operations */
    ADD = 0x00, SUB = 0x10, MUL = 0x20, DIV = 0x30, OR = 0x40, AND = 0x50, LSH = 0x60, RSH = 0x70,
    NEG = 0x80, MOD = 0x90, XOR = 0xa0,
    JA = 0x00, JEQ = 0x10, JGT = 0x20, JGE = 0x30, JSET = 0x40,
    /* Operands */
    K = 0x00, X = 0x08, A = 0x10,
    TAX = 0x00, TXA = 0x80,
    SCRATCH = 16
};

/* A packet: what was captured of it, and its length on the wire. */
struct packet {
    const unsigned char *bytes;
    uint32_t captured, length;
};

static uint32_t big_endian_32(const unsigned char *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* Whether `size` bytes at `at` lie within the captured ones. */
static int holds(const struct packet *packet, uint64_t at, uint32_t size)
{
    return at + size <= packet->captured;
}

/* Bytes to keep of a packet, 0 to reject it. */
static uint32_t filter(const struct instruction *program, uint32_t count,
                       const struct packet *packet)
{
    const unsigned char *p = packet->bytes;
    uint32_t a = 0, x = 0, scratch[SCRATCH];
    uint64_t at;

    for (uint32_t i = 0; i < SCRATCH; i++)
        scratch[i] = 0;
    for (uint32_t pc = 0; pc < count;) {
        const struct instruction *in = &program[pc++];
        uint32_t k = in->k;
        switch (in->code) {
        case RET | K:
            return k;
        case RET | A:
            return a;

        case LD | W | ABS:
            if (!holds(packet, k, 4))
                return 0;
            a = big_endian_32(p + k);
            break;
        case LD | H | ABS:
            if (!holds(packet, k, 2))
                return 0;
            a = (uint32_t)p[k] << 8 | p[k + 1];
            break;
        case LD | B | ABS:
            if (!holds(packet, k, 1))
                return 0;
            a = p[k];
            break;
        /* The sum is taken in 64 bits: one that wraps lies outside too. */
        case LD | W | IND:
            at = (uint64_t)x + k;
            if (!holds(packet, at, 4))
                return 0;
            a = big_endian_32(p + at);
            break;
        case LD | H | IND:
            at = (uint64_t)x + k;
            if (!holds(packet, at, 2))
                return 0;
            a = (uint32_t)p[at] << 8 | p[at + 1];
            break;
        case LD | B | IND:
            at = (uint64_t)x + k;
            if (!holds(packet, at, 1))
                return 0;
            a = p[at];
            break;
        case LDX | B | MSH:
            if (!holds(packet, k, 1))
                return 0;
            x = (p[k] & 15u) << 2;
            break;
        case LD | W | LEN:
            a = packet->length;
            break;
        case LDX | W | LEN:
            x = packet->length;
            break;
        case LD | IMM:
            a = k;
            break;
        case LDX | IMM:
            x = k;
            break;

        case LD | MEM:
            if (k >= SCRATCH)
                return 0;
            a = scratch[k];
            break;
        case LDX | MEM:
            if (k >= SCRATCH)
                return 0;
            x = scratch[k];
            break;
        case ST:
            if (k >= SCRATCH)
                return 0;
            scratch[k] = a;
            break;
        case STX:
            if (k >= SCRATCH)
                return 0;
            scratch[k] = x;
            break;

        case JMP | JA:
            pc += k;
            break;
        case JMP | JEQ | K:
            pc += a == k ? in->jt : in->jf;
            break;
        case JMP | JGT | K:
            pc += a > k ? in->jt : in->jf;
            break;
        case JMP | JGE | K:
            pc += a >= k ? in->jt : in->jf;
            break;
        case JMP | JSET | K:
            pc += a & k ? in->jt : in->jf;
            break;
        case JMP | JEQ | X:
            pc += a == x ? in->jt : in->jf;
            break;
        case JMP | JGT | X:
            pc += a > x ? in->jt : in->jf;
            break;
        case JMP | JGE | X:
            pc += a >= x ? in->jt : in->jf;
            break;
        case JMP | JSET | X:
            pc += a & x ? in->jt : in->jf;
            break;

        case ALU | ADD | K:
            a += k;
            break;
        case ALU | SUB | K:
            a -= k;
            break;
        case ALU | MUL | K:
            a *= k;
            break;
        case ALU | DIV | K:
            if (!k)
                return 0;
            a /= k;
            break;
        case ALU | MOD | K:
            if (!k)
                return 0;
            a %= k;
            break;
        case ALU | OR | K:
            a |= k;
            break;
        case ALU | AND | K:
            a &= k;
            break;
        case ALU | XOR | K:
            a ^= k;
            break;
        case ALU | LSH | K:
            a = k < 32 ? a << k : 0;
            break;
        case ALU | RSH | K:
            a = k < 32 ? a >> k : 0;
            break;
        case ALU | ADD | X:
            a += x;
            break;
        case ALU | SUB | X:
            a -= x;
            break;
        case ALU | MUL | X:
            a *= x;
            break;
        case ALU | DIV | X:
            if (!x)
                return 0;
            a /= x;
            break;
        case ALU | MOD | X:
            if (!x)
                return 0;
            a %= x;
            break;
        case ALU | OR | X:
            a |= x;
            break;
        case ALU | AND | X:
            a &= x;
            break;
        case ALU | XOR | X:
            a ^= x;
            break;
        case ALU | LSH | X:
            a = x < 32 ? a << x : 0;
            break;
        case ALU | RSH | X:
            a = x < 32 ? a >> x : 0;
            break;
        case ALU | NEG:
            a = -a;
            break;

        case MISC | TAX:
            x = a;
            break;
        case MISC | TXA:
            a = x;
            break;
        default:
            return 0;
        }
    }
    return 0;
}
