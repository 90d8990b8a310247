/*
 * row_kernel.h - softmax and its relatives on contiguous rows of one float type; row_isa.c includes it for f32 and f64, with
 * T, an integer of its size I, its largest finite value HUGE and its name in functions (f32) as SUFFIX defined. It ends by undefining them.
 *
 * Short rows go through exp together, so that a row of ten classes does not pay for ten scalar calls. Whatever the grouping, an
 * element's result depends on its own row alone.
 */
#define NAME(part) CT__CONCAT(part##_, SUFFIX)
#define SUM(x, n) NAME(total)((x), (n))
#define MAX(x, n) NAME(largest)((x), (n))

/* The sum of x, each lane of LANES by itself and then in pairs; of long rows, in blocks combined in pairs. */
static T NAME(total)(const T *x, int64_t n)
{
    enum { LANES = 16 };
    if (n > CT__ROWS_CHUNK) {
        const int64_t half = (n / 2 + CT__ROWS_CHUNK - 1) / CT__ROWS_CHUNK * CT__ROWS_CHUNK;
        const T left = NAME(total)(x, half);
        return left + NAME(total)(x + half, n - half);
    }
    T lane[LANES] = {0};
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        for (int k = 0; k < LANES; k++) lane[k] += x[i + k];
    }
    for (int k = 0; i + k < n; k++) lane[k] += x[i + k];
    for (int w = LANES / 2; w > 0; w /= 2) {
        for (int k = 0; k < w; k++) lane[k] += lane[k + w];
    }
    return lane[0];
}

/* The largest of x; NaN if one is among them. */
static T NAME(largest)(const T *x, int64_t n)
{
    enum { LANES = 16 };
    T lane[LANES];
    for (int k = 0; k < LANES; k++) lane[k] = -(T)INFINITY;
    for (int64_t i = 0; i < n; i += LANES) {
        const int m = n - i < LANES ? (int)(n - i) : LANES;
        for (int k = 0; k < m; k++) {
            const T larger = x[i + k] > lane[k] ? x[i + k] : lane[k];
            lane[k] = x[i + k] != x[i + k] ? x[i + k] : larger;
        }
    }
    for (int k = 1; k < LANES; k++) lane[0] = lane[k] > lane[0] || lane[k] != lane[k] ? lane[k] : lane[0];
    return lane[0];
}

/* How many rows of n elements go together. */
static inline int64_t NAME(group)(int64_t n) { return n < CT__ROWS_CHUNK ? CT__ROWS_CHUNK / (n > 0 ? n : 1) : 1; }

static inline void NAME(exp_all)(T *y, int64_t n)
{
#pragma omp simd
    for (int64_t i = 0; i < n; i++) y[i] = NAME(ct__exp)(y[i]);
}

/* y_k = x_k - top_k with the maximum top_k of each of m rows. */
static inline void NAME(shift_rows)(const T *restrict x, int64_t m, int64_t n, T *restrict y, T *restrict top)
{
    for (int64_t k = 0; k < m; k++, x += n, y += n) {
        const T most = top[k] = MAX(x, n);
#pragma omp simd
        for (int64_t i = 0; i < n; i++) y[i] = x[i] - most;
    }
}

/* s_i = e^(x_i - max) / sum_j e^(x_j - max) */
static void NAME(softmax)(int64_t rows, int64_t n, char *const *p)
{
    T *y = (T *)(void *)p[0], top[CT__ROWS_CHUNK];
    const T *x = (const T *)(const void *)p[1];
    const int64_t group = NAME(group)(n);
    for (int64_t r = 0; r < rows; r += group) {
        const int64_t m = rows - r < group ? rows - r : group;
        NAME(shift_rows)(x + r * n, m, n, y + r * n, top);
        NAME(exp_all)(y + r * n, m * n);
        for (int64_t k = r; k < r + m; k++) {
            T *restrict row = y + k * n;
            const T sum = SUM(row, n);
#pragma omp simd
            for (int64_t i = 0; i < n; i++) row[i] /= sum;
        }
    }
}

/* How many of x[] are the largest, less one: the maxima but one, each of which adds e^0 = 1. */
static inline T NAME(other_tops)(const T *x, T top, int64_t n)
{
    int64_t count = 0;
    for (int64_t from = 0; from < n; from += CT__ROWS_CHUNK) { /* an int in the inner loop: as wide as f32, for vectors */
        const int64_t end = n - from < CT__ROWS_CHUNK ? n : from + CT__ROWS_CHUNK;
        int some = 0;
        for (int64_t i = from; i < end; i++) some += x[i] - top == 0;
        count += some;
    }
    return (T)(count - 1);
}

/* e_i = e^(x_i - top), or 0 where x_i is the largest. */
static inline void NAME(exp_rest)(const T *restrict x, T top, int64_t n, T *restrict e)
{
#pragma omp simd
    for (int64_t i = 0; i < n; i++) {
        const T d = x[i] - top, y = NAME(ct__exp)(d);
        e[i] = d == 0 ? 0 : y;
    }
}

