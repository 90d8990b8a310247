/*
 * rules_tables.h - tables of shapes and parameters, from which a GRID row of tests/samples/ becomes hundreds of samples.
 *
 * A table is a function that writes the case of a number, and says false beyond the last. Every table has operands with no
 * elements, and of rank 0 where the operations that use it have such.
 */
#ifndef TESTS_RULES_TABLES_H
#define TESTS_RULES_TABLES_H

#include "rules.h"

typedef struct entry {
    int n;
    ct_shape shape[INPUTS];
    params p;
    int64_t reduced; /* elements that one element of the result comes from; 1 where that is not meant */
} entry;

typedef bool (*table)(int number, entry *e);

#define COUNT(array) ((int)(sizeof(array) / sizeof((array)[0])))
#define SHAPE(...) {{{(int64_t)(sizeof((int64_t[]){0, __VA_ARGS__}) / sizeof(int64_t)) - 1, __VA_ARGS__}}}

static bool unary(entry *e, ct_shape shape)
{
    *e = (entry){.n = 1, .shape = {shape}, .reduced = 1};
    return true;
}

static bool binary(entry *e, const ct_shape *pair)
{
    *e = (entry){.n = 2, .shape = {pair[0], pair[1]}, .reduced = 1};
    return true;
}

/* ---- shapes ------------------------------------------------------------------------------------------- */

static bool every_shape(int number, entry *e)
{
    static const ct_shape shapes[] = {
        SHAPE(), SHAPE(1), SHAPE(5), SHAPE(33), SHAPE(1, 1), SHAPE(3, 4), SHAPE(7, 1), SHAPE(1, 6), SHAPE(2, 3, 13),
        SHAPE(2, 1, 3),
        SHAPE(2, 2, 2, 3), SHAPE(1, 2, 1, 2, 2), SHAPE(2, 1, 2, 1, 2, 1, 1), SHAPE(1, 1, 2, 1, 1, 2, 1, 2), SHAPE(0), SHAPE(3, 0),
        SHAPE(0, 4), SHAPE(2, 0, 3),
    };
    return number < COUNT(shapes) && unary(e, shapes[number]);
}

/* Shapes for those that work along axes. */
static const ct_shape some_shapes[] = {
    SHAPE(), SHAPE(1), SHAPE(5), SHAPE(3, 4), SHAPE(4, 1), SHAPE(1, 3), SHAPE(2, 3, 2), SHAPE(3, 1, 2), SHAPE(2, 2, 3, 2),
    SHAPE(0),
    SHAPE(0, 3), SHAPE(3, 0), SHAPE(2, 0, 3),
};

static bool every_shape_with_axes(int number, entry *e)
{
    return number + 1 < COUNT(some_shapes) && unary(e, some_shapes[number + 1]);
}

/* Pairs that broadcast. */
static bool every_pair(int number, entry *e)
{
    static const ct_shape pairs[][2] = {
        {SHAPE(), SHAPE()}, {SHAPE(3), SHAPE()}, {SHAPE(), SHAPE(4)}, {SHAPE(3), SHAPE(3)}, {SHAPE(3), SHAPE(1)},
        {SHAPE(1), SHAPE(3)},
        {SHAPE(3, 4), SHAPE(3, 4)}, {SHAPE(3, 4), SHAPE(4)}, {SHAPE(4), SHAPE(3, 4)}, {SHAPE(3, 1), SHAPE(3, 4)},
        {SHAPE(3, 4), SHAPE(3, 1)}, {SHAPE(3, 1), SHAPE(1, 4)}, {SHAPE(3, 1), SHAPE(4)}, {SHAPE(2, 3), SHAPE()},
        {SHAPE(), SHAPE(2, 3)},
        {SHAPE(2, 1, 3), SHAPE(4, 1)}, {SHAPE(2, 3, 4), SHAPE(2, 3, 4)}, {SHAPE(2, 3, 4), SHAPE(3, 1)},
        {SHAPE(1, 1, 2), SHAPE(3, 1, 1)},
        {SHAPE(2, 1, 2, 1), SHAPE(1, 3, 1, 2)}, {SHAPE(33), SHAPE(33)}, {SHAPE(0), SHAPE(0)}, {SHAPE(0, 3), SHAPE(1, 3)},
        {SHAPE(0, 3), SHAPE()}, {SHAPE(2, 0), SHAPE(2, 1)}, {SHAPE(1), SHAPE(0)},
    };
    return number < COUNT(pairs) && binary(e, pairs[number]);
}

