/*
 * test_scope.c - who owns a tensor: scopes and the ways to leave them, keep, free, return, alias, share.
 *
 * That no public function leaves temporaries behind is in test_temporaries.c.
 */
#include "support.h"

#include <pthread.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static ct_tensor *one(void) { return ct_ones(ct_shape(2, 3), CT_F32); }
static int64_t alive(void) { return ct_memory().tensors; }

/* ---- what a scope does -------------------------------------------------------------------------------- */

static void a_scope_releases_what_was_made_in_it(void **state)
{
    (void)state;
    {
        CT_SCOPE;
        ct_tensor *a = one();
        for (int i = 0; i < 3; i++) {
            CT_SCOPE;
            ct_add(ct_mul(a, a), a); /* temporaries are nobody's worry */
            assert_int_equal(alive(), 3);
        }
        assert_int_equal(alive(), 1);
        assert_number(ct_item(ct_sum(a, CT_ALL, false)), 6, 0);
    }
    assert_clean();
}

static void without_a_scope_the_caller_owns(void **state)
{
    (void)state;
    ct_tensor *a = one(), *b = ct_exp(a);
    {
        CT_SCOPE;
        ct_neg(a);
    }
    assert_int_equal(alive(), 2);
    ct_free(a);
    assert_number(ct_get(b, ct_index(1, 2)), exp(1), 1e-6);
    ct_free(b);
    ct_free(NULL);
    assert_clean();
}

static void keep_takes_a_tensor_out(void **state)
{
    (void)state;
    ct_tensor *kept, *twice;
    {
        CT_SCOPE;
        ct_tensor *a = one();
        kept = ct_keep(ct_add(a, a));
        twice = ct_keep(ct_keep(one()));
        assert_ptr_equal(ct_keep(kept), kept);
    }
    assert_int_equal(alive(), 2);
    assert_number(ct_get(kept, ct_index(0, 0)), 2, 0);
    {
        CT_SCOPE; /* a kept tensor is in no scope any more, and goes into none */
        ct_scope_return(kept);
    }
    ct_free(kept);
    ct_free(twice);
    assert_clean();
}

static void free_takes_a_tensor_out_and_away(void **state)
{
    (void)state;
    {
        CT_SCOPE;
        ct_tensor *a = one(), *b = one(), *c = one();
        ct_free(b); /* the middle of the list, its end, its head */
        ct_free(a);
        ct_free(c);
        assert_int_equal(alive(), 0);
        ct_tensor *outer = one();
        {
            CT_SCOPE;
            one();
            ct_free(outer); /* of another scope than the innermost */
            one();
        }
        assert_int_equal(alive(), 0);
    }
    assert_clean();
}

static void views_hold_their_storage(void **state)
{
    (void)state;
    ct_tensor *view, *alias;
    {
        CT_SCOPE;
        ct_tensor *a = ct_arange(0, 100, 1, CT_F64);
        view = ct_keep(ct_slice(a, 0, 10, 20, 1));
        alias = ct_keep(ct_alias(view));
        ct_free(a);
    }
    assert_int_equal(ct_memory().storages, 1);
    ct_free(view);
    assert_number(ct_get(alias, ct_index(9)), 19, 0);
    ct_free(alias);
    assert_clean();
}

static void an_alias_has_the_same_place_in_the_graph(void **state)
{
    (void)state;
    {
        CT_SCOPE;
        ct_tensor *x = ct_requires_grad(ct_full(ct_shape(), 3, CT_F64), true), *y = ct_square(x), *handle = ct_alias(y);
        assert_ptr_not_equal(handle, y);
        ct_free(y);
        assert_true(ct_backward(ct_alias(handle)));
        assert_number(ct_item(ct_grad_of(ct_alias(x))), 6, 0);
        assert_false(ct_needs_grad(ct_detach(x)));
    }
    assert_clean();
}

