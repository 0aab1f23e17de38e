/* Writes generated packets as bpf.c reads them: `SEED COUNT` on standard input, and to standard
 * output for each packet the 32-bit little-endian length of what was captured, and those bytes. */
#include "start.h"
#include "packets.h"

static int run(int argc, char **argv)
{
    static unsigned char output[16 * (4 + LARGEST_PACKET)];
    char text[80];
    const char *line = text;
    uint64_t seed, count;
    size_t used = 0;
    (void)argc, (void)argv;
    read_line(text, sizeof text);
    if (!take_number(&line, &seed) || !take_number(&line, &count) || *line)
        refuse("give SEED COUNT on standard input\n");
    uint64_t state = seeded(seed);
    while (count--) {
        uint32_t captured;
        generate(&state, output + used + 4, &captured);
        for (int i = 0; i < 4; i++)
            output[used++] = captured >> 8 * i;
        used += captured;
        if (used > sizeof output - (4 + LARGEST_PACKET)) {
            write_all(1, output, used);
            used = 0;
        }
    }
    write_all(1, output, used);
    return 0;
}
