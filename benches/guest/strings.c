/* The C library's string functions on short and long strings. Prints check values. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char text[1 << 16], copy[1 << 16];

int main(void)
{
    unsigned long sum = 0;
    for (size_t i = 0; i < sizeof text - 1; i++)
        text[i] = 'a' + i * i % 23;
    for (int round = 0; round < 400; round++) {
        memcpy(copy, text, sizeof text);
        copy[round * 100] = '!';
        sum += strlen(copy) + (strchr(copy, '!') - copy);
        sum += strcmp(copy, text) < 0;
        memmove(copy + 1, copy, sizeof copy - 2);
        sum += memcmp(copy, text, 100) > 0;
    }
    for (int i = 0; i < 100000; i++) {
        char word[32];
        snprintf(word, sizeof word, "%d:%x", i, i * 7);
        sum += strlen(word) + strtoul(word, NULL, 10) + (strstr(word, "7:") != NULL);
    }
    printf("%lu\n", sum);
    return 0;
}
