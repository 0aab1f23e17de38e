/* A packet filter over packets that it generates itself or is given.
 *
 * Without arguments, `SEED COUNT FILTER` on standard input: filters COUNT generated packets and
 * prints how many were accepted and a hash of the verdicts.
 *
 * With FILTER as the argument, standard input holds packets, each a 32-bit little-endian length and
 * that many bytes, all of them captured: prints one verdict a line, the bytes to keep or 0.
 */
#include "start.h"
#include "filters.h"
#include "packets.h"

/* Ethernet's largest frame and its VLAN tag, with room to spare. */
enum { LARGEST_GIVEN = 2048, VERDICT = 11 };

static const struct named_filter *choose(const char *line)
{
    uint64_t number;
    if (!take_number(&line, &number) || *line || number >= FILTERS)
        refuse("there is no filter of that number\n");
    return &filters[number];
}

static size_t put_line(char *to, uint64_t number)
{
    char digits[20], *digit = decimal(digits, number);
    size_t used = 0;
    while (digit < digits + sizeof digits)
        to[used++] = *digit++;
    to[used++] = '\n';
    return used;
}

static void filter_given(const struct named_filter *chosen)
{
    static unsigned char input[2 * (4 + LARGEST_GIVEN)];
    static char output[512];
    size_t have = 0, used = 0;
    for (;;) {
        long more = system_call(SYS_READ, 0, (long)input + (long)have, (long)(sizeof input - have));
        if (more < 0)
            refuse("cannot read standard input\n");
        if (more == 0)
            break;
        have += (size_t)more;
        size_t at = 0;
        while (have - at >= 4) {
            const unsigned char *p = input + at;
            uint32_t size = p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
            if (size > LARGEST_GIVEN)
                refuse("a packet has more than 2048 bytes\n");
            if (have - at - 4 < size)
                break;
            struct packet packet = { p + 4, size, size };
            if (used + VERDICT > sizeof output) {
                write_all(1, output, used);
                used = 0;
            }
            used += put_line(output + used, filter(chosen->program, chosen->count, &packet));
            at += 4 + size;
        }
        memmove(input, input + at, have - at);
        have -= at;
    }
    if (have)
        refuse("the last packet is cut short\n");
    write_all(1, output, used);
}

static void filter_generated(void)
{
    static unsigned char frame[LARGEST_PACKET];
    char text[80];
    const char *line = text;
    uint64_t seed, count, accepted = 0, sum = 0xcbf29ce484222325;
    read_line(text, sizeof text);
    if (!take_number(&line, &seed) || !take_number(&line, &count))
        refuse("give SEED COUNT FILTER on standard input, or FILTER as the argument\n");
    const struct named_filter *chosen = choose(line);
    uint64_t state = seeded(seed);
    for (uint64_t i = 0; i < count; i++) {
        struct packet packet = { .bytes = frame };
        packet.length = generate(&state, frame, &packet.captured);
        uint32_t verdict = filter(chosen->program, chosen->count, &packet);
        accepted += verdict != 0;
        sum = mix(sum, verdict);
    }
    size_t used = put_line(text, accepted);
    text[used - 1] = ' ';
    for (int i = 0; i < 16; i++)
        text[used++] = "0123456789abcdef"[sum >> (60 - 4 * i) & 15];
    text[used++] = '\n';
    write_all(1, text, used);
}

static int run(int argc, char **argv)
{
    if (argc > 1)
        filter_given(choose(argv[1]));
    else
        filter_generated();
    return 0;
}
