/* What libpcap says: for each filter of filters.h, compiled anew by libpcap from its expression,
 * the line that bpf.c prints for `SEED COUNT FILTER`, from libpcap's own verdicts,
 * and the expression. Before that, random programs over random packets: exits with 1 where bpf.h and
 * libpcap differ.
 *
 * usage: libpcap SEED COUNT
 */
#include <pcap/pcap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "filters.h"
#include "packets.h"

/* Every instruction. */
static const uint16_t codes[] = {
    LD | W | ABS, LD | H | ABS, LD | B | ABS, LD | W | IND, LD | H | IND, LD | B | IND,
    LD | W | LEN, LD | IMM, LD | MEM, LDX | IMM, LDX | MEM, LDX | W | LEN, LDX | B | MSH, ST, STX,
    ALU | ADD | K, ALU | SUB | K, ALU | MUL | K, ALU | DIV | K, ALU | MOD | K, ALU | OR | K,
    ALU | AND | K, ALU | XOR | K, ALU | LSH | K, ALU | RSH | K, ALU | ADD | X, ALU | SUB | X,
    ALU | MUL | X, ALU | DIV | X, ALU | MOD | X, ALU | OR | X, ALU | AND | X, ALU | XOR | X,
    ALU | LSH | X, ALU | RSH | X, ALU | NEG, JMP | JA, JMP | JEQ | K, JMP | JGT | K, JMP | JGE | K,
    JMP | JSET | K, JMP | JEQ | X, JMP | JGT | X, JMP | JGE | X, JMP | JSET | X, RET | K, RET | A,
    MISC | TAX, MISC | TXA,
};

enum { CODES = sizeof codes / sizeof *codes, LENGTH = 40, PROGRAMS = 200000 };

/* Jumps go forward and stay inside, and scratch memory is written before it is read: libpcap's
   bpf_filter() checks neither. */
static void random_program(uint64_t *state, struct instruction program[LENGTH])
{
    for (unsigned i = 0; i < LENGTH; i++) {
        uint64_t random = next(state), value = next(state);
        struct instruction *in = &program[i];
        unsigned left = LENGTH - 1 - i;
        in->code = i < SCRATCH ? ST : i == LENGTH - 1 ? RET | A : codes[random % CODES];
        /* Programs that return early test little. */
        if ((in->code & 7) == RET && i < LENGTH - 1 && random >> 32 & 3)
            in->code = MISC | TAX;
        in->k = value & 1 ? value >> 32 : value >> 32 & 63;
        in->jt = left > 1 ? (random >> 40) % (left < 4 ? left : 4) : 0;
        in->jf = left > 1 ? (random >> 48) % (left < 4 ? left : 4) : 0;
        if (i < SCRATCH)
            in->k = i;
        switch (in->code) {
        case LD | MEM: case LDX | MEM: case ST: case STX:
            in->k %= SCRATCH;
            break;
        case JMP | JA:
            in->k = in->jt;
            break;
        /* libpcap shifts by the constant as C does, which says nothing from 32 on. */
        case ALU | LSH | K: case ALU | RSH | K:
            in->k %= 32;
            break;
        /* bpf_validate() refuses these; bpf_filter() relies on that. */
        case ALU | DIV | K: case ALU | MOD | K:
            in->k += in->k == 0;
            break;
        }
    }
}

static int random_programs(uint64_t seed)
{
    uint64_t state = seeded(seed), accepting = 0;
    unsigned char frame[LARGEST_PACKET];
    for (int i = 0; i < PROGRAMS; i++) {
        struct instruction program[LENGTH];
        struct bpf_insn theirs[LENGTH];
        struct packet packet = { .bytes = frame };
        random_program(&state, program);
        for (int j = 0; j < LENGTH; j++)
            theirs[j] = (struct bpf_insn){ program[j].code, program[j].jt, program[j].jf,
                                           program[j].k };
        if (!bpf_validate(theirs, LENGTH)) {
            fprintf(stderr, "random program %d is not valid\n", i);
            return 0;
        }
        packet.length = generate(&state, frame, &packet.captured);
        uint32_t ours = filter(program, LENGTH, &packet);
        uint32_t expected = bpf_filter(theirs, frame, packet.length, packet.captured);
        if (ours != expected) {
            fprintf(stderr, "random program %d: %u, but libpcap says %u\n", i, ours, expected);
            return 0;
        }
        accepting += expected != 0;
    }
    fprintf(stderr, "%d random programs agree, %lu of them accept\n", PROGRAMS,
            (unsigned long)accepting);
    return 1;
}

int main(int argc, char **argv)
{
    if (argc != 3)
        return 2;
    uint64_t seed = strtoull(argv[1], NULL, 10), count = strtoull(argv[2], NULL, 10);
    if (!random_programs(seed))
        return 1;
    pcap_t *ethernet = pcap_open_dead(DLT_EN10MB, 262144);
    for (int i = 0; i < FILTERS; i++) {
        struct bpf_program compiled;
        if (pcap_compile(ethernet, &compiled, filters[i].expression, 1, PCAP_NETMASK_UNKNOWN)) {
            fprintf(stderr, "%s: %s\n", filters[i].expression, pcap_geterr(ethernet));
            return 1;
        }
        unsigned char frame[LARGEST_PACKET];
        uint64_t state = seeded(seed), accepted = 0, sum = 0xcbf29ce484222325;
        for (uint64_t j = 0; j < count; j++) {
            struct pcap_pkthdr header = { 0 };
            header.len = generate(&state, frame, &header.caplen);
            uint32_t verdict = pcap_offline_filter(&compiled, &header, frame);
            accepted += verdict != 0;
            sum = mix(sum, verdict);
        }
        printf("%lu %016lx\t%s\n", (unsigned long)accepted, (unsigned long)sum,
               filters[i].expression);
        pcap_freecode(&compiled);
    }
    pcap_close(ethernet);
    return 0;
}
