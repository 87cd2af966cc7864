/* What libinjection says of a value, for the comparison in main.rs. Links the library that libmodsecurity carries:
 *
 *     cc -O2 oracle.c -lmodsecurity -o oracle        (Debian: libmodsecurity-dev)
 *
 * Reads values, a 32-bit little-endian length and so many bytes each, and writes ten bytes for each: 8 of the
 * fingerprint (NUL behind it; empty: not an attack), whether it is cross-site scripting, and a line feed. With the
 * argument `time` the values are read to the end first, and then judged so many times: nanoseconds a value in the fastest
 * round are written, and how many were found. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

int libinjection_sqli(const char *value, size_t len, char fingerprint[]);
int libinjection_xss(const char *value, size_t len);

struct value {
    char *bytes;
    uint32_t len;
};

static int read_value(struct value *value)
{
    if (fread(&value->len, sizeof value->len, 1, stdin) != 1)
        return 0;
    value->bytes = calloc(1, (size_t)value->len + 1); /* NUL behind it, as std::string has */
    return value->bytes && (value->len == 0 || fread(value->bytes, value->len, 1, stdin) == 1);
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static int measure(int rounds)
{
    size_t count = 0, room = 0, found = 0;
    struct value *values = NULL, value;
    char fingerprint[8];

    while (read_value(&value)) {
        if (count == room)
            values = realloc(values, (room = room * 2 + 1024) * sizeof *values);
        values[count++] = value;
    }
    double sqli = 1e18, xss = 1e18;
    for (int round = 0; round < rounds; round++) {
        found = 0;
        double start = now();
        for (size_t i = 0; i < count; i++)
            found += (size_t)libinjection_sqli(values[i].bytes, values[i].len, fingerprint);
        double middle = now();
        for (size_t i = 0; i < count; i++)
            found += (size_t)libinjection_xss(values[i].bytes, values[i].len);
        double end = now();
        sqli = middle - start < sqli ? middle - start : sqli;
        xss = end - middle < xss ? end - middle : xss;
    }
    printf("%.1f %.1f %zu\n", sqli / (double)count, xss / (double)count, found);
    return 0;
}

int main(int argc, char **argv)
{
    struct value value;

    if (argc > 2 && strcmp(argv[1], "time") == 0)
        return measure(atoi(argv[2]));
    while (read_value(&value)) {
        char answer[10] = { 0 };
        if (!libinjection_sqli(value.bytes, value.len, answer))
            memset(answer, 0, 8);
        answer[8] = libinjection_xss(value.bytes, value.len) ? '1' : '0';
        answer[9] = '\n';
        fwrite(answer, sizeof answer, 1, stdout);
        free(value.bytes);
    }
    return 0;
}
