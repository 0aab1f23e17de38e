/* Sorting: the C library's qsort, and a heap sort, on pseudo-random keys. Prints check values. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

enum { COUNT = 400000 };
static uint32_t keys[COUNT];

static void fill(void)
{
    uint64_t state = 1;
    for (int i = 0; i < COUNT; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        keys[i] = state >> 32;
    }
}

static int compare(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static void sift(int root, int end)
{
    uint32_t key = keys[root];
    for (int child; (child = 2 * root + 1) < end; root = child) {
        if (child + 1 < end && keys[child] < keys[child + 1])
            child++;
        if (keys[child] <= key)
            break;
        keys[root] = keys[child];
    }
    keys[root] = key;
}

static uint64_t check(void)
{
    uint64_t sum = 0;
    for (int i = 0; i < COUNT; i++) {
        if (i && keys[i - 1] > keys[i])
            return 0;
        sum = sum * 31 + keys[i];
    }
    return sum;
}

int main(void)
{
    fill();
    qsort(keys, COUNT, sizeof *keys, compare);
    uint64_t first = check();
    fill();
    for (int i = COUNT / 2; i--;)
        sift(i, COUNT);
    for (int end = COUNT; --end;) {
        uint32_t top = keys[0];
        keys[0] = keys[end];
        keys[end] = top;
        sift(0, end);
    }
    printf("%lx %lx\n", (unsigned long)first, (unsigned long)check());
    return 0;
}
