/*
 * random.c - counter-based random numbers: Philox 4x32 with 10 rounds (Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as
 * easy as 1, 2, 3", SC11).
 *
 * A number is a pure function of (seed, draw, place), so any thread can make any part of a tensor. Each draw (one tensor)
 * takes the next stream of the thread's seed.
 */
#include "base/base.h"

static void philox_round(uint32_t c[4], uint32_t k0, uint32_t k1)
{
    const uint64_t a = (uint64_t)0xD2511F53u * c[0], b = (uint64_t)0xCD9E8D57u * c[2];
    const uint32_t c1 = c[1], c3 = c[3];
    c[0] = (uint32_t)(b >> 32) ^ c1 ^ k0;
    c[1] = (uint32_t)b;
    c[2] = (uint32_t)(a >> 32) ^ c3 ^ k1;
    c[3] = (uint32_t)a;
}

void ct__philox(uint64_t key, uint64_t counter, uint64_t stream, uint32_t out[4])
{
    uint32_t k0 = (uint32_t)key, k1 = (uint32_t)(key >> 32);
    out[0] = (uint32_t)counter;
    out[1] = (uint32_t)(counter >> 32);
    out[2] = (uint32_t)stream;
    out[3] = (uint32_t)(stream >> 32);
    for (int i = 0; i < 10; i++) {
        philox_round(out, k0, k1);
        k0 += 0x9E3779B9u; /* the golden ratio and sqrt(3) - 1, as the paper has them */
        k1 += 0xBB67AE85u;
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
