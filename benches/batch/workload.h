/* The frame of a workload: `SEED ITERATIONS [alike|diverse]` in, one line with a checksum out.
 *
 * alike: the seed changes values only, so machines with different seeds execute the same
 * instructions. diverse: branches and loop counts depend on the seed.
 */
#include "start.h"

enum variant { ALIKE, DIVERSE };

/* One iteration: some ten thousand instructions. Implemented by the program. */
static uint64_t iterate(uint64_t *state, uint64_t iteration, enum variant variant);

static int run(int argc, char **argv)
{
    char text[80];
    const char *line = text;
    uint64_t seed, iterations, sum = 0xcbf29ce484222325;
    (void)argc, (void)argv;
    read_line(text, sizeof text);
    if (!take_number(&line, &seed) || !take_number(&line, &iterations)
        || (*line && *line != 'a' && *line != 'd'))
        refuse("give SEED ITERATIONS [alike|diverse] on standard input\n");
    enum variant variant = *line == 'd' ? DIVERSE : ALIKE;
    uint64_t state = seeded(seed);
    for (uint64_t i = 0; i < iterations; i++)
        sum = mix(sum, iterate(&state, i, variant));
    for (int i = 0; i < 16; i++)
        text[i] = "0123456789abcdef"[sum >> (60 - 4 * i) & 15];
    text[16] = '\n';
    write_all(1, text, 17);
    return 0;
}