/* Those of them that have elements: the ones before the empty ones. */
static bool every_filled_pair(int number, entry *e)
{
    if (!every_pair(number, e)) return false;
    for (int k = 0; k < 2; k++) {
        for (int64_t i = 0; i < e->shape[k].rank; i++) {
            if (e->shape[k].dim[i] == 0) return false;
        }
    }
    return true;
}

/* ---- axes --------------------------------------------------------------------------------------------- */

/* The axes of a shape as a set of bits, counted from the front or, in every other list, from the end. */
static ct_axes axes_of(unsigned set, int64_t rank)
{
    ct_axes axes = ct_axes();
    for (int i = 0; i < rank; i++) {
        if (set >> i & 1u) axes.dim[axes.rank++] = set % 2 ? i - rank : i;
    }
    return axes;
}

/* Every set of axes, also none and CT_ALL. */
static bool every_list_of_axes(int number, entry *e)
{
    for (int k = 0; k < COUNT(some_shapes); k++) {
        const ct_shape s = some_shapes[k];
        const int sets = 1 << s.rank;
        if (number > sets) {
            number -= sets + 1;
            continue;
        }
        unary(e, s);
        e->p.axes = number == sets ? CT_ALL : axes_of((unsigned)number, s.rank);
        for (int i = 0; i < s.rank; i++) e->reduced *= number == sets || number >> i & 1 ? s.dim[i] : 1;
        return true;
    }
    return false;
}

/* The same with and without keepdim. */
static bool every_reduction(int number, entry *e)
{
    if (!every_list_of_axes(number / 2, e)) return false;
    e->p.keepdim = number % 2;
    return true;
}

/* Every axis, from both ends. */
static bool every_axis(int number, entry *e)
{
    for (int k = 0; k < COUNT(some_shapes); k++) {
        const int rank = (int)some_shapes[k].rank;
        if (number < 2 * rank) {
            unary(e, some_shapes[k]);
            e->p.axis = number - rank;
            e->reduced = some_shapes[k].dim[number % rank];
            return true;
        }
        number -= 2 * rank;
    }
    return false;
}

/* Every axis with some element of it. */
static bool every_place(int number, entry *e)
{
    const int places[] = {0, -1, 1};
    if (!every_axis(number / COUNT(places), e)) return false;
    e->p.i[0] = places[number % COUNT(places)];
    return true;
}

/* Every axis with bounds and a step. */
static bool every_range(int number, entry *e)
{
    static const int64_t ranges[][3] = {
        {CT_NONE, CT_NONE, 1}, {CT_NONE, CT_NONE, 2}, {CT_NONE, CT_NONE, -1}, {CT_NONE, CT_NONE, -2}, {1, CT_NONE, 1}, {0, -1, 1},
        {1, 3, 1}, {-2, CT_NONE, 1}, {-1, 0, -1}, {2, CT_NONE, -2}, {3, 1, 1}, {CT_NONE, 100, 3},
    };
    if (!every_axis(number / COUNT(ranges), e)) return false;
    memcpy(e->p.i, ranges[number % COUNT(ranges)], sizeof ranges[0]);
    return true;
}

/* Every axis with lengths to add before and after. */
static bool every_padding(int number, entry *e)
{
    static const int64_t paddings[][2] = {{0, 0}, {1, 0}, {0, 2}, {2, 1}};
    if (!every_axis(number / COUNT(paddings), e)) return false;
    memcpy(e->p.i, paddings[number % COUNT(paddings)], sizeof paddings[0]);
    return true;
}

/* Every order of the axes of shapes of rank 0 to 4: the order of that number in the factorial system. */
static bool every_order(int number, entry *e)
{
    static const ct_shape shapes[] = {SHAPE(),     SHAPE(3),       SHAPE(2, 3),       SHAPE(2, 3, 4), SHAPE(3, 1, 2),
                                      SHAPE(0, 2), SHAPE(2, 0, 3), SHAPE(2, 3, 1, 2), SHAPE(3, 2, 2, 2)};
    static const int orders[] = {1, 1, 2, 6, 24};
    for (int k = 0; k < COUNT(shapes); k++) {
        const int64_t rank = shapes[k].rank;
        if (number >= orders[rank]) {
            number -= orders[rank];
            continue;
        }
        unary(e, shapes[k]);
        for (int64_t i = 0; i < rank; i++) { /* axis i goes to one of i + 1 places among those before it */
            const int64_t place = number % (i + 1);
            number /= (int)(i + 1);
            for (int64_t j = i; j > place; j--) e->p.axes.dim[j] = e->p.axes.dim[j - 1];
            e->p.axes.dim[place] = i;
        }
        e->p.axes.rank = rank;
        return true;
    }
    return false;
}

