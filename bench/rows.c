/*
 * rows.c - runs the benchmark's rows, as the script bench/run asks for them line by line on standard input; each answer is a line
 * of JSON, so that contestants in several processes can take turns:
 *
 *     list                     names of all rows
 *     open ROW                 makes a row ready; contestants that cannot be had are left out of the answer
 *     time CONTESTANT SECONDS  steps for about that long after a warm-up; microseconds per step, by the clock and of processors
 *     count                    what the library does in a step, by its own counters
 *     close                    lets go of the row
 *     about                    the instruction set of the library's kernels
 *
 * Which rows there are is the program's: bench_rows has those of families.c, bench_kernels those of kernels.c.
 *
 * Arguments: --threads N, --openblas PATH (then those on OpenBLAS are the only contestants), or names of rows, which are timed by
 * themselves, ours alone; --peak ROW runs a few of its steps and tells the memory of the process.
 */
#include <cotangent/cotangent.h>

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "bench.h"
#include "hardware.h"
#include "timing.h"

enum { CONTESTANTS = 12 };

const char *bench_openblas;
static int threads = 1;

static struct opened {
    const bench_row *row;
    const bench_contestant *contestant[CONTESTANTS];
    int count;
} opened;

static const bench_row *find_row(const char *name)
{
    for (const bench_row *const *f = bench_families; *f; f++) {
        for (const bench_row *r = *f; r->name; r++) {
            if (strcmp(r->name, name) == 0) return r;
        }
    }
    return NULL;
}

static const bench_contestant *find_contestant(const char *name)
{
    for (int i = 0; i < opened.count; i++) {
        if (strcmp(opened.contestant[i]->name, name) == 0) return opened.contestant[i];
    }
    return NULL;
}

/* ---- the commands ---- */

static void complain(const char *what, const char *name) { printf("{\"error\": \"%s: %s\"}\n", what, name ? name : "(nothing)"); }

/* An error of the library ends the measurement of this row, not the program. */
static bool failed(void)
{
    if (!ct_error()) return false;
    ct_report(stderr);
    complain("the library failed", opened.row ? opened.row->name : "");
    return true;
}

static void list(void)
{
    const char *between = "";
    printf("{\"rows\": [");
    for (const bench_row *const *f = bench_families; *f; f++) {
        for (const bench_row *r = *f; r->name; r++, between = ", ") printf("%s\"%s\"", between, r->name);
    }
    printf("]}\n");
}

/* The last one made goes first: it may use what another made. */
static void close_row(void)
{
    for (int i = opened.count - 1; i >= 0; i--) opened.contestant[i]->drop();
    opened = (struct opened){0};
    ct_memory_trim();
}

/* `only`: that contestant alone, NULL for all. OpenBLAS runs without the others, and they without it. */
static bool open_row(const char *name, const char *only)
{
    const bench_row *row = find_row(name);
    if (!row) {
        complain("no such row", name);
        return false;
    }
    opened.row = row;
    for (const bench_contestant *c = row->contestants; c->name && opened.count < CONTESTANTS; c++) {
        const bool wanted = only ? strcmp(only, c->name) == 0 : (strstr(c->name, "openblas") != NULL) == (bench_openblas != NULL);
        if (wanted && c->make(row, threads)) opened.contestant[opened.count++] = c;
    }
    return true;
}

static void tell_row(void)
{
    const bench_row *r = opened.row;
    printf("{\"row\": \"%s\", \"what\": \"%s\", \"per\": %g, \"bytes\": %.0f, \"flops\": %.0f, \"contestants\": [", r->name,
           r->what, r->per, r->bytes, r->flops);
    for (int i = 0; i < opened.count; i++) printf("%s\"%s\"", i ? ", " : "", opened.contestant[i]->name);
    printf("]}\n");
}

static void time_contestant(const char *name, const char *seconds)
{
    const bench_contestant *c = name ? find_contestant(name) : NULL;
    if (!c || !seconds) {
        complain("no such contestant", name);
        return;
    }
    const timing t = timing_measure(c->step, strtod(seconds, NULL));
    if (failed()) return;
    const double per = 1e6 / opened.row->per;
    printf("{\"us\": %.6g, \"cpu_us\": %.6g, \"repetitions\": %lld}\n", per * t.seconds, per * t.processor,
           (long long)t.repetitions);
}

