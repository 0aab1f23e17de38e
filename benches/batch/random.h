/* A small generator and a checksum. */
#pragma once
#include <stdint.h>

/* xorshift64: Marsaglia, "Xorshift RNGs", Journal of Statistical Software 8(14), 2003. */
static inline uint64_t next(uint64_t *state)
{
    uint64_t x = *state;
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    return *state = x;
}

/* A state that differs in about half its bits for neighbouring seeds, and is never 0. */
static inline uint64_t seeded(uint64_t seed)
{
    uint64_t x = seed + 0x9e3779b97f4a7c15;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
    x = (x ^ x >> 27) * 0x94d049bb133111eb;
    x ^= x >> 31;
    return x ? x : 1;
}

static inline uint64_t mix(uint64_t sum, uint64_t value)
{
    return (sum ^ value) * 0x100000001b3;
}