/* ---- from one shape to another ------------------------------------------------------------------------ */

static bool to_shape(entry *e, const ct_shape *pair)
{
    unary(e, pair[0]);
    e->p.shape = pair[1];
    return true;
}

static bool every_reshape(int number, entry *e)
{
    static const ct_shape pairs[][2] = {
        {SHAPE(), SHAPE()}, {SHAPE(), SHAPE(1)}, {SHAPE(), SHAPE(1, 1, 1)}, {SHAPE(1), SHAPE()}, {SHAPE(1, 1), SHAPE()},
        {SHAPE(6), SHAPE(2, 3)}, {SHAPE(6), SHAPE(3, 1, 2)}, {SHAPE(6), SHAPE(-1)}, {SHAPE(3, 4), SHAPE(4, 3)},
        {SHAPE(3, 4), SHAPE(12)},
        {SHAPE(3, 4), SHAPE(2, -1)}, {SHAPE(3, 4), SHAPE(3, 2, 2)}, {SHAPE(3, 4), SHAPE(1, 3, 1, 4)},
        {SHAPE(2, 3, 4), SHAPE(6, 4)},
        {SHAPE(2, 3, 4), SHAPE(2, 12)}, {SHAPE(2, 3, 4), SHAPE(4, 3, 2)}, {SHAPE(2, 1, 3), SHAPE(2, 3)},
        {SHAPE(2, 1, 3), SHAPE(6)},
        {SHAPE(2, 3, 2, 2), SHAPE(2, 3, 4)}, {SHAPE(2, 3, 2, 2), SHAPE(-1)}, {SHAPE(2, 3, 2, 2), SHAPE(3, 2, 1, 2, 2)},
        {SHAPE(0), SHAPE(0, 3)}, {SHAPE(0, 3), SHAPE(3, 0)}, {SHAPE(2, 0, 3), SHAPE(0)},
    };
    return number < COUNT(pairs) && to_shape(e, pairs[number]);
}

static const ct_shape broadcasts[][2] = {
    {SHAPE(), SHAPE(3)}, {SHAPE(), SHAPE(2, 3)}, {SHAPE(1), SHAPE(4)}, {SHAPE(3), SHAPE(3)}, {SHAPE(3), SHAPE(2, 3)},
    {SHAPE(3), SHAPE(1, 3)}, {SHAPE(1, 3), SHAPE(2, 3)}, {SHAPE(3, 1), SHAPE(3, 4)}, {SHAPE(3, 1), SHAPE(2, 3, 4)},
    {SHAPE(1, 1), SHAPE(3, 2)}, {SHAPE(2, 1, 3), SHAPE(2, 4, 3)}, {SHAPE(1, 3, 1), SHAPE(2, 3, 2)},
    {SHAPE(1, 3, 1), SHAPE(2, 2, 3, 2)},
    {SHAPE(2, 1, 2, 1), SHAPE(2, 3, 2, 2)}, {SHAPE(), SHAPE()}, {SHAPE(1, 3), SHAPE(0, 3)}, {SHAPE(0, 1), SHAPE(0, 2)},
    {SHAPE(0), SHAPE(2, 0)}, {SHAPE(), SHAPE(0)},
};

static bool every_broadcast(int number, entry *e) { return number < COUNT(broadcasts) && to_shape(e, broadcasts[number]); }

/* The other way. */
static bool every_sum_to(int number, entry *e)
{
    if (number >= COUNT(broadcasts)) return false;
    return to_shape(e, (const ct_shape[]){broadcasts[number][1], broadcasts[number][0]});
}

static bool every_matrix(int number, entry *e)
{
    const int64_t m = number % 5, n = number / 5 % 5, stack = number / 25;
    const ct_shape shapes[] = {SHAPE(m, n), SHAPE(2, m, n), SHAPE(2, 1, m, n)};
    return stack < COUNT(shapes) && unary(e, shapes[stack]);
}

/* ---- joining ------------------------------------------------------------------------------------------ */

static bool joined(entry *e, int n, ct_shape first, int axis, int64_t second_length, int64_t third_length)
{
    unary(e, first);
    e->n = n;
    e->p.axis = axis;
    e->shape[1] = e->shape[2] = first;
    if (n > 1 && second_length >= 0) e->shape[1].dim[axis < 0 ? axis + first.rank : axis] = second_length;
    if (n > 2 && third_length >= 0) e->shape[2].dim[axis < 0 ? axis + first.rank : axis] = third_length;
    return true;
}