static void count(void)
{
    enum { STEPS = 5 };
    const bench_contestant *c = find_contestant(bench_own);
    if (!c) {
        complain("no contestant", bench_own);
        return;
    }
    for (int i = 0; i < STEPS; i++) c->step();
    ct_memory_reset_peak();
    const ct_counters a = ct_count();
    for (int i = 0; i < STEPS; i++) c->step();
    const ct_counters b = ct_count();
    if (failed()) return;
    printf(
        "{\"operations\": %g, \"nodes\": %g, \"mallocs\": %g, \"gemm_calls\": %g, \"gemm_flops\": %g, \"passes\": %g, "
        "\"bytes\": %g, \"parallel_regions\": %g, "
        "\"peak_bytes\": %lld}\n",
        (double)(b.operations - a.operations) / STEPS, (double)(b.nodes - a.nodes) / STEPS,
        (double)(b.mallocs - a.mallocs) / STEPS, (double)(b.gemm_calls - a.gemm_calls) / STEPS,
        (double)(b.gemm_flops - a.gemm_flops) / STEPS, (double)(b.passes - a.passes) / STEPS,
        (double)(b.bytes - a.bytes) / STEPS, (double)(b.parallel_regions - a.parallel_regions) / STEPS,
        (long long)ct_memory().peak_bytes);
}

static bool obey(char *line)
{
    char *rest = NULL;
    const char *command = strtok_r(line, " \n", &rest), *first = strtok_r(NULL, " \n", &rest),
               *second = strtok_r(NULL, " \n", &rest);
    if (!command) return true;
    if (strcmp(command, "quit") == 0) return false;
    if (strcmp(command, "list") == 0) list();
    else if (strcmp(command, "time") == 0) time_contestant(first, second);
    else if (strcmp(command, "count") == 0) count();
    else if (strcmp(command, "about") == 0) printf("{\"instruction_set\": \"%s\"}\n", ct_instruction_set());
    else if (strcmp(command, "close") == 0) close_row(), printf("{}\n");
    else if (strcmp(command, "open") != 0) complain("no such command", command);
    else if (close_row(), open_row(first ? first : "", NULL) && !failed()) tell_row();
    fflush(stdout);
    return true;
}

/* ---- on its own ---- */

static int by_size(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The library's time, for steering: the median and the least of several turns. */
static bool time_alone(const char *name)
{
    enum { TURNS = 11 };
    if (!open_row(name, bench_own)) return false;
    double us[TURNS], processor[TURNS];
    for (int i = 0; i < TURNS && opened.count; i++) {
        const timing t = timing_measure(opened.contestant[0]->step, 0.02);
        us[i] = 1e6 * t.seconds / opened.row->per;
        processor[i] = 1e6 * t.processor / opened.row->per;
    }
    if (!failed() && opened.count) {
        qsort(us, TURNS, sizeof us[0], by_size);
        qsort(processor, TURNS, sizeof processor[0], by_size);
        printf("{\"row\": \"%s\", \"threads\": %d, \"us\": %.6g, \"least\": %.6g, \"cpu_us\": %.6g, \"what\": \"%s\"}\n", name,
               threads, us[TURNS / 2], us[0], processor[TURNS / 2], opened.row->what);
    }
    fflush(stdout);
    close_row();
    return true;
}

static bool tell_peak(const char *name)
{
    if (!open_row(name, "library")) return false;
    for (int i = 0; i < 5 && opened.count; i++) opened.contestant[0]->step();
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    if (!failed()) printf("{\"row\": \"%s\", \"peak_kilobytes\": %ld}\n", name, usage.ru_maxrss);
    close_row();
    return true;
}

int main(int argc, char **argv)
{
    bool alone = false, ok = true;
    for (int i = 1; i < argc; i++) {
        const bool more = i + 1 < argc;
        if (strcmp(argv[i], "--threads") == 0 && more) threads = atoi(argv[++i]);
        else if (strcmp(argv[i], "--openblas") == 0 && more) bench_openblas = argv[++i];
        else if (strcmp(argv[i], "--peak") == 0 && more) ok = tell_peak(argv[++i]) && ok, alone = true;
        else ok = time_alone(argv[i]) && ok, alone = true;
    }
    char line[256];
    while (!alone && fgets(line, sizeof line, stdin) && obey(line)) {}
    close_row();
    return ct_report(stderr) || !ok;
}
