/*
 * random.c - counter-based random numbers: Philox 4x32 with 10 rounds (Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as
 * easy as 1, 2, 3", SC11).
 *
 * A number is a pure function of (seed, draw, place), so any thread can make any part of a tensor. Each draw (one tensor)
 * takes the next stream of the thread's seed.
 */
#include "base/base.h"

/* One round on the words w0 .. w3 of a counter, and the keys of the next one: the golden ratio and sqrt(3) - 1, as the paper has them. */
#define ROUND(w0, w1, w2, w3)                                                                                          \
    {                                                                                                                  \
        const uint64_t a = (uint64_t)0xD2511F53u * w0, b = (uint64_t)0xCD9E8D57u * w2;                                 \
        const uint32_t was1 = w1, was3 = w3;                                                                           \
        w0 = (uint32_t)(b >> 32) ^ was1 ^ k0;                                                                          \
        w1 = (uint32_t)b;                                                                                              \
        w2 = (uint32_t)(a >> 32) ^ was3 ^ k1;                                                                          \
        w3 = (uint32_t)a;                                                                                              \
    }
#define NEXT_KEYS k0 += 0x9E3779B9u, k1 += 0xBB67AE85u

void ct__philox(uint64_t key, uint64_t counter, uint64_t stream, uint32_t out[4])
{
    uint32_t k0 = (uint32_t)key, k1 = (uint32_t)(key >> 32);
    uint32_t w0 = (uint32_t)counter, w1 = (uint32_t)(counter >> 32), w2 = (uint32_t)stream, w3 = (uint32_t)(stream >> 32);
    for (int i = 0; i < 10; i++, NEXT_KEYS) ROUND(w0, w1, w2, w3)
    out[0] = w0, out[1] = w1, out[2] = w2, out[3] = w3;
}

/* Side by side, so that compilers make vectors of them. */
void ct__philox_lanes(uint64_t key, uint64_t counter, uint64_t stream, uint32_t out[4][CT__PHILOX_LANES])
{
    uint32_t k0 = (uint32_t)key, k1 = (uint32_t)(key >> 32);
    for (int l = 0; l < CT__PHILOX_LANES; l++) {
        out[0][l] = (uint32_t)(counter + (uint64_t)l);
        out[1][l] = (uint32_t)((counter + (uint64_t)l) >> 32);
        out[2][l] = (uint32_t)stream;
        out[3][l] = (uint32_t)(stream >> 32);
    }
    for (int i = 0; i < 10; i++, NEXT_KEYS) {
        for (int l = 0; l < CT__PHILOX_LANES; l++) ROUND(out[0][l], out[1][l], out[2][l], out[3][l])
    }
}

ct__draw ct__random_draw(void)
{
    return (ct__draw){.key = ct__self.random_seed, .stream = ct__self.random_counter++};
}

ct__random_state ct__random_save(void)
{
    return (ct__random_state){.seed = ct__self.random_seed, .counter = ct__self.random_counter};
}

void ct__random_restore(ct__random_state state)
{
    ct__self.random_seed = state.seed;
    ct__self.random_counter = state.counter;
}

void ct_seed(uint64_t seed) { ct__random_restore((ct__random_state){.seed = seed}); }
