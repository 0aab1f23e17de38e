/* Integer loops: Collatz lengths, a sieve, and greatest common divisors. */
#include "workload.h"

enum { STARTS = 32, LIMIT = 4096, PAIRS = 64 };

/* The seed enters the sum even where it does not choose the starting numbers. */
static uint64_t collatz(uint64_t start, uint64_t salt)
{
    uint64_t sum = 0;
    for (uint64_t n = start; n != 1; n = n & 1 ? 3 * n + 1 : n / 2)
        sum += n ^ salt;
    return sum;
}

static uint64_t sieve(unsigned limit, unsigned char mark)
{
    static unsigned char composite[LIMIT];
    uint64_t sum = 0;
    memset(composite, 0, sizeof composite);
    for (unsigned i = 2; i < limit; i++) {
        if (composite[i]) {
            sum += composite[i];
            continue;
        }
        for (unsigned j = 2 * i; j < limit; j += i)
            composite[j] = mark;
    }
    return sum;
}

static unsigned gcd(unsigned x, unsigned y)
{
    while (y) {
        unsigned t = x % y;
        x = y;
        y = t;
    }
    return x;
}

static uint64_t iterate(uint64_t *state, uint64_t iteration, enum variant variant)
{
    uint64_t salt = next(state), sum = 0;
    for (unsigned i = 0; i < STARTS; i++) {
        uint64_t start = variant == DIVERSE ? next(state) >> 44 : iteration % 4096 * STARTS + i;
        sum += collatz(start + 1, salt);
    }
    unsigned limit = variant == DIVERSE ? LIMIT / 2 + salt % (LIMIT / 2) : LIMIT;
    sum = mix(sum, sieve(limit, salt >> 56 | 1));
    for (unsigned i = 0; i < PAIRS; i++) {
        unsigned x = variant == DIVERSE ? next(state) >> 32 : 0x9e3779b9 * (unsigned)(iteration + i);
        unsigned y = variant == DIVERSE ? next(state) >> 36 : 0x85ebca6b * (unsigned)(iteration + i);
        sum += gcd(x, y) * (salt | 1);
    }
    return sum;
}
