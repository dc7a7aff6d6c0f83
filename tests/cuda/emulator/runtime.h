/* Runtime of translated kernels: memory with a check of every access, and PTX's types and arithmetic. */

#include <fenv.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <tgmath.h>

/* -- structures shared with Python, see structures.py */

enum { ANY, GLOBAL, SHARED, LOCAL };
enum { OF_BLOCK, OF_THREAD, CONSTANTS }; /* the first memories of a launch, followed by device arrays */
enum { NOTHING = -1, NOBODY = -1, SEVERAL = -2 };
enum { ENDED = -1 }; /* barrier of a thread that has ended */

/* The last accesses to four bytes: threads, and intervals between barriers, counted over the process. */
struct Word {
    uint64_t written, read, read_by_other_block;
    int32_t writer, reader;
};

struct Memory {
    uint64_t base, size;
    struct Word *words; /* NULL where threads share no memory */
    int64_t space;
};

struct Report {
    const char *what;
    int64_t line, memory, offset, block, thread, other, between_blocks;
};

struct Launch {
    struct Memory *memories;
    const uint64_t *arguments;
    const int64_t *block_order, *thread_order;
    struct Report *reports;
    int64_t n_memories, n_blocks, n_threads, n_reports, most_reports, grid[3];
    uint64_t interval, launch_begin, block_begin;
    int64_t block, place[3], thread;
};

/* -- reports */

static int is_known(const struct Launch *launch, const char *what, int64_t line)
{
    for (int64_t k = 0; k < launch->n_reports; k++)
        if (launch->reports[k].what == what && launch->reports[k].line == line)
            return 1;
    return 0;
}

static void report(struct Launch *launch, const char *what, int64_t line, const struct Memory *memory,
                   int64_t offset, int64_t other, int64_t between_blocks)
{
    if (launch->n_reports == launch->most_reports || is_known(launch, what, line))
        return;
    int64_t number = memory ? memory - launch->memories : NOTHING;
    launch->reports[launch->n_reports++] =
        (struct Report){what, line, number, offset, launch->block, launch->thread, other, between_blocks};
}

/* -- memory */

/* Number of bytes by which a range of bytes exceeds a memory. */
static uint64_t beyond(const struct Memory *memory, uint64_t address, uint64_t size)
{
    uint64_t offset = address - memory->base;
    if (address < memory->base)
        return memory->base - address;
    return offset + size > memory->size ? offset + size - memory->size : 0;
}

/* The memory that contains a range of bytes, or the nearest one. */
static struct Memory *nearest(const struct Launch *launch, int space, uint64_t address, uint64_t size)
{
    struct Memory *best = NULL;
    uint64_t least = UINT64_MAX;
    for (struct Memory *memory = launch->memories; least && memory < launch->memories + launch->n_memories; memory++)
        if ((space == ANY || space == memory->space) && beyond(memory, address, size) < least) {
            least = beyond(memory, address, size);
            best = memory;
        }
    return best;
}

/* Whether an earlier access and one of now are unordered: in another block, or in the same interval. */
static int is_race(const struct Launch *launch, uint64_t first, uint64_t when, int32_t who)
{
    return when >= first && (when < launch->block_begin || (when == launch->interval && who != launch->thread));
}

static void check_race(struct Launch *launch, const struct Memory *memory, const struct Word *word, int writes,
                       int64_t line)
{
    uint64_t first = memory->space == SHARED ? launch->block_begin : launch->launch_begin;
    int64_t offset = 4 * (word - memory->words);
    if (memory->space == SHARED && !writes && word->written < first)
        report(launch, "reads what was never written", line, memory, offset, NOBODY, 0);
    if (is_race(launch, first, word->written, word->writer))
        report(launch, writes ? "writes what {} wrote" : "reads what {} wrote", line, memory, offset, word->writer,
               word->written < launch->block_begin);
    if (!writes)
        return;
    if (word->read_by_other_block >= first)
        report(launch, "writes what {} read", line, memory, offset, SEVERAL, 1);
    else if (is_race(launch, first, word->read, word->reader))
        report(launch, "writes what {} read", line, memory, offset, word->reader, word->read < launch->block_begin);
}

static void remember_read(const struct Launch *launch, struct Word *word)
{
    int again = word->read == launch->interval;
    if (word->read >= launch->launch_begin && word->read < launch->block_begin)
        word->read_by_other_block = word->read;
    word->reader = again && word->reader != launch->thread ? SEVERAL : launch->thread;
    word->read = launch->interval;
}