/* The sum of these, in blocks combined in pairs. */
static T NAME(sum_rest)(const T *x, T top, int64_t n)
{
    if (n > CT__ROWS_CHUNK) {
        const int64_t half = (n / 2 + CT__ROWS_CHUNK - 1) / CT__ROWS_CHUNK * CT__ROWS_CHUNK;
        const T left = NAME(sum_rest)(x, top, half);
        return left + NAME(sum_rest)(x + half, top, n - half);
    }
    T e[CT__ROWS_CHUNK];
    NAME(exp_rest)(x, top, n, e);
    return SUM(e, n);
}

/* l_k = log(1 + sum of e^d_j over all but one maximum) for each of m rows of d = x - max: small terms count beside e^0 = 1, too.
 * m is 1, or the rows fit into a chunk. */
static inline void NAME(log_sums)(const T *restrict d, int64_t m, int64_t n, T *restrict l)
{
    T e[CT__ROWS_CHUNK];
    if (n <= CT__ROWS_CHUNK) NAME(exp_rest)(d, 0, m * n, e);
    for (int64_t k = 0; k < m; k++) {
        const T *row = d + k * n;
        l[k] = (n <= CT__ROWS_CHUNK ? SUM(e + k * n, n) : NAME(sum_rest)(row, 0, n)) + NAME(other_tops)(row, 0, n);
    }
#pragma omp simd
    for (int64_t k = 0; k < m; k++) l[k] = NAME(ct__log1p)(l[k]);
}

/* y_i = d_i - l */
static void NAME(log_softmax)(int64_t rows, int64_t n, char *const *p)
{
    T *y = (T *)(void *)p[0], l[CT__ROWS_CHUNK];
    const T *x = (const T *)(const void *)p[1];
    const int64_t group = NAME(group)(n);
    for (int64_t r = 0; r < rows; r += group) {
        const int64_t m = rows - r < group ? rows - r : group;
        NAME(shift_rows)(x + r * n, m, n, y + r * n, l);
        NAME(log_sums)(y + r * n, m, n, l);
        for (int64_t k = 0; k < m; k++) {
            T *restrict row = y + (r + k) * n;
            const T log_sum = l[k];
#pragma omp simd
            for (int64_t i = 0; i < n; i++) row[i] -= log_sum;
        }
    }
}

/* y = max + l. An infinite maximum is the result. */
static void NAME(logsumexp)(int64_t rows, int64_t n, char *const *p)
{
    T *y = (T *)(void *)p[0], d[CT__ROWS_CHUNK], top[CT__ROWS_CHUNK], l[CT__ROWS_CHUNK];
    const T *x = (const T *)(const void *)p[1];
    const int64_t group = NAME(group)(n);
    for (int64_t r = 0; r < rows; r += group) {
        const int64_t m = rows - r < group ? rows - r : group;
        const T *from = x + r * n;
        if (n <= CT__ROWS_CHUNK) {
            NAME(shift_rows)(from, m, n, d, top);
            NAME(log_sums)(d, m, n, l);
        } else {
            top[0] = MAX(from, n);
            l[0] = NAME(ct__log1p)(NAME(sum_rest)(from, top[0], n) + NAME(other_tops)(from, top[0], n));
        }
        for (int64_t k = 0; k < m; k++) y[r + k] = top[k] - top[k] == 0 ? top[k] + l[k] : top[k];
    }
}

static T NAME(dot)(const T *restrict a, const T *restrict b, int64_t n)
{
    if (n > CT__ROWS_CHUNK) {
        const int64_t half = (n / 2 + CT__ROWS_CHUNK - 1) / CT__ROWS_CHUNK * CT__ROWS_CHUNK;
        const T left = NAME(dot)(a, b, half);
        return left + NAME(dot)(a + half, b + half, n - half);
    }
    T product[CT__ROWS_CHUNK];
#pragma omp simd
    for (int64_t i = 0; i < n; i++) product[i] = a[i] * b[i];
    return SUM(product, n);
}

/* gx = s (g - <s, g>) */
static void NAME(softmax_vjp)(int64_t rows, int64_t n, char *const *p)
{
    for (int64_t k = 0; k < rows; k++) {
        T *restrict gx = (T *)(void *)p[0] + k * n;
        const T *restrict s = (const T *)(const void *)p[1] + k * n, *restrict g = (const T *)(const void *)p[2] + k * n;
        const T mean = NAME(dot)(s, g, n);
#pragma omp simd
        for (int64_t i = 0; i < n; i++) gx[i] = s[i] * (g[i] - mean);
    }
}