/* One to three tensors along every axis, with lengths that differ. */
static bool every_concat(int number, entry *e)
{
    const int n = number % 3 + 1;
    if (!every_axis(number / 3, e)) return false;
    const int axis = e->p.axis;
    return joined(e, n, e->shape[0], axis, axis < 0 ? 1 : 3, axis < 0 ? 0 : 2);
}

/* The same along every new axis. */
static bool every_stack(int number, entry *e)
{
    const int n = number % 3 + 1;
    number /= 3;
    for (int k = 0; k < COUNT(some_shapes); k++) {
        const int places = 2 * ((int)some_shapes[k].rank + 1);
        if (number < places) return joined(e, n, some_shapes[k], number - places / 2, -1, -1);
        number -= places;
    }
    return false;
}

/* ---- indices ------------------------------------------------------------------------------------------ */

/* Every axis that has elements with a list of places: p.shape is the index's shape, p.i[0] the seed of its entries. */
static bool every_index(int number, entry *e)
{
    const int lengths[] = {1, 2, 4, 0};
    if (!every_axis(number / COUNT(lengths), e)) return false;
    e->p.shape = ct_shape(lengths[number % COUNT(lengths)]);
    e->p.i[0] = number;
    e->p.i[1] = e->shape[0].dim[e->p.axis < 0 ? e->p.axis + e->shape[0].rank : e->p.axis];
    if (e->p.i[1] == 0) e->p.shape = ct_shape(0);
    return true;
}

/* The same for an index of x's rank. Off the axis it may be shorter than x. */
static bool every_list_of_places(int number, entry *e)
{
    if (!every_index(number, e)) return false;
    const int64_t length = e->p.shape.dim[0];
    e->p.shape = e->shape[0];
    for (int i = 0; i < e->p.shape.rank; i++) {
        if (number % 3 == 0 && e->p.shape.dim[i] > 1) e->p.shape.dim[i]--;
    }
    e->p.shape.dim[e->p.axis < 0 ? e->p.axis + e->p.shape.rank : e->p.axis] = length;
    return true;
}

/* With a second operand of the index's shape. */
static bool every_scatter(int number, entry *e)
{
    if (!every_list_of_places(number, e)) return false;
    e->n = 2;
    e->shape[1] = e->p.shape;
    return true;
}

/* The index itself: numbers from -length to length - 1, some of them more than once. */
static ct_tensor *index_of(const params *p)
{
    const int64_t n = ct_shape_count(p->shape);
    double at[256];
    for (int64_t i = 0; i < n && i < COUNT(at); i++) at[i] = (double)((7 * i + 3 * p->i[0] + i * i) % (2 * p->i[1]) - p->i[1]);
    return ct_from_values(at, n, p->shape, p->i[0] % 2 ? CT_I64 : CT_I32);
}

/* ---- products ----------------------------------------------------------------------------------------- */

/* Sizes 0, 1, 2, 3 and 5 for each of m, k, n; then vectors and stacks. */
static bool every_product(int number, entry *e)
{
    static const int64_t sizes[] = {0, 1, 2, 3, 5};
    static const ct_shape others[][2] = {
        {SHAPE(4), SHAPE(4)}, {SHAPE(1), SHAPE(1)}, {SHAPE(0), SHAPE(0)}, {SHAPE(4), SHAPE(4, 3)}, {SHAPE(3, 4), SHAPE(4)},
        {SHAPE(2), SHAPE(3, 2, 2)}, {SHAPE(3, 2, 2), SHAPE(2)}, {SHAPE(2, 3, 4), SHAPE(2, 4, 2)}, {SHAPE(2, 3, 4), SHAPE(4, 5)},
        {SHAPE(2, 1, 4), SHAPE(4, 2)}, {SHAPE(3, 4), SHAPE(2, 4, 2)}, {SHAPE(1, 3, 4), SHAPE(2, 4, 2)},
        {SHAPE(2, 3, 4), SHAPE(1, 4, 2)},
        {SHAPE(2, 1, 3, 4), SHAPE(3, 4, 2)}, {SHAPE(2, 2, 2, 3), SHAPE(2, 2, 3, 2)}, {SHAPE(0, 3, 4), SHAPE(0, 4, 2)},
        {SHAPE(2, 0, 4), SHAPE(4, 3)}, {SHAPE(2, 3, 0), SHAPE(0, 2)}, {SHAPE(20, 17), SHAPE(17, 18)},
        {SHAPE(3, 20, 17), SHAPE(3, 17, 9)},
    };
    if (number < 125) {
        const int64_t m = sizes[number / 25], k = sizes[number / 5 % 5], n = sizes[number % 5];
        return binary(e, (const ct_shape[]){ct_shape(m, k), ct_shape(k, n)});
    }
    return number - 125 < COUNT(others) && binary(e, others[number - 125]);
}

