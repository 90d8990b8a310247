/*
 * test_operations.c - the list of operations: every record is in it, what it says is true, and the functions it points to can
 * be called.
 */
#include "support.h"

#include <cotangent/custom.h>

#include "autograd/op.h"

static const ct_operation_info *at(int i)
{
    const ct_operation_info *info = ct_operation_at(i);
    assert_non_null(info);
    return info;
}

static void every_record_is_listed(void **state)
{
    (void)state;
#define CT_OP(name) #name,
    static const char *const records[] = {
#include "ops/op_list.h"
    };
#undef CT_OP
    for (size_t i = 0; i < sizeof records / sizeof *records; i++) {
        const ct_operation_info *info = ct_operation_find(records[i]);
        assert_non_null(info);
        assert_string_equal(info->name, records[i]);
        assert_false(info->composed);
        assert_true(strlen(info->formula) > 0);
    }
    assert_true(ct_operation_count() >= (int)(sizeof records / sizeof *records));
}

static void the_list_is_sorted_and_complete_in_itself(void **state)
{
    (void)state;
    const int n = ct_operation_count();
    for (int i = 0; i < n; i++) {
        const ct_operation_info *info = at(i);
        assert_ptr_equal(ct_operation_find(info->name), info);
        assert_true(strlen(info->doc) > 0 && info->inputs && info->parameters && info->formula);
        assert_null(info->custom);
        if (i > 0) assert_true(strcmp(at(i - 1)->name, info->name) < 0);
        if (!info->prototype) continue;
        char name[64];
        snprintf(name, sizeof name, "ct_%s(", info->name);
        assert_non_null(strstr(info->prototype, name));
        assert_non_null(info->function);
        assert_ptr_equal(ct_operation_find(info->prototype), NULL);
    }
    assert_clean();
}

static void what_is_known_of_some(void **state)
{
    (void)state;
    const ct_operation_info *matmul = ct_operation_find("ct_matmul"), *sum = ct_operation_find("sum"),
                            *concat = ct_operation_find("concat");
    assert_ptr_equal(matmul, ct_operation_find("matmul"));
    assert_string_equal(matmul->prototype, "ct_tensor *ct_matmul(ct_tensor *a, ct_tensor *b)");
    assert_string_equal(matmul->inputs, "a, b");
    assert_string_equal(matmul->parameters, "");
    assert_non_null(strstr(matmul->doc, "leading axes broadcast"));
    assert_true(matmul->vjp && matmul->jvp && !matmul->composed);
    assert_string_equal(sum->parameters, "ct_axes axes, bool keepdim");
    assert_string_equal(concat->inputs, "x...");
    assert_string_equal(concat->parameters, "int axis");
    assert_string_equal(ct_operation_find("gather")->inputs, "x, index");
    assert_non_null(strstr(ct_operation_find("min")->doc, "NaN if one is among them"));
    static const char *const without[] = {"eq", "argmax", "isnan", "one_hot", "detach", "log_det", "logical_not"};
    for (size_t i = 0; i < sizeof without / sizeof *without; i++)
        assert_false(ct_operation_find(without[i])->vjp || ct_operation_find(without[i])->jvp);
    static const char *const with[] = {
        "exp", "floor", "where", "gather", "concat", "flatten", "split", "straight_through", "whiten", "slice_scatter"};
    for (size_t i = 0; i < sizeof with / sizeof *with; i++)
        assert_true(ct_operation_find(with[i])->vjp && ct_operation_find(with[i])->jvp);
    assert_true(ct_operation_find("flatten")->composed && !ct_operation_find("straight_through")->composed);
    assert_null(ct_operation_find("slice_scatter")->prototype); /* only in graphs */
    assert_clean();
}

static void what_is_not_there(void **state)
{
    (void)state;
    assert_null(ct_operation_find("no_such_operation"));
    assert_null(ct_operation_find(""));
    assert_null(ct_error());
    assert_null(ct_operation_find(NULL));
    ct_here_error(__FILE__, __LINE__);
    assert_error(CT_ERROR_NULL, "ct_operation_find", "name");
    assert_null(ct_operation_at(-1));
    assert_error(CT_ERROR_INDEX, "ct_operation_at", "operation -1; expected 0 to");
    assert_null(ct_operation_at(ct_operation_count()));
    assert_error(CT_ERROR_INDEX, "ct_operation_at", "expected 0 to");
    assert_clean();
}

/* ---- through the list alone ---- */

