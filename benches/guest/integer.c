/* Integer loops: Collatz lengths, a sieve, and greatest common divisors. Prints check values. */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static uint64_t collatz(uint64_t limit)
{
    uint64_t longest = 0;
    for (uint64_t start = 1; start < limit; start++) {
        uint64_t n = start, steps = 0;
        while (n != 1) {
            n = n & 1 ? 3 * n + 1 : n / 2;
            steps++;
        }
        if (steps > longest)
            longest = steps;
    }
    return longest;
}

static unsigned sieve(unsigned limit)
{
    static unsigned char composite[1 << 20];
    unsigned count = 0;
    memset(composite, 0, sizeof composite);
    for (unsigned i = 2; i < limit; i++) {
        if (composite[i])
            continue;
        count++;
        for (unsigned j = 2 * i; j < limit; j += i)
            composite[j] = 1;
    }
    return count;
}

static uint64_t gcds(unsigned limit)
{
    uint64_t sum = 0;
    for (unsigned a = 1; a < limit; a++)
        for (unsigned b = 1; b < a; b++) {
            unsigned x = a, y = b;
            while (y) {
                unsigned t = x % y;
                x = y;
                y = t;
            }
            sum += x;
        }
    return sum;
}

int main(void)
{
    unsigned primes = 0;
    for (int i = 0; i < 20; i++)
        primes = sieve(1 << 20);
    printf("%lu %u %lu\n", (unsigned long)collatz(400000), primes, (unsigned long)gcds(1500));
    return 0;
}