/* A function never returns its argument: freeing its result leaves the argument alone, also where nothing changes. */
static void results_are_handles_of_their_own(void **state)
{
    (void)state;
    ct_tensor *x = one();
    ct_tensor *same[] = {
        ct_alias(x), ct_detach(x), ct_contiguous(x), ct_cast(x, CT_F32), ct_reshape(x, ct_shape(2, 3)), ct_flatten(x, 1),
        ct_squeeze(x, CT_ALL), ct_expand(x, ct_shape(2, 3)), ct_sum_to(x, ct_shape(2, 3)), ct_sum(x, ct_axes(), false),
        ct_permute(x, ct_axes(0, 1)), ct_swap_axes(x, 0, 0), ct_flip(x, ct_axes()), ct_slice(x, 0, 0, CT_NONE, 1),
        ct_pad(x, 0, 0, 0, 0), ct_concat(&x, 1, 0), ct_dropout(x, 0.5, false),
    };
    for (size_t i = 0; i < COUNT(same); i++) {
        assert_non_null(same[i]);
        assert_ptr_not_equal(same[i], x);
        assert_true(ct_equal(same[i], x));
        ct_free(same[i]);
    }
    assert_true(ct_equal(x, x));
    ct_free(x);
    assert_clean();
}

/* ---- returning ---------------------------------------------------------------------------------------- */

static ct_tensor *norm_of(ct_tensor *x)
{
    CT_SCOPE;
    return ct_scope_return(ct_sqrt(ct_sum(ct_square(x), CT_ALL, false)));
}

static void a_function_returns_one_tensor(void **state)
{
    (void)state;
    ct_tensor *x = one();
    ct_tensor *n = norm_of(x); /* no scope around: the caller's */
    assert_int_equal(alive(), 2);
    {
        CT_SCOPE;
        assert_number(ct_item(norm_of(norm_of(x))), sqrt(6), 1e-6);
        assert_int_equal(alive(), 4);
    }
    assert_int_equal(alive(), 2);
    ct_free(n);
    ct_free(x);
    assert_clean();
}

static void only_the_innermost_scopes_tensors_move(void **state)
{
    (void)state;
    {
        CT_SCOPE;
        ct_tensor *outer = one();
        {
            CT_SCOPE;
            assert_ptr_equal(ct_scope_return(outer), outer); /* stays where it is */
            ct_tensor *inner = one();
            {
                CT_SCOPE;
                ct_scope_return(inner); /* not this scope's: not moved outwards */
            }
            assert_int_equal(alive(), 2);
        }
        assert_int_equal(alive(), 1);
        assert_true(ct_equal(outer, outer));
    }
    ct_tensor *mine = one();
    assert_ptr_equal(ct_scope_return(mine), mine); /* no scope is open */
    ct_free(mine);
    assert_clean();
}

enum { DEEP = 1000 };

static ct_tensor *from_the_depth(int depth)
{
    CT_SCOPE;
    ct_tensor *t = depth ? from_the_depth(depth - 1) : one();
    return ct_scope_return(depth == DEEP / 2 ? ct_add(t, t) : t);
}

static void scopes_nest_a_thousand_deep(void **state)
{
    (void)state;
    ct_tensor *t = from_the_depth(DEEP);
    assert_number(ct_get(t, ct_index(0, 1)), 2, 0);
    ct_free(t);
    assert_clean();
    int number[DEEP];
    for (int i = 0; i < DEEP; i++) {
        number[i] = ct_scope_begin();
        one();
    }
    assert_int_equal(alive(), DEEP);
    ct_scope_end(number[DEEP - 3]); /* with all that are inside */
    assert_int_equal(alive(), DEEP - 3);
    ct_scope_end(number[0]);
    assert_clean();
}

/* ---- leaving ------------------------------------------------------------------------------------------ */

static int leave(int how)
{
    for (int i = 0; i < 3; i++) {
        CT_SCOPE;
        one();
        one();
        assert_int_equal(alive(), 2);
        if (how == 0) return i;
        if (how == 1) break;
        if (how == 2) continue;
        if (how == 3) goto out;
    }
    return alive() ? -1 : 10;
out:
    return alive() ? -1 : 20;
}

static void a_scope_ends_however_it_is_left(void **state)
{
    (void)state;
    assert_int_equal(leave(0), 0);
    assert_clean();
    assert_int_equal(leave(1), 10);
    assert_int_equal(leave(2), 10);
    assert_int_equal(leave(3), 20);
    assert_int_equal(leave(4), 10);
    assert_clean();
}

static void scopes_have_numbers(void **state)
{
    (void)state;
    const int a = ct_scope_begin(), b = ct_scope_begin();
    assert_int_equal(a, 1);
    assert_int_equal(b, 2);
    one();
    ct_scope_end(7); /* not open: nothing ends */
    ct_scope_end(0);
    ct_scope_end(-1);
    assert_int_equal(alive(), 1);
    ct_scope_end(b);
    ct_scope_end(b); /* again: nothing */
    assert_int_equal(alive(), 0);
    one();
    assert_int_equal(ct_scope_begin(), 2);
    one();
    ct_scope_end(a); /* both */
    assert_clean();
    ct_tensor *mine = one(); /* and none is open now */
    const int c = ct_scope_begin();
    assert_int_equal(c, 1);
    ct_scope_end(c);
    assert_int_equal(alive(), 1);
    ct_free(mine);
    assert_clean();
}