static int call(void *context, ct_tensor *const *in, ct_tensor **out)
{
    const ct_operation_info *info = context;
    const bool two = strchr(info->inputs, ',') != NULL;
    out[0] = two ? ((ct_tensor * (*)(ct_tensor *, ct_tensor *)) info->function)(in[0], in[1])
                 : ((ct_tensor * (*)(ct_tensor *)) info->function)(in[0]);
    return out[0] ? 0 : 1;
}

/* <u, J v> = <J' u, v> of every function of one or two square matrices without parameters. */
static void functions_are_called_and_differentiated_through_the_list(void **state)
{
    (void)state;
    int checked = 0;
    for (int i = 0; i < ct_operation_count(); i++) {
        CT_SCOPE;
        const ct_operation_info *info = at(i);
        const bool two = strchr(info->inputs, ',') != NULL;
        if (!info->function || *info->parameters || strstr(info->inputs, "...") ||
            strstr(info->prototype, "ct_tensor *") != info->prototype)
            continue;
        if ((two && strchr(strchr(info->inputs, ',') + 1, ',')) || strstr(info->inputs, "index")) continue;
        ct_tensor *x[] = {ct_of(ct_shape(2, 2), CT_F64, 0.3, 0.1, 0.15, 0.4), ct_of(ct_shape(2, 2), CT_F64, 0.7, 0.2, 0.2, 0.9)};
        ct_tensor *v[] = {ct_of(ct_shape(2, 2), CT_F64, 1, -2, 0.5, 3), ct_of(ct_shape(2, 2), CT_F64, -1, 0.3, 2, 1)}, *y,
                  *jv, *ju[2];
        const int n = two ? 2 : 1;
        assert_int_equal(call((void *)(uintptr_t)info, x, &y), 0);
        if (!info->vjp || !info->jvp || strcmp(info->name, "whiten") == 0) continue; /* whiten has none by its second operand */
        ct_tensor *u = ct_cos(ct_reshape(ct_arange(0, (double)ct_count_of(y), 1, CT_F64), ct_shape_get(y)));
        assert_true(ct_jvp(call, (void *)(uintptr_t)info, x, v, n, NULL, &jv, 1));
        assert_true(ct_vjp(call, (void *)(uintptr_t)info, x, n, &u, NULL, 1, ju));
        double left = ct_item(ct_sum(ct_mul(u, jv), CT_ALL, false)), right = 0;
        for (int k = 0; k < n; k++) right += ct_item(ct_sum(ct_mul(ju[k], v[k]), CT_ALL, false));
        assert_number(left, right, 1e-12);
        checked++;
    }
    assert_true(checked >= 40);
    assert_clean();
}

/* ---- the user's own ---- */

static int twice(const ct_operation_call *c, ct_tensor **out, ct_tensor **saved)
{
    (void)saved;
    out[0] = ct_add(c->in[0], c->in[0]);
    return out[0] ? 0 : 1;
}

static void registered_operations_come_last(void **state)
{
    (void)state;
    const int before = ct_operation_count();
    const ct_operation first = {
        .name = "zz_twice", .inputs = "x", .parameters = "int n", .doc = "2 x", .params = sizeof(int), .forward = twice};
    const ct_operation second = {.name = "aa_twice", .inputs = "x...", .forward = twice};
    const ct_custom *op = ct_register(&first);
    assert_non_null(op);
    assert_non_null(ct_register(&second));
    assert_int_equal(ct_operation_count(), before + 2);
    const ct_operation_info *info = at(before);
    assert_string_equal(info->name, "zz_twice");
    assert_string_equal(info->doc, "2 x");
    assert_string_equal(info->parameters, "int n");
    assert_true(info->custom == op && !info->vjp && !info->jvp && !info->prototype && !info->function && !info->composed);
    assert_ptr_equal(ct_operation_find("zz_twice"), info);
    assert_null(ct_operation_find("ct_zz_twice"));
    assert_string_equal(at(before + 1)->name, "aa_twice");
    assert_string_equal(at(before + 1)->doc, "");
    {
        CT_SCOPE;
        ct_tensor *x = ct_ones(ct_shape(2), CT_F64);
        assert_number(ct_get(ct_apply(info->custom, &x, 1, &(int){1}), ct_index(0)), 2, 0);
    }
    assert_clean();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_record_is_listed),
        cmocka_unit_test(the_list_is_sorted_and_complete_in_itself),
        cmocka_unit_test(what_is_known_of_some),
        cmocka_unit_test(what_is_not_there),
        cmocka_unit_test(functions_are_called_and_differentiated_through_the_list),
        cmocka_unit_test(registered_operations_come_last),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
