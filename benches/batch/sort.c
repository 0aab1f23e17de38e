/* Quick sort, with insertion sort for short runs, and heap sort, of 1,024 keys. */
#include "workload.h"

enum { COUNT = 1024, SHORT = 8 };
static uint32_t keys[COUNT], copy[COUNT];

static void insertion_sort(uint32_t *key, int count)
{
    for (int i = 1; i < count; i++) {
        uint32_t moving = key[i];
        int j = i;
        for (; j && key[j - 1] > moving; j--)
            key[j] = key[j - 1];
        key[j] = moving;
    }
}

/* Hoare's partition around the middle key; recursion into the shorter side bounds the stack. */
static void quick_sort(uint32_t *key, int count)
{
    while (count > SHORT) {
        uint32_t pivot = key[(count - 1) / 2];
        int i = -1, j = count;
        for (;;) {
            while (key[++i] < pivot)
                ;
            while (key[--j] > pivot)
                ;
            if (i >= j)
                break;
            uint32_t t = key[i];
            key[i] = key[j];
            key[j] = t;
        }
        int left = j + 1;
        if (left < count - left) {
            quick_sort(key, left);
            key += left;
            count -= left;
        } else {
            quick_sort(key + left, count - left);
            count = left;
        }
    }
    insertion_sort(key, count);
}

static void sift(uint32_t *key, int root, int end)
{
    uint32_t moving = key[root];
    for (int child; (child = 2 * root + 1) < end; root = child) {
        if (child + 1 < end && key[child] < key[child + 1])
            child++;
        if (key[child] <= moving)
            break;
        key[root] = key[child];
    }
    key[root] = moving;
}

static void heap_sort(uint32_t *key, int count)
{
    for (int i = count / 2; i--;)
        sift(key, i, count);
    for (int end = count; --end;) {
        uint32_t top = key[0];
        key[0] = key[end];
        key[end] = top;
        sift(key, 0, end);
    }
}

static uint64_t iterate(uint64_t *state, uint64_t iteration, enum variant variant)
{
    uint64_t sum = iteration;
    for (unsigned i = 0; i < COUNT; i++) {
        /* The upper halves of the alike variant are distinct and fixed, so they decide the order:
           an odd multiplier permutes the residues of a power of two. */
        uint32_t order = (i * 40503 + (unsigned)iteration * 977) % 65536 * 65536;
        uint64_t random = next(state);
        keys[i] = variant == DIVERSE ? random >> 32 : order | random >> 48;
        copy[i] = keys[i];
    }
    quick_sort(keys, COUNT);
    heap_sort(copy, COUNT);
    for (unsigned i = 0; i < COUNT; i++) {
        if (keys[i] != copy[i] || (i && keys[i - 1] > keys[i]))
            refuse("the keys are out of order\n");
        sum = mix(sum, keys[i]);
    }
    return sum;
}
