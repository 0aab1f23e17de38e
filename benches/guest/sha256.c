/* SHA-256 (FIPS 180-4) in plain integer code, over a generated message. Prints the digest. */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static uint32_t k[64];

static uint32_t rotr(uint32_t x, int n) { return x >> n | x << (32 - n); }

/* The round constants are the first 32 bits of the fractions of the cube roots of the primes. */
static void constants(void)
{
    int count = 0;
    for (unsigned p = 2; count < 64; p++) {
        int prime = 1;
        for (unsigned d = 2; d * d <= p; d++)
            if (p % d == 0)
                prime = 0;
        if (!prime)
            continue;
        /* Largest r with (r / 2^32)^3 <= p, by bisection on integers. */
        unsigned __int128 low = 0, high = (unsigned __int128)8 << 32;
        while (high - low > 1) {
            unsigned __int128 mid = (low + high) / 2;
            if (mid * mid * mid <= (unsigned __int128)p << 96)
                low = mid;
            else
                high = mid;
        }
        k[count++] = (uint32_t)low;
    }
}

static void block(uint32_t h[8], const unsigned char *m)
{
    uint32_t w[64], s[8];
    for (int i = 0; i < 16; i++)
        w[i] = (uint32_t)m[4 * i] << 24 | m[4 * i + 1] << 16 | m[4 * i + 2] << 8 | m[4 * i + 3];
    for (int i = 16; i < 64; i++) {
        uint32_t a = rotr(w[i - 15], 7) ^ rotr(w[i - 15], 18) ^ w[i - 15] >> 3;
        uint32_t b = rotr(w[i - 2], 17) ^ rotr(w[i - 2], 19) ^ w[i - 2] >> 10;
        w[i] = w[i - 16] + a + w[i - 7] + b;
    }
    memcpy(s, h, sizeof s);
    for (int i = 0; i < 64; i++) {
        uint32_t e = rotr(s[4], 6) ^ rotr(s[4], 11) ^ rotr(s[4], 25);
        uint32_t t = s[7] + e + ((s[4] & s[5]) ^ (~s[4] & s[6])) + k[i] + w[i];
        uint32_t a = rotr(s[0], 2) ^ rotr(s[0], 13) ^ rotr(s[0], 22);
        uint32_t u = a + ((s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]));
        memmove(s + 1, s, 7 * sizeof *s);
        s[4] += t;
        s[0] = t + u;
    }
    for (int i = 0; i < 8; i++)
        h[i] += s[i];
}

int main(void)
{
    uint32_t h[8] = { 0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                      0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19 };
    static unsigned char message[64];
    constants();
    const unsigned blocks = 100000;
    for (unsigned i = 0; i < blocks; i++) {
        for (int j = 0; j < 64; j++)
            message[j] = i * 64 + j;
        block(h, message);
    }
    memset(message, 0, sizeof message);
    message[0] = 0x80;
    uint64_t bits = (uint64_t)blocks * 512;
    for (int i = 0; i < 8; i++)
        message[63 - i] = bits >> 8 * i;
    block(h, message);
    for (int i = 0; i < 8; i++)
        printf("%08x", h[i]);
    printf("\n");
    return 0;
}
