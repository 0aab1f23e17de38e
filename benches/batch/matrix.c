/* Products of matrices of doubles. The diverse variant varies the order and skips zeros. */
#include "workload.h"

enum { N = 24 };
static double a[N][N], b[N][N], c[N][N];

/* Eighths between -4096 and 4096, so that sums do not grow large and products round. */
static double element(uint64_t *state)
{
    return (double)((int64_t)next(state) >> 48) / 8 / 3;
}

static uint64_t iterate(uint64_t *state, uint64_t iteration, enum variant variant)
{
    unsigned n = variant == DIVERSE ? N / 2 + next(state) % (N / 2 + 1) : N;
    uint64_t zeros = variant == DIVERSE ? next(state) : 0;
    uint64_t sum = iteration;
    for (unsigned i = 0; i < n; i++)
        for (unsigned j = 0; j < n; j++) {
            a[i][j] = zeros >> (5 * i + 7 * j) % 64 & 1 ? 0 : element(state);
            b[i][j] = element(state);
        }
    for (unsigned i = 0; i < n; i++)
        for (unsigned j = 0; j < n; j++) {
            double product = 0;
            for (unsigned k = 0; k < n; k++) {
                if (variant == DIVERSE && a[i][k] == 0)
                    continue;
                product += a[i][k] * b[k][j];
            }
            c[i][j] = product;
        }
    for (unsigned i = 0; i < n; i++)
        for (unsigned j = 0; j < n; j++) {
            uint64_t bits;
            __builtin_memcpy(&bits, &c[i][j], sizeof bits);
            sum = mix(sum, bits);
        }
    return sum;
}
