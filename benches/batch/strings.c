/* String work in plain C: words joined into a text, searched, split, and numbers to and from text.
 * Bytes are handled one by one, as in small embedded C libraries. */
#include "workload.h"

enum { WORDS = 64, ROOM = 2048 };
static char text[ROOM];

static size_t length(const char *s)
{
    size_t n = 0;
    while (s[n])
        n++;
    return n;
}

static const char *find_byte(const char *s, char byte, size_t size)
{
    for (; size; s++, size--)
        if (*s == byte)
            return s;
    return NULL;
}

static const char *find(const char *s, const char *what)
{
    for (; *s; s++) {
        size_t i = 0;
        while (what[i] && s[i] == what[i])
            i++;
        if (!what[i])
            return s;
    }
    return NULL;
}

/* Appends a hexadecimal number without leading zeros. */
static char *hexadecimal(char *to, uint32_t number)
{
    int shift = 28;
    while (shift && !(number >> shift))
        shift -= 4;
    for (; shift >= 0; shift -= 4)
        *to++ = "0123456789abcdef"[number >> shift & 15];
    return to;
}

static uint64_t parse(const char *s)
{
    uint64_t value = 0;
    while (*s >= '0' && *s <= '9')
        value = value * 10 + (uint64_t)(*s++ - '0');
    return value;
}

/* A record is WORD:DECIMAL:HEXADECIMAL; in the alike variant every field has a fixed width. */
static char *record(char *to, uint64_t *state, enum variant variant)
{
    uint64_t random = next(state);
    unsigned letters = variant == DIVERSE ? 1 + random % 12 : 6;
    uint64_t letter = next(state);
    for (unsigned i = 0; i < letters; i++)
        *to++ = 'a' + (letter >> 4 * i & 15);
    *to++ = ':';
    uint32_t number = variant == DIVERSE ? random >> 32 >> random % 32
                                         : 100000000 + (uint32_t)(random >> 40);
    char digits[20], *digit = decimal(digits, number);
    while (digit < digits + sizeof digits)
        *to++ = *digit++;
    *to++ = ':';
    to = hexadecimal(to, variant == DIVERSE ? number : number | 0x10000000);
    *to++ = '\n';
    return to;
}

static uint64_t iterate(uint64_t *state, uint64_t iteration, enum variant variant)
{
    char *end = text;
    for (int i = 0; i < WORDS; i++)
        end = record(end, state, variant);
    *end = 0;
    uint64_t sum = mix(iteration, length(text));
    /* Letters end at p, so the alike variant finds nothing and scans everything. */
    const char *found = find(text, variant == DIVERSE ? "bc" : "xy");
    sum = mix(sum, found ? (uint64_t)(found - text) : 0);
    for (const char *line = text; line < end;) {
        const char *next_line = find_byte(line, '\n', (size_t)(end - line)) + 1;
        const char *field = find_byte(line, ':', (size_t)(next_line - line)) + 1;
        sum = mix(sum, parse(field));
        for (const char *s = line; s < next_line; s++)
            sum = sum * 31 + (unsigned char)*s;
        line = next_line;
    }
    return sum;
}