/* gx = g - e^y sum g */
static void NAME(log_softmax_vjp)(int64_t rows, int64_t n, char *const *p)
{
    T *gx = (T *)(void *)p[0];
    const T *y = (const T *)(const void *)p[1], *g = (const T *)(const void *)p[2];
    const int64_t group = NAME(group)(n);
    for (int64_t r = 0; r < rows; r += group) {
        const int64_t m = rows - r < group ? rows - r : group;
        if (m * n > 0) memcpy(gx + r * n, y + r * n, (size_t)(m * n) * sizeof(T));
        NAME(exp_all)(gx + r * n, m * n);
        for (int64_t k = r; k < r + m; k++) {
            T *restrict out = gx + k * n;
            const T *restrict row = g + k * n;
            const T sum = SUM(row, n);
#pragma omp simd
            for (int64_t i = 0; i < n; i++) out[i] = row[i] - out[i] * sum;
        }
    }
}

/* gx = g e^(x - y) / sum e^(x - y), for y is rounded: where it is large, e^(x - y) alone would lose as many digits. An infinity
 * counts as the largest finite number; but where all of x is -inf, the derivative is 0. */
static void NAME(logsumexp_vjp)(int64_t rows, int64_t n, char *const *p)
{
    for (int64_t k = 0; k < rows; k++) {
        T *restrict gx = (T *)(void *)p[0] + k * n;
        const T *restrict x = (const T *)(const void *)p[1] + k * n;
        const T y = ((const T *)(const void *)p[2])[k], g = ((const T *)(const void *)p[3])[k];
        const T shift = y < -HUGE ? -HUGE : y > HUGE ? HUGE : y;
        T sum = 0;
#pragma omp simd reduction(+ : sum)
        for (int64_t i = 0; i < n; i++) {
            gx[i] = NAME(ct__exp)((x[i] > HUGE ? HUGE : x[i]) - shift);
            sum += gx[i];
        }
        const T scale = sum == 0 ? 0 : g / sum;
#pragma omp simd
        for (int64_t i = 0; i < n; i++) gx[i] *= scale;
    }
}

/* z = l - d_t with d = x - max: where the target is the maximum nothing cancels. */
static void NAME(cross_entropy)(int64_t rows, int64_t n, char *const *p)
{
    T *z = (T *)(void *)p[0], d[CT__ROWS_CHUNK], top[CT__ROWS_CHUNK], l[CT__ROWS_CHUNK];
    const T *x = (const T *)(const void *)p[1];
    const I *target = (const I *)(const void *)p[2];
    const int64_t group = NAME(group)(n);
    for (int64_t r = 0; r < rows; r += group) {
        const int64_t m = rows - r < group ? rows - r : group;
        const T *from = x + r * n;
        if (n <= CT__ROWS_CHUNK) {
            NAME(shift_rows)(from, m, n, d, top);
            NAME(log_sums)(d, m, n, l);
        } else {
            top[0] = MAX(from, n);
            l[0] = NAME(ct__log1p)(NAME(sum_rest)(from, top[0], n) + NAME(other_tops)(from, top[0], n));
        }
        for (int64_t k = 0; k < m; k++) z[r + k] = l[k] - (from[k * n + target[r + k]] - top[k]);
    }
}

/* softmax(x)_i = e^(x_i - x_t - z), and of the target less one: e^-z - 1. Where x_t or z is not finite, the long way. */
static void NAME(cross_entropy_vjp)(int64_t rows, int64_t n, char *const *p)
{
    T *gx = (T *)(void *)p[0];
    const T *x = (const T *)(const void *)p[1], *z = (const T *)(const void *)p[3], *g = (const T *)(const void *)p[4];
    const I *target = (const I *)(const void *)p[2];
    const int64_t group = NAME(group)(n);
    for (int64_t r = 0; r < rows; r += group) {
        const int64_t m = rows - r < group ? rows - r : group;
        for (int64_t k = r; k < r + m; k++) {
            const T *restrict row = x + k * n;
            T *restrict out = gx + k * n;
            const T here = row[target[k]], shift = z[k];
#pragma omp simd
            for (int64_t i = 0; i < n; i++) out[i] = row[i] - here - shift;
        }
        NAME(exp_all)(gx + r * n, m * n);
        for (int64_t k = r; k < r + m; k++) {
            T *restrict out = gx + k * n;
            const T scale = g[k], here = x[k * n + target[k]];
            T less = NAME(ct__expm1)(-z[k]);
            if (!(here - here == 0 && z[k] - z[k] == 0)) {
                char *const one[] = {(char *)out, (char *)(uintptr_t)(const void *)(x + k * n)};
                NAME(softmax)(1, n, one);
                less = out[target[k]] - 1;
            }
#pragma omp simd
            for (int64_t i = 0; i < n; i++) out[i] *= scale;
            out[target[k]] = less * scale;
        }
    }
}

#undef NAME
#undef I
#undef SUM
#undef MAX
#undef T
#undef HUGE
#undef SUFFIX