/* x [.., in], W [in, out], b [out] for sizes 0 to 4 and x of rank 1 to 4. */
static bool every_affine(int number, entry *e)
{
    static const ct_shape leading[] = {SHAPE(), SHAPE(1), SHAPE(3), SHAPE(0), SHAPE(2, 2), SHAPE(2, 1, 2)};
    const int64_t in = number / 5 % 5, out = number % 5;
    if (number / 25 >= COUNT(leading)) return false;
    unary(e, leading[number / 25]);
    e->shape[0].dim[e->shape[0].rank++] = in;
    e->n = 3;
    e->shape[1] = ct_shape(in, out);
    e->shape[2] = ct_shape(out);
    return true;
}

/* 1, -1, 1, ... as long as the vector b. */
static ct_tensor *signs_like(ct_tensor *b)
{
    const ct_dtype dtype = ct_dtype_of(b);
    ct_tensor *i = ct_arange(0, (double)ct_dim(b, 0), 1, dtype);
    return ct_sub(ct_scalar(1), ct_mul(ct_scalar(2), ct_sub(i, ct_mul(ct_scalar(2), ct_floor(ct_mul(i, ct_scalar(0.5)))))));
}
#define TURNS(b) signs_like(b)

/* Rows of length 2 or 3, for a covariance matrix or for that many classes. */
static bool every_row(int number, entry *e)
{
    static const ct_shape leading[] = {SHAPE(), SHAPE(1), SHAPE(4), SHAPE(0), SHAPE(2, 3), SHAPE(0, 2), SHAPE(2, 1, 2)};
    if (number / 2 >= COUNT(leading)) return false;
    unary(e, leading[number / 2]);
    e->shape[0].dim[e->shape[0].rank++] = 2 + number % 2;
    return true;
}

/* The same in stacks that are not empty. */
static bool every_filled_row(int number, entry *e)
{
    static const ct_shape leading[] = {SHAPE(), SHAPE(1), SHAPE(4), SHAPE(2, 3), SHAPE(2, 1, 2)};
    if (number / 2 >= COUNT(leading)) return false;
    unary(e, leading[number / 2]);
    e->shape[0].dim[e->shape[0].rank++] = 2 + number % 2;
    return true;
}

/* Rows of one to three axes in stacks, with a scale and a shift of the rows' shape. */
static bool every_normal(int number, entry *e)
{
    static const ct_shape leading[] = {SHAPE(), SHAPE(1), SHAPE(4), SHAPE(0), SHAPE(2, 3)};
    static const ct_shape own[] = {SHAPE(1), SHAPE(2), SHAPE(3), SHAPE(2, 2), SHAPE(0), SHAPE(1, 3, 1)};
    if (number >= COUNT(leading) * COUNT(own)) return false;
    unary(e, leading[number % COUNT(leading)]);
    e->n = 3;
    e->shape[1] = e->shape[2] = own[number / COUNT(leading)];
    for (int64_t i = 0; i < e->shape[1].rank; i++) e->shape[0].dim[e->shape[0].rank++] = e->shape[1].dim[i];
    return true;
}

static ct_tensor *covariance_for(ct_tensor *x)
{
    const ct_dtype dtype = ct_dtype_of(x);
    if (ct_dim(x, -1) == 2) return ct_of(ct_shape(2, 2), dtype, 2, -1, -1, 3);
    return ct_of(ct_shape(3, 3), dtype, 4, 2, 1, 2, 5, 3, 1, 3, 6);
}

/* A class for each row of x. */
static ct_tensor *classes_for(ct_tensor *x)
{
    ct_shape rows = ct_shape_get(x);
    double at[64];
    rows.rank--;
    const int64_t n = ct_shape_count(rows);
    for (int64_t i = 0; i < n && i < COUNT(at); i++) at[i] = (double)((5 * i + 1) % ct_dim(x, -1));
    return ct_from_values(at, n, rows, n % 2 ? CT_I32 : CT_I64);
}

#endif
