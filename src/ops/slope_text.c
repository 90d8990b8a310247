/*
 * slope_text.c - pointwise.def read as text: the derivatives as people write them, for drawings of the way back.
 *
 * The strings come from the very formulas that are computed, so they cannot say anything else.
 */
#include "ops/pointwise.h"

#define NUM(v) #v
#define P(k) "p" #k
#define x "x"
#define y "y"
#define z "z"
#define ADD(a, b) "(" a " + " b ")"
#define SUB(a, b) "(" a " - " b ")"
#define MUL(a, b) "(" a " * " b ")"
#define DIV(a, b) "(" a " / " b ")"
#define NEG(a) "-" a
#define WHERE(k, a, b) "(" k " ? " a " : " b ")"
#define GT(a, b) "(" a " > " b ")"
#define LT(a, b) "(" a " < " b ")"
#define LE(a, b) "(" a " <= " b ")"
#define EQ(a, b) "(" a " == " b ")"
#define SIGN(a) "sign(" a ")"
#define SIGN_UP(a) SIGN(a)
#define ABS(a) "abs(" a ")"
#define MIN(a, b) "min(" a ", " b ")"
#define CUT(a, b) a /* finite, which goes without saying */
#define NONZERO(a) "nonzero(" a ")"
#define EXP(a) "exp(" a ")"
#define LOG(a) "log(" a ")"
#define RSQRT(a) "rsqrt(" a ")"
#define SIN(a) "sin(" a ")"
#define COS(a) "cos(" a ")"
#define SINH(a) "sinh(" a ")"
#define COSH(a) "cosh(" a ")"
#define TANH(a) "tanh(" a ")"
#define ERF(a) "erf(" a ")"
#define SIGMOID(a) "sigmoid(" a ")"
#define POW(a, b) "pow(" a ", " b ")"
#define HYPOT(a, b) "hypot(" a ", " b ")"
#define SAME "1"
#define NEGATED "-1"

/* ---- the table ---- */

#define UNARY(name, f, slope, keeps) extern const ct_op ct__op_##name;
#define UNARY_ANY(name, f, slope, keeps) UNARY(name, , , )
#define UNARY_P(name, f, slope, keeps) UNARY(name, , , )
#define UNARY_ANY_P(name, f, slope, keeps) UNARY(name, , , )
#define FLAT_ANY(name, f) UNARY(name, , , )
#define LINEAR_ANY(name, f, rule) UNARY(name, , , )
#define LINEAR2_ANY(name, f, rule_x, rule_y) UNARY(name, , , )
#define BINARY(name, f, slope_x, slope_y, keeps) UNARY(name, , , )
#define BINARY_ANY(name, f, slope_x, slope_y, keeps) UNARY(name, , , )
#include "ops/pointwise.def"
#undef UNARY
#undef UNARY_ANY
#undef UNARY_P
#undef UNARY_ANY_P
#undef FLAT_ANY
#undef LINEAR_ANY
#undef LINEAR2_ANY
#undef BINARY
#undef BINARY_ANY

#define UNARY(name, f, slope, keeps) {&ct__op_##name, {slope, NULL}},
#define UNARY_ANY(name, f, slope, keeps) {&ct__op_##name, {slope, NULL}},
#define UNARY_P(name, f, slope, keeps) {&ct__op_##name, {slope, NULL}},
#define UNARY_ANY_P(name, f, slope, keeps) {&ct__op_##name, {slope, NULL}},
#define FLAT_ANY(name, f) {&ct__op_##name, {"0", NULL}},
#define LINEAR_ANY(name, f, rule) {&ct__op_##name, {rule, NULL}},
#define LINEAR2_ANY(name, f, rule_x, rule_y) {&ct__op_##name, {rule_x, rule_y}},
#define BINARY(name, f, slope_x, slope_y, keeps) {&ct__op_##name, {slope_x, slope_y}},
#define BINARY_ANY(name, f, slope_x, slope_y, keeps) {&ct__op_##name, {slope_x, slope_y}},
static const struct {
    const ct_op *op;
    const char *slope[2]; /* by each operand */
} texts[] = {
#include "ops/pointwise.def"
};
#undef x
#undef y
#undef z

const char *ct__slope_text(const ct_op *op, int i)
{
    for (size_t k = 0; k < sizeof texts / sizeof *texts; k++) {
        if (texts[k].op == op) return i < 2 ? texts[k].slope[i] : NULL;
    }
    return NULL;
}