static void touch(struct Launch *launch, const struct Memory *memory, struct Word *word, int writes, int64_t line)
{
    check_race(launch, memory, word, writes, line);
    if (writes) {
        word->writer = launch->thread;
        word->written = launch->interval;
    } else
        remember_read(launch, word);
}

/* The address of an access. used: a bit for each byte that is used, as compilers read more than they use. */
static void *reach(struct Launch *launch, int space, int writes, uint64_t address, uint64_t size, uint64_t used,
                   int64_t line)
{
    static uint64_t nowhere[4];
    struct Memory *memory = nearest(launch, space, address, size);
    uint64_t offset = address - memory->base;
    if (beyond(memory, address, size)) {
        report(launch, writes ? "writes out of bounds" : "reads out of bounds", line, memory, offset, NOBODY, 0);
        return memset(nowhere, 0xff, sizeof nowhere);
    }
    if (address % size)
        report(launch, "is misaligned", line, memory, offset, NOBODY, 0);
    for (uint64_t k = 0; memory->words && k < size; k += 4)
        if (used >> k & 15)
            touch(launch, memory, &memory->words[(offset + k) / 4], writes, line);
    return (void *)address;
}

/* -- PTX's types: a register holds the bits of a value; the bits above are ignored */

typedef uint8_t pred, u8, b8;
typedef uint16_t u16, b16;
typedef uint32_t u32, b32;
typedef uint64_t u64, b64;
typedef unsigned __int128 u128;
typedef int8_t s8;
typedef int16_t s16;
typedef int32_t s32;
typedef int64_t s64;
typedef __int128 s128;
typedef float f32;
typedef double f64;

#define INTEGER(T) \
    static inline T as_##T(uint64_t bits) { return (T)bits; }
INTEGER(u8) INTEGER(b8) INTEGER(u16) INTEGER(b16) INTEGER(u32) INTEGER(b32) INTEGER(u64) INTEGER(b64)
INTEGER(s8) INTEGER(s16) INTEGER(s32) INTEGER(s64)

static inline pred as_pred(uint64_t bits) { return bits & 1; }
static inline f32 as_f32(uint64_t bits) { return (union { u32 bits; f32 value; }){(u32)bits}.value; }
static inline f64 as_f64(uint64_t bits) { return (union { u64 bits; f64 value; }){bits}.value; }
static inline uint64_t bits_of_integer(uint64_t value) { return value; }
static inline uint64_t bits_of_f32(f32 value) { return (union { f32 value; u32 bits; }){value}.bits; }
static inline uint64_t bits_of_f64(f64 value) { return (union { f64 value; u64 bits; }){value}.bits; }
#define put(x) _Generic((x), f32: bits_of_f32, f64: bits_of_f64, default: bits_of_integer)(x)

/* -- PTX's arithmetic where C has none or a different one */

static s64 to_s64(f64 x)
{
    return x != x ? 0 : x >= 0x1p63 ? INT64_MAX : x <= -0x1p63 ? INT64_MIN : (s64)x;
}

static inline f32 flushed(f32 x) { return fabs(x) < 0x1p-126f ? copysign(0, x) : x; }

/* Operands and results of float64 approximations: the upper half of the bits, without subnormal numbers. */
static inline f64 upper_half(f64 x)
{
    return fabs(x) < 0x1p-1022 ? copysign(0, x) : as_f64(bits_of_f64(x) & 0xffffffff00000000);
}

static __attribute__((noinline)) f32 fma_down(f32 a, f32 b, f32 c)
{
    volatile f32 x = a, y = b, z = c; /* volatile: the compiler must not compute before the rounding mode is set */
    fesetround(FE_DOWNWARD);
    volatile f32 result = fma(x, y, z);
    fesetround(FE_TONEAREST);
    return result;
}

static u32 insert_bits(u32 a, u32 b, u32 at, u32 n)
{
    u32 mask = at > 31 ? 0 : (u32)((((u64)1 << (n > 32 ? 32 : n)) - 1) << at);
    return (b & ~mask) | (at > 31 ? 0 : a << at & mask);
}

static u32 permute_bytes(u32 a, u32 b, u32 which)
{
    u32 result = 0;
    for (int k = 0; k < 4; k++) {
        u32 digit = which >> 4 * k & 15, byte = (u8)(((u64)b << 32 | a) >> 8 * (digit & 7));
        result |= (digit & 8 ? (byte & 128 ? 255 : 0) : byte) << 8 * k; /* 8: the sign only, repeated */
    }
    return result;
}