static jmp_buf back;

static int jump_from_the_depth(int depth)
{
    CT_SCOPE;
    one();
    if (depth == 0) longjmp(back, 1);
    return depth < 0 ? 0 : jump_from_the_depth(depth - 1);
}

static void a_longjmp_heals_at_the_next_outer_end(void **state)
{
    (void)state;
    for (volatile int round = 0; round < 3; round++) {
        const int outer = ct_scope_begin();
        one();
        if (setjmp(back) == 0) jump_from_the_depth(round * 70);
        assert_int_equal(alive(), round * 70 + 2); /* not yet released */
        {
            CT_SCOPE; /* works as ever */
            one();
        }
        assert_int_equal(alive(), round * 70 + 2);
        ct_scope_end(outer);
        assert_clean();
    }
}

/* ---- threads ------------------------------------------------------------------------------------------ */

static void *use_and_release(void *shared)
{
    ct_tensor *t = shared;
    for (int i = 0; i < 200; i++) {
        CT_SCOPE;
        ct_tensor *view = ct_transpose(t);
        if (ct_item(ct_sum(ct_add(view, ct_alias(view)), CT_ALL, false)) != 12) return NULL;
    }
    ct_tensor *mine = ct_alias(t);
    ct_free(mine);
    return ct_error() ? NULL : shared;
}

static void a_shared_tensor_serves_several_threads(void **state)
{
    (void)state;
    ct_tensor *plain = one(), *shared = ct_share(plain);
    assert_ptr_equal(shared, plain);
    pthread_t threads[3];
    for (size_t i = 0; i < COUNT(threads); i++) assert_int_equal(pthread_create(&threads[i], NULL, use_and_release, shared), 0);
    assert_ptr_equal(use_and_release(shared), shared);
    for (size_t i = 0; i < COUNT(threads); i++) {
        void *result = NULL;
        assert_int_equal(pthread_join(threads[i], &result), 0);
        assert_ptr_equal(result, shared);
    }
    ct_free(shared);
    assert_clean();
}

static void *release_alone(void *shared)
{
    ct_free(shared);
    return NULL;
}

static void *only_open_scopes(void *unused)
{
    const int scope = ct_scope_begin();
    for (int i = 0; i < 100; i++) ct_scope_begin();
    ct_scope_end(scope);
    return unused;
}

/* What the scopes of such a thread take is given back too: leak checkers see whether it is. */
static void a_thread_may_open_scopes_and_make_nothing(void **state)
{
    (void)state;
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, only_open_scopes, NULL), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_clean();
}

static void the_last_release_may_come_from_another_thread(void **state)
{
    (void)state;
    ct_tensor *shared = ct_share(ct_ones(ct_shape(1000), CT_F64)), *view = ct_share(ct_slice(shared, 0, 0, 10, 1));
    pthread_t thread;
    ct_free(shared);
    assert_int_equal(pthread_create(&thread, NULL, release_alone, view), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_clean();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_scope_releases_what_was_made_in_it),
        cmocka_unit_test(without_a_scope_the_caller_owns),
        cmocka_unit_test(keep_takes_a_tensor_out),
        cmocka_unit_test(free_takes_a_tensor_out_and_away),
        cmocka_unit_test(views_hold_their_storage),
        cmocka_unit_test(an_alias_has_the_same_place_in_the_graph),
        cmocka_unit_test(results_are_handles_of_their_own),
        cmocka_unit_test(a_function_returns_one_tensor),
        cmocka_unit_test(only_the_innermost_scopes_tensors_move),
        cmocka_unit_test(scopes_nest_a_thousand_deep),
        cmocka_unit_test(a_scope_ends_however_it_is_left),
        cmocka_unit_test(scopes_have_numbers),
        cmocka_unit_test(a_longjmp_heals_at_the_next_outer_end),
        cmocka_unit_test(a_shared_tensor_serves_several_threads),
        cmocka_unit_test(a_thread_may_open_scopes_and_make_nothing),
        cmocka_unit_test(the_last_release_may_come_from_another_thread),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
